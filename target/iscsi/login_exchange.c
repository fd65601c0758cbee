/* The PDUs of a login: requests in, in parts or whole, responses out, in parts or whole, the time
 * limit, and the passage into the full feature phase. */
#include "target/base/event.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/iscsi/login.h"
#include "target/iscsi/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUESTS_MAX = 512, /* of one login: no negotiation takes longer */
    SURPLUS_MAX = 64,   /* connections beyond the limit that are told so; others are just closed */
};

/* What the initiator takes in one PDU while logging in: what it declared, or the default. */
static uint32_t part_limit(const struct login *login)
{
    uint32_t declared = login->negotiation.params.max_send_data;

    return declared < MAX_RECV_DATA_DEFAULT ? declared : MAX_RECV_DATA_DEFAULT;
}

static void send_response(struct login *login, enum login_status status, uint16_t tsih,
                          uint32_t max_cmd_sn)
{
    const struct pdu_login *request = &login->request;
    uint32_t rest = (uint32_t)login->answer.length - login->answered, limit = part_limit(login);
    bool continues = rest > limit;
    struct pdu_login_response response = {
        .transit = request->transit && !continues && status == LOGIN_ACCEPTED,
        .continues = continues,
        .current_stage = request->current_stage,
        .next_stage = request->next_stage,
        .tsih = tsih,
        .status = (uint16_t)status,
        .task_tag = request->task_tag,
        .data_length = continues ? limit : rest,
        .numbers = {login->stat_sn++, request->cmd_sn, max_cmd_sn},
    };
    uint32_t size = BHS_SIZE + response.data_length + pdu_padding(response.data_length);
    uint8_t *pdu = conn_reserve(login->conn, size);

    memcpy(response.isid, request->isid, ISID_SIZE);
    pdu_encode_login_response(pdu, &response);
    memset(pdu + size - 4, 0, response.data_length ? 4 : 0);
    if (response.data_length)
        memcpy(pdu + BHS_SIZE, buffer_content(&login->answer) + login->answered,
               response.data_length);
    conn_commit(login->conn, size);
    login->answered += response.data_length;
    if (login->answered == login->answer.length) {
        buffer_take(&login->answer, login->answer.length);
        login->answered = 0;
    }
}

/* Where a login that moves is sent. */
static const char *portal_name(const struct login *login, char text[static ADDRESS_TEXT_SIZE])
{
    const struct host_operations *operations = login->host->operations;
    const char *name = operations->name_portal ? operations->name_portal(login->host) : NULL;

    return name ? name : address_format(&login->redirect, text);
}

/* The answer to a refused login, after which the connection ends. */
static void finish_refused(struct login *login)
{
    char text[ADDRESS_TEXT_SIZE];
    const char *to = login_has_moved(login->refusal) ? portal_name(login, text) : NULL;

    buffer_take(&login->answer, login->answer.length);
    login->answered = 0;
    if (to)
        text_add(&login->answer, "TargetAddress", to);
    login_tell_refusal(login, to);
    login->request.transit = false;
    send_response(login, login->refusal, login->request.tsih, login->request.cmd_sn);
    conn_finish(login->conn, login_phrase(login->refusal));
}

static void refuse_now(struct login *login, enum login_status status)
{
    login->refusal = status;
    login->state = LOGIN_REFUSED;
    finish_refused(login);
}

/* The session that keeps this login from opening: its predecessor (RFC 7143 6.3.5). */
static struct session *predecessor(struct login *login)
{
    const struct pdu_login *request = &login->request;
    struct registry *registry = &login->host->registry;

    if (request->tsih)
        return registry_find_tsih(registry, request->tsih);
    return registry_find_nexus(registry, login->initiator, request->isid, login->target,
                               login->is_discovery ? 0 : login->grant.tpgt);
}

/* Opens the session, or waits until its predecessor has ended: then it is called again. */
void login_open(struct login *login)
{
    struct session *old = predecessor(login), *session;
    enum login_status status;
    bool is_same_session = login->request.tsih;
    uint16_t tsih;

    if (old) {
        login->request.cmd_sn = is_same_session ? old->exp_cmd_sn : login->request.cmd_sn;
        conn_hold_input(login->conn, true);
        session_wait_end(old, &login->waiting);
        session_end(old, is_same_session ? "connection reinstated" : "session reinstated");
        return;
    }
    conn_hold_input(login->conn, false);
    tsih = is_same_session ? login->request.tsih : registry_new_tsih(&login->host->registry);
    if (!tsih) {
        refuse_now(login, LOGIN_OUT_OF_RESOURCES);
        return;
    }
    status = session_open(login, tsih, &session);
    if (status != LOGIN_ACCEPTED) {
        refuse_now(login, status);
        return;
    }
    send_response(login, LOGIN_ACCEPTED, tsih, session->max_cmd_sn);
    session_start(session, login->conn, login->stat_sn, login_offered(login));
    login->conn = NULL;
    login_free(login);
}

