/* A login as the wire sees it: requests, answers, refusals, redirects, CHAP both ways, and whose
 * session it reinstates. */
#include "tests/unit/iscsi_fixture.h"

enum { /* byte 1 of a login request: T, C, CSG, NSG */
       TO_OPERATIONAL = 0x81,
       STRAIGHT = 0x83, /* security to full feature */
       TO_FULL_FEATURE = 0x87,
       STAY_IN_SECURITY = 0x00,
       STAY_IN_OPERATIONAL = 0x04,
       PART = 0x40,
};

static struct fake_host fake;
static struct client client;

static void set_up(void)
{
    fake_start(&fake);
    client = client_open(&fake);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(client.fd);
}

static unsigned session_count(void)
{
    unsigned count = 0;

    LIST_FOR_EACH (node, &fake.host.registry.sessions)
        count++;
    return count;
}

static void expect_refusal(const struct reply *reply, enum login_status status)
{
    ck_assert_uint_eq(reply_status(reply), status);
    ck_assert_uint_eq(reply->bhs[1] & 0xc0, 0); /* no T, no C */
    ck_assert(client_is_closed(&client));
    ck_assert_uint_eq(session_count(), 0);
}

START_TEST(windows_logs_in_with_two_requests)
{
    struct reply *reply =
        login(&client, TO_OPERATIONAL, NAMES "SessionType=Normal\0AuthMethod=None\0");

    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(reply->bhs[1], TO_OPERATIONAL);
    ck_assert_uint_eq(reply_tsih(reply), 0);
    ck_assert_mem_eq(reply->bhs + 8, client.isid, ISID_SIZE);
    ck_assert_uint_eq(reply->length, 23 + 16);
    ck_assert_mem_eq(reply->text, "TargetPortalGroupTag=7\0AuthMethod=None", 39);
    reply = login(&client, TO_FULL_FEATURE, "HeaderDigest=None,CRC32C\0MaxBurstLength=262144\0");
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(reply->bhs[1], TO_FULL_FEATURE);
    ck_assert_uint_ne(reply_tsih(reply), 0);
    ck_assert_mem_eq(reply->text, "HeaderDigest=None\0MaxBurstLength=262144", 40);
    ck_assert_uint_eq(get_be32(reply->bhs + 24), 1); /* StatSN counts the answers */
    ck_assert_uint_eq(get_be32(reply->bhs + 28), client.cmd_sn);
    ck_assert_uint_eq(get_be32(reply->bhs + 32), client.cmd_sn + 8 - 1);
    ck_assert_uint_eq(session_count(), 1);
    ck_assert_uint_eq(fake.attached, 1);
}
END_TEST

START_TEST(a_discovery_session_has_no_target_and_no_port)
{
    struct reply *reply =
        login(&client, TO_FULL_FEATURE, "InitiatorName=" INITIATOR "\0SessionType=Discovery\0");

    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_ptr_null(reply_value(reply, "TargetPortalGroupTag"));
    ck_assert_uint_eq(session_count(), 1);
    ck_assert_uint_eq(fake.attached + fake.routed_before + fake.routed_after, 0);
}
END_TEST

/* What says who it is belongs to the first request: a discovery login, which is let in with less,
 * must not end up on a target. */
START_TEST(names_belong_to_the_first_request)
{
    login(&client, TO_OPERATIONAL, "InitiatorName=" INITIATOR "\0SessionType=Discovery\0");
    expect_refusal(login(&client, TO_FULL_FEATURE, "TargetName=" TARGET "\0"),
                   LOGIN_INITIATOR_ERROR);
    ck_assert_uint_eq(fake.attached, 0);
}
END_TEST

/* What is wrong with a first request, and its answer. */
static const struct {
    uint8_t flags;
    const char *text;
    size_t length;
    enum login_status status;
} bad_requests[] = {
#define ROW(flags, text, status)                                                                   \
    {                                                                                              \
        flags, text, sizeof(text) - 1, status                                                      \
    }
    ROW(TO_FULL_FEATURE, "TargetName=" TARGET "\0", LOGIN_MISSING_PARAMETER),
    ROW(TO_FULL_FEATURE, "InitiatorName=" INITIATOR "\0", LOGIN_MISSING_PARAMETER),
    ROW(TO_FULL_FEATURE, "", LOGIN_MISSING_PARAMETER),
    ROW(TO_FULL_FEATURE, NAMES "SessionType=Other\0", LOGIN_SESSION_TYPE_NOT_SUPPORTED),
    ROW(TO_FULL_FEATURE, NAMES "SessionType=discovery\0", LOGIN_SESSION_TYPE_NOT_SUPPORTED),
    ROW(TO_FULL_FEATURE, NAMES NAMES, LOGIN_INITIATOR_ERROR),
    ROW(TO_FULL_FEATURE, NAMES "MaxBurstLength=512\0MaxBurstLength=512\0", LOGIN_INITIATOR_ERROR),
    ROW(TO_FULL_FEATURE, NAMES "MaxRecvDataSegmentLength=1\0", LOGIN_INITIATOR_ERROR),
    ROW(TO_FULL_FEATURE, NAMES "no pair\0", LOGIN_INITIATOR_ERROR),
    ROW(TO_FULL_FEATURE, NAMES "=\0", LOGIN_INITIATOR_ERROR),
    ROW(0xc7, NAMES, LOGIN_INITIATOR_ERROR), /* T and C */
    ROW(0x80, NAMES, LOGIN_INITIATOR_ERROR), /* from 0 to 0 */
    ROW(0x82, NAMES, LOGIN_INITIATOR_ERROR), /* from 0 to 2 */
    ROW(0x84, NAMES, LOGIN_INITIATOR_ERROR), /* from 1 to 0 */
    ROW(0x85, NAMES, LOGIN_INITIATOR_ERROR), /* from 1 to 1 */
    ROW(0x08, NAMES, LOGIN_INITIATOR_ERROR), /* in stage 2 */
    ROW(0x0c, NAMES, LOGIN_INITIATOR_ERROR), /* in stage 3 */
    ROW(TO_OPERATIONAL, NAMES "AuthMethod=KRB5\0", LOGIN_NOT_AUTHENTICATED),
#undef ROW
};

