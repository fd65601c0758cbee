/* Gaps between answers and their stages; times in microseconds. */
#include <check.h>
#include <stdlib.h>

#include "sim-cluster/probe_stall.h"

#define THRESHOLD 100000

static struct probe_stall_watch watch;
static struct probe_stall stall;

static void set_up(void)
{
    probe_stall_start(&watch, THRESHOLD, 1000);
}

START_TEST(a_short_gap_is_no_stall)
{
    ck_assert(!probe_stall_answer(&watch, 1000 + THRESHOLD, &stall));
    ck_assert(!probe_stall_answer(&watch, 1000 + 2 * THRESHOLD, &stall));
}
END_TEST

START_TEST(a_long_gap_without_a_loss_has_one_stage)
{
    probe_stall_answer(&watch, 5000, &stall);
    ck_assert(probe_stall_answer(&watch, 5001 + THRESHOLD, &stall));
    ck_assert_uint_eq(stall.start_us, 5000);
    ck_assert_uint_eq(stall.length_us, THRESHOLD + 1);
    ck_assert_uint_eq(stall.stage_us[STAGE_FIRST_ANSWER], THRESHOLD + 1);
    ck_assert_uint_eq(stall.stage_us[STAGE_LOST], 0);
    ck_assert_str_eq(stall.why, "");
    ck_assert(!probe_stall_answer(&watch, 5002 + THRESHOLD, &stall));
}
END_TEST

START_TEST(stages_are_those_of_the_attempt_that_worked)
{
    probe_stall_note(&watch, STAGE_LOST, "the first reason", 11000);
    probe_stall_note(&watch, STAGE_CONNECTED, NULL, 21000);
    probe_stall_note(&watch, STAGE_REDIRECTED, NULL, 31000);
    probe_stall_note(&watch, STAGE_LOGGED_IN, NULL, 41000);
    probe_stall_note(&watch, STAGE_LOST, "another one", 301000);
    probe_stall_note(&watch, STAGE_CONNECTED, NULL, 401000);
    probe_stall_note(&watch, STAGE_LOGGED_IN, NULL, 501000);
    ck_assert(probe_stall_answer(&watch, 601000, &stall));
    ck_assert_uint_eq(stall.stage_us[STAGE_LOST], 10000);
    ck_assert_uint_eq(stall.stage_us[STAGE_CONNECTED], 400000);
    ck_assert_uint_eq(stall.stage_us[STAGE_REDIRECTED], 0);
    ck_assert_uint_eq(stall.stage_us[STAGE_LOGGED_IN], 500000);
    ck_assert_uint_eq(stall.stage_us[STAGE_FIRST_ANSWER], 600000);
    ck_assert_uint_eq(stall.attempts, 2);
    ck_assert_str_eq(stall.why, "the first reason");
}
END_TEST

START_TEST(a_loss_that_is_over_quickly_leaves_nothing_behind)
{
    probe_stall_note(&watch, STAGE_LOST, "lost", 2000);
    ck_assert(!probe_stall_answer(&watch, 30000, &stall));
    ck_assert(probe_stall_answer(&watch, 30001 + THRESHOLD, &stall));
    ck_assert_uint_eq(stall.stage_us[STAGE_LOST], 0);
    ck_assert_str_eq(stall.why, "");
}
END_TEST

START_TEST(a_stall_that_never_ended_is_reported_at_the_end)
{
    probe_stall_note(&watch, STAGE_LOST, "lost", 2000);
    ck_assert(probe_stall_stop(&watch, 2001000, &stall));
    ck_assert_uint_eq(stall.length_us, 2000000);
    ck_assert_uint_eq(stall.stage_us[STAGE_FIRST_ANSWER], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_stall");
    TCase *tests = tcase_create("gaps");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_short_gap_is_no_stall);
    tcase_add_test(tests, a_long_gap_without_a_loss_has_one_stage);
    tcase_add_test(tests, stages_are_those_of_the_attempt_that_worked);
    tcase_add_test(tests, a_loss_that_is_over_quickly_leaves_nothing_behind);
    tcase_add_test(tests, a_stall_that_never_ended_is_reported_at_the_end);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
