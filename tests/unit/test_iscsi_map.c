/* The cluster map: what is decoded and what is refused, who may come in, what is listed for whom.
 */
#include "target/base/memory.h"
#include "target/iscsi/access.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char good[] =
    "{'generation': 7, 'base_name': 'iqn.t', 'portal_groups': ["
    "  {'name': 'poc', 'tpgt': 1, 'redirect': 'before_auth', 'redirect_status': 'permanent',"
    "   'discovery_chap': 'required',"
    "   'floating_ips': [{'address': '127.0.1.100', 'prefix': 24, 'port': 3260, 'node': 2},"
    "                    {'address': 'fd00::100', 'prefix': 64, 'port': 3261, 'node': null}],"
    "   'portals': [{'node': 1, 'address': '127.0.1.1', 'port': 3260},"
    "               {'node': 2, 'address': '127.0.1.2'}]},"
    "  {'name': 'lab', 'tpgt': 65535, 'floating_ips': [], 'portals': ["
    "               {'node': 1, 'address': '127.0.2.1', 'port': 3260}]}],"
    " 'targets': ["
    "  {'volumes': ['data1'], 'names': ['iqn.t:Data1'], 'size': 1048576, 'block_size': 512,"
    "   'physical_block_size': 4096, 'controller': 1, 'read_only': false},"
    "  {'volumes': ['data2', 'data4'], 'size': 20971520, 'block_size': 4096,"
    "   'controller': null, 'read_only': true},"
    "  {'volumes': ['data3'], 'size': 512, 'block_size': 512}],"
    " 'initiators': ["
    "  {'name': 'iqn.i:Host', 'nets': ['10.0.0.0/8', '::1'], 'chap': {'user': 'u',"
    "   'secret': 'secret12chars'}, 'mutual_chap': {'user': 'm', 'secret': 'another12chars'}},"
    "  {'name': '*', 'nets': ['127.0.0.0/8']},"
    "  {'name': 'iqn.i:anywhere'}],"
    " 'exports': ["
    "  {'targets': [[0, 1]], 'portal_group': 'poc', 'initiators': ['*']},"
    "  {'targets': [[1, 1]], 'portal_group': 'poc', 'initiators': ['iqn.i:host']},"
    "  {'targets': [[1, 1]], 'portal_group': 'lab', 'initiators': ['iqn.i:other', '*']}]}";

static struct map *map;
static const struct map_portal_group *poc, *lab;

/* The text with ' for ", and `from` replaced once by `to`. */
static json_t *json_of(const char *from, const char *to)
{
    char *text = strdup(good), *changed = text, *at;
    json_t *json;

    if (from) {
        ck_assert_ptr_nonnull(at = strstr(text, from));
        *at = '\0';
        changed = memory_format("%s%s%s", text, to, at + strlen(from));
        free(text);
    }
    for (char *quote = changed; (quote = strchr(quote, '\'')); *quote = '"')
        ;
    json = json_loads(changed, 0, NULL);
    ck_assert_ptr_nonnull(json);
    free(changed);
    return json;
}

static void set_up(void)
{
    json_t *json = json_of(NULL, NULL);
    const char *error = NULL;

    map = map_decode(json, &error);
    json_decref(json);
    ck_assert_ptr_nonnull(map);
    poc = map_find_group(map, "poc");
    lab = map_find_group(map, "lab");
}

static void tear_down(void)
{
    map_free(map);
}

START_TEST(a_map_has_what_was_said)
{
    char text[ADDRESS_TEXT_SIZE];

    ck_assert_uint_eq(map->generation, 7);
    ck_assert(poc->redirects_before_auth && poc->redirects_for_good && poc->discovery_needs_chap);
    ck_assert(!lab->redirects_before_auth && !lab->redirects_for_good &&
              !lab->discovery_needs_chap);
    ck_assert_uint_eq(poc->tpgt, 1);
    ck_assert_uint_eq(lab->tpgt, 65535);
    ck_assert_uint_eq(poc->floating_ip_count, 2);
    ck_assert_int_eq(poc->floating_ips[0].node, 2);
    ck_assert_uint_eq(poc->floating_ips[0].subnet.prefix, 24);
    ck_assert_int_eq(poc->floating_ips[1].node, MAP_NO_NODE);
    ck_assert_str_eq(address_format(&poc->floating_ips[1].subnet.address, text),
                     "[fd00::100]:3261");
    ck_assert_str_eq(address_format(&poc->portals[1].address, text), "127.0.1.2:3260");
    ck_assert_str_eq(map->targets[0].name, "iqn.t:Data1");
    ck_assert_str_eq(map->targets[1].name, "iqn.t:data2");
    ck_assert_str_eq(map->targets[2].volume, "data4");
    ck_assert_uint_eq(map->targets[2].block_size, 4096);
    ck_assert_uint_eq(map->target_count, 4);
    ck_assert_int_eq(map->targets[0].controller, 1);
    ck_assert_int_eq(map->targets[1].controller, MAP_NO_NODE);
    ck_assert(!map->targets[0].is_read_only && map->targets[1].is_read_only);
    ck_assert_uint_eq(map->targets[1].size, 20971520);
    ck_assert_uint_eq(map->targets[1].block_size, 4096);
    ck_assert_str_eq(map_account(&map->initiators[0]).secret, "secret12chars");
    ck_assert_str_eq(map_mutual_account(&map->initiators[0]).user, "m");
    ck_assert_ptr_null(map_account(&map->initiators[1]).user);
}
END_TEST

