/* What was acknowledged against what is read: blocks of four sectors. */
#include <check.h>
#include <stdlib.h>

#include "sim-cluster/probe_model.h"

#define SECTORS 4
#define BLOCK 2

static struct probe_model *model;

static void set_up(void)
{
    model = probe_model_new(8, SECTORS);
}

static void tear_down(void)
{
    probe_model_free(model);
}

static uint64_t write_block(void)
{
    uint64_t sequence = probe_model_begin_write(model, BLOCK);

    probe_model_acknowledge(model, BLOCK, sequence);
    return sequence;
}

static struct probe_verdict read_sectors(const struct probe_sector sectors[static SECTORS])
{
    return probe_model_check(model, BLOCK, sectors, false);
}

/* Sectors 0 and 1 of one write, 2 and 3 of another; 0: zeros. */
static unsigned read_halves(uint64_t first, uint64_t second, bool at_end)
{
    struct probe_sector sectors[SECTORS];

    for (unsigned i = 0; i < SECTORS; i++) {
        uint64_t sequence = i < SECTORS / 2 ? first : second;

        sectors[i] = (struct probe_sector){sequence ? CONTENT_OURS : CONTENT_BLANK, sequence, 0};
    }
    return probe_model_check(model, BLOCK, sectors, at_end).faults;
}

static unsigned read_block(uint64_t sequence)
{
    return read_halves(sequence, sequence, false);
}

static unsigned read_content(enum probe_content content)
{
    struct probe_sector sectors[SECTORS];

    for (unsigned i = 0; i < SECTORS; i++)
        sectors[i] = (struct probe_sector){.content = content, .sequence = 1};
    return read_sectors(sectors).faults;
}

START_TEST(an_acknowledged_write_is_read_back)
{
    uint64_t first = write_block(), second = write_block();

    ck_assert_uint_eq(read_block(second), 0);
    ck_assert_uint_eq(read_block(first), PROBE_STALE);
}
END_TEST

START_TEST(old_content_is_lost_at_the_end_and_stale_before)
{
    uint64_t first = write_block();

    write_block();
    ck_assert_uint_eq(read_halves(first, first, true), PROBE_LOST);
    ck_assert_uint_eq(read_halves(first, first, false), PROBE_STALE);
    ck_assert_uint_eq(read_halves(0, 0, true), PROBE_LOST);
    ck_assert_uint_eq(read_content(CONTENT_EARLIER), PROBE_STALE);
}
END_TEST

START_TEST(a_faulty_block_counts_once_for_each_fault)
{
    uint64_t first = write_block();

    write_block();
    read_block(first);
    read_block(first);
    read_content(CONTENT_UNKNOWN);
    ck_assert_uint_eq(probe_model_counts(model).stale, 1);
    ck_assert_uint_eq(probe_model_counts(model).foreign, 1);
    ck_assert_uint_eq(probe_model_counts(model).lost, 0);
}
END_TEST

START_TEST(sectors_of_two_acknowledged_writes_are_torn)
{
    uint64_t first = write_block(), second = write_block();

    ck_assert_uint_eq(read_halves(first, second, false), PROBE_TORN);
    ck_assert_uint_eq(read_halves(second, 0, true), PROBE_TORN);
}
END_TEST

START_TEST(a_write_in_doubt_may_be_there_or_not_and_stays_as_read)
{
    uint64_t known = write_block(), doubt = probe_model_begin_write(model, BLOCK);
    uint64_t there = _i ? doubt : known, gone = _i ? known : doubt;

    ck_assert_uint_eq(read_block(there), 0);
    ck_assert_uint_eq(read_block(there), 0);
    ck_assert_uint_eq(read_block(gone), PROBE_STALE);
    ck_assert_uint_eq(read_halves(gone, gone, true), PROBE_LOST);
}
END_TEST

START_TEST(a_write_in_doubt_is_whole_or_absent_for_each_sector_by_itself)
{
    uint64_t known = write_block(), doubt = probe_model_begin_write(model, BLOCK);

    ck_assert_uint_eq(read_halves(doubt, known, false), 0);
    ck_assert_uint_eq(read_halves(doubt, known, true), 0);
    ck_assert_uint_eq(read_halves(doubt, doubt, false), PROBE_TORN);
    ck_assert_uint_eq(read_halves(known, known, false), PROBE_TORN);
}
END_TEST

