#include "tests/unit/scsi_fixture.h"

/* Task attributes, SAM-5 8.6: what waits for what. */
static struct fixture fixture;

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

static struct exchange *new_write(struct scsi_nexus *nexus, enum scsi_attribute attribute)
{
    struct exchange *exchange = new_exchange(nexus, CDB("\x2a\0\0\0\0\0\0\0\x02\0"));

    exchange->task.attribute = attribute;
    return exchange;
}

static void finish(struct exchange *exchange)
{
    complete(&fixture, exchange, SCSI_DATA_OUT);
    ck_assert_uint_eq(result_of(&exchange->task), SCSI_GOOD);
    free(exchange);
}

/* The task was parked; now it goes on. */
static void expect_start(struct exchange *exchange)
{
    wait_for(&fixture, &exchange->has_next);
    ck_assert_int_eq(exchange->next, SCSI_DATA_OUT);
}

/* A second task beside a first one: whether it is parked. */
static const struct {
    enum scsi_attribute first, second;
    bool waits;
} pairs[] = {
    {SCSI_SIMPLE, SCSI_SIMPLE, false},
    {SCSI_SIMPLE, SCSI_ORDERED, true},
    {SCSI_SIMPLE, SCSI_HEAD_OF_QUEUE, false},
    {SCSI_ORDERED, SCSI_SIMPLE, true},
    {SCSI_ORDERED, SCSI_ORDERED, true},
    {SCSI_ORDERED, SCSI_HEAD_OF_QUEUE, false},
    {SCSI_HEAD_OF_QUEUE, SCSI_SIMPLE, true},
    {SCSI_HEAD_OF_QUEUE, SCSI_ORDERED, true},
    {SCSI_HEAD_OF_QUEUE, SCSI_HEAD_OF_QUEUE, false},
    {SCSI_SIMPLE, SCSI_ACA, false},
};

static void run_pair(int row, struct scsi_nexus *of_second)
{
    struct exchange *first = new_write(fixture.nexus, pairs[row].first);
    struct exchange *second = new_write(of_second, pairs[row].second);

    ck_assert_int_eq(scsi_begin(&first->task), SCSI_DATA_OUT);
    ck_assert_int_eq(scsi_begin(&second->task), pairs[row].waits ? SCSI_WAIT : SCSI_DATA_OUT);
    finish(first);
    if (pairs[row].waits)
        expect_start(second);
    finish(second);
}

START_TEST(the_attributes_of_two_tasks_decide)
{
    run_pair(_i, fixture.nexus);
}
END_TEST

START_TEST(all_nexuses_have_one_task_set)
{
    run_pair(_i, fixture.other);
}
END_TEST

START_TEST(tasks_behind_an_ordered_one_go_on_after_it)
{
    struct exchange *before = new_write(fixture.nexus, SCSI_SIMPLE);
    struct exchange *ordered = new_write(fixture.nexus, SCSI_ORDERED);
    struct exchange *behind[3];

    ck_assert_int_eq(scsi_begin(&before->task), SCSI_DATA_OUT);
    ck_assert_int_eq(scsi_begin(&ordered->task), SCSI_WAIT);
    for (int i = 0; i < 3; i++) {
        behind[i] = new_write(i % 2 ? fixture.other : fixture.nexus, SCSI_SIMPLE);
        ck_assert_int_eq(scsi_begin(&behind[i]->task), SCSI_WAIT);
    }
    finish(before);
    expect_start(ordered);
    for (int i = 0; i < 3; i++)
        ck_assert(!behind[i]->has_next);
    finish(ordered);
    for (int i = 0; i < 3; i++)
        expect_start(behind[i]);
    for (int i = 0; i < 3; i++)
        finish(behind[i]);
}
END_TEST

START_TEST(a_parked_task_ends_when_it_is_aborted)
{
    struct exchange *ordered = new_write(fixture.nexus, SCSI_ORDERED);
    struct exchange *parked = new_write(fixture.nexus, SCSI_SIMPLE);
    struct exchange *last = new_write(fixture.other, SCSI_SIMPLE);

    ck_assert_int_eq(scsi_begin(&ordered->task), SCSI_DATA_OUT);
    ck_assert_int_eq(scsi_begin(&parked->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&last->task), SCSI_WAIT);
    scsi_abort(&parked->task);
    ck_assert(parked->is_aborted);
    scsi_abort(&ordered->task);
    ck_assert(ordered->is_aborted);
    expect_start(last);
    finish(last);
    free(parked);
    free(ordered);
}
END_TEST

