#include "tests/unit/scsi_fixture.h"

static struct fixture fixture;

struct answer {
    unsigned count;
    bool is_done;
};

static void on_managed(void *owner, bool is_done)
{
    struct answer *answer = owner;

    answer->count++;
    answer->is_done = is_done;
}

static void set_up(void)
{
    open_volume(&fixture, 1024 * 1024, 512, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
}

/* A WRITE(10) of two blocks that waits for its data. */
static struct exchange *begin_write(struct scsi_nexus *nexus)
{
    struct exchange *exchange = new_exchange(nexus, CDB("\x2a\0\0\0\0\0\0\0\x02\0"));

    ck_assert_int_eq(scsi_begin(&exchange->task), SCSI_DATA_OUT);
    return exchange;
}

static uint32_t next_attention(struct scsi_nexus *nexus)
{
    return execute_cdb(&fixture, nexus, CDB("\0\0\0\0\0\0"));
}

START_TEST(a_task_with_nothing_under_way_ends_at_once)
{
    struct exchange *write = begin_write(fixture.nexus);
    struct answer answer = {0};

    scsi_manage(fixture.nexus, SCSI_ABORT_TASK, &write->task, on_managed, &answer);
    ck_assert(write->is_aborted);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert(answer.is_done);
    free(write);
}
END_TEST

START_TEST(a_task_that_is_not_there_is_told)
{
    struct answer answer = {0};

    scsi_manage(fixture.nexus, SCSI_ABORT_TASK, NULL, on_managed, &answer);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert(!answer.is_done);
}
END_TEST

START_TEST(a_function_waits_until_what_it_ends_has_ended)
{
    struct exchange *write = begin_write(fixture.nexus), *idle = begin_write(fixture.nexus);
    struct answer first = {0}, second = {0}, third = {0};

    fixture.held->is_holding = true;
    ck_assert(!scsi_put(&write->task, 0, write->data, 512));
    ck_assert(!scsi_put(&write->task, 512, write->data, 512));
    scsi_manage(fixture.nexus, SCSI_ABORT_TASK, &write->task, on_managed, &first);
    scsi_manage(fixture.nexus, SCSI_ABORT_TASK, &write->task, on_managed, &second);
    scsi_manage(fixture.nexus, SCSI_ABORT_TASK_SET, NULL, on_managed, &third);
    ck_assert(idle->is_aborted);
    ck_assert(!write->is_aborted);
    release_one(fixture.held, 0);
    ck_assert(!write->is_aborted);
    ck_assert_uint_eq(first.count + second.count + third.count, 0);
    release_one(fixture.held, 0);
    ck_assert(write->is_aborted);
    ck_assert(!write->has_put && !write->has_next);
    ck_assert(first.is_done && second.is_done && third.is_done);
    ck_assert_uint_eq(first.count + second.count + third.count, 3);
    fixture.held->is_holding = false;
    free(write);
    free(idle);
}
END_TEST

/* What is under way when the abort comes: each kind ends without another word. */
START_TEST(an_abort_silences_what_is_under_way)
{
    static const char *const cdbs[] = {
        "\x28\0\0\0\0\0\0\0\x02\0",   "\x35\0\0\0\0\0\0\0\0\0",     "\x2f\0\0\0\0\0\0\0\x02\0",
        "\x28\x08\0\0\0\0\0\0\x02\0", "\x2f\x02\0\0\0\0\0\0\x01\0",
    };
    struct exchange *exchange = new_exchange(fixture.nexus, cdbs[_i], 10);
    enum scsi_next next;

    fixture.held->is_holding = true;
    next = scsi_begin(&exchange->task);
    if (next == SCSI_DATA_IN)
        ck_assert(!scsi_get(&exchange->task, 0, exchange->data, 1024));
    if (next == SCSI_DATA_OUT)
        ck_assert(!scsi_put(&exchange->task, 0, exchange->data, 512));
    scsi_abort(&exchange->task);
    scsi_abort(&exchange->task);
    ck_assert(!exchange->is_aborted);
    release_one(fixture.held, 0);
    while (!exchange->is_aborted)
        ev_run(fixture.loop, EVRUN_ONCE);
    ck_assert(!exchange->has_next && !exchange->has_got && !exchange->has_put);
    fixture.held->is_holding = false;
    free(exchange);
}
END_TEST

START_TEST(a_task_set_is_that_of_the_nexus)
{
    struct exchange *write = begin_write(fixture.nexus), *of_other = begin_write(fixture.other);
    struct answer answer = {0};

    scsi_manage(fixture.nexus, SCSI_ABORT_TASK_SET, NULL, on_managed, &answer);
    ck_assert(write->is_aborted && !of_other->is_aborted && answer.is_done);
    scsi_manage(fixture.nexus, SCSI_CLEAR_TASK_SET, NULL, on_managed, &answer);
    ck_assert(of_other->is_aborted);
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_COMMANDS_CLEARED);
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_GOOD);
    ck_assert_uint_eq(next_attention(fixture.nexus), SCSI_GOOD);
    free(write);
    free(of_other);
}
END_TEST