START_TEST(several_writes_may_be_in_doubt)
{
    uint64_t known = write_block();
    uint64_t one = probe_model_begin_write(model, BLOCK);
    uint64_t two = probe_model_begin_write(model, BLOCK);

    ck_assert_uint_eq(read_halves(one, two, false), 0);
    ck_assert_uint_eq(read_halves(known, two, false), PROBE_TORN);
}
END_TEST

START_TEST(an_acknowledgement_ends_every_doubt)
{
    uint64_t doubt = probe_model_begin_write(model, BLOCK);
    uint64_t last = write_block();

    ck_assert_uint_eq(read_block(last), 0);
    ck_assert_uint_eq(read_block(doubt), PROBE_STALE); /* a late write of a node that was fenced */
}
END_TEST

START_TEST(a_block_has_a_limit_of_writes_in_doubt)
{
    int count = 0;

    for (; probe_model_can_write(model, BLOCK); count++)
        probe_model_begin_write(model, BLOCK);
    ck_assert_int_ge(count, 2);
    ck_assert_uint_eq(read_block(1), 0);
    ck_assert(probe_model_can_write(model, BLOCK));
}
END_TEST

static const struct {
    enum probe_content content;
    unsigned never_written, in_doubt, acknowledged; /* what is wrong then */
} contents[] = {
    {CONTENT_BLANK, 0, 0, PROBE_STALE},
    {CONTENT_EARLIER, 0, 0, PROBE_STALE},
    {CONTENT_MISPLACED, PROBE_FOREIGN, PROBE_FOREIGN, PROBE_FOREIGN},
    {CONTENT_STRANGE, 0, 0, PROBE_FOREIGN},
    {CONTENT_BROKEN, 0, PROBE_TORN, PROBE_TORN},
    {CONTENT_UNKNOWN, 0, 0, PROBE_FOREIGN},
};

START_TEST(what_was_there_before_the_run_is_wrong_only_where_something_was_written)
{
    ck_assert_uint_eq(read_content(contents[_i].content), contents[_i].never_written);
    probe_model_begin_write(model, BLOCK);
    ck_assert_uint_eq(read_content(contents[_i].content), contents[_i].in_doubt);
    write_block();
    ck_assert_uint_eq(read_content(contents[_i].content), contents[_i].acknowledged);
}
END_TEST

START_TEST(a_block_counts_as_written_from_the_first_attempt_on)
{
    ck_assert(!probe_model_is_written(model, BLOCK));
    read_block(0);
    ck_assert(!probe_model_is_written(model, BLOCK));
    probe_model_begin_write(model, BLOCK);
    ck_assert(probe_model_is_written(model, BLOCK));
    read_block(0); /* it never arrived */
    ck_assert(probe_model_is_written(model, BLOCK));
}
END_TEST

START_TEST(a_verdict_names_the_first_wrong_sector)
{
    uint64_t first = write_block(), second = write_block();
    struct probe_sector sectors[SECTORS] = {{CONTENT_OURS, second, 8},
                                            {CONTENT_OURS, second, 9},
                                            {CONTENT_OURS, first, 10},
                                            {CONTENT_UNKNOWN, 0, 0}};
    struct probe_verdict verdict = read_sectors(sectors);

    ck_assert_uint_eq(verdict.faults, PROBE_TORN | PROBE_FOREIGN);
    ck_assert_uint_eq(verdict.sector, 2);
    ck_assert_uint_eq(verdict.expected, second);
    ck_assert_uint_eq(verdict.found.sequence, first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_model");
    TCase *tests = tcase_create("verdicts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_acknowledged_write_is_read_back);
    tcase_add_test(tests, old_content_is_lost_at_the_end_and_stale_before);
    tcase_add_test(tests, a_faulty_block_counts_once_for_each_fault);
    tcase_add_test(tests, sectors_of_two_acknowledged_writes_are_torn);
    tcase_add_loop_test(tests, a_write_in_doubt_may_be_there_or_not_and_stays_as_read, 0, 2);
    tcase_add_test(tests, a_write_in_doubt_is_whole_or_absent_for_each_sector_by_itself);
    tcase_add_test(tests, several_writes_may_be_in_doubt);
    tcase_add_test(tests, an_acknowledgement_ends_every_doubt);
    tcase_add_test(tests, a_block_has_a_limit_of_writes_in_doubt);
    tcase_add_loop_test(tests,
                        what_was_there_before_the_run_is_wrong_only_where_something_was_written, 0,
                        sizeof contents / sizeof contents[0]);
    tcase_add_test(tests, a_block_counts_as_written_from_the_first_attempt_on);
    tcase_add_test(tests, a_verdict_names_the_first_wrong_sector);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
