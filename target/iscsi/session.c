/* The requests of the full feature phase and what the connection's user is told; session_life.c
 * begins and ends it. */
#include "target/iscsi/session.h"

#include "target/base/event.h"
#include "target/iscsi/digest.h"
#include "target/iscsi/transfer.h"

#include <string.h>

#define NOP_EVENT_S 0.1 /* between two events about pings of a session */

/* RFC 7143 4.2.2.1: the window opens as tasks end; MaxCmdSN never goes back. */
static void update_window(struct session *session)
{
    uint32_t depth = session->host->settings.queue_depth;
    uint32_t room = session->task_count < depth ? depth - session->task_count : 0;
    uint32_t most = session->exp_cmd_sn + room - 1;

    if ((int32_t)(most - session->max_cmd_sn) > 0)
        session->max_cmd_sn = most;
}

struct pdu_numbers session_numbers(struct session *session)
{
    update_window(session);
    return (struct pdu_numbers){session->stat_sn, session->exp_cmd_sn, session->max_cmd_sn};
}

struct pdu_numbers session_next_numbers(struct session *session)
{
    struct pdu_numbers numbers = session_numbers(session);

    session->stat_sn++;
    return numbers;
}

void session_send(struct session *session, const uint8_t bhs[static BHS_SIZE], const void *data,
                  uint32_t length)
{
    uint32_t header = BHS_SIZE + (session->params.header_digest ? DIGEST_SIZE : 0);
    uint32_t padding = pdu_padding(length);
    uint32_t digest = length && session->params.data_digest ? DIGEST_SIZE : 0;
    uint32_t size = header + length + padding + digest;
    uint8_t *pdu = conn_reserve(session->conn, size), *end = pdu + header + length;

    memcpy(pdu, bhs, BHS_SIZE);
    if (session->params.header_digest)
        digest_put(pdu + BHS_SIZE, digest_add(DIGEST_START, pdu, BHS_SIZE));
    if (length)
        memcpy(pdu + header, data, length);
    memset(end, 0, padding);
    if (digest)
        digest_put(end + padding, digest_add(DIGEST_START, pdu + header, length + padding));
    conn_commit(session->conn, size);
}

const char *session_reject(struct session *session, const struct pdu *pdu,
                           enum reject_reason reason)
{
    uint8_t bhs[BHS_SIZE];
    struct pdu_reject reject = {
        .reason = reason, .data_length = BHS_SIZE, .numbers = session_next_numbers(session)};

    pdu_encode_reject(bhs, &reject);
    session_send(session, bhs, pdu->bhs, BHS_SIZE);
    return NULL;
}

const char *session_protocol_error(struct session *session, const struct pdu *pdu, const char *why)
{
    session_reject(session, pdu, REJECT_PROTOCOL_ERROR);
    session->is_over = true;
    conn_finish(session->conn, why);
    return NULL;
}

struct task *session_find_task(struct session *session, uint32_t tag)
{
    struct list *bucket = &session->tasks[tag % TASK_BUCKETS];

    LIST_FOR_EACH (node, bucket) {
        struct task *task = container_of(node, struct task, link);

        if (task->tag == tag)
            return task;
    }
    return NULL;
}

void session_written(struct session *session, uint64_t length)
{
    session->unwritten -= length;
    if (length && session->unwritten <= SESSION_UNWRITTEN_HIGH / 2 && session->conn)
        conn_hold_input(session->conn, false);
}

void session_send_async(struct session *session, enum async_event event,
                        const uint16_t parameters[static 3], const uint8_t *sense,
                        uint32_t sense_length)
{
    uint8_t bhs[BHS_SIZE], data[2 + UINT8_MAX];
    struct pdu_async async = {
        .event = event,
        .parameters = {parameters[0], parameters[1], parameters[2]},
        .data_length = sense_length ? sense_length + 2 : 0,
        .numbers = session_next_numbers(session),
    };

    if (sense_length) {
        data[0] = 0;
        data[1] = (uint8_t)sense_length;
        memcpy(data + 2, sense, sense_length);
    }
    pdu_encode_async(bhs, &async);
    session_send(session, bhs, data, async.data_length);
}

/* A host that pings without end does not fill the record. */
static void tell_ping(struct session *session)
{
    char isid[2 * ISID_SIZE + 3];
    double now = event_now();

    if (now - session->nop_told < NOP_EVENT_S)
        return;
    session->nop_told = now;
    text_format_binary(isid, session->isid, ISID_SIZE);
    event(EVENT_NOP_OUT, text("initiator", session->initiator), text("isid", isid + 2),
          text("target", session->target), number("tsih", session->tsih));
}

/* RFC 7143 11.18, 11.19: an echo, or the answer to our own ping. */
static const char *take_nop(struct session *session, const struct pdu *pdu)
{
    uint32_t length = pdu->data_length, most = session->params.max_send_data;
    struct pdu_nop_out nop;
    uint8_t bhs[BHS_SIZE];

    pdu_decode_nop_out(&nop, pdu->bhs);
    if (nop.transfer_tag != RESERVED_TAG && nop.transfer_tag == session->nop_tag)
        session->nop_tag = RESERVED_TAG;
    if (nop.task_tag == RESERVED_TAG)
        return NULL;
    habits_note_nop(&session->habits, session->last_heard);
    tell_ping(session);
    if (length > most)
        length = most;
    if (length > CONN_CHUNK_SIZE - 128)
        length = CONN_CHUNK_SIZE - 128;
    pdu_encode_nop_in(bhs, &(struct pdu_nop_in){
                               .lun = nop.lun,
                               .task_tag = nop.task_tag,
                               .transfer_tag = RESERVED_TAG,
                               .data_length = length,
                               .numbers = session_next_numbers(session),
                           });
    session_send(session, bhs, pdu->data, length);
    return NULL;
}

