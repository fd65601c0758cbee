/* PERSISTENT RESERVE IN and OUT as commands: their bytes, and when they are answered. */
#include "tests/unit/scsi_store_fixture.h"

START_TEST(what_is_registered_and_reserved_is_reported_byte_for_byte)
{
    check_in(READ_KEYS, BYTES("\0\0\0\0\0\0\0\0"));
    check_in(READ_RESERVATION, BYTES("\0\0\0\0\0\0\0\0"));
    out(fixture.nexus, REGISTER, 0, 0, 0x1122334455667788);
    register_for_good(fixture.other, 0xb);
    check_in(READ_KEYS, BYTES("\0\0\0\2\0\0\0\x10\x11\x22\x33\x44\x55\x66\x77\x88"
                              "\0\0\0\0\0\0\0\x0b"));
    out(fixture.nexus, RESERVE, 5, 0x1122334455667788, 0);
    check_in(READ_RESERVATION, BYTES("\0\0\0\2\0\0\0\x10\x11\x22\x33\x44\x55\x66\x77\x88"
                                     "\0\0\0\0\0\5\0\0"));
    check_in(REPORT_CAPABILITIES, BYTES("\0\x08\x1d\xb1\xea\x01\0\0"));
    check_in(READ_FULL_STATUS,
             BYTES("\0\0\0\2\0\0\0\x70"
                   "\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\0\1\5\0\0\0\0\0\1\0\0\0\x20"
                   "\x45\0\0\x1ciqn.host:a,i,0x400001370000\0"
                   "\0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\x20"
                   "\x45\0\0\x1ciqn.host:b,i,0x400001370001\0"));
}
END_TEST

START_TEST(what_all_registrants_hold_has_no_key)
{
    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.nexus, RESERVE, 8, 0xa, 0);
    check_in(READ_RESERVATION, BYTES("\0\0\0\1\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0"));
}
END_TEST

/* What a parameter list must not be. */
static const struct {
    uint8_t action, length, flags, flags_at;
    const char *rest;
    size_t rest_length;
    uint32_t result;
    uint32_t field; /* sense-key specific bytes */
} lists[] = {
    {REGISTER, 0, 0, 20, BYTES(""), SCSI_LIST_LENGTH_ERROR, 0},
    {REGISTER, 23, 0, 20, BYTES(""), SCSI_LIST_LENGTH_ERROR, 0},
    {REGISTER, 25, 0, 20, BYTES(""), SCSI_LIST_LENGTH_ERROR, 0},
    {REGISTER, 24, 0x08, 20, BYTES(""), SCSI_LIST_LENGTH_ERROR, 0},
    {REGISTER, 28, 0x08, 20, BYTES("\0\0\0\4"), SCSI_LIST_LENGTH_ERROR, 0},
    {REGISTER, 32, 0x08, 20, BYTES("\0\0\0\4\x05\0\0\0"), SCSI_INVALID_FIELD_IN_LIST, 0x80001c},
    {RESERVE, 28, 0x08, 20, BYTES("\0\0\0\0"), SCSI_INVALID_FIELD_IN_LIST, 0x8b0014},
    {MOVE, 24, 0, 17, BYTES(""), SCSI_INVALID_FIELD_IN_LIST, 0x800012},
    {MOVE, 28, 0, 17, BYTES("\1\2\3\4"), SCSI_LIST_LENGTH_ERROR, 0},
    {PREEMPT, 24, 0, 20, BYTES(""), SCSI_INVALID_FIELD_IN_LIST, 0x800008},
};

START_TEST(a_bad_parameter_list_is_refused_with_its_place)
{
    struct exchange *exchange = new_out(fixture.nexus, lists[_i].action, 5, 0, 0);

    if (lists[_i].action != REGISTER) {
        out(fixture.nexus, REGISTER, 0, 0, 0xa);
        put_be64(exchange->data, 0xa);
    }
    exchange->cdb[8] = lists[_i].length;
    exchange->data[lists[_i].flags_at] = lists[_i].flags;
    memcpy(exchange->data + 24, lists[_i].rest, lists[_i].rest_length);
    ck_assert_uint_eq(execute(&fixture, exchange), lists[_i].result);
    ck_assert_uint_eq(get_be32(exchange->task.sense + 14) & 0xffffff, lists[_i].field);
    free(exchange);
}
END_TEST

START_TEST(the_answer_comes_when_the_change_is_safe)
{
    struct exchange *first = new_out(fixture.nexus, REGISTER, 0, 0, 0xa);
    struct exchange *second = new_out(fixture.other, REGISTER, 0, 0, 0xb);

    fake.is_holding = true;
    ck_assert_int_eq(scsi_begin(&first->task), SCSI_DATA_OUT);
    scsi_put(&first->task, 0, first->data, 24);
    ck_assert_int_eq(scsi_finish(&first->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&second->task), SCSI_DATA_OUT);
    scsi_put(&second->task, 0, second->data, 24);
    ck_assert_int_eq(scsi_finish(&second->task), SCSI_WAIT);
    check_in(READ_KEYS, BYTES("\0\0\0\0\0\0\0\0")); /* not yet */

    let_save();
    ck_assert(first->has_next);
    check_in(READ_KEYS, BYTES("\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\x0a"));
    wait_for(&fixture, &second->has_next);
    ck_assert_uint_eq(result_of(&second->task), SCSI_GOOD);
    check_in(READ_KEYS, BYTES("\0\0\0\2\0\0\0\x10\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x0b"));
    free(first);
    free(second);
}
END_TEST

