/* The full feature phase beside commands: pings, text, logout, and what is rejected with which
 * reason (RFC 7143 11.17.1). */
#include "tests/unit/iscsi_fixture.h"

enum { TO_FULL_FEATURE = 0x87, IMMEDIATE = 0x40, FINAL = 0x80, CONTINUE = 0x40 };

static struct fake_host fake;
static struct client client;

static void set_up(void)
{
    fake_start(&fake);
    client = client_open(&fake);
    client_open_session(&client);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(client.fd);
}

/* One request and its answer; `word`: bytes 20 to 23. */
static struct reply *ask(uint8_t opcode, uint8_t flags, uint32_t task_tag, uint32_t word,
                         const void *data, uint32_t length)
{
    uint8_t bhs[BHS_SIZE] = {opcode, flags};

    put_be32(bhs + 16, task_tag);
    put_be32(bhs + 20, word);
    put_be32(bhs + 24, client.cmd_sn);
    client.cmd_sn += !(opcode & IMMEDIATE);
    client_send_pdu(&client, bhs, data, length);
    return client_read(&client);
}

#define ask_text(flags, word, text) ask(OP_TEXT_REQUEST, flags, 9, word, text, sizeof(text) - 1)

static void expect_reject(const struct reply *reply, enum reject_reason reason, uint8_t opcode)
{
    ck_assert_uint_eq(reply->bhs[0], OP_REJECT);
    ck_assert_uint_eq(reply->bhs[2], reason);
    ck_assert_uint_eq(reply->length, BHS_SIZE); /* the header of what is rejected */
    ck_assert_uint_eq((uint8_t)reply->text[0], opcode);
}

START_TEST(a_ping_is_echoed_as_far_as_the_initiator_takes_it)
{
    static char data[8192];
    struct reply *reply = ask(OP_NOP_OUT, FINAL, 5, RESERVED_TAG, "ping!", 5);

    ck_assert_uint_eq(reply->bhs[0], OP_NOP_IN);
    ck_assert_uint_eq(get_be32(reply->bhs + 16), 5);
    ck_assert_uint_eq(get_be32(reply->bhs + 20), RESERVED_TAG);
    ck_assert_uint_eq(reply->length, 5);
    ck_assert_str_eq(reply->text, "ping!");
    ck_assert_uint_eq(get_be32(reply->bhs + 28), client.cmd_sn);
    ask_text(FINAL, RESERVED_TAG, "MaxRecvDataSegmentLength=512\0");
    ck_assert_uint_eq(ask(OP_NOP_OUT, FINAL, 6, RESERVED_TAG, data, sizeof(data))->length, 512);
    ck_assert_uint_eq(ask(OP_NOP_OUT, FINAL, RESERVED_TAG, RESERVED_TAG, NULL, 0)->bhs[0], 0);
}
END_TEST

START_TEST(stat_sn_counts_what_has_a_status)
{
    uint32_t first = get_be32(ask(OP_NOP_OUT, FINAL, 1, RESERVED_TAG, NULL, 0)->bhs + 24);

    for (uint32_t i = 1; i < 5; i++)
        ck_assert_uint_eq(get_be32(ask(OP_NOP_OUT, FINAL, 1, RESERVED_TAG, NULL, 0)->bhs + 24),
                          first + i);
}
END_TEST

START_TEST(what_is_not_served_is_rejected)
{
    expect_reject(ask(OP_SNACK | IMMEDIATE, FINAL, 1, 0, NULL, 0), REJECT_SNACK,
                  OP_SNACK | IMMEDIATE);
    expect_reject(ask(0x1c | IMMEDIATE, FINAL, 1, 0, NULL, 0), REJECT_NOT_SUPPORTED,
                  0x1c | IMMEDIATE);
    expect_reject(ask(OP_NOP_IN | IMMEDIATE, FINAL, 1, 0, NULL, 0), REJECT_NOT_SUPPORTED,
                  OP_NOP_IN | IMMEDIATE);
    ck_assert_uint_eq(ask(OP_NOP_OUT, FINAL, 1, RESERVED_TAG, NULL, 0)->bhs[0], OP_NOP_IN);
}
END_TEST

START_TEST(a_login_in_the_full_feature_phase_ends_the_connection)
{
    expect_reject(login(&client, TO_FULL_FEATURE, NAMES), REJECT_PROTOCOL_ERROR, 0x43);
    ck_assert(client_is_closed(&client));
}
END_TEST

START_TEST(send_targets_names_ones_own_target_or_all)
{
    struct reply *reply = ask_text(FINAL, RESERVED_TAG, "SendTargets=\0");

    ck_assert_uint_eq(reply->bhs[0], OP_TEXT_RESPONSE);
    ck_assert_uint_eq(reply->bhs[1], FINAL);
    ck_assert_str_eq(reply_value(reply, "TargetName"), TARGET);
    reply = ask_text(FINAL, RESERVED_TAG, "SendTargets=iqn.other\0");
    ck_assert_str_eq(reply_value(reply, "TargetName"), "iqn.other");
    reply = ask_text(FINAL, RESERVED_TAG, "SendTargets=All\0"); /* for discovery only */
    ck_assert_str_eq(reply_value(reply, "SendTargets"), "Reject");
}
END_TEST