/* What is changed in the good map, and the kind of thing that is then malformed. */
static const struct {
    const char *from, *to, *kind;
} mistakes[] = {
    {"'name': 'poc', ", "", "portal group"},
    {"127.0.1.100", "127.0.1.300", "portal group"},
    {"'address': '127.0.1.1', ", "", "portal group"},
    {"'127.0.1.2'", "5", "portal group"},
    {"'prefix': 64", "'prefix': 129", "portal group"},
    {"'port': 3261", "'port': 65536", "portal group"},
    {"'volumes': ['data3'], ", "", "target"},
    {"['data2', 'data4']", "['data2', 4]", "target"},
    {"['iqn.t:Data1']", "[1]", "target"},
    {"'base_name': 'iqn.t', ", "", "target"},
    {"'size': 1048576", "'size': 0", "target"},
    {"'size': 1048576", "'size': -1", "target"},
    {"'block_size': 512,", "", "target"},
    {"'name': '*', ", "", "initiator"},
    {"'secret': 'secret12chars'", "'password': 'secret12chars'", "initiator"},
    {"{'user': 'm', ", "{", "initiator"},
    {"10.0.0.0/8", "10.0.0.0/33", "initiator"},
    {"10.0.0.0/8", "everywhere", "initiator"},
    {"'::1'", "1", "initiator"},
    {"[[0, 1]]", "[[0, 5]]", "export"},
    {"[[0, 1]]", "[[4, 1]]", "export"},
    {"[[0, 1]]", "[[-1, 1]]", "export"},
    {"[[0, 1]]", "[[0, 0]]", "export"},
    {"'portal_group': 'lab'", "'portal_group': 'bal'", "export"},
    {"[[0, 1]]", "[0]", "export"},
    {"['*']", "[1]", "export"},
};

START_TEST(a_malformed_map_is_refused_with_a_sentence)
{
    json_t *json = json_of(mistakes[_i].from, mistakes[_i].to);
    const char *error = NULL;

    ck_assert_ptr_null(map_decode(json, &error));
    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_nonnull(strstr(error, mistakes[_i].kind));
    json_decref(json);
}
END_TEST

START_TEST(an_empty_map_is_a_map)
{
    json_t *json = json_loads(_i ? "{}" : "[]", 0, NULL);
    const char *error = NULL;
    struct map *empty = map_decode(json, &error);

    ck_assert_ptr_nonnull(empty);
    ck_assert_ptr_null(map_find_target(empty, "iqn.t:data1"));
    ck_assert_ptr_null(map_find_group(empty, "poc"));
    ck_assert_ptr_null(map_find_initiator(empty, "iqn.i:host"));
    map_free(empty);
    json_decref(json);
}
END_TEST

START_TEST(names_are_found_in_any_case)
{
    ck_assert_ptr_eq(map_find_target(map, "IQN.T:data1"), &map->targets[0]);
    ck_assert_ptr_null(map_find_target(map, "iqn.t:data"));
    ck_assert_ptr_eq(map_find_initiator(map, "iqn.i:HOST"), &map->initiators[0]);
    ck_assert_ptr_eq(map_find_initiator(map, "iqn.i:stranger"), &map->initiators[1]);
    ck_assert_ptr_null(map_find_group(map, "POC")); /* a word of the config, not an iSCSI name */
}
END_TEST

