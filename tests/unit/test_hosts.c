/* What the record of an initiator makes of a story of events. */
#include "sim-cluster/hosts.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define WHO "\"initiator\":\"iqn.a:host\",\"target\":\"iqn.t:d\""
#define PATH_A "\"isid\":\"400001370000\""
#define PATH_B "\"isid\":\"400001370001\""
#define FLOATING "\"portal\":\"127.0.1.100:3260\",\"to\":\"127.0.1.1:3260\""
#define PORTAL "\"portal\":\"127.0.1.1:3260\",\"peer\":\"127.0.0.1:9\""

static struct hosts hosts;

static void set_up(void)
{
    hosts_init(&hosts);
}

static void tear_down(void)
{
    hosts_free(&hosts);
}

/* At so many seconds. */
static void tell(double seconds, const char *event, const char *fields)
{
    char line[1024];

    snprintf(line, sizeof(line), "{\"time\":\"2026-01-01T00:%02d:%09.6fZ\",\"event\":\"%s\",%s}",
             (int)seconds / 60, seconds - 60 * ((int)seconds / 60), event, fields);
    hosts_note(&hosts, line, strlen(line));
}

static void log_in(double seconds, const char *isid, int node, int tsih)
{
    char fields[512];

    snprintf(fields, sizeof(fields), WHO ",%s," FLOATING, isid);
    tell(seconds, "login.redirected", fields);
    snprintf(fields, sizeof(fields), WHO ",%s," PORTAL ",\"node\":%d,\"tsih\":%d", isid, node,
             tsih);
    tell(seconds + 0.001, "session.opened", fields);
}

static struct host_record *the_host(void)
{
    ck_assert_uint_eq(hosts.count, 1);
    return container_of(list_first(&hosts.all), struct host_record, link);
}

static struct host_path *the_path(void)
{
    return hosts_find_path(&hosts, "IQN.a:host", "iqn.t:D", "400001370000");
}

START_TEST(a_redirect_and_the_session_behind_it_are_one_login)
{
    log_in(0, PATH_A, 1, 1);
    ck_assert_uint_eq(the_host()->redirects, 1);
    ck_assert_uint_eq(the_host()->logins, 1);
    ck_assert_uint_eq(the_host()->direct_logins, 0);
    ck_assert_str_eq(the_path()->floating_ip, "127.0.1.100:3260");
    ck_assert_int_eq(the_path()->state, HOST_PATH_OPEN);
}
END_TEST

START_TEST(a_session_without_a_redirect_came_directly)
{
    tell(0, "session.opened", WHO "," PATH_A "," PORTAL ",\"node\":1,\"tsih\":1");
    ck_assert_uint_eq(the_host()->direct_logins, 1);
    ck_assert_ptr_null(the_path()->floating_ip);
}
END_TEST

START_TEST(sessions_at_a_time_make_mpio_and_one_after_another_do_not)
{
    log_in(0, PATH_A, 1, 1);
    tell(1, "session.closed",
         WHO "," PATH_A ",\"node\":1,\"tsih\":1,\"reason\":\"logged out\",\"asked\":false");
    log_in(2, PATH_B, 1, 2);
    ck_assert_uint_eq(the_path()->reach->most, 1);
    ck_assert_int_eq(the_path()->state, HOST_PATH_LEFT);
    ck_assert_uint_eq(the_host()->losses, 0);
    log_in(3, PATH_A, 1, 3);
    ck_assert_uint_eq(the_path()->reach->most, 2);
}
END_TEST

START_TEST(the_way_back_is_timed_from_the_loss_and_its_logins_are_counted)
{
    log_in(0, PATH_A, 1, 1);
    tell(10, "process.ended", "\"name\":\"target\",\"node\":1,\"how\":\"was killed\"");
    ck_assert_int_eq(the_path()->state, HOST_PATH_LOST);
    tell(11, "login.refused", WHO "," PATH_A "," FLOATING);
    tell(16, "login.refused", WHO "," PATH_A "," FLOATING);
    log_in(21, PATH_A, 2, 1);
    ck_assert_uint_eq(the_host()->return_count, 1);
    ck_assert_int_eq(the_host()->returns[0].duration_ms, 11001);
    ck_assert_uint_eq(the_host()->returns[0].tries, 3);
    ck_assert_str_eq(the_host()->returns[0].reason, "was killed");
    ck_assert_int_eq(the_host()->cadence_ms, 5000);
}
END_TEST

START_TEST(a_refusal_behind_a_redirect_is_no_login_of_its_own)
{
    log_in(0, PATH_A, 1, 1);
    tell(10, "session.closed", WHO "," PATH_A ",\"node\":1,\"tsih\":1,\"reason\":\"reset\"");
    tell(11, "login.redirected", WHO "," PATH_A "," FLOATING);
    tell(11.1, "login.refused", WHO "," PATH_A "," PORTAL);
    log_in(16, PATH_A, 2, 1);
    ck_assert_uint_eq(the_host()->returns[0].tries, 2);
    ck_assert_int_eq(the_host()->cadence_ms, 5000);
}
END_TEST

