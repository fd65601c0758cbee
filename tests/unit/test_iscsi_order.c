/* Requests in CmdSN order, the window, and what is ahead of its turn (RFC 7143 4.2.2.1). */
#include "tests/unit/iscsi_fixture.h"

enum { TO_FULL_FEATURE = 0x87, IMMEDIATE = 0x40, DEPTH = 8 };

static struct fake_host fake;
static struct client client;

static void begin(uint32_t cmd_sn)
{
    fake_start(&fake);
    client = client_open(&fake);
    client.cmd_sn = cmd_sn;
    ck_assert_uint_eq(
        reply_status(login(&client, TO_FULL_FEATURE, NAMES "MaxRecvDataSegmentLength=65536\0")),
        LOGIN_ACCEPTED);
}

static void set_up(void)
{
    begin(1);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(client.fd);
}

static struct session *session_here(void)
{
    return container_of(list_first(&fake.host.registry.sessions), struct session, link);
}

/* A ping whose tag and data tell it apart. */
static void send_nop(uint8_t flags, uint32_t cmd_sn, uint32_t length)
{
    uint8_t bhs[BHS_SIZE] = {(uint8_t)(OP_NOP_OUT | flags), 0x80}, *data = malloc(length + 1);

    memset(data, (int)(cmd_sn + 'a'), length);
    put_be32(bhs + 16, cmd_sn & 0x7fffffff); /* never the reserved one */
    put_be32(bhs + 20, RESERVED_TAG);
    put_be32(bhs + 24, cmd_sn);
    client_send_pdu(&client, bhs, data, length);
    free(data);
}

static void send_command(uint32_t cmd_sn)
{
    uint8_t bhs[BHS_SIZE] = {OP_SCSI_COMMAND, 0x81};

    put_be32(bhs + 16, cmd_sn);
    put_be32(bhs + 24, cmd_sn);
    client_send_pdu(&client, bhs, NULL, 0);
}

static void expect_echo(uint32_t cmd_sn, uint32_t length)
{
    struct reply *reply = client_read(&client);

    ck_assert_uint_eq(reply->bhs[0], OP_NOP_IN);
    ck_assert_uint_eq(get_be32(reply->bhs + 16), cmd_sn & 0x7fffffff);
    ck_assert_uint_eq(reply->length, length);
    for (uint32_t i = 0; i < length; i++)
        ck_assert_uint_eq((uint8_t)reply->text[i], (uint8_t)(cmd_sn + 'a'));
}

static void expect_silence(void)
{
    struct reply *reply = client_read(&client);

    ck_assert(!reply->is_closed);
    ck_assert_uint_eq(get_be32(reply->bhs + 16) + reply->bhs[0] + reply->bhs[1], 0);
}

/* The window as it stands, a request, and what becomes of it. */
static const struct {
    uint32_t exp_cmd_sn, max_cmd_sn, cmd_sn;
    bool is_immediate;
    enum turn turn;
} turns[] = {
    {10, 20, 10, false, TURN_NOW},
    {10, 20, 11, false, TURN_LATER},
    {10, 20, 20, false, TURN_LATER},
    {10, 20, 21, false, TURN_NEVER},
    {10, 20, 9, false, TURN_NEVER},
    {10, 10, 10, false, TURN_NOW},
    {10, 9, 10, false, TURN_NEVER}, /* the window is closed */
    {10, 9, 10, true, TURN_NOW},
    {10, 20, 9, true, TURN_NOW},
    {10, 20, 21, true, TURN_NOW},
    {0xfffffffe, 5, 0xfffffffe, false, TURN_NOW},
    {0xfffffffe, 5, 0xffffffff, false, TURN_LATER},
    {0xfffffffe, 5, 0, false, TURN_LATER},
    {0xfffffffe, 5, 5, false, TURN_LATER},
    {0xfffffffe, 5, 6, false, TURN_NEVER},
    {0xfffffffe, 5, 0xfffffffd, false, TURN_NEVER},
    {0, 0xffffffff, 0, false, TURN_NEVER},
    {0, 7, 0xffffffff, false, TURN_NEVER},
    {0x7fffffff, 0x80000006, 0x80000000, false, TURN_LATER},
};

