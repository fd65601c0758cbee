/* Whose session a login reinstates (RFC 7143 6.3.5), what a TSIH may name, and how sessions are
 * numbered and found. */
#include "tests/unit/iscsi_fixture.h"

enum { TO_FULL_FEATURE = 0x87 };

static struct fake_host fake;
static struct client first, second;

static void set_up(void)
{
    fake_start(&fake);
    first = client_open(&fake);
    client_open_session(&first);
    second = client_open(&fake);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(first.fd);
    close(second.fd);
}

static struct session *only_session(void)
{
    struct list *node = list_first(&fake.host.registry.sessions);

    ck_assert_ptr_nonnull(node);
    ck_assert_ptr_eq(node->next, &fake.host.registry.sessions);
    return container_of(node, struct session, link);
}

START_TEST(the_same_initiator_port_comes_back_into_a_new_session)
{
    ck_assert_uint_ne(client_open_session(&second), first.tsih);
    ck_assert(client_is_closed(&first));
    ck_assert_uint_eq(only_session()->tsih, second.tsih);
    ck_assert_uint_eq(fake.detached, 1);
}
END_TEST

/* Names have no case (RFC 7143 4.2.7.1). */
START_TEST(names_are_the_same_in_any_case)
{
    ck_assert_uint_eq(reply_status(login(&second, TO_FULL_FEATURE,
                                         "InitiatorName=IQN.1991-05.com.microsoft:HOST\0"
                                         "TargetName=IQN.2012-11.com.example:DEMO:data1\0")),
                      LOGIN_ACCEPTED);
    ck_assert(client_is_closed(&first));
    only_session();
}
END_TEST

static void expect_both(void)
{
    struct list *sessions = &fake.host.registry.sessions;

    ck_assert(!client_is_closed(&first));
    ck_assert_ptr_eq(sessions->next->next, sessions->previous);
    ck_assert_uint_eq(fake.detached, 0);
}

/* Another qualifier, initiator, target, portal group or kind: another session. MPIO lives on it. */
START_TEST(another_nexus_is_another_session)
{
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW(NAMES),
        ROW(NAMES),
        ROW("InitiatorName=iqn.other\0TargetName=" TARGET "\0"),
        ROW("InitiatorName=" INITIATOR "\0TargetName=iqn.other\0"),
        ROW("InitiatorName=" INITIATOR "\0SessionType=Discovery\0"),
#undef ROW
    };

    second.isid[5] += _i == 0;
    fake.grant.tpgt += _i == 1;
    ck_assert_uint_eq(
        reply_status(login_bytes(&second, TO_FULL_FEATURE, rows[_i].text, rows[_i].length)),
        LOGIN_ACCEPTED);
    expect_both();
}
END_TEST

START_TEST(a_connection_is_reinstated_under_its_number)
{
    struct reply *reply;

    second.tsih = first.tsih;
    second.cmd_sn = 99; /* of no account: the session counts on */
    reply = login(&second, TO_FULL_FEATURE, NAMES);
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(reply_tsih(reply), first.tsih);
    ck_assert_uint_eq(get_be32(reply->bhs + 28), first.cmd_sn);
    ck_assert(client_is_closed(&first));
    ck_assert_uint_eq(only_session()->tsih, first.tsih);
}
END_TEST

/* A number that is not that of the initiator's own session of this target. */
START_TEST(a_number_names_ones_own_session)
{
    static const enum login_status statuses[] = {
        LOGIN_NO_SUCH_SESSION, LOGIN_NO_SUCH_SESSION, LOGIN_TOO_MANY_CONNECTIONS,
        LOGIN_NO_SUCH_SESSION, LOGIN_NO_SUCH_SESSION,
    };
    struct reply *reply;

    second.tsih = (uint16_t)(first.tsih + (_i == 0));
    second.isid[5] += _i == 1;
    second.cid += _i == 2;
    if (_i == 3)
        reply = login(&second, TO_FULL_FEATURE, "InitiatorName=iqn.other\0TargetName=" TARGET "\0");
    else if (_i == 4)
        reply =
            login(&second, TO_FULL_FEATURE, "InitiatorName=" INITIATOR "\0TargetName=iqn.other\0");
    else
        reply = login(&second, TO_FULL_FEATURE, NAMES);
    ck_assert_uint_eq(reply_status(reply), statuses[_i]);
    ck_assert(client_is_closed(&second));
    ck_assert(!client_is_closed(&first));
    ck_assert_uint_eq(only_session()->tsih, first.tsih);
}
END_TEST