/* Who asks for what from where in which group, and the answer. */
static const struct {
    const char *initiator, *target, *from;
    bool in_lab;
    enum login_status status;
    bool needs_chap;
} admissions[] = {
    {"iqn.i:host", "iqn.t:data1", "10.1.2.3", false, LOGIN_ACCEPTED, true},
    {"IQN.I:host", "IQN.T:DATA1", "10.255.255.255", false, LOGIN_ACCEPTED, true},
    {"iqn.i:host", "iqn.t:data2", "::1", false, LOGIN_ACCEPTED, true},
    {"iqn.i:host", NULL, "10.1.2.3", false, LOGIN_ACCEPTED, true}, /* discovery_chap = required */
    {"iqn.i:host", NULL, "10.1.2.3", true, LOGIN_ACCEPTED, false},
    {"iqn.i:host", "iqn.t:data1", "11.0.0.1", false, LOGIN_FORBIDDEN, false},
    {"iqn.i:host", "iqn.t:data1", "127.0.0.1", false, LOGIN_FORBIDDEN, false}, /* not that of "*" */
    {"iqn.i:host", NULL, "::2", false, LOGIN_FORBIDDEN, false},
    {"iqn.i:stranger", "iqn.t:data1", "127.0.0.1", false, LOGIN_ACCEPTED, false},
    {"iqn.i:stranger", "iqn.t:data1", "10.1.2.3", false, LOGIN_FORBIDDEN, false},
    {"iqn.i:stranger", "iqn.t:data2", "127.0.0.1", false, LOGIN_FORBIDDEN, false},
    {"iqn.i:stranger", "iqn.t:data2", "127.0.0.1", true, LOGIN_ACCEPTED, false},
    {"iqn.i:stranger", "iqn.t:data1", "127.0.0.1", true, LOGIN_NOT_FOUND, false},
    {"iqn.i:stranger", "iqn.t:data3", "127.0.0.1", false, LOGIN_NOT_FOUND, false},
    {"iqn.i:stranger", "iqn.t:data9", "127.0.0.1", false, LOGIN_NOT_FOUND, false},
    {"iqn.i:anywhere", "iqn.t:data1", "192.0.2.1", false, LOGIN_ACCEPTED, false},
};

START_TEST(only_those_who_may_come_in_do)
{
    struct login_names names = {
        admissions[_i].initiator, admissions[_i].target, {{0}, 0, 0}, {{0}, 0, 0}};
    struct login_grant grant = {0};

    ck_assert(address_parse(&names.peer, admissions[_i].from, 5000));
    ck_assert_uint_eq(access_admit(map, admissions[_i].in_lab ? lab : poc, &names, &grant),
                      admissions[_i].status);
    if (admissions[_i].status != LOGIN_ACCEPTED)
        return;
    ck_assert_uint_eq(grant.tpgt, admissions[_i].in_lab ? 65535 : 1);
    ck_assert_int_eq(grant.needs_chap, admissions[_i].needs_chap);
}
END_TEST

static void expect_list(const struct map_portal_group *group, const char *initiator,
                        const char *name, const char *expected)
{
    struct buffer answer = {0};

    access_list(map, group, initiator, name, &answer);
    for (size_t i = 0; i < answer.length; i++)
        if (!buffer_content(&answer)[i])
            buffer_content(&answer)[i] = ' ';
    buffer_append(&answer, "", 1);
    ck_assert_str_eq(buffer_content(&answer), expected);
    buffer_free(&answer);
}

#define DATA1                                                                                      \
    "TargetName=iqn.t:Data1 TargetAddress=127.0.1.100:3260,1 "                                     \
    "TargetAddress=[fd00::100]:3261,1 "
#define DATA2                                                                                      \
    "TargetName=iqn.t:data2 TargetAddress=127.0.1.100:3260,1 "                                     \
    "TargetAddress=[fd00::100]:3261,1 "

/* Floating IPs with the tag, never a portal of a node. */
START_TEST(a_list_has_what_the_initiator_may_use)
{
    expect_list(poc, "iqn.i:host", NULL, DATA1 DATA2);
    expect_list(poc, "iqn.i:stranger", NULL, DATA1);
    expect_list(poc, "iqn.i:HOST", "iqn.t:DATA2", DATA2);
    expect_list(poc, "iqn.i:stranger", "iqn.t:data2", "");
    expect_list(poc, "iqn.i:host", "iqn.t:data3", "");
    expect_list(lab, "iqn.i:stranger", NULL, "TargetName=iqn.t:data2 ");
}
END_TEST

START_TEST(a_portal_belongs_to_the_group_of_its_node)
{
    struct address address;

    address_parse(&address, "127.0.1.1:3260", 0);
    ck_assert_ptr_eq(access_group_of_portal(map, 1, &address), poc);
    ck_assert_ptr_null(access_group_of_portal(map, 2, &address));
    ck_assert_ptr_null(access_group_of_portal(NULL, 1, &address));
    address.port++;
    ck_assert_ptr_null(access_group_of_portal(map, 1, &address));
    address_parse(&address, "127.0.2.1:3260", 0);
    ck_assert_ptr_eq(access_group_of_portal(map, 1, &address), lab);
}
END_TEST

