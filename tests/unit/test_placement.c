/* Which node takes a target or a floating IP. */
#include "sim-cluster/placement.h"

#include <check.h>
#include <stdlib.h>

#define POC 1u
#define QOS 2u

static const struct {
    const char *why;
    struct placement_node nodes[3];
    uint64_t groups;
    int expected;
} targets[] = {
    {"the fewest targets", {{1, true, false, POC, 2, 0}, {2, true, false, POC, 1, 0}}, POC, 2},
    {"then the lowest number", {{3, true, false, POC, 1, 0}, {2, true, false, POC, 1, 0}}, POC, 2},
    {"not a node that is down",
     {{1, false, false, POC, 0, 0}, {2, true, false, POC, 9, 0}},
     POC,
     2},
    {"a portal in every group", {{1, true, false, POC, 0, 0}, {2, true, false, 3, 5, 0}}, 3, 2},
    {"none has all portals", {{1, true, false, POC, 0, 0}, {2, true, false, QOS, 0, 0}}, 3, 0},
    {"none is up", {{1, false, false, POC, 0, 0}}, POC, 0},
    {"a target without exports goes anywhere", {{4, true, false, 0, 0, 0}}, 0, 4},
    {"floating IPs do not count",
     {{1, true, false, POC, 0, 9}, {2, true, false, POC, 1, 0}},
     POC,
     1},
};

START_TEST(a_target_goes_to_the_node_with_the_fewest)
{
    size_t count = 0;

    while (count < 3 && targets[_i].nodes[count].number)
        count++;
    ck_assert_msg(placement_for_target(targets[_i].nodes, count, targets[_i].groups) ==
                      targets[_i].expected,
                  "%s", targets[_i].why);
}
END_TEST

static const struct {
    const char *why;
    struct placement_node nodes[3];
    int group, expected;
} floating_ips[] = {
    {"the same subnet", {{1, true, false, POC, 0, 0}, {2, true, true, POC, 5, 5}}, 0, 2},
    {"the fewest floating IPs", {{1, true, true, POC, 0, 1}, {2, true, true, POC, 5, 0}}, 0, 2},
    {"then the fewest targets", {{1, true, true, POC, 2, 1}, {2, true, true, POC, 1, 1}}, 0, 2},
    {"then the lowest number", {{2, true, true, POC, 1, 1}, {1, true, true, POC, 1, 1}}, 0, 1},
    {"a portal in its group", {{1, true, true, POC, 0, 0}, {2, true, true, QOS, 0, 0}}, 1, 2},
    {"none has one", {{1, true, true, POC, 0, 0}}, 1, 0},
    {"none is up", {{1, false, true, POC, 0, 0}}, 0, 0},
};

START_TEST(a_floating_ip_goes_near_and_where_there_are_few)
{
    size_t count = 0;

    while (count < 3 && floating_ips[_i].nodes[count].number)
        count++;
    ck_assert_msg(placement_for_floating_ip(floating_ips[_i].nodes, count,
                                            floating_ips[_i].group) == floating_ips[_i].expected,
                  "%s", floating_ips[_i].why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("placement");
    TCase *tests = tcase_create("placement");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_target_goes_to_the_node_with_the_fewest, 0,
                        sizeof(targets) / sizeof(*targets));
    tcase_add_loop_test(tests, a_floating_ip_goes_near_and_where_there_are_few, 0,
                        sizeof(floating_ips) / sizeof(*floating_ips));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