START_TEST(a_bad_first_request_is_refused)
{
    client_send_login(&client, bad_requests[_i].flags, bad_requests[_i].text,
                      bad_requests[_i].length);
    expect_refusal(client_read(&client), bad_requests[_i].status);
}
END_TEST

START_TEST(the_hosts_refusal_is_passed_on)
{
    static const enum login_status statuses[] = {LOGIN_NOT_FOUND, LOGIN_FORBIDDEN,
                                                 LOGIN_SERVICE_UNAVAILABLE};

    *(_i % 3 == 0   ? &fake.admits
      : _i % 3 == 1 ? &fake.routes_after
                    : &fake.attaches) = statuses[_i / 3];
    expect_refusal(login(&client, TO_FULL_FEATURE, NAMES), statuses[_i / 3]);
}
END_TEST

START_TEST(a_version_that_is_too_new_is_refused)
{
    uint8_t bhs[BHS_SIZE] = {0x43, TO_FULL_FEATURE, 1, 1};

    client_send_pdu(&client, bhs, NAMES, sizeof(NAMES) - 1);
    expect_refusal(client_read(&client), LOGIN_UNSUPPORTED_VERSION);
}
END_TEST

START_TEST(nothing_but_login_requests_comes_during_a_login)
{
    static const enum opcode opcodes[] = {OP_NOP_OUT,  OP_SCSI_COMMAND,   OP_TEXT_REQUEST,
                                          OP_DATA_OUT, OP_LOGOUT_REQUEST, 0x1f};
    uint8_t bhs[BHS_SIZE] = {(uint8_t)opcodes[_i / 2], 0x80};

    if (_i % 2)
        login(&client, TO_OPERATIONAL, NAMES "AuthMethod=None\0");
    client_send_pdu(&client, bhs, NULL, 0);
    expect_refusal(client_read(&client), LOGIN_INVALID_REQUEST);
}
END_TEST

/* ISID, TSIH, CID and ITT are the same in all requests of a login (RFC 7143 6.3.1). */
START_TEST(a_login_stays_the_same_login)
{
    login(&client, TO_OPERATIONAL, NAMES "AuthMethod=None\0");
    client.isid[5] += _i == 0;
    client.tsih += _i == 1;
    client.cid += _i == 2;
    client.task_tag += _i == 3;
    expect_refusal(login(&client, TO_FULL_FEATURE, ""), LOGIN_INVALID_REQUEST);
}
END_TEST

START_TEST(a_request_may_come_in_parts)
{
    static const char text[] = NAMES "MaxBurstLength=512";
    struct reply *reply;

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        reply = login_bytes(&client, PART | STAY_IN_OPERATIONAL, text + i, 1);
        ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
        ck_assert_uint_eq(reply->length, 0);
        ck_assert_uint_eq(reply->bhs[1], STAY_IN_OPERATIONAL);
    }
    reply = login_bytes(&client, TO_FULL_FEATURE, "\0", 1);
    ck_assert_str_eq(reply_value(reply, "MaxBurstLength"), "512");
    ck_assert_uint_eq(session_count(), 1);
}
END_TEST

START_TEST(parts_without_end_are_refused)
{
    static char text[8192];
    struct reply *reply = NULL;
    int parts = 0;

    memset(text, 'a', sizeof(text));
    do
        reply = login_bytes(&client, PART, text, sizeof(text));
    while (reply_status(reply) == LOGIN_ACCEPTED && ++parts < 100);
    ck_assert_int_eq(parts, TEXT_TOTAL_MAX / 8192);
    expect_refusal(reply, LOGIN_OUT_OF_RESOURCES);
}
END_TEST

