/* Exports that come and go, and what that means for placement and for hosts. */
#include "sim-cluster/exports.h"
#include "target/inventory.h"

#include <check.h>
#include <stdlib.h>

enum { POC = 1, QOS = 2 };

static struct portal_group_config groups[] = {{.name = "poc", .tpgt = 1},
                                              {.name = "qos", .tpgt = 2}};
static struct volume_config volumes[] = {{.name = "a", .target = "iqn.a:a"},
                                         {.name = "b", .target = "iqn.a:b"}};
static struct name_config both[] = {{.name = "poc"}, {.name = "qos"}}, any = {.name = "*"};
static struct export_config export = {.volume = "a",
                                      .portal_groups = both,
                                      .portal_group_count = 2,
                                      .initiators = &any,
                                      .initiator_count = 1};
static struct cluster_config config;
static struct cluster cluster;

static void set_up(void)
{
    config = (struct cluster_config){
        .portal_groups = groups,
        .portal_group_count = 2,
        .volumes = volumes,
        .volume_count = 2,
        .exports = &export,
        .export_count = 1,
    };
    cluster_init(&cluster, &config);
}

static void tear_down(void)
{
    cluster_free(&cluster);
}

START_TEST(exports_of_the_configuration_are_rows)
{
    ck_assert_uint_eq(cluster.export_count, 2);
    ck_assert_uint_eq(cluster.targets[0].groups, POC | QOS);
    ck_assert_uint_eq(cluster.targets[1].groups, 0);
}
END_TEST

START_TEST(a_target_needs_the_groups_it_is_exported_in)
{
    ck_assert(exports_add(&cluster, 1, 1, "iqn.b:one"));
    ck_assert(exports_add(&cluster, 1, 1, "iqn.b:two"));
    ck_assert_uint_eq(cluster.targets[1].groups, QOS);
    ck_assert_uint_eq(exports_remove(&cluster, 1, 1, "iqn.b:one"), 1);
    ck_assert_uint_eq(cluster.targets[1].groups, QOS);
    ck_assert_uint_eq(exports_remove(&cluster, 1, 1, NULL), 1);
    ck_assert_uint_eq(cluster.targets[1].groups, 0);
    ck_assert_uint_eq(cluster.targets[0].groups, POC | QOS);
}
END_TEST

START_TEST(what_is_there_is_not_added_and_what_is_not_is_not_removed)
{
    ck_assert(!exports_add(&cluster, 0, 0, "*"));
    ck_assert_uint_eq(exports_remove(&cluster, 1, 0, NULL), 0);
    ck_assert_uint_eq(exports_remove(&cluster, 0, 0, "iqn.b:one"), 0);
    ck_assert_uint_eq(cluster.export_count, 2);
}
END_TEST

/* ---- what hosts find ---- */

/* "a1 b2": targets a and b in the group poc, to one and to two initiators; capitals: in qos. */
static struct map *make_map(const char *words)
{
    static const char empty[] = "{'generation':1,'portal_groups':[{'name':'poc'},{'name':'qos'}],"
                                "'base_name':'iqn.a','targets':[{'volumes':['a','b'],'size':512,"
                                "'block_size':512}],"
                                "'exports':[]}";
    char text[sizeof(empty)];
    const char *error = NULL;
    struct map *map;
    json_t *json;

    for (size_t i = 0; i < sizeof(empty); i++)
        text[i] = empty[i] == '\'' ? '"' : empty[i];
    json = json_loads(text, 0, NULL);
    for (; *words; words += words[2] ? 3 : 2) {
        json_t *names = json_pack("[s]", "iqn.b:one");

        if (words[1] == '2')
            json_array_append_new(names, json_string("iqn.b:two"));
        json_array_append_new(json_object_get(json, "exports"),
                              json_pack("{s:[[ii]], s:s, s:o}", "targets", (*words | 0x20) - 'a', 1,
                                        "portal_group", *words < 'a' ? "qos" : "poc", "initiators",
                                        names));
    }
    map = map_decode(json, &error);
    ck_assert_msg(map != NULL, "%s", error);
    json_decref(json);
    return map;
}

static const struct {
    const char *before, *now;
    bool a, b; /* what hosts of the targets may find is different */
} changes[] = {
    {"a1 b1", "a1 b1", false, false}, {"a1 b1", "b1 a1", false, false},
    {"a1", "a1 b1", true, true},      {"a1 b1", "a1", true, false},
    {"a1 b1", "a1 b2", true, true},   {"a1 b2", "a1 b1", true, true},
    {"a1", "a1 B1", false, true},     {"a1 B1", "a1", false, false},
    {"a1 A1", "a1", false, false},    {"a1 B1", "a1 B1 A1", true, true},
};

START_TEST(hosts_are_told_when_they_would_find_something_else)
{
    struct map *before = make_map(changes[_i].before), *now = make_map(changes[_i].now);
    struct inventory_change change = inventory_compare(before, now);

    ck_assert_int_eq(inventory_has_changed(&change, map_find_target(now, "iqn.a:a")),
                     changes[_i].a);
    ck_assert_int_eq(inventory_has_changed(&change, map_find_target(now, "iqn.a:b")),
                     changes[_i].b);
    inventory_change_free(&change);
    map_free(before);
    map_free(now);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exports");
    TCase *rows = tcase_create("rows"), *hosts = tcase_create("hosts");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(rows, set_up, tear_down);
    tcase_add_test(rows, exports_of_the_configuration_are_rows);
    tcase_add_test(rows, a_target_needs_the_groups_it_is_exported_in);
    tcase_add_test(rows, what_is_there_is_not_added_and_what_is_not_is_not_removed);
    tcase_add_loop_test(hosts, hosts_are_told_when_they_would_find_something_else, 0,
                        sizeof changes / sizeof *changes);
    suite_add_tcase(suite, rows);
    suite_add_tcase(suite, hosts);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
