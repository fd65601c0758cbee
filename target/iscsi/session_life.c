/* How a session begins and ends: from a login to its last task; pings in between. */
#include "target/base/event.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/iscsi/login.h"
#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

#include <stdlib.h>
#include <string.h>

static struct session *session_new(struct login *login, uint16_t tsih)
{
    struct session *session = memory_new(sizeof(*session));

    session->host = login->host;
    session->pool = login->pool;
    session->initiator = memory_copy_text(login->initiator);
    session->target = login->target ? memory_copy_text(login->target) : NULL;
    memcpy(session->isid, login->request.isid, ISID_SIZE);
    session->tsih = tsih;
    session->cid = login->request.cid;
    session->tpgt = login->is_discovery ? 0 : login->grant.tpgt;
    session->local = *conn_local(login->conn);
    session->peer = *conn_peer(login->conn);
    session->since = event_now();
    session->params = login->negotiation.params;
    session->exp_cmd_sn = login->request.cmd_sn;
    session->max_cmd_sn = session->exp_cmd_sn + login->host->settings.queue_depth - 1;
    session->nop_tag = RESERVED_TAG;
    session->text_tag = RESERVED_TAG;
    for (int i = 0; i < TASK_BUCKETS; i++)
        list_init(&session->tasks[i]);
    list_init(&session->reading);
    list_init(&session->held);
    list_init(&session->waiters);
    return session;
}

static void session_free(struct session *session)
{
    session->host->connections--;
    registry_remove(&session->host->registry, session);
    session_drop_held(session);
    buffer_free(&session->text);
    buffer_free(&session->text_answer);
    free(session->initiator);
    free(session->target);
    free(session);
}

enum login_status session_open(struct login *login, uint16_t tsih, struct session **session)
{
    struct host *host = login->host;
    struct session *new = session_new(login, tsih);
    enum login_status status = LOGIN_ACCEPTED;

    registry_add(&host->registry, new);
    host->connections++;
    if (new->target)
        status = host->operations->attach(host, new);
    if (status != LOGIN_ACCEPTED)
        session_free(new);
    else
        *session = new;
    return status;
}

static void tell_opened(const struct session *session, const char *offered)
{
    char isid[2 * ISID_SIZE + 3], portal[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE];

    text_format_binary(isid, session->isid, ISID_SIZE);
    event(EVENT_SESSION_OPENED, text("initiator", session->initiator), text("isid", isid + 2),
          number("tsih", session->tsih), text("target", session->target),
          text("type", session->target ? "normal" : "discovery"),
          text("portal", address_format(&session->local, portal)),
          text("peer", address_format(&session->peer, peer)),
          flag("header_digest", session->params.header_digest),
          flag("data_digest", session->params.data_digest), text("offered", offered));
}

static void tell_closed(const struct session *session)
{
    double now = loop_now(conn_pool_loop(session->pool));
    char isid[2 * ISID_SIZE + 3], portal[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE];

    text_format_binary(isid, session->isid, ISID_SIZE);
    event(
        EVENT_SESSION_CLOSED, text("initiator", session->initiator), text("isid", isid + 2),
        number("tsih", session->tsih), text("target", session->target),
        text("portal", address_format(&session->local, portal)),
        text("peer", address_format(&session->peer, peer)), text("reason", session->ending),
        flag("asked", session->was_asked_to_leave), number("commands", (int64_t)session->commands),
        number("nop_outs", (int64_t)session->habits.nops),
        session->habits.nops < 2 ? text("nop_out_period_ms", NULL)
                                 : number("nop_out_period_ms", habits_period_ms(&session->habits)),
        number("quiet_ms", habits_quiet_ms(&session->habits, now)));
}

/* RFC 7143 11.19.1: a peer that was silent for the interval is asked whether it lives. */
static void ping(struct session *session)
{
    uint8_t bhs[BHS_SIZE];

    session->nop_tag = session->next_tag++;
    if (session->next_tag == RESERVED_TAG)
        session->next_tag = 0;
    pdu_encode_nop_in(bhs, &(struct pdu_nop_in){
                               .task_tag = RESERVED_TAG,
                               .transfer_tag = session->nop_tag,
                               .numbers = session_numbers(session),
                           });
    session_send(session, bhs, NULL, 0);
}