START_TEST(a_text_may_come_in_parts_and_begin_anew)
{
    struct reply *reply = ask_text(CONTINUE, RESERVED_TAG, "X-a");
    uint32_t tag = get_be32(reply->bhs + 20);

    ck_assert_uint_ne(tag, RESERVED_TAG);
    ck_assert_uint_eq(reply->bhs[1] | reply->length, 0);
    expect_reject(ask_text(FINAL, tag + 1, "=1\0"), REJECT_INVALID_FIELD, OP_TEXT_REQUEST);
    reply = ask_text(FINAL, tag, "=1\0");
    ck_assert_str_eq(reply_value(reply, "X-a"), "NotUnderstood");
    ck_assert_uint_eq(get_be32(reply->bhs + 20), RESERVED_TAG);
    ask_text(CONTINUE, RESERVED_TAG, "X-forgotten=");
    reply = ask_text(FINAL, RESERVED_TAG, "X-b=1\0");
    ck_assert_ptr_null(reply_value(reply, "X-forgotten"));
    ck_assert_str_eq(reply_value(reply, "X-b"), "NotUnderstood");
}
END_TEST

START_TEST(bad_text_is_rejected_and_the_session_goes_on)
{
    static const char *const texts[] = {"no pair", "=", "MaxRecvDataSegmentLength=1"};

    expect_reject(
        ask(OP_TEXT_REQUEST, FINAL, 9, RESERVED_TAG, texts[_i], (uint32_t)strlen(texts[_i])),
        REJECT_PROTOCOL_ERROR, OP_TEXT_REQUEST);
    expect_reject(ask_text(FINAL | CONTINUE, RESERVED_TAG, "X=1\0"), REJECT_PROTOCOL_ERROR,
                  OP_TEXT_REQUEST);
    ck_assert_uint_eq(ask_text(FINAL, RESERVED_TAG, "X=1\0")->bhs[0], OP_TEXT_RESPONSE);
}
END_TEST

/* What we declare in answer holds at once: the initiator may send segments of that length. */
START_TEST(a_segment_length_declared_later_holds)
{
    static char data[MAX_RECV_DATA_OURS];
    struct reply *reply;

    reply = ask_text(FINAL, RESERVED_TAG, "MaxRecvDataSegmentLength=1024\0");
    ck_assert_str_eq(reply_value(reply, "MaxRecvDataSegmentLength"), "262144");
    reply = ask(OP_NOP_OUT, FINAL, 5, RESERVED_TAG, data, 40000);
    ck_assert_uint_eq(reply->bhs[0], OP_NOP_IN);
    ck_assert_uint_eq(reply->length, 1024);
}
END_TEST

/* Reason and CID of a logout, and the response; 0 ends the session. */
static const struct {
    uint8_t reason;
    uint16_t cid;
    uint8_t response;
} logouts[] = {
    {0, 1, 0}, {0, 9, 0}, {1, 1, 0}, {1, 9, 1}, {2, 1, 2},
};

START_TEST(a_logout_is_answered_and_ends_what_it_says)
{
    struct reply *reply = ask(OP_LOGOUT_REQUEST | IMMEDIATE, FINAL | logouts[_i].reason, 3,
                              (uint32_t)logouts[_i].cid << 16, NULL, 0);

    ck_assert_uint_eq(reply->bhs[0], OP_LOGOUT_RESPONSE);
    ck_assert_uint_eq(reply->bhs[2], logouts[_i].response);
    ck_assert_int_eq(client_is_closed(&client), !logouts[_i].response);
}
END_TEST

START_TEST(a_logout_ends_the_tasks_first)
{
    struct session *session =
        container_of(list_first(&fake.host.registry.sessions), struct session, link);

    ask(OP_SCSI_COMMAND, 0x81, 7, 0, NULL, 0);
    ask(OP_SCSI_COMMAND, 0x81, 8, 0, NULL, 0);
    ck_assert_uint_eq(session->task_count, 2);
    ck_assert_uint_eq(ask(OP_LOGOUT_REQUEST | IMMEDIATE, FINAL, 3, 1 << 16, NULL, 0)->bhs[0],
                      OP_LOGOUT_RESPONSE);
    ck_assert_uint_eq(session->task_count, 0);
}
END_TEST

START_TEST(a_tag_is_used_once_at_a_time)
{
    ask(OP_SCSI_COMMAND, 0x81, 7, 0, NULL, 0);
    expect_reject(ask(OP_SCSI_COMMAND, 0x81, 7, 0, NULL, 0), REJECT_TASK_IN_PROGRESS,
                  OP_SCSI_COMMAND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tests = tcase_create("session");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_ping_is_echoed_as_far_as_the_initiator_takes_it);
    tcase_add_test(tests, stat_sn_counts_what_has_a_status);
    tcase_add_test(tests, what_is_not_served_is_rejected);
    tcase_add_test(tests, a_login_in_the_full_feature_phase_ends_the_connection);
    tcase_add_test(tests, send_targets_names_ones_own_target_or_all);
    tcase_add_test(tests, a_text_may_come_in_parts_and_begin_anew);
    tcase_add_loop_test(tests, bad_text_is_rejected_and_the_session_goes_on, 0, 3);
    tcase_add_test(tests, a_segment_length_declared_later_holds);
    tcase_add_loop_test(tests, a_logout_is_answered_and_ends_what_it_says, 0, ROWS(logouts));
    tcase_add_test(tests, a_logout_ends_the_tasks_first);
    tcase_add_test(tests, a_tag_is_used_once_at_a_time);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