START_TEST(a_request_has_its_turn)
{
    struct session session = {.exp_cmd_sn = turns[_i].exp_cmd_sn,
                              .max_cmd_sn = turns[_i].max_cmd_sn};
    uint8_t bhs[BHS_SIZE] = {0};
    struct pdu pdu = {.bhs = bhs, .is_immediate = turns[_i].is_immediate};

    put_be32(bhs + 24, turns[_i].cmd_sn);
    ck_assert_int_eq(session_turn(&session, &pdu), turns[_i].turn);
}
END_TEST

/* All 24 orders of four requests, also around the end of the numbers. */
START_TEST(requests_run_in_their_order_however_they_come)
{
    uint32_t first = _i < 24 ? 1 : 0xfffffffe, left[4] = {0, 1, 2, 3};
    int choice = _i % 24;

    if (_i >= 24) {
        tear_down();
        begin(first);
    }
    for (int count = 4; count > 0; count--) {
        int at = choice % count;

        choice /= count;
        send_nop(0, first + left[at], 100 + left[at]);
        memmove(left + at, left + at + 1, (size_t)(count - 1 - at) * sizeof(*left));
    }
    for (uint32_t i = 0; i < 4; i++)
        expect_echo(first + i, 100 + i);
    expect_silence();
    ck_assert_uint_eq(session_here()->exp_cmd_sn, first + 4);
    ck_assert_uint_eq(session_here()->held_bytes, 0);
}
END_TEST

START_TEST(a_number_is_taken_once)
{
    send_nop(0, 1, 4);
    send_nop(0, 1, 8);
    expect_echo(1, 4);
    send_nop(0, 3, 4); /* twice ahead of its turn */
    send_nop(0, 3, 8);
    expect_silence();
    send_nop(0, 2, 4);
    expect_echo(2, 4);
    expect_echo(3, 4); /* the one that came first */
    expect_silence();
    ck_assert_uint_eq(session_here()->held_bytes, 0);
}
END_TEST

START_TEST(what_is_outside_of_the_window_is_not_there)
{
    send_nop(0, 1 + DEPTH, 4);
    send_nop(0, 0, 4);
    send_nop(0, 0x80000001, 4);
    expect_silence();
    ck_assert_uint_eq(session_here()->held_bytes, 0);
    send_nop(0, 1, 4);
    expect_echo(1, 4);
    expect_silence();
}
END_TEST

START_TEST(an_immediate_request_does_not_wait)
{
    send_nop(0, 2, 4);
    send_nop(IMMEDIATE, 1, 12);
    expect_echo(1, 12);
    ck_assert_uint_eq(session_here()->exp_cmd_sn, 1);
    send_nop(0, 1, 4);
    expect_echo(1, 4);
    expect_echo(2, 4);
}
END_TEST

/* Commands that are under way close the window; who goes on sending is not heard. */
START_TEST(a_full_window_takes_no_more)
{
    struct session *session = session_here();

    for (uint32_t i = 0; i < 2 * DEPTH; i++)
        send_command(1 + i);
    ck_assert_uint_eq(session->task_count, DEPTH);
    ck_assert_uint_eq(session->exp_cmd_sn, 1 + DEPTH);
    ck_assert_uint_eq(session_numbers(session).max_cmd_sn, DEPTH);
    send_nop(IMMEDIATE, 1 + DEPTH, 4);
    expect_echo(1 + DEPTH, 4);
}
END_TEST

