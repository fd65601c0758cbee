/* What `status` shows, as JSON and for a table. */
#include "sim-cluster/status.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct node_config node_configs[] = {{.number = 1}, {.number = 7}};
static struct volume_config volumes[] = {
    {.name = "data1", .target = "iqn.a:data1", .size = 1 << 20, .block_size = 512, .is_thin = true},
    {.name = "data2", .target = "iqn.a:data2", .size = 1 << 20, .block_size = 4096, .pool = "ssd"},
};
static struct portal_group_config group = {.name = "poc", .tpgt = 1};
static struct name_config group_name = {.name = "poc"}, any = {.name = "*"};
static struct export_config export = {.volume = "data2",
                                      .portal_groups = &group_name,
                                      .portal_group_count = 1,
                                      .initiators = &any,
                                      .initiator_count = 1};
static struct cluster_config config = {
    .name = "demo",
    .base_name = "iqn.a",
    .portal_groups = &group,
    .portal_group_count = 1,
    .nodes = node_configs,
    .node_count = 2,
    .volumes = volumes,
    .volume_count = 2,
    .exports = &export,
    .export_count = 1,
};
static struct cluster cluster;

static void set_up(void)
{
    cluster_init(&cluster, &config);
    cluster.targets[1].phase = TARGET_SERVING;
    cluster.targets[1].controller = 7;
}

static void tear_down(void)
{
    cluster_free(&cluster);
}

static void add_session(size_t node, const char *line)
{
    buffer_append_text(&cluster.nodes[node].sessions, line);
    cluster.nodes[node].session_count++;
}

/* `text` has ' for ". */
static bool is(json_t *json, const char *text)
{
    char copy[512];
    json_t *wanted;
    bool equal;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *quote = copy; (quote = strchr(quote, '\'')); *quote = '"')
        ;
    wanted = json_loads(copy, 0, NULL);
    ck_assert_ptr_nonnull(wanted);
    equal = json_equal(json, wanted);
    json_decref(wanted);
    return equal;
}

static json_t *status(void)
{
    struct buffer text = {0};
    json_t *json;

    status_write(&text, &cluster);
    json = json_loadb(buffer_content(&text), text.length, 0, NULL);
    ck_assert_ptr_nonnull(json);
    buffer_free(&text);
    return json;
}

START_TEST(the_object_has_what_the_manual_says)
{
    json_t *json = status();

    ck_assert(is(json_object_get(json, "nodes"),
                 "[{'node':1,'state':'down','targets':0,'sessions':0},"
                 " {'node':7,'state':'down','targets':1,'sessions':0}]"));
    ck_assert(is(json_object_get(json, "targets"),
                 "[{'name':'iqn.a:data1','volume':'data1','size':1048576,'block_size':512,"
                 "  'read_only':false,'thin':true,'removable':false,'pool':null,"
                 "  'controller':null,'problem':null},"
                 " {'name':'iqn.a:data2','volume':'data2','size':1048576,'block_size':4096,"
                 "  'read_only':false,'thin':false,'removable':false,'pool':'ssd',"
                 "  'controller':7,'problem':null}]"));
    ck_assert(is(json_object_get(json, "exports"),
                 "[{'initiator':'*','portal_group':'poc','target':'iqn.a:data2'}]"));
    ck_assert(is(json_object_get(json, "sessions"), "[]"));
    json_decref(json);
}
END_TEST

START_TEST(sessions_of_all_nodes_are_one_list)
{
    json_t *json;

    add_session(0, "{\"isid\":\"1\"}\n");
    add_session(1, "{\"isid\":\"2\"}\n");
    add_session(1, "{\"isid\":\"3\"}\n");
    json = status();
    ck_assert(is(json_object_get(json, "sessions"), "[{'isid':'1'},{'isid':'2'},{'isid':'3'}]"));
    json_decref(json);
}
END_TEST

START_TEST(the_head_says_how_many_rows_follow)
{
    struct buffer head = {0}, rows = {0};
    size_t lines = 0;
    json_t *json;

    add_session(1, "{\"isid\":\"2\"}\n");
    status_write_head(&head, &cluster);
    status_write_rows(&rows, &cluster);
    json = json_loadb(buffer_content(&head), head.length, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "targets")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "sessions")), 1);
    for (size_t i = 0; i < rows.length; i++)
        lines += buffer_content(&rows)[i] == '\n';
    ck_assert_uint_eq(lines, 3);
    json_decref(json);
    buffer_free(&head);
    buffer_free(&rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *test = tcase_create("status");

    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_test(test, the_object_has_what_the_manual_says);
    tcase_add_test(test, sessions_of_all_nodes_are_one_list);
    tcase_add_test(test, the_head_says_how_many_rows_follow);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