/* RFC 7143 6.3.1: what stays the same over all requests of a login, and what the first one may ask.
 */
static enum login_status check_request(struct login *login, const struct pdu_login *request)
{
    const struct pdu_login *first = &login->request;
    struct session *old;

    if (login->is_surplus)
        return LOGIN_OUT_OF_RESOURCES;
    if (login->stat_sn >= REQUESTS_MAX)
        return LOGIN_INITIATOR_ERROR;
    if (request->version_min > 0)
        return LOGIN_UNSUPPORTED_VERSION;
    if ((request->transit && request->continues) || request->current_stage == 2 ||
        request->current_stage == STAGE_FULL_FEATURE ||
        (request->transit &&
         (request->next_stage == 2 || request->next_stage <= request->current_stage)))
        return LOGIN_INITIATOR_ERROR;
    if (login->stat_sn) {
        bool is_same = !memcmp(first->isid, request->isid, ISID_SIZE) &&
                       first->tsih == request->tsih && first->cid == request->cid &&
                       first->task_tag == request->task_tag;

        return is_same ? LOGIN_ACCEPTED : LOGIN_INVALID_REQUEST;
    }
    if (!request->tsih)
        return LOGIN_ACCEPTED;
    old = registry_find_tsih(&login->host->registry, request->tsih);
    if (!old || memcmp(old->isid, request->isid, ISID_SIZE))
        return LOGIN_NO_SUCH_SESSION;
    return old->cid == request->cid ? LOGIN_ACCEPTED : LOGIN_TOO_MANY_CONNECTIONS;
}

static enum login_status take_text(struct login *login)
{
    char *cursor = login->text.length ? buffer_content(&login->text) : NULL;
    char *end = cursor ? cursor + login->text.length : NULL;
    struct text_pair pair;
    enum text_result result = TEXT_END;
    enum login_status status = LOGIN_ACCEPTED;

    while (cursor && status == LOGIN_ACCEPTED &&
           (result = text_next(&cursor, end, &pair)) == TEXT_PAIR)
        status = login_take_pair(login, &pair);
    return result == TEXT_MALFORMED ? LOGIN_INITIATOR_ERROR : status;
}

/* RFC 7143 6.3.5: a request that names a session must come from its initiator, for its target. */
static bool names_its_session(const struct login *login)
{
    struct session *old = registry_find_tsih(&login->host->registry, login->request.tsih);

    return old && login->initiator && !strcasecmp(old->initiator, login->initiator) &&
           old->target && login->target && !strcasecmp(old->target, login->target);
}

static void take_whole_request(struct login *login)
{
    bool is_first = login->state == LOGIN_NEW;
    enum login_status status = take_text(login);
    enum login_state state = LOGIN_REFUSED;

    login->refusal = status;
    if (status == LOGIN_ACCEPTED)
        state = login_step(login);
    buffer_take(&login->text, login->text.length);
    if (state != LOGIN_REFUSED && is_first && login->request.tsih && !names_its_session(login)) {
        login->refusal = LOGIN_NO_SUCH_SESSION;
        state = LOGIN_REFUSED;
    }
    if (state == LOGIN_REFUSED)
        finish_refused(login);
    else if (state == LOGIN_OPENING && login->answer.length <= part_limit(login))
        login_open(login); /* may free the login: always the last statement */
    else
        send_response(login, LOGIN_ACCEPTED, login->request.tsih, login->request.cmd_sn);
}

/* The initiator asks for the next part of an answer, with an empty request. */
static void send_rest(struct login *login)
{
    if (login->state != LOGIN_OPENING ||
        login->answer.length - login->answered > part_limit(login)) {
        login->request.transit = false;
        send_response(login, LOGIN_ACCEPTED, login->request.tsih, login->request.cmd_sn);
        return;
    }
    login->request.transit = true;
    login->request.next_stage = STAGE_FULL_FEATURE;
    login_open(login); /* may free the login: always the last statement */
}