START_TEST(the_window_opens_as_tasks_end_and_never_goes_back)
{
    struct session *session = session_here();

    for (uint32_t i = 0; i < DEPTH; i++)
        send_command(1 + i);
    ck_assert_uint_eq(session_numbers(session).max_cmd_sn, DEPTH);
    task_abort(session_find_task(session, 1));
    ck_assert_uint_eq(session_numbers(session).max_cmd_sn, DEPTH + 1);
    send_command(1 + DEPTH);
    ck_assert_uint_eq(session->task_count, DEPTH);
    ck_assert_uint_eq(session_numbers(session).max_cmd_sn, DEPTH + 1);
    session->host->settings.queue_depth = 1;
    ck_assert_uint_eq(session_numbers(session).max_cmd_sn, DEPTH + 1);
}
END_TEST

/* What waits for its turn is bounded. */
START_TEST(too_much_ahead_of_its_turn_ends_the_connection)
{
    uint32_t fits = SESSION_HELD_MAX / (60000 + BHS_SIZE);

    session_here()->max_cmd_sn += 100;
    for (uint32_t i = 0; i < fits; i++)
        send_nop(0, 2 + i, 60000);
    expect_silence();
    ck_assert_uint_le(session_here()->held_bytes, SESSION_HELD_MAX);
    send_nop(0, 2 + fits, 60000);
    ck_assert(client_is_closed(&client));
    ck_assert(list_is_empty(&fake.host.registry.sessions));
}
END_TEST

static void send_abort(uint32_t ref_cmd_sn)
{
    uint8_t bhs[BHS_SIZE] = {OP_TASK_REQUEST | IMMEDIATE, 0x80 | TASK_ABORT};

    put_be32(bhs + 16, 0x1000);
    put_be32(bhs + 20, ref_cmd_sn);
    put_be32(bhs + 24, 1);
    put_be32(bhs + 32, ref_cmd_sn);
    client_send_pdu(&client, bhs, NULL, 0);
}

static void expect_function_complete(void)
{
    struct reply *reply = client_read(&client);

    ck_assert_uint_eq(reply->bhs[0], OP_TASK_RESPONSE);
    ck_assert_uint_eq(reply->bhs[2], 0);
}

/* RFC 7143 11.6.1: the number counts, the request does not, whether it is held already or comes later. */
START_TEST(a_request_that_was_aborted_in_advance_never_runs)
{
    bool is_held = _i;

    if (is_held)
        send_nop(0, 2, 8);
    send_abort(2);
    expect_function_complete();
    if (!is_held)
        send_nop(0, 2, 8);
    send_nop(0, 3, 8);
    send_nop(0, 1, 8);
    expect_echo(1, 8);
    expect_echo(3, 8);
    expect_silence();
    ck_assert_uint_eq(session_here()->exp_cmd_sn, 4);
}
END_TEST

START_TEST(a_lost_connection_frees_what_waits)
{
    send_nop(0, 2, 1000);
    send_nop(0, 3, 1000);
    session_end(session_here(), "gone");
    ck_assert(client_is_closed(&client));
    ck_assert(list_is_empty(&fake.host.registry.sessions));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order of requests");
    TCase *tests = tcase_create("order of requests");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_request_has_its_turn, 0, ROWS(turns));
    tcase_add_loop_test(tests, requests_run_in_their_order_however_they_come, 0, 48);
    tcase_add_test(tests, a_number_is_taken_once);
    tcase_add_test(tests, what_is_outside_of_the_window_is_not_there);
    tcase_add_test(tests, an_immediate_request_does_not_wait);
    tcase_add_test(tests, a_full_window_takes_no_more);
    tcase_add_test(tests, the_window_opens_as_tasks_end_and_never_goes_back);
    tcase_add_test(tests, too_much_ahead_of_its_turn_ends_the_connection);
    tcase_add_loop_test(tests, a_request_that_was_aborted_in_advance_never_runs, 0, 2);
    tcase_add_test(tests, a_lost_connection_frees_what_waits);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
