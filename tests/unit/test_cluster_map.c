/* What the children are told, and when. */
#include "sim-cluster/exports.h"
#include "sim-cluster/map.h"

#include <check.h>
#include <stdlib.h>

static struct portal_group_config group = {.name = "poc", .tpgt = 1};
static struct floating_ip_config floating_config = {.subnet.prefix = 24};
static struct portal_config portals[] = {{.group = "poc"}, {.group = "poc"}};
static struct node_config nodes[] = {{.number = 1, .portals = &portals[0], .portal_count = 1},
                                     {.number = 2, .portals = &portals[1], .portal_count = 1}};
static struct volume_config volume = {
    .name = "data1", .target = "iqn.a:data1", .size = 1 << 20, .block_size = 512};
static struct name_config group_name = {.name = "poc"}, any = {.name = "*"};
static struct export_config export = {.volume = "data1",
                                      .portal_groups = &group_name,
                                      .portal_group_count = 1,
                                      .initiators = &any,
                                      .initiator_count = 1};
static struct cluster_config config;
static struct cluster cluster;

static void set_up(void)
{
    address_parse(&floating_config.subnet.address, "127.0.1.100", 3260);
    address_parse(&portals[0].address, "127.0.1.1", 3260);
    address_parse(&portals[1].address, "127.0.9.2", 3260);
    group.floating_ips = &floating_config;
    group.floating_ip_count = 1;
    config = (struct cluster_config){
        .base_name = "iqn.a",
        .portal_groups = &group,
        .portal_group_count = 1,
        .nodes = nodes,
        .node_count = 2,
        .volumes = &volume,
        .volume_count = 1,
        .exports = &export,
        .export_count = 1,
    };
    cluster_init(&cluster, &config);
    for (size_t i = 0; i < 2; i++) {
        cluster.nodes[i].stage = STAGE_SERVING;
        cluster.nodes[i].state = NODE_UP;
    }
}

static void tear_down(void)
{
    cluster_free(&cluster);
}

/* 0: null */
static int controller_in(enum map_reader reader)
{
    json_t *map = map_build(&cluster, reader);
    json_t *target = json_array_get(json_object_get(map, "targets"), 0);
    int controller = (int)json_integer_value(json_object_get(target, "controller"));

    json_decref(map);
    return controller;
}

static const struct {
    enum target_phase phase;
    int for_target, for_portalgroup;
} phases[] = {
    {TARGET_OPENING, 2, 0},
    {TARGET_SERVING, 2, 2},
    {TARGET_RELEASING, 0, 0},
    {TARGET_LOST, 0, 0},
};

START_TEST(initiators_are_sent_only_where_the_volume_is_open)
{
    cluster.targets[0].phase = phases[_i].phase;
    cluster.targets[0].controller = 2;
    ck_assert_int_eq(controller_in(MAP_FOR_TARGET), phases[_i].for_target);
    ck_assert_int_eq(controller_in(MAP_FOR_PORTALGROUP), phases[_i].for_portalgroup);
}
END_TEST

/* How many targets a change tells of; -1: it is a whole map. */
static int told_since(int64_t since)
{
    json_t *map = map_build_change(&cluster, MAP_FOR_TARGET, since);
    int count = json_object_get(map, "exports")
                    ? -1
                    : (int)json_array_size(json_object_get(map, "targets"));

    json_decref(map);
    return count;
}

START_TEST(a_change_tells_what_is_different_since_and_no_more)
{
    cluster.generation = 2;
    map_stamp(&cluster);
    ck_assert_int_eq(told_since(0), -1);
    cluster.targets[0].phase = TARGET_OPENING;
    cluster.targets[0].controller = 2;
    cluster.generation = 3;
    map_stamp(&cluster);
    ck_assert_int_eq(told_since(2), 1);
    cluster.generation = 4;
    map_stamp(&cluster);
    ck_assert_int_eq(told_since(3), 0);
    ck_assert_int_eq(told_since(2), 1);
    exports_add(&cluster, 0, 0, "iqn.b:one");
    cluster.generation = 5;
    map_stamp(&cluster);
    ck_assert_int_eq(told_since(4), -1);
    cluster.generation = 6;
    map_stamp(&cluster);
    ck_assert_int_eq(told_since(5), 0);
}
END_TEST

START_TEST(a_draining_or_failed_node_is_given_nothing)
{
    cluster.nodes[0].state = NODE_DRAINING;
    ck_assert_int_eq(cluster_place_target(&cluster, &cluster.targets[0]), 2);
    cluster.nodes[1].stage = STAGE_LOST;
    ck_assert_int_eq(cluster_place_target(&cluster, &cluster.targets[0]), 0);
    ck_assert_int_eq(cluster_place_floating_ip(&cluster, &cluster.floating_ips[0]), 0);
}
END_TEST

START_TEST(a_floating_ip_prefers_a_portal_in_its_own_subnet)
{
    cluster.targets[0].controller = 1;
    ck_assert_int_eq(cluster_place_floating_ip(&cluster, &cluster.floating_ips[0]), 1);
}
END_TEST

START_TEST(what_somebody_wants_goes_first_while_it_can)
{
    cluster.targets[0].wanted = 2;
    ck_assert_int_eq(cluster_place_target(&cluster, &cluster.targets[0]), 2);
    cluster.nodes[1].stage = STAGE_FENCING;
    ck_assert_int_eq(cluster_place_target(&cluster, &cluster.targets[0]), 1);
}
END_TEST

START_TEST(things_are_found_by_what_people_call_them)
{
    ck_assert_ptr_eq(cluster_find_target(&cluster, "data1"), &cluster.targets[0]);
    ck_assert_ptr_eq(cluster_find_target(&cluster, "iqn.a:data1"), &cluster.targets[0]);
    ck_assert_ptr_eq(cluster_find_floating_ip(&cluster, "127.0.1.100"), &cluster.floating_ips[0]);
    ck_assert_ptr_eq(cluster_find_floating_ip(&cluster, "127.0.1.100:3260"),
                     &cluster.floating_ips[0]);
    ck_assert_ptr_null(cluster_find_floating_ip(&cluster, "127.0.1.100:1"));
    ck_assert_ptr_null(cluster_find_floating_ip(&cluster, "data1"));
    ck_assert_ptr_null(cluster_find_node(&cluster, 3));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster_map");
    TCase *tests = tcase_create("cluster_map");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, initiators_are_sent_only_where_the_volume_is_open, 0,
                        sizeof(phases) / sizeof(*phases));
    tcase_add_test(tests, a_change_tells_what_is_different_since_and_no_more);
    tcase_add_test(tests, a_draining_or_failed_node_is_given_nothing);
    tcase_add_test(tests, a_floating_ip_prefers_a_portal_in_its_own_subnet);
    tcase_add_test(tests, what_somebody_wants_goes_first_while_it_can);
    tcase_add_test(tests, things_are_found_by_what_people_call_them);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