/* What is checked is checked when the task's turn comes. */
START_TEST(a_parked_task_meets_the_state_that_it_finds)
{
    struct exchange *reserve = new_exchange(fixture.nexus, CDB("\x16\0\0\0\0\0"));
    struct exchange *write = new_write(fixture.nexus, SCSI_ORDERED);
    struct exchange *late = new_write(fixture.other, SCSI_SIMPLE);

    ck_assert_int_eq(scsi_begin(&write->task), SCSI_DATA_OUT);
    reserve->task.attribute = SCSI_HEAD_OF_QUEUE;
    ck_assert_int_eq(scsi_begin(&late->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&reserve->task), SCSI_STATUS);
    finish(write);
    wait_for(&fixture, &late->has_next);
    ck_assert_int_eq(late->next, SCSI_STATUS);
    ck_assert_uint_eq(result_of(&late->task), SCSI_RESERVATION_CONFLICT);
    execute_cdb(&fixture, fixture.nexus, CDB("\x17\0\0\0\0\0"));
    free(late);
    free(reserve);
}
END_TEST

static struct exchange *new_read(struct scsi_nexus *nexus)
{
    return new_exchange(nexus, CDB("\x28\0\0\0\0\x04\0\0\x10\0"));
}

/* WRITE ATOMIC(16) of eight blocks with all their data. */
static struct exchange *begin_atomic(struct scsi_nexus *nexus)
{
    struct exchange *atomic = new_exchange(nexus, CDB("\x9c\0\0\0\0\0\0\0\0\x08\0\0\0\x08\0\0"));

    memset(atomic->data, 7, 4096);
    ck_assert_int_eq(scsi_begin(&atomic->task), SCSI_DATA_OUT);
    ck_assert(scsi_put(&atomic->task, 0, atomic->data, 4096));
    return atomic;
}

START_TEST(an_atomic_write_comes_between_reads_not_between_their_pieces)
{
    struct exchange *before = new_read(fixture.other), *behind = new_read(fixture.other);
    struct exchange *atomic;

    before->cut = behind->cut = 512;
    ck_assert_int_eq(scsi_begin(&before->task), SCSI_DATA_IN);
    atomic = begin_atomic(fixture.nexus);
    ck_assert_int_eq(scsi_finish(&atomic->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&behind->task), SCSI_WAIT);
    complete(&fixture, before, SCSI_DATA_IN);
    ck_assert_uint_eq(before->data[4 * 512], 0);
    ck_assert(!behind->has_next);
    complete(&fixture, atomic, SCSI_WAIT);
    ck_assert_uint_eq(result_of(&atomic->task), SCSI_GOOD);
    complete(&fixture, behind, SCSI_WAIT);
    ck_assert_uint_eq(behind->data[4 * 512 - 1], 0);
    ck_assert_uint_eq(behind->data[4 * 512], 7);
    ck_assert_uint_eq(behind->data[12 * 512 - 1], 7);
    free(before);
    free(behind);
    free(atomic);
}
END_TEST

START_TEST(aborts_let_the_others_go_on)
{
    struct exchange *before = new_read(fixture.other), *behind = new_read(fixture.other);
    struct exchange *held = new_read(fixture.nexus), *atomic;

    ck_assert_int_eq(scsi_begin(&before->task), SCSI_DATA_IN);
    atomic = begin_atomic(fixture.nexus);
    ck_assert_int_eq(scsi_finish(&atomic->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&behind->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&held->task), SCSI_WAIT);
    scsi_abort(&held->task);
    ck_assert(held->is_aborted);
    scsi_abort(&atomic->task);
    ck_assert(atomic->is_aborted);
    complete(&fixture, behind, SCSI_WAIT);
    ck_assert_uint_eq(behind->data[4 * 512], 0);
    scsi_abort(&before->task);
    free(before);
    free(behind);
    free(held);
    free(atomic);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tests = tcase_create("gate");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, the_attributes_of_two_tasks_decide, 0, COUNT(pairs));
    tcase_add_loop_test(tests, all_nexuses_have_one_task_set, 0, COUNT(pairs));
    tcase_add_test(tests, tasks_behind_an_ordered_one_go_on_after_it);
    tcase_add_test(tests, a_parked_task_ends_when_it_is_aborted);
    tcase_add_test(tests, a_parked_task_meets_the_state_that_it_finds);
    tcase_add_test(tests, an_atomic_write_comes_between_reads_not_between_their_pieces);
    tcase_add_test(tests, aborts_let_the_others_go_on);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
