/* The life of a node: detect, fence, place. */
#include "sim-cluster/failover.h"

#include <check.h>
#include <stdlib.h>

enum { STAGES = STAGE_FENCING + 1, EVENTS = NODE_REAPED + 1, LENGTH = 7 };

START_TEST(a_failed_node_is_detected_fenced_and_then_replaced)
{
    enum node_stage stage = STAGE_GONE;

    ck_assert_int_eq(failover_step(&stage, NODE_STARTED), NODE_DO_SPAWN);
    ck_assert_int_eq(failover_step(&stage, NODE_READY), NODE_DO_JOIN);
    ck_assert_int_eq(failover_step(&stage, NODE_FAILED), NODE_DO_WAIT);
    ck_assert_int_eq(failover_step(&stage, NODE_DETECTED), NODE_DO_FENCE);
    ck_assert_int_eq(failover_step(&stage, NODE_REAPED), NODE_DO_PLACE);
    ck_assert_int_eq(stage, STAGE_GONE);
}
END_TEST

START_TEST(a_node_that_fails_to_start_is_fenced_at_once)
{
    enum node_stage stage = STAGE_STARTING;

    ck_assert_int_eq(failover_step(&stage, NODE_FAILED), NODE_DO_FENCE);
    ck_assert_int_eq(stage, STAGE_FENCING);
}
END_TEST

/* Every sequence of events from every stage. */
START_TEST(nothing_is_placed_before_the_node_was_fenced_and_reaped)
{
    long sequences = 1;

    for (int i = 0; i < LENGTH; i++)
        sequences *= EVENTS;
    for (int first = 0; first < STAGES; first++) {
        for (long sequence = 0; sequence < sequences; sequence++) {
            enum node_stage stage = (enum node_stage)first;
            long rest = sequence;

            for (int i = 0; i < LENGTH; i++, rest /= EVENTS) {
                enum node_stage before = stage;
                enum node_event event = (enum node_event)(rest % EVENTS);

                if (failover_step(&stage, event) == NODE_DO_PLACE &&
                    (before != STAGE_FENCING || event != NODE_REAPED))
                    ck_abort_msg("placed from stage %d by event %d", before, event);
                if (stage == STAGE_GONE && before != STAGE_GONE && before != STAGE_FENCING)
                    ck_abort_msg("gone without having been fenced");
            }
        }
    }
}
END_TEST

START_TEST(an_event_that_does_not_fit_changes_nothing)
{
    enum node_stage stage = STAGE_FENCING;

    ck_assert_int_eq(failover_step(&stage, NODE_STARTED), NODE_DO_NOTHING);
    ck_assert_int_eq(failover_step(&stage, NODE_FAILED), NODE_DO_NOTHING);
    ck_assert_int_eq(stage, STAGE_FENCING);
}
END_TEST

START_TEST(off_and_isolated_nodes_stay_so_when_they_are_fenced)
{
    ck_assert_int_eq(failover_state_when_fenced(NODE_OFF), NODE_OFF);
    ck_assert_int_eq(failover_state_when_fenced(NODE_ISOLATED), NODE_ISOLATED);
    ck_assert_int_eq(failover_state_when_fenced(NODE_FROZEN), NODE_DOWN);
    ck_assert_int_eq(failover_state_when_fenced(NODE_UP), NODE_DOWN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover");
    TCase *tests = tcase_create("failover");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_failed_node_is_detected_fenced_and_then_replaced);
    tcase_add_test(tests, a_node_that_fails_to_start_is_fenced_at_once);
    tcase_add_test(tests, nothing_is_placed_before_the_node_was_fenced_and_reaped);
    tcase_add_test(tests, an_event_that_does_not_fit_changes_nothing);
    tcase_add_test(tests, off_and_isolated_nodes_stay_so_when_they_are_fenced);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