START_TEST(a_change_that_cannot_be_kept_has_not_happened)
{
    fake.error = -ENOSPC;
    ck_assert_uint_eq(out(fixture.nexus, REGISTER, 0, 0, 0xa), SCSI_INTERNAL_FAILURE);
    check_in(READ_KEYS, BYTES("\0\0\0\0\0\0\0\0"));
    fake.error = 0;
    ck_assert_uint_eq(out(fixture.nexus, REGISTER, 0, 0, 0xa), SCSI_GOOD);
}
END_TEST

START_TEST(a_task_that_is_aborted_while_it_is_kept_ends_after_that)
{
    struct exchange *first = new_out(fixture.nexus, REGISTER, 0, 0, 0xa);
    struct exchange *second = new_out(fixture.other, REGISTER, 0, 0, 0xb);

    fake.is_holding = true;
    scsi_begin(&first->task);
    scsi_put(&first->task, 0, first->data, 24);
    ck_assert_int_eq(scsi_finish(&first->task), SCSI_WAIT);
    scsi_begin(&second->task);
    scsi_put(&second->task, 0, second->data, 24);
    ck_assert_int_eq(scsi_finish(&second->task), SCSI_WAIT);
    scsi_abort(&first->task);
    scsi_abort(&second->task);
    ck_assert(!first->is_aborted && !second->is_aborted);
    let_save();
    ck_assert(first->is_aborted && second->is_aborted);
    check_in(READ_KEYS, BYTES("\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\x0a"));
    free(first);
    free(second);
}
END_TEST

START_TEST(preempt_and_abort_ends_the_tasks_of_the_preempted)
{
    struct exchange *write, *kept;

    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    out(fixture.other, RESERVE, 5, 0xb, 0);
    write = new_exchange(fixture.other, CDB("\x2a\0\0\0\0\0\0\0\x02\0"));
    kept = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\0\0\0\0\x02\0"));
    ck_assert_int_eq(scsi_begin(&write->task), SCSI_DATA_OUT);
    ck_assert_int_eq(scsi_begin(&kept->task), SCSI_DATA_OUT);
    ck_assert_uint_eq(out(fixture.nexus, PREEMPT_AND_ABORT, 5, 0xa, 0xb), SCSI_GOOD);
    ck_assert(write->is_aborted);
    ck_assert(!kept->is_aborted);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_REGISTRATIONS_PREEMPTED);
    scsi_abort(&kept->task);
    free(write);
    free(kept);
}
END_TEST

START_TEST(preempt_and_abort_waits_for_what_is_on_a_worker)
{
    struct exchange *preempt = new_out(fixture.nexus, PREEMPT_AND_ABORT, 5, 0xa, 0xb);
    struct exchange *read;
    uint8_t bytes[512];

    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    read = new_exchange(fixture.other, CDB("\x28\0\0\0\0\0\0\0\x01\0"));
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_begin(&read->task), SCSI_DATA_IN);
    ck_assert(!scsi_get(&read->task, 0, bytes, sizeof bytes));
    scsi_begin(&preempt->task);
    scsi_put(&preempt->task, 0, preempt->data, 24);
    ck_assert_int_eq(scsi_finish(&preempt->task), SCSI_WAIT);
    ev_run(fixture.loop, EVRUN_ONCE); /* it is saved */
    ck_assert(!preempt->has_next && !read->is_aborted);
    fixture.held->is_holding = false;
    release_one(fixture.held, -EIO);
    ck_assert(read->is_aborted);
    ck_assert(preempt->has_next);
    ck_assert_uint_eq(result_of(&preempt->task), SCSI_GOOD);
    free(preempt);
    free(read);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("persistent reservations");
    TCase *tests = tcase_create("persistent reservations");

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_registered_and_reserved_is_reported_byte_for_byte);
    tcase_add_test(tests, what_all_registrants_hold_has_no_key);
    tcase_add_loop_test(tests, a_bad_parameter_list_is_refused_with_its_place, 0, COUNT(lists));
    tcase_add_test(tests, the_answer_comes_when_the_change_is_safe);
    tcase_add_test(tests, a_change_that_cannot_be_kept_has_not_happened);
    tcase_add_test(tests, a_task_that_is_aborted_while_it_is_kept_ends_after_that);
    tcase_add_test(tests, preempt_and_abort_ends_the_tasks_of_the_preempted);
    tcase_add_test(tests, preempt_and_abort_waits_for_what_is_on_a_worker);
    return run_suite(suite);
}
