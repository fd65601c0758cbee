/* A sector tells whose it is. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim-cluster/probe_stamp.h"

#define PLACE 24

static const struct probe_stamp ours = {.run = 1000, .target = 77};

static const struct {
    const char *what;
    struct probe_stamp by;
    uint64_t written_to;
    enum probe_content content;
} sectors[] = {
    {"our own", {1000, 77}, PLACE, CONTENT_OURS},
    {"ours, meant for another place", {1000, 77}, PLACE + 1, CONTENT_MISPLACED},
    {"an earlier run's", {999, 77}, PLACE, CONTENT_EARLIER},
    {"an earlier run's, of another place", {999, 77}, PLACE + 8, CONTENT_STRANGE},
    {"a later run's", {1001, 77}, PLACE, CONTENT_STRANGE},
    {"another target's", {1000, 78}, PLACE, CONTENT_STRANGE},
};

START_TEST(a_sector_is_known_by_its_stamp)
{
    uint8_t data[PROBE_SECTOR_SIZE];
    struct probe_sector found;

    probe_stamp_write(data, 1, &sectors[_i].by, sectors[_i].written_to, 5);
    found = probe_stamp_read(data, &ours, PLACE);
    ck_assert_msg(found.content == sectors[_i].content, "%s", sectors[_i].what);
    ck_assert_uint_eq(found.sequence, 5);
    ck_assert_uint_eq(found.place, sectors[_i].written_to);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    uint8_t data[PROBE_SECTOR_SIZE];

    for (int i = 0; i < 8 * PROBE_SECTOR_SIZE; i++) {
        probe_stamp_write(data, 1, &ours, PLACE, 5);
        data[i / 8] ^= (uint8_t)(1 << i % 8);
        ck_assert_int_eq(probe_stamp_read(data, &ours, PLACE).content,
                         i < 64 ? CONTENT_UNKNOWN : CONTENT_BROKEN);
    }
}
END_TEST

START_TEST(a_sector_made_of_two_writes_is_broken_wherever_it_is_cut)
{
    uint8_t mixed[PROBE_SECTOR_SIZE], fresh[PROBE_SECTOR_SIZE];

    probe_stamp_write(fresh, 1, &ours, PLACE, 6);
    for (size_t cut = 40; cut < PROBE_SECTOR_SIZE; cut++) {
        probe_stamp_write(mixed, 1, &ours, PLACE, 5);
        memcpy(mixed, fresh, cut);
        ck_assert_int_eq(probe_stamp_read(mixed, &ours, PLACE).content, CONTENT_BROKEN);
    }
}
END_TEST

START_TEST(zeros_and_noise_are_told_apart)
{
    uint8_t data[PROBE_SECTOR_SIZE] = {0};

    ck_assert_int_eq(probe_stamp_read(data, &ours, PLACE).content, CONTENT_BLANK);
    data[PROBE_SECTOR_SIZE - 1] = 1;
    ck_assert_int_eq(probe_stamp_read(data, &ours, PLACE).content, CONTENT_UNKNOWN);
}
END_TEST

START_TEST(each_sector_of_a_block_has_its_own_place)
{
    uint8_t data[8 * PROBE_SECTOR_SIZE];

    probe_stamp_write(data, 8, &ours, 160, 9);
    for (unsigned i = 0; i < 8; i++) {
        struct probe_sector found = probe_stamp_read(data + i * PROBE_SECTOR_SIZE, &ours, 160 + i);

        ck_assert_int_eq(found.content, CONTENT_OURS);
        ck_assert_uint_eq(found.sequence, 9);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_stamp");
    TCase *tests = tcase_create("sectors");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_sector_is_known_by_its_stamp, 0,
                        sizeof sectors / sizeof sectors[0]);
    tcase_add_test(tests, every_flipped_bit_is_noticed);
    tcase_add_test(tests, a_sector_made_of_two_writes_is_broken_wherever_it_is_cut);
    tcase_add_test(tests, zeros_and_noise_are_told_apart);
    tcase_add_test(tests, each_sector_of_a_block_has_its_own_place);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