START_TEST(settings_have_defaults)
{
    json_t *json = json_loads("{\"queue_depth\": 2, \"nop_interval_s\": 0.5, "
                              "\"zero_copy\": false, \"spin_us\": 50, \"io_threads\": 3}",
                              0, NULL);
    struct host_settings settings;

    access_read_settings(&settings, NULL);
    ck_assert_double_eq(settings.login_timeout, 15);
    ck_assert_double_eq(settings.nop_interval, 30);
    ck_assert_uint_eq(settings.queue_depth, 128);
    ck_assert(settings.has_zero_copy);
    ck_assert_double_eq(settings.spin, 0);
    ck_assert_uint_eq(settings.io_threads, 1);
    access_read_settings(&settings, json);
    ck_assert_double_eq(settings.nop_interval, 0.5);
    ck_assert_double_eq(settings.nop_timeout, 10);
    ck_assert_uint_eq(settings.queue_depth, 2);
    ck_assert(!settings.has_zero_copy);
    ck_assert_double_eq(settings.spin, 50 / 1e6);
    ck_assert_uint_eq(settings.io_threads, 3);
    ck_assert_uint_eq(settings.max_connections, 8192);
    json_decref(json);
}
END_TEST

static struct map *follow(const char *change)
{
    char *text = strdup(change), *quote;
    const char *error = NULL;
    struct map *next;
    json_t *json;

    while ((quote = strchr(text, '\'')))
        *quote = '"';
    json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    next = map_follow(map, json, &error);
    ck_assert_int_eq(!next, error != NULL);
    json_decref(json);
    free(text);
    return next;
}

START_TEST(a_change_brings_the_map_up_to_date)
{
    ck_assert_ptr_eq(follow("{'base': 7, 'generation': 9, 'portal_groups': [{'name': 'poc',"
                            " 'alua_state': 'standby', 'floating_ips': [{'node': null},"
                            " {'node': 1}]}], 'targets': [{'name': 'iqn.t:data2', 'size': 40960,"
                            " 'controller': 2, 'former': 1, 'moved': 12.5}]}"),
                     map);
    const struct map_target *target = map_find_target(map, "iqn.t:data2");

    ck_assert_uint_eq(map->generation, 9);
    ck_assert_int_eq(poc->floating_ips[0].node, MAP_NO_NODE);
    ck_assert_int_eq(poc->floating_ips[1].node, 1);
    ck_assert_int_eq(poc->alua_state, MAP_STANDBY);
    ck_assert_int_eq(target->controller, 2);
    ck_assert_int_eq(target->former, 1);
    ck_assert_uint_eq(target->size, 40960);
    ck_assert_int_eq(map_find_target(map, "iqn.t:data1")->controller, 1);
}
END_TEST

static const char *const wrong_changes[] = {
    "{'base': 6, 'generation': 9}",
    "{'base': 7, 'generation': 9, 'targets': [{'name': 'iqn.t:none', 'size': 512}]}",
    "{'base': 7, 'generation': 9, 'targets': [{'name': 'iqn.t:data1', 'size': 0}]}",
    "{'base': 7, 'generation': 9, 'portal_groups': [{'name': 'none', 'floating_ips': []}]}",
    "{'base': 7, 'generation': 9, 'portal_groups': [{'name': 'poc', 'floating_ips': []}]}",
    "{'base': 7, 'generation': 9, 'pools': [{'name': 'none', 'size': 1}]}",
    "{'generation': 7}",
};

START_TEST(a_change_of_something_else_is_refused)
{
    ck_assert_ptr_null(follow(wrong_changes[_i]));
    ck_assert_uint_eq(map->generation, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tests = tcase_create("map");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_map_has_what_was_said);
    tcase_add_loop_test(tests, a_malformed_map_is_refused_with_a_sentence, 0, ROWS(mistakes));
    tcase_add_loop_test(tests, an_empty_map_is_a_map, 0, 2);
    tcase_add_test(tests, names_are_found_in_any_case);
    tcase_add_loop_test(tests, only_those_who_may_come_in_do, 0, ROWS(admissions));
    tcase_add_test(tests, a_list_has_what_the_initiator_may_use);
    tcase_add_test(tests, a_portal_belongs_to_the_group_of_its_node);
    tcase_add_test(tests, settings_have_defaults);
    tcase_add_test(tests, a_change_brings_the_map_up_to_date);
    tcase_add_loop_test(tests, a_change_of_something_else_is_refused, 0, ROWS(wrong_changes));
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