START_TEST(a_login_that_fails_reinstates_nothing)
{
    fake.admits = LOGIN_FORBIDDEN;
    ck_assert_uint_eq(reply_status(login(&second, TO_FULL_FEATURE, NAMES)), LOGIN_FORBIDDEN);
    ck_assert(!client_is_closed(&first));
    only_session();
}
END_TEST

/* The answer waits until the old session has really ended. */
START_TEST(the_new_session_waits_for_the_tasks_of_the_old_one)
{
    struct session *old = only_session();
    struct reply *reply;

    old->function_count++; /* as with a task whose abort takes time */
    client_send_login(&second, TO_FULL_FEATURE, NAMES, sizeof(NAMES) - 1);
    ck_assert(client_is_closed(&first));
    reply = client_read(&second);
    ck_assert(!reply->is_closed);
    ck_assert_uint_eq(reply->length + reply->bhs[0], 0);
    ck_assert_uint_eq(fake.attached, 1);
    old->function_count--;
    session_task_ended(old);
    reply = client_read(&second);
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(only_session()->tsih, reply_tsih(reply));
    ck_assert_uint_eq(fake.attached, 2);
}
END_TEST

START_TEST(two_that_wait_for_one_session_come_one_after_the_other)
{
    struct client third = client_open(&fake);
    struct session *old = only_session();

    old->function_count++;
    client_send_login(&second, TO_FULL_FEATURE, NAMES, sizeof(NAMES) - 1);
    client_send_login(&third, TO_FULL_FEATURE, NAMES, sizeof(NAMES) - 1);
    old->function_count--;
    session_task_ended(old);
    ck_assert(client_is_closed(&second) || client_is_closed(&second)); /* behind its answer */
    ck_assert_uint_eq(only_session()->tsih, reply_tsih(client_read(&third)));
    close(third.fd);
}
END_TEST

START_TEST(who_waits_may_go_away)
{
    struct session *old = only_session();

    old->function_count++;
    client_send_login(&second, TO_FULL_FEATURE, NAMES, sizeof(NAMES) - 1);
    host_end(&fake.host, "enough");
    ck_assert(client_is_closed(&second));
    ck_assert(list_is_empty(&fake.host.registry.logins));
    old->function_count--;
    session_task_ended(old);
    ck_assert(list_is_empty(&fake.host.registry.sessions));
}
END_TEST

START_TEST(numbers_are_never_zero_and_never_taken)
{
    struct registry *registry = &fake.host.registry;

    registry->last_tsih = UINT16_MAX;
    ck_assert_uint_eq(registry_new_tsih(registry), only_session()->tsih == 1 ? 2 : 1);
    registry->last_tsih = (uint16_t)(only_session()->tsih - 1);
    ck_assert_uint_eq(registry_new_tsih(registry), only_session()->tsih + 1);
    ck_assert_ptr_eq(registry_find_tsih(registry, first.tsih), only_session());
    ck_assert_ptr_null(registry_find_tsih(registry, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reinstatement");
    TCase *tests = tcase_create("reinstatement");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_same_initiator_port_comes_back_into_a_new_session);
    tcase_add_test(tests, names_are_the_same_in_any_case);
    tcase_add_loop_test(tests, another_nexus_is_another_session, 0, 5);
    tcase_add_test(tests, a_connection_is_reinstated_under_its_number);
    tcase_add_loop_test(tests, a_number_names_ones_own_session, 0, 5);
    tcase_add_test(tests, a_login_that_fails_reinstates_nothing);
    tcase_add_test(tests, the_new_session_waits_for_the_tasks_of_the_old_one);
    tcase_add_test(tests, two_that_wait_for_one_session_come_one_after_the_other);
    tcase_add_test(tests, who_waits_may_go_away);
    tcase_add_test(tests, numbers_are_never_zero_and_never_taken);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