/* RFC 7143 11.14, 11.15. The answer waits until no task is left. */
static const char *take_logout(struct session *session, const struct pdu *pdu)
{
    pdu_decode_logout(&session->logout, pdu->bhs);
    session->is_logging_out = true;
    if (session_is_left_by(session, &session->logout))
        session_abort_tasks(session);
    session_task_ended(session);
    return NULL;
}

static const char *take_snack(struct session *session, const struct pdu *pdu)
{
    return session_reject(session, pdu, REJECT_SNACK);
}

static const char *take_late_login(struct session *session, const struct pdu *pdu)
{
    return session_protocol_error(session, pdu, "login request in the full feature phase");
}

static const struct {
    enum opcode opcode;
    enum intake intake;
    bool is_numbered; /* has a CmdSN and its turn */
    const char *(*begin)(struct session *session, const struct pdu *pdu);
    const char *(*end)(struct session *session, const struct pdu *pdu);
} requests[] = {
    {OP_SCSI_COMMAND, INTAKE_TASK, true, transfer_begin, transfer_end},
    {OP_DATA_OUT, INTAKE_TASK, false, transfer_begin_data_out, transfer_end},
    {OP_NOP_OUT, INTAKE_WHOLE, true, NULL, take_nop},
    {OP_TASK_REQUEST, INTAKE_WHOLE, true, NULL, session_take_function},
    {OP_TEXT_REQUEST, INTAKE_WHOLE, true, NULL, session_take_text},
    {OP_LOGOUT_REQUEST, INTAKE_WHOLE, true, NULL, take_logout},
    {OP_SNACK, INTAKE_WHOLE, false, NULL, take_snack},
    {OP_LOGIN_REQUEST, INTAKE_WHOLE, false, NULL, take_late_login},
};

enum { REQUEST_COUNT = sizeof(requests) / sizeof(*requests) };

static size_t row_of(enum opcode opcode)
{
    size_t row = 0;

    while (row < REQUEST_COUNT && requests[row].opcode != opcode)
        row++;
    return row;
}

const char *session_begin_pdu(struct session *session, const struct pdu *pdu)
{
    size_t row = row_of(pdu->opcode);

    session->intake = requests[row].intake;
    if (requests[row].is_numbered && !pdu->is_immediate)
        session->exp_cmd_sn++;
    return requests[row].begin ? requests[row].begin(session, pdu) : NULL;
}

const char *session_end_pdu(struct session *session, const struct pdu *pdu)
{
    const char *why = requests[row_of(pdu->opcode)].end(session, pdu);

    if (!why && !session->is_over && !list_is_empty(&session->reading))
        transfer_pump(session);
    return why;
}

static const char *on_begin(void *owner, const struct pdu *pdu)
{
    struct session *session = owner;
    size_t row = row_of(pdu->opcode);
    enum turn turn;

    session->last_heard = ev_now(conn_pool_loop(session->pool));
    if (pdu->task_tag != RESERVED_TAG)
        habits_note_request(&session->habits, session->last_heard);
    session->incoming = NULL;
    session->intake = INTAKE_DROP;
    if (session->is_over || session->is_logging_out)
        return NULL;
    if (row == REQUEST_COUNT)
        return session_reject(session, pdu, REJECT_NOT_SUPPORTED);
    turn = requests[row].is_numbered ? session_turn(session, pdu) : TURN_NOW;
    if (turn == TURN_NEVER)
        return NULL;
    return turn == TURN_NOW ? session_begin_pdu(session, pdu) : session_hold(session, pdu);
}

static const char *on_data(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length)
{
    (void)pdu;
    struct session *session = owner;

    if (session->intake == INTAKE_TASK && session->incoming)
        transfer_take(session->incoming, bytes, length);
    else if (session->intake == INTAKE_HOLD)
        return session_hold_data(session, bytes, length);
    return NULL;
}

static const char *on_end(void *owner, const struct pdu *pdu)
{
    struct session *session = owner;
    const char *why;

    if (session->intake == INTAKE_DROP || session->intake == INTAKE_HOLD || session->is_over)
        return NULL;
    why = session_end_pdu(session, pdu);
    return why || list_is_empty(&session->held) ? why : session_release(session);
}

/* RFC 7143 7.8: without error recovery, a session that lost data begins anew. */
static const char *on_bad_data(void *owner, const struct pdu *pdu)
{
    struct session *session = owner;

    if (!session->is_over)
        session_reject(session, pdu, REJECT_DATA_DIGEST);
    session->is_over = true;
    conn_finish(session->conn, "data digest error");
    return NULL;
}

static void on_room(void *owner)
{
    transfer_pump(owner);
}

static void on_closed(void *owner, const char *why)
{
    session_lost_connection(owner, why);
}

const struct conn_user session_user = {
    .stream = {on_begin, on_data, on_end, on_bad_data},
    .on_room = on_room,
    .on_closed = on_closed,
};