START_TEST(a_node_that_falls_silent_is_a_loss_from_then_on)
{
    log_in(0, PATH_A, 1, 1);
    tell(10, "node.state", "\"node\":1,\"state\":\"off\",\"was\":\"up\"");
    tell(11, "process.ended", "\"name\":\"target\",\"node\":1,\"how\":\"was killed\"");
    log_in(12, PATH_A, 2, 1);
    ck_assert_int_eq(the_host()->returns[0].duration_ms, 2001);
    ck_assert_str_eq(the_host()->returns[0].reason, "its node lost power");
}
END_TEST

START_TEST(a_silence_that_passes_is_no_loss)
{
    log_in(0, PATH_A, 1, 1);
    tell(10, "node.state", "\"node\":1,\"state\":\"frozen\",\"was\":\"up\"");
    tell(10.1, "node.state", "\"node\":1,\"state\":\"up\",\"was\":\"frozen\"");
    ck_assert_int_eq(the_path()->state, HOST_PATH_OPEN);
    ck_assert_uint_eq(the_host()->losses, 0);
}
END_TEST

START_TEST(a_logout_on_request_is_a_loss_with_a_way_back)
{
    log_in(0, PATH_A, 1, 1);
    tell(10, "session.closed",
         WHO "," PATH_A ",\"node\":1,\"tsih\":1,\"reason\":\"logged out\",\"asked\":true");
    log_in(10.5, PATH_A, 2, 1);
    ck_assert_str_eq(the_host()->returns[0].reason, "asked to log out");
}
END_TEST

START_TEST(pings_outlive_the_session_and_the_node)
{
    log_in(0, PATH_A, 1, 1);
    tell(5, "nop_out", WHO "," PATH_A ",\"node\":1,\"tsih\":1");
    tell(10, "nop_out", WHO "," PATH_A ",\"node\":1,\"tsih\":1");
    tell(11, "process.ended", "\"name\":\"target\",\"node\":1,\"how\":\"was killed\"");
    ck_assert_uint_eq(the_host()->nops, 2);
    ck_assert_int_eq(the_host()->nop_period_ms, 5000);
    log_in(12, PATH_A, 2, 1);
    tell(20, "session.closed",
         WHO "," PATH_A ",\"node\":2,\"tsih\":1,\"reason\":\"reset\",\"nop_outs\":3,"
             "\"nop_out_period_ms\":4000,\"quiet_ms\":4100");
    ck_assert_uint_eq(the_host()->nops, 5);
    ck_assert_int_eq(the_host()->nop_period_ms, 4000);
    ck_assert_int_eq(the_host()->quiet_ms, 4100);
}
END_TEST

START_TEST(task_management_is_counted_by_name)
{
    tell(0, "task_management", WHO ",\"function\":\"LOGICAL UNIT RESET\",\"response\":0");
    tell(1, "task_management", WHO ",\"function\":\"LOGICAL UNIT RESET\",\"response\":0");
    ck_assert_int_eq(
        json_integer_value(json_object_get(the_host()->functions, "LOGICAL UNIT RESET")), 2);
}
END_TEST

START_TEST(what_is_long_past_is_forgotten_before_what_is_open)
{
    char isid[32], fields[256];

    log_in(0, PATH_A, 1, 1);
    for (int i = 0; i < 3 * HOST_PAST_PATHS_MAX; i++) {
        snprintf(isid, sizeof(isid), "\"isid\":\"80000000%04x\"", (unsigned)i);
        log_in(1, isid, 1, 2);
        snprintf(fields, sizeof(fields), WHO ",%s,\"node\":1,\"tsih\":2,\"reason\":\"reset\"",
                 isid);
        tell(1, "session.closed", fields);
    }
    ck_assert_uint_eq(the_host()->past_count, HOST_PAST_PATHS_MAX);
    ck_assert_uint_eq(hosts.paths.count, HOST_PAST_PATHS_MAX + 1);
    ck_assert_int_eq(the_path()->state, HOST_PATH_OPEN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *test = tcase_create("hosts");

    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_test(test, a_redirect_and_the_session_behind_it_are_one_login);
    tcase_add_test(test, a_session_without_a_redirect_came_directly);
    tcase_add_test(test, sessions_at_a_time_make_mpio_and_one_after_another_do_not);
    tcase_add_test(test, the_way_back_is_timed_from_the_loss_and_its_logins_are_counted);
    tcase_add_test(test, a_refusal_behind_a_redirect_is_no_login_of_its_own);
    tcase_add_test(test, a_node_that_falls_silent_is_a_loss_from_then_on);
    tcase_add_test(test, a_silence_that_passes_is_no_loss);
    tcase_add_test(test, a_logout_on_request_is_a_loss_with_a_way_back);
    tcase_add_test(test, pings_outlive_the_session_and_the_node);
    tcase_add_test(test, task_management_is_counted_by_name);
    tcase_add_test(test, what_is_long_past_is_forgotten_before_what_is_open);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