static void take_request(struct login *login, const struct pdu *pdu)
{
    struct pdu_login request;
    enum login_status status;

    pdu_decode_login(&request, pdu->bhs);
    status = check_request(login, &request);
    login->request = request;
    if (status == LOGIN_ACCEPTED && !text_collect(&login->text, pdu->data, pdu->data_length))
        status = LOGIN_OUT_OF_RESOURCES;
    if (status != LOGIN_ACCEPTED)
        refuse_now(login, status);
    else if (request.continues)
        send_response(login, LOGIN_ACCEPTED, request.tsih, request.cmd_sn);
    else if (login->answered)
        send_rest(login);
    else
        take_whole_request(login);
}

static const char *on_begin(void *owner, const struct pdu *pdu)
{
    struct login *login = owner;

    /* RFC 7143 6.3: nothing but login requests before the full feature phase. */
    if (pdu->opcode == OP_LOGIN_REQUEST)
        return login->state == LOGIN_OPENING && !login->answered
                   ? "a request behind the last one of the login"
                   : NULL;
    if (login->state != LOGIN_REFUSED) {
        login->request.task_tag = pdu->task_tag;
        refuse_now(login, LOGIN_INVALID_REQUEST);
    }
    return NULL;
}

static const char *on_data(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length)
{
    (void)owner, (void)pdu, (void)bytes, (void)length;
    return NULL;
}

static const char *on_end(void *owner, const struct pdu *pdu)
{
    struct login *login = owner;

    if (login->state != LOGIN_REFUSED && pdu->opcode == OP_LOGIN_REQUEST)
        take_request(login, pdu); /* may free the login */
    return NULL;
}

static const char *on_bad_data(void *owner, const struct pdu *pdu)
{
    (void)owner, (void)pdu;
    return "data digest error";
}

static void on_closed(void *owner, const char *why)
{
    struct login *login = owner;
    char peer[ADDRESS_TEXT_SIZE];

    if (login->state != LOGIN_REFUSED)
        event(EVENT_CONNECTION_CLOSED, text("initiator", login->initiator),
              text("peer", address_format(conn_peer(login->conn), peer)), text("reason", why));
    login->conn = NULL;
    login_free(login);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct login *login = container_of(timer, struct login, timeout);

    conn_close(login->conn, "login took too long");
}

static const struct conn_user login_user = {
    .stream = {on_begin, on_data, on_end, on_bad_data},
    .on_closed = on_closed,
};

struct login *login_new(struct host *host, struct conn *conn)
{
    struct login *login = memory_new(sizeof(*login));

    login->host = host;
    login->conn = conn;
    login->pool = conn_pool_of(conn);
    list_append(&host->registry.logins, &login->link);
    list_init(&login->waiting);
    negotiation_init(&login->negotiation);
    host->connections++;
    conn_set_user(conn, &login_user, login);
    conn_stream(conn)->max_data_length = MAX_RECV_DATA_DEFAULT;
    ev_timer_init(&login->timeout, on_timeout, host->settings.login_timeout, 0);
    loop_start_timer(conn_pool_loop(login->pool), &login->timeout);
    return login;
}

void login_free(struct login *login)
{
    if (!login)
        return;
    ev_timer_stop(conn_pool_loop(login->pool), &login->timeout);
    list_remove(&login->link);
    list_remove(&login->waiting);
    login->host->connections--;
    buffer_free(&login->text);
    buffer_free(&login->answer);
    buffer_free(&login->offered);
    free(login->initiator);
    free(login->target);
    free(login->session_type);
    free(login);
}

/* The one with the fewest connections; the first loop, which has other work besides, comes last. */
static struct conn_pool *choose_pool(const struct host *host)
{
    struct conn_pool *pool = host->pools[0];

    for (unsigned i = 1; i < host->pool_count; i++)
        if (conn_pool_count(host->pools[i]) <= conn_pool_count(pool))
            pool = host->pools[i];
    return pool;
}

void host_accept(struct host *host, int fd, const struct address *local, const struct address *peer)
{
    uint32_t most = host->settings.max_connections;
    bool is_surplus = host->connections >= most;
    struct conn *conn = conn_new(choose_pool(host), fd, local, peer);

    if (host->connections >= most + SURPLUS_MAX) {
        conn_close(conn, "too many connections");
        return;
    }
    login_new(host, conn)->is_surplus = is_surplus;
    host->greet(host, conn);
    if (loop_is_own(conn_pool_loop(conn_pool_of(conn))))
        conn_receive(conn); /* the first request is mostly here; may free it: the last statement */
}
