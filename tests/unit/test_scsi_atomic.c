#include "tests/unit/scsi_fixture.h"

#include <errno.h>

#define COMPARE_AND_WRITE_BLOCK_5 CDB("\x89\0\0\0\0\0\0\0\0\5\0\0\0\1\0\0")
#define READ_BLOCKS_4_TO_7 CDB("\x28\0\0\0\0\4\0\0\4\0")
#define WRITE_BLOCK_5 CDB("\x2a\0\0\0\0\5\0\0\1\0")
enum { BLOCK = 512 };

static struct fixture fixture;

static void set_up(void)
{
    open_volume(&fixture, 1024 * 1024, BLOCK, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
}

/* Compares with zeros, writes ones. */
static struct exchange *new_claim(struct scsi_nexus *nexus)
{
    struct exchange *claim = new_exchange(nexus, COMPARE_AND_WRITE_BLOCK_5);

    claim->task.expected_out = 2 * BLOCK;
    memset(claim->data + BLOCK, 1, BLOCK);
    return claim;
}

/* All data is there, its read is held by the disk. */
static struct exchange *hold_claim(void)
{
    struct exchange *claim = new_claim(fixture.nexus);

    ck_assert_int_eq(scsi_begin(&claim->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&claim->task, 0, claim->data, 2 * BLOCK));
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_finish(&claim->task), SCSI_WAIT);
    return claim;
}

START_TEST(a_write_comes_after_the_whole_of_it)
{
    struct exchange *claim = hold_claim();
    struct exchange *write = new_exchange(fixture.other, WRITE_BLOCK_5);
    struct exchange *read = new_exchange(fixture.other, READ_BLOCKS_4_TO_7);

    ck_assert_int_eq(scsi_begin(&write->task), SCSI_DATA_OUT);
    memset(write->data, 2, BLOCK);
    ck_assert(!scsi_put(&write->task, 0, write->data, BLOCK));
    fixture.held->is_holding = false;
    ck_assert_ptr_eq(list_first(&fixture.held->held), &claim->task.item.io.work.link);
    release_one(fixture.held, 0);
    ck_assert(list_is_empty(&fixture.held->held));
    complete(&fixture, claim, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&claim->task), SCSI_GOOD);
    wait_for(&fixture, &write->has_put);
    complete(&fixture, write, scsi_finish(&write->task));
    ck_assert_uint_eq(result_of(&write->task), SCSI_GOOD);
    execute(&fixture, read);
    ck_assert_uint_eq(read->data[BLOCK], 2);
    free(claim);
    free(write);
    free(read);
}
END_TEST

START_TEST(the_second_of_two_compares_with_what_the_first_wrote)
{
    struct exchange *first = hold_claim(), *second = new_claim(fixture.other);

    ck_assert_int_eq(scsi_begin(&second->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&second->task, 0, second->data, 2 * BLOCK));
    ck_assert_int_eq(scsi_finish(&second->task), SCSI_WAIT);
    fixture.held->is_holding = false;
    release_one(fixture.held, 0);
    complete(&fixture, first, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&first->task), SCSI_GOOD);
    complete(&fixture, second, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&second->task), SCSI_MISCOMPARE);
    free(first);
    free(second);
}
END_TEST

START_TEST(an_abort_frees_the_range)
{
    struct exchange *first = hold_claim(), *second = new_claim(fixture.other);

    ck_assert_int_eq(scsi_begin(&second->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&second->task, 0, second->data, 2 * BLOCK));
    ck_assert_int_eq(scsi_finish(&second->task), SCSI_WAIT);
    scsi_abort(&first->task);
    ck_assert(!first->is_aborted);
    fixture.held->is_holding = false;
    release_one(fixture.held, 0);
    wait_for(&fixture, &first->is_aborted);
    complete(&fixture, second, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&second->task), SCSI_GOOD);
    free(first);
    free(second);
}
END_TEST

START_TEST(one_that_waits_for_its_range_can_be_aborted)
{
    struct exchange *first = hold_claim(), *second = new_claim(fixture.other);

    ck_assert_int_eq(scsi_begin(&second->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&second->task, 0, second->data, 2 * BLOCK));
    ck_assert_int_eq(scsi_finish(&second->task), SCSI_WAIT);
    scsi_abort(&second->task);
    fixture.held->is_holding = false;
    release_one(fixture.held, 0);
    complete(&fixture, first, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&first->task), SCSI_GOOD);
    wait_for(&fixture, &second->is_aborted);
    free(first);
    free(second);
}
END_TEST

START_TEST(a_medium_that_cannot_be_read_is_not_written)
{
    struct exchange *claim = hold_claim();

    fixture.held->is_holding = false;
    release_one(fixture.held, -EIO);
    complete(&fixture, claim, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&claim->task), SCSI_READ_ERROR);
    free(claim);
}
END_TEST

/* FUA, or mode page 08 without WCE: each command's data is on stable storage with its answer. */
static const struct {
    const char *cdb;
    size_t length;
    uint32_t expected_out;
    bool has_fua;
} writes[] = {
    {CDB("\x2a\x08\0\0\0\0\0\0\1\0"), BLOCK, true},
    {CDB("\x2a\0\0\0\0\0\0\0\1\0"), BLOCK, false},
    {CDB("\x0a\0\0\0\1\0"), BLOCK, false},
    {CDB("\x8a\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), BLOCK, false},
    {CDB("\x89\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), 2 * BLOCK, false},
    {CDB("\x89\x08\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), 2 * BLOCK, true},
    {CDB("\x8b\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), BLOCK, false},
    {CDB("\x9c\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0"), 8 * BLOCK, false},
    {CDB("\x9c\x08\0\0\0\0\0\0\0\0\0\0\0\x08\0\0"), 8 * BLOCK, true},
    {CDB("\x41\0\0\0\0\0\0\0\1\0"), BLOCK, false},
    {CDB("\x93\x01\0\0\0\0\0\0\0\0\0\0\0\1\0\0"), 0, false},
};

static unsigned syncs(int row)
{
    struct exchange *write = new_exchange(fixture.nexus, writes[row].cdb, writes[row].length);
    unsigned before = fixture.held->flushes + fixture.held->forced;

    write->task.expected_out = writes[row].expected_out;
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    free(write);
    return fixture.held->flushes + fixture.held->forced - before;
}

START_TEST(without_write_cache_every_write_is_synced)
{
    struct exchange *select = new_exchange(fixture.nexus, CDB("\x15\x10\0\0\x18\0"));

    ck_assert_uint_eq(syncs(_i), writes[_i].has_fua ? 1 : 0);
    memcpy(select->data, "\0\0\0\0\x08\x12", 6);
    ck_assert_uint_eq(execute(&fixture, select), SCSI_GOOD);
    ck_assert_uint_eq(syncs(_i), 1);
    free(select);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("atomic");
    TCase *tests = tcase_create("atomic");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_write_comes_after_the_whole_of_it);
    tcase_add_test(tests, the_second_of_two_compares_with_what_the_first_wrote);
    tcase_add_test(tests, an_abort_frees_the_range);
    tcase_add_test(tests, one_that_waits_for_its_range_can_be_aborted);
    tcase_add_test(tests, a_medium_that_cannot_be_read_is_not_written);
    tcase_add_loop_test(tests, without_write_cache_every_write_is_synced, 0, COUNT(writes));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
