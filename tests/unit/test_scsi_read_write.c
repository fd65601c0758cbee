#include "tests/unit/scsi_fixture.h"

static struct fixture fixture;

static void set_up(void)
{
    open_volume(&fixture, NULL, 64 * 1024 * 1024, 512, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")); /* takes the attention */
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
}

static void fill(uint8_t *bytes, size_t length, uint8_t seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(seed + i * 7 + i / 512);
}

/* One row for each form of READ and WRITE: 16 blocks at LBA 3. */
static const struct {
    const char *write, *read;
    size_t length;
} forms[] = {
    {"\x0a\0\0\x03\x10\0", "\x08\0\0\x03\x10\0", 6},
    {"\x2a\0\0\0\0\x03\0\0\x10\0", "\x28\0\0\0\0\x03\0\0\x10\0", 10},
    {"\x2a\x08\0\0\0\x03\0\0\x10\0", "\x28\x18\0\0\0\x03\0\0\x10\0", 10},
    {"\xaa\0\0\0\0\x03\0\0\0\x10\0\0", "\xa8\0\0\0\0\x03\0\0\0\x10\0\0", 12},
    {"\x8a\0\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0", "\x88\0\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0", 16},
};

START_TEST(what_is_written_is_read_back_however_it_is_cut)
{
    static const size_t cuts[] = {1 << 20, 8192, 4096, 512, 511, 513, 100, 1};
    uint8_t *expected = malloc(16 * 512);

    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct exchange *write = new_exchange(fixture.nexus, forms[_i].write, forms[_i].length);
        struct exchange *read = new_exchange(fixture.nexus, forms[_i].read, forms[_i].length);

        write->cut = read->cut = cuts[i];
        fill(write->data, 16 * 512, (uint8_t)(i * 16 + (size_t)_i));
        memcpy(expected, write->data, 16 * 512);
        ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
        ck_assert_uint_eq(write->task.transfer_length, 16 * 512);
        ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
        ck_assert_mem_eq(read->data, expected, 16 * 512);
        ck_assert_uint_eq(read->data[16 * 512], 0xcc);
        free(write);
        free(read);
    }
    free(expected);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("read and write");
    TCase *tests = tcase_create("read and write");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, what_is_written_is_read_back_however_it_is_cut, 0,
                        sizeof forms / sizeof forms[0]);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