/* An answer longer than 8 KiB comes in parts, each fetched by an empty request. */
START_TEST(an_answer_may_leave_in_parts)
{
    static char text[8192];
    size_t length = sizeof(NAMES) - 1, answered = 0;
    struct reply *reply;
    int parts = 1;

    memcpy(text, NAMES, length);
    for (int i = 0; i < 900; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "X%d=", i) + 1;
    reply = login_bytes(&client, TO_FULL_FEATURE, text, length);
    while (reply->bhs[1] & 0x40) {
        ck_assert_uint_eq(reply->bhs[1], PART | STAY_IN_OPERATIONAL);
        ck_assert_uint_eq(reply->length, 8192);
        ck_assert_uint_eq(reply_tsih(reply), 0);
        ck_assert_uint_eq(session_count(), 0);
        answered += reply->length;
        reply = login(&client, TO_FULL_FEATURE, "");
        parts++;
    }
    answered += reply->length;
    ck_assert_int_gt(parts, 1);
    ck_assert_uint_eq(answered, 23 + 10 * 17 + 90 * 18 + 800 * 19);
    ck_assert_uint_eq(reply->bhs[1], TO_FULL_FEATURE);
    ck_assert_uint_ne(reply_tsih(reply), 0);
    ck_assert_uint_eq(session_count(), 1);
}
END_TEST

START_TEST(a_login_without_end_is_refused)
{
    struct reply *reply = login(&client, STAY_IN_OPERATIONAL, NAMES);
    int count = 1;

    while (reply_status(reply) == LOGIN_ACCEPTED && ++count < 2000)
        reply = login(&client, STAY_IN_OPERATIONAL, "");
    ck_assert_int_lt(count, 2000);
    expect_refusal(reply, LOGIN_INITIATOR_ERROR);
}
END_TEST

START_TEST(a_login_has_its_time)
{
    struct client slow;

    fake.host.settings.login_timeout = 0.02;
    slow = client_open(&fake);
    client_send(&slow, "\x43", 1);
    ev_sleep(0.05);
    ev_now_update(fake.loop);
    ck_assert(client_is_closed(&slow));
    ck_assert(!client_is_closed(&client)); /* it has 15 s */
    close(slow.fd);
}
END_TEST

START_TEST(a_connection_too_many_is_told)
{
    struct client surplus;

    fake.host.settings.max_connections = 1;
    surplus = client_open(&fake);
    ck_assert_uint_eq(reply_status(login(&surplus, TO_FULL_FEATURE, NAMES)),
                      LOGIN_OUT_OF_RESOURCES);
    ck_assert(client_is_closed(&surplus));
    ck_assert_uint_ne(client_open_session(&client), 0);
    close(surplus.fd);
}
END_TEST

START_TEST(a_redirect_before_authentication_comes_first)
{
    struct reply *reply;

    fake.routes_before = _i ? LOGIN_MOVED_PERMANENTLY : LOGIN_MOVED_TEMPORARILY;
    fake.grant.account = (struct chap_account){"user", "secret12chars"};
    fake.grant.needs_chap = true;
    reply = login(&client, TO_OPERATIONAL, NAMES "AuthMethod=CHAP\0");
    ck_assert_mem_eq(reply->text, "TargetAddress=127.0.1.2:3261", 29); /* no tag, nothing else */
    ck_assert_uint_eq(reply->length, 29);
    expect_refusal(reply, fake.routes_before);
    ck_assert_uint_eq(fake.routed_after, 0);
}
END_TEST

START_TEST(a_redirect_without_chap_answers_the_first_request)
{
    static const uint8_t flags[] = {TO_OPERATIONAL, STRAIGHT, TO_FULL_FEATURE};
    struct reply *reply;

    fake.routes_after = LOGIN_MOVED_TEMPORARILY;
    reply = login(&client, flags[_i], NAMES);
    ck_assert_str_eq(reply_value(reply, "TargetAddress"), "127.0.1.2:3261");
    expect_refusal(reply, LOGIN_MOVED_TEMPORARILY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login");
    TCase *tests = tcase_create("login");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, windows_logs_in_with_two_requests);
    tcase_add_test(tests, a_discovery_session_has_no_target_and_no_port);
    tcase_add_test(tests, names_belong_to_the_first_request);
    tcase_add_loop_test(tests, a_bad_first_request_is_refused, 0, ROWS(bad_requests));
    tcase_add_loop_test(tests, the_hosts_refusal_is_passed_on, 0, 9);
    tcase_add_test(tests, a_version_that_is_too_new_is_refused);
    tcase_add_loop_test(tests, nothing_but_login_requests_comes_during_a_login, 0, 12);
    tcase_add_loop_test(tests, a_login_stays_the_same_login, 0, 4);
    tcase_add_test(tests, a_request_may_come_in_parts);
    tcase_add_test(tests, parts_without_end_are_refused);
    tcase_add_test(tests, an_answer_may_leave_in_parts);
    tcase_add_test(tests, a_login_without_end_is_refused);
    tcase_add_test(tests, a_login_has_its_time);
    tcase_add_test(tests, a_connection_too_many_is_told);
    tcase_add_loop_test(tests, a_redirect_before_authentication_comes_first, 0, 2);
    tcase_add_loop_test(tests, a_redirect_without_chap_answers_the_first_request, 0, 3);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
