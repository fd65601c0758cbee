#include "tests/unit/scsi_fixture.h"

static struct fixture fixture;
static struct exchange *write_command, *verify;

enum { LENGTH = 600 * 512 }; /* more than one piece */

static void set_up(void)
{
    open_volume(&fixture, 64 * 1024 * 1024, 512, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")); /* takes the attention */
    write_command = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\0\x08\0\x02\x58\0"));
    verify = new_exchange(fixture.nexus, CDB(""));
    for (size_t i = 0; i < LENGTH; i++)
        write_command->data[i] = verify->data[i] = (uint8_t)(i * 13 + i / 512);
    ck_assert_uint_eq(execute(&fixture, write_command), SCSI_GOOD);
}

static void tear_down(void)
{
    free(write_command);
    free(verify);
    close_volume(&fixture);
}

/* VERIFY of 10, 12 and 16 bytes, 600 blocks at LBA 8. */
static const struct {
    const char *cdb;
    size_t length;
} forms[] = {
    {CDB("\x2f\0\0\0\0\x08\0\x02\x58\0")},
    {CDB("\xaf\0\0\0\0\x08\0\0\x02\x58\0\0")},
    {CDB("\x8f\0\0\0\0\0\0\0\0\x08\0\0\x02\x58\0\0")},
};

static uint32_t run(size_t form, uint8_t byte_check)
{
    memcpy(verify->cdb, forms[form].cdb, forms[form].length);
    verify->cdb[1] = (uint8_t)(byte_check << 1);
    return execute(&fixture, verify);
}

START_TEST(data_that_is_the_same_passes_however_it_is_cut)
{
    static const size_t cuts[] = {LENGTH, 65536, 1000, 512};

    for (size_t i = 0; i < COUNT(cuts); i++) {
        verify->cut = cuts[i];
        ck_assert_uint_eq(run((size_t)_i, 1), SCSI_GOOD);
        ck_assert_uint_eq(verify->task.transfer_length, LENGTH);
    }
}
END_TEST

START_TEST(the_first_byte_that_differs_is_named)
{
    static const uint32_t offsets[] = {LENGTH - 1, 300000, 512, 7, 0};

    verify->cut = 5000;
    for (size_t i = 0; i < COUNT(offsets); i++) {
        verify->data[offsets[i]] ^= 0x55;
        ck_assert_uint_eq(run((size_t)_i, 1), SCSI_MISCOMPARE);
        ck_assert_uint_eq(verify->task.sense[0], 0xf0);
        ck_assert_uint_eq(get_be32(verify->task.sense + 3), offsets[i]);
        ck_assert_uint_eq(run((size_t)_i, 0), SCSI_GOOD); /* the medium alone is good */
        ck_assert_uint_eq(verify->task.transfer_length, 0);
    }
}
END_TEST

START_TEST(one_block_is_compared_with_each)
{
    struct exchange *same = new_exchange(fixture.nexus, CDB("\x41\0\0\0\0\x08\0\x02\x58\0"));

    ck_assert_uint_eq(run((size_t)_i, 3), SCSI_MISCOMPARE);
    ck_assert_uint_eq(verify->task.transfer_length, 512);
    ck_assert_uint_ge(get_be32(verify->task.sense + 3), 512);
    memset(same->data, 0x66, 512);
    same->task.expected_out = 512;
    ck_assert_uint_eq(execute(&fixture, same), SCSI_GOOD);
    memset(verify->data, 0x66, 512);
    ck_assert_uint_eq(run((size_t)_i, 3), SCSI_GOOD);
    ck_assert_uint_eq(run((size_t)_i, 2), SCSI_INVALID_FIELD_IN_CDB);
    ck_assert_uint_eq(get_be24(verify->task.sense + 15), 0xca0001);
    free(same);
}
END_TEST

START_TEST(a_comparison_waits_for_the_disk)
{
    memcpy(verify->cdb, "\x2f\x02\0\0\0\x08\0\0\x02\0", 10);
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_begin(&verify->task), SCSI_DATA_OUT);
    verify->data[600] ^= 1;
    ck_assert(!scsi_put(&verify->task, 0, verify->data, 512));
    ck_assert(!scsi_put(&verify->task, 512, verify->data + 512, 512));
    verify->data[600] ^= 1; /* it was copied */
    ck_assert_int_eq(scsi_finish(&verify->task), SCSI_WAIT);
    release_one(fixture.held, 0);
    release_one(fixture.held, 0);
    ck_assert(verify->has_next);
    ck_assert_uint_eq(result_of(&verify->task), SCSI_MISCOMPARE);
    ck_assert_uint_eq(get_be32(verify->task.sense + 3), 600);
    fixture.held->is_holding = false;
}
END_TEST

START_TEST(write_and_verify_writes_flushes_and_reads_back)
{
    static const struct {
        const char *cdb;
        size_t length;
    } cdbs[] = {
        {CDB("\x2e\x02\0\0\0\x40\0\x02\x58\0")},
        {CDB("\xae\x02\0\0\0\x40\0\0\x02\x58\0\0")},
        {CDB("\x8e\0\0\0\0\0\0\0\0\x40\0\0\x02\x58\0\0")},
    };
    struct exchange *read = new_exchange(fixture.nexus, CDB("\x28\0\0\0\0\x40\0\x02\x58\0"));

    memcpy(verify->cdb, cdbs[_i].cdb, cdbs[_i].length);
    verify->cut = 3333;
    fixture.held->flushes = 0;
    ck_assert_uint_eq(execute(&fixture, verify), SCSI_GOOD);
    ck_assert_uint_eq(fixture.held->flushes, 1);
    ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
    ck_assert_mem_eq(read->data, verify->data, LENGTH);
    free(read);
}
END_TEST

START_TEST(write_and_verify_finds_what_was_written_wrong)
{
    static const uint8_t wrong[16] = {1};
    int descriptor = open(fixture.path, O_RDWR);

    memcpy(verify->cdb, "\x2e\x02\0\0\0\0\0\0\x01\0", 10);
    ck_assert_int_eq(scsi_begin(&verify->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&verify->task, 0, verify->data, 512));
    ck_assert_int_eq(pwrite(descriptor, wrong, sizeof wrong, 100), sizeof wrong);
    complete(&fixture, verify, scsi_finish(&verify->task));
    ck_assert_uint_eq(result_of(&verify->task), SCSI_MISCOMPARE);
    close(descriptor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *tests = tcase_create("verify");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, data_that_is_the_same_passes_however_it_is_cut, 0, COUNT(forms));
    tcase_add_loop_test(tests, the_first_byte_that_differs_is_named, 0, COUNT(forms));
    tcase_add_loop_test(tests, one_block_is_compared_with_each, 0, COUNT(forms));
    tcase_add_test(tests, a_comparison_waits_for_the_disk);
    tcase_add_loop_test(tests, write_and_verify_writes_flushes_and_reads_back, 0, 3);
    tcase_add_test(tests, write_and_verify_finds_what_was_written_wrong);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
