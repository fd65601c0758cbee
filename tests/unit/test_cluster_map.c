/* What the children are told, and when. */
#include "sim-cluster/exports.h"
#include "sim-cluster/map.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct portal_group_config group = {.name = "poc", .tpgt = 1};
static struct floating_ip_config floating_config = {.subnet.prefix = 24};
static struct portal_config portals[] = {{.group = "poc"}, {.group = "poc"}};
static struct node_config nodes[] = {{.number = 1, .portals = &portals[0], .portal_count = 1},
                                     {.number = 2, .portals = &portals[1], .portal_count = 1}};
static struct volume_config volumes[] = {
    {.name = "data1", .target = "iqn.a:data1", .size = 1 << 20, .block_size = 512},
    {.name = "data2", .target = "iqn.a:data2", .size = 1 << 20, .block_size = 512},
    {.name = "Data3", .target = "iqn.a:data3", .size = 1 << 20, .block_size = 512},
    {.name = "data4", .target = "iqn.a:data4", .size = 1 << 20, .block_size = 4096},
};
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
        .volumes = volumes,
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

static json_t *parse(struct buffer *text)
{
    json_t *json = json_loadb(buffer_content(text), text->length, 0, NULL);

    ck_assert_ptr_nonnull(json);
    buffer_free(text);
    return json;
}

/* 0: none */
static int controller_in(enum map_reader reader)
{
    struct buffer text = {0};
    json_t *map;

    map_write(&text, &cluster, reader);
    map = parse(&text);
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

/* How many targets a change tells a process of the node of; -1: it is a whole map. */
static int told(enum map_reader reader, int node, int64_t since)
{
    const struct map_recipient to = {reader, &cluster.nodes[node - 1], since};
    struct buffer text = {0};
    json_t *map;

    map_write_change(&text, &cluster, &to);
    map = parse(&text);
    int count = json_object_get(map, "exports")
                    ? -1
                    : (int)json_array_size(json_object_get(map, "targets"));

    json_decref(map);
    return count;
}

static int told_since(int64_t since)
{
    return told(MAP_FOR_TARGET, 2, since);
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

static void put(enum target_phase phase, int node)
{
    cluster.targets[0].phase = phase;
    cluster.targets[0].controller = node;
    cluster.generation++;
    map_stamp(&cluster);
}

/* Their names, one after another. */
static void check_run(json_t *run, const char *volumes_of_it, bool has_names)
{
    char names[64] = "";
    size_t i, length = 0;
    json_t *name;

    json_array_foreach (json_object_get(run, "volumes"), i, name)
        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s ",
                                   json_string_value(name));
    ck_assert_str_eq(names, volumes_of_it);
    ck_assert_int_eq(json_object_get(run, "names") != NULL, has_names);
}

START_TEST(targets_in_a_row_that_are_alike_are_one_run)
{
    struct buffer text = {0};
    json_t *map, *runs;

    cluster_free(&cluster);
    config.volume_count = 4;
    cluster_init(&cluster, &config);
    map_write(&text, &cluster, MAP_FOR_TARGET);
    map = parse(&text);
    runs = json_object_get(map, "targets");
    ck_assert_uint_eq(json_array_size(runs), 3);
    check_run(json_array_get(runs, 0), "data1 data2 ", false);
    check_run(json_array_get(runs, 1), "Data3 ", true);
    check_run(json_array_get(runs, 2), "data4 ", false);
    json_decref(map);
}
END_TEST

START_TEST(targets_that_the_same_see_are_one_row)
{
    struct buffer text = {0};
    json_t *map, *row, *runs;

    map_write(&text, &cluster, MAP_FOR_TARGET);
    map = parse(&text);
    ck_assert_uint_eq(json_array_size(json_object_get(map, "exports")), 1);
    row = json_array_get(json_object_get(map, "exports"), 0);
    runs = json_pack("[[ii]]", 0, 1);
    ck_assert(json_equal(json_object_get(row, "targets"), runs));
    json_decref(runs);
    json_decref(map);
}
END_TEST

START_TEST(a_node_is_told_of_what_it_has_or_had)
{
    cluster.generation = 1;
    map_stamp(&cluster);
    put(TARGET_SERVING, 2);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 1, 1), 0);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 2, 1), 1);
    ck_assert_int_eq(told(MAP_FOR_PORTALGROUP, 1, 1), 1);
    put(TARGET_NOWHERE, 0);
    put(TARGET_SERVING, 1);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 1, 2), 1);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 2, 2), 1);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 2, 4), 0);
}
END_TEST

START_TEST(a_new_size_is_told_to_all)
{
    cluster.generation = 1;
    map_stamp(&cluster);
    cluster.targets[0].size *= 2;
    put(TARGET_SERVING, 2);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 1, 1), 1);
    put(TARGET_NOWHERE, 0);
    ck_assert_int_eq(told(MAP_FOR_TARGET, 1, 2), 0);
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
    tcase_add_test(tests, targets_in_a_row_that_are_alike_are_one_run);
    tcase_add_test(tests, targets_that_the_same_see_are_one_row);
    tcase_add_test(tests, a_node_is_told_of_what_it_has_or_had);
    tcase_add_test(tests, a_new_size_is_told_to_all);
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