static void on_nop(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct session *session = container_of(timer, struct session, nop);
    const struct host_settings *settings = &session->host->settings;
    double silence;

    if (session->unwritten) /* the connection may be resting on our account, not the peer's */
        session->last_heard = ev_now(loop);
    silence = ev_now(loop) - session->last_heard;

    if (session->nop_tag != RESERVED_TAG &&
        silence >= settings->nop_interval + settings->nop_timeout) {
        session_end(session, "no answer to a ping");
        return;
    }
    if (silence < settings->nop_interval) {
        session->nop_tag = RESERVED_TAG;
        timer->repeat = settings->nop_interval - silence;
    } else {
        if (session->nop_tag == RESERVED_TAG && !session->is_over)
            ping(session);
        timer->repeat = settings->nop_interval + settings->nop_timeout - silence;
    }
    if (timer->repeat < 0.001)
        timer->repeat = 0.001;
    ev_timer_again(loop, timer);
}

void session_start(struct session *session, struct conn *conn, uint32_t stat_sn,
                   const char *offered)
{
    struct ev_loop *loop = conn_pool_loop(session->pool);
    struct stream *stream = conn_stream(conn);
    double interval = session->host->settings.nop_interval;

    session->conn = conn;
    session->stat_sn = stat_sn;
    session->last_heard = loop_now(loop);
    habits_init(&session->habits, session->last_heard);
    conn_set_user(conn, &session_user, session);
    stream->max_data_length = session->params.max_recv_data;
    stream->header_digest = session->params.header_digest;
    stream->data_digest = session->params.data_digest;
    ev_timer_init(&session->nop, on_nop, interval, interval);
    if (interval > 0)
        loop_start_timer(loop, &session->nop);
    tell_opened(session, offered);
}

static void wake_waiters(struct list *waiters)
{
    struct list *node;

    while ((node = list_first(waiters))) {
        struct login *login = container_of(node, struct login, waiting);

        list_remove(node);
        login_open(login);
    }
}

/* The last step of an end: nothing of the session is under way any more. */
static void end_for_good(struct session *session)
{
    struct list waiters;

    list_init(&waiters);
    while (!list_is_empty(&session->waiters)) {
        struct list *node = list_first(&session->waiters);

        list_remove(node);
        list_append(&waiters, node);
    }
    tell_closed(session);
    if (session->port.operations)
        session->host->operations->detach(session->host, session);
    session_free(session);
    wake_waiters(&waiters);
}

bool session_is_left_by(const struct session *session, const struct pdu_logout *logout)
{
    return logout->reason == 0 || (logout->reason == 1 && logout->cid == session->cid);
}

static void answer_logout(struct session *session)
{
    enum { DONE = 0, NO_SUCH_CID = 1, NO_RECOVERY = 2 };
    const struct pdu_logout *logout = &session->logout;
    struct pdu_logout_response response = {.task_tag = logout->task_tag};
    uint8_t bhs[BHS_SIZE];

    if (!session_is_left_by(session, logout))
        response.response = logout->reason == 1 ? NO_SUCH_CID : NO_RECOVERY;
    response.time2wait = (uint16_t)session->params.time2wait;
    response.time2retain = (uint16_t)session->params.time2retain;
    response.numbers = session_next_numbers(session);
    pdu_encode_logout_response(bhs, &response);
    session_send(session, bhs, NULL, 0);
    session->is_logging_out = false;
    if (response.response == DONE) {
        session->is_over = true;
        conn_finish(session->conn, "logged out");
    }
}

void session_task_ended(struct session *session)
{
    bool is_idle = !session->task_count && !session->function_count;

    if (session->ending) {
        if (is_idle)
            end_for_good(session);
    } else if (session->is_logging_out &&
               (is_idle || !session_is_left_by(session, &session->logout))) {
        answer_logout(session);
    }
}

void session_abort_tasks(struct session *session)
{
    for (int i = 0; i < TASK_BUCKETS && session->task_count; i++) {
        LIST_FOR_EACH_SAFE (node, &session->tasks[i]) {
            task_abort(container_of(node, struct task, link));
        }
    }
}

void session_lost_connection(struct session *session, const char *why)
{
    session->conn = NULL;
    session->ending = why;
    session->is_over = true;
    ev_timer_stop(conn_pool_loop(session->pool), &session->nop);
    session->function_count++; /* keeps it alive while its tasks end one by one */
    session_abort_tasks(session);
    session->function_count--;
    session_task_ended(session);
}

void session_end(struct session *session, const char *why)
{
    if (session->conn)
        conn_close(session->conn, why);
}

void session_wait_end(struct session *session, struct list *waiting)
{
    list_remove(waiting);
    list_append(&session->waiters, waiting);
}

void session_request_logout(struct session *session, uint16_t seconds)
{
    const uint16_t parameters[3] = {0, 0, seconds};

    if (!session->conn || session->is_over || session->was_asked_to_leave)
        return;
    session->was_asked_to_leave = true;
    session_send_async(session, ASYNC_LOGOUT_REQUEST, parameters, NULL, 0);
}