START_TEST(a_reset_ends_all_tasks_and_the_reservation_and_tells_everyone)
{
    struct exchange *write = begin_write(fixture.nexus), *of_other = begin_write(fixture.other);
    struct answer answer = {0};

    execute_cdb(&fixture, fixture.nexus, CDB("\x16\0\0\0\0\0"));
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_RESERVATION_CONFLICT);
    scsi_manage(fixture.other, _i ? SCSI_TARGET_RESET : SCSI_LUN_RESET, NULL, on_managed, &answer);
    ck_assert(write->is_aborted && of_other->is_aborted && answer.is_done);
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_RESET);
    ck_assert_uint_eq(next_attention(fixture.nexus), SCSI_RESET);
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_GOOD);
    free(write);
    free(of_other);
}
END_TEST

START_TEST(reservations_are_released_by_their_holder_or_its_loss)
{
    static const char reserve[] = "\x16\0\0\0\0\0", release[] = "\x57\0\0\0\0\0\0\0\0\0";

    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, reserve, 6), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, reserve, 6), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, reserve, 6), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, release, 10), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, reserve, 6), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, release, 10), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, reserve, 6), SCSI_GOOD);
    scsi_nexus_free(fixture.other);
    fixture.other = NULL;
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, reserve, 6), SCSI_GOOD);
}
END_TEST

START_TEST(request_sense_takes_the_attention_as_data)
{
    struct exchange *sense = new_exchange(fixture.other, CDB("\x03\0\0\0\xff\0"));
    struct answer answer = {0};

    scsi_manage(fixture.nexus, SCSI_LUN_RESET, NULL, on_managed, &answer);
    ck_assert_uint_eq(execute(&fixture, sense), SCSI_GOOD);
    ck_assert_mem_eq(sense->data, "\x70\0\x06\0\0\0\0\x0a\0\0\0\0\x29\x03\0\0\0\0", 18);
    ck_assert_uint_eq(next_attention(fixture.other), SCSI_GOOD);
    free(sense);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manage");
    TCase *tests = tcase_create("manage");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_task_with_nothing_under_way_ends_at_once);
    tcase_add_test(tests, a_task_that_is_not_there_is_told);
    tcase_add_test(tests, a_function_waits_until_what_it_ends_has_ended);
    tcase_add_loop_test(tests, an_abort_silences_what_is_under_way, 0, 5);
    tcase_add_test(tests, a_task_set_is_that_of_the_nexus);
    tcase_add_loop_test(tests, a_reset_ends_all_tasks_and_the_reservation_and_tells_everyone, 0, 2);
    tcase_add_test(tests, reservations_are_released_by_their_holder_or_its_loss);
    tcase_add_test(tests, request_sense_takes_the_attention_as_data);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
