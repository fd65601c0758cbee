/* What outlives a session, a node and a power loss: reservations and unit attentions of an I_T
 * nexus. */
#include "tests/unit/scsi_store_fixture.h"

/* Closes the volume and opens it again as another process would. */
static void restart(const char *run)
{
    close_volume(&fixture);
    open_lun(run);
}

START_TEST(everything_is_there_after_the_move_to_another_node)
{
    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    out(fixture.nexus, RESERVE, 5, 0xa, 0);
    restart("first");
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_POWER_ON);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_GOOD);
    check_in(READ_KEYS, BYTES("\0\0\0\2\0\0\0\x10\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x0b"));
    ck_assert(fixture.nexus->is_holder && !fixture.other->is_holder);
    ck_assert_uint_eq(out(fixture.nexus, RELEASE, 5, 0xa, 0), SCSI_GOOD);
}
END_TEST

START_TEST(only_what_was_asked_to_outlives_a_power_loss)
{
    if (_i)
        register_for_good(fixture.nexus, 0xa);
    else
        out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.nexus, RESERVE, 5, 0xa, 0);
    restart("second");
    test_unit_ready(fixture.nexus);
    if (_i)
        check_in(READ_KEYS, BYTES("\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x0a"));
    else
        check_in(READ_KEYS, BYTES("\0\0\0\0\0\0\0\0"));
    ck_assert_int_eq(fixture.nexus->is_holder, _i);
}
END_TEST

/* A new session of the nexus. */
static void log_in_again(struct scsi_nexus **nexus)
{
    char *initiator_port = strdup((*nexus)->initiator_port);
    char *target_port = strdup((*nexus)->target_port);
    uint16_t port = (*nexus)->relative_port;

    scsi_nexus_free(*nexus);
    *nexus = scsi_nexus_new(fixture.lun, initiator_port, target_port, port, NULL);
    free(initiator_port);
    free(target_port);
}

START_TEST(attentions_wait_for_the_next_session)
{
    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    out(fixture.nexus, RESERVE, 5, 0xa, 0);
    out(fixture.nexus, RELEASE, 5, 0xa, 0);
    log_in_again(&fixture.other);
    out(fixture.nexus, CLEAR, 0, 0xa, 0);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_NEXUS_LOSS);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_RESERVATIONS_RELEASED);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_RESERVATIONS_PREEMPTED);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_GOOD);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_GOOD);
}
END_TEST

START_TEST(attentions_outlive_the_node)
{
    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    ck_assert_uint_eq(out(fixture.nexus, PREEMPT, 5, 0xa, 0xb), SCSI_GOOD);
    restart("first");
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_POWER_ON);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_REGISTRATIONS_PREEMPTED);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_GOOD);
    restart("first"); /* told is told */
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_POWER_ON);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_GOOD);
}
END_TEST

START_TEST(an_attention_is_kept_along_with_its_cause)
{
    struct exchange *preempt = new_out(fixture.nexus, PREEMPT, 5, 0xa, 0xb);
    json_t *kept, *pending;

    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.other, REGISTER, 0, 0, 0xb);
    fake.is_holding = true;
    scsi_begin(&preempt->task);
    scsi_put(&preempt->task, 0, preempt->data, 24);
    ck_assert_int_eq(scsi_finish(&preempt->task), SCSI_WAIT);
    kept = json_deep_copy(fake.next); /* the node dies right after this was kept */
    pending = json_object_get(json_array_get(json_object_get(kept, "attentions"), 0), "pending");
    ck_assert_int_eq(json_integer_value(json_array_get(pending, 0)), SCSI_REGISTRATIONS_PREEMPTED);
    json_decref(kept);
    let_save();
    free(preempt);
}
END_TEST

START_TEST(a_new_session_leaves_persistent_reservations_alone)
{
    out(fixture.nexus, REGISTER, 0, 0, 0xa);
    out(fixture.nexus, RESERVE, 1, 0xa, 0);
    log_in_again(&fixture.nexus);
    ck_assert(fixture.nexus->is_holder);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_NEXUS_LOSS);
    check_in(READ_RESERVATION, BYTES("\0\0\0\1\0\0\0\x10\0\0\0\0\0\0\0\x0a\0\0\0\0\0\1\0\0"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("what outlives");
    TCase *tests = tcase_create("what outlives");

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, everything_is_there_after_the_move_to_another_node);
    tcase_add_loop_test(tests, only_what_was_asked_to_outlives_a_power_loss, 0, 2);
    tcase_add_test(tests, attentions_wait_for_the_next_session);
    tcase_add_test(tests, attentions_outlive_the_node);
    tcase_add_test(tests, an_attention_is_kept_along_with_its_cause);
    tcase_add_test(tests, a_new_session_leaves_persistent_reservations_alone);
    return run_suite(suite);
}
