#include "target/iscsi/faulty_conn.h"

#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/iscsi/faulty_pdu.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 64 };

static void on_doom(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, doom);

    conn_close(faulty->conn, faulty->doomed); /* frees it: always the last statement */
}

void faulty_conn_doom(struct faulty_conn *faulty, const char *why)
{
    if (faulty->doomed)
        return;
    faulty->doomed = why;
    ev_timer_set(&faulty->doom, 0, 0);
    loop_start_timer(faulty->host->faults->loop, &faulty->doom);
}

static void pass_out(struct faulty_conn *faulty, const uint8_t *bytes, uint32_t length,
                     const struct faulty_verdict *verdict)
{
    uint32_t piece = verdict->piece ? (uint32_t)verdict->piece : length;
    struct faulty_verdict next = *verdict;

    if (faulty_conn_is_at_once(faulty, FAULTY_OUT, verdict)) {
        conn_put(faulty->conn, bytes, length);
        return;
    }
    if (piece < length / PIECES_MAX)
        piece = length / PIECES_MAX;
    while (length) {
        uint32_t size = piece < length ? piece : length;

        faulty_conn_keep(faulty, FAULTY_OUT, faulty_item_new(bytes, size), &next);
        next.delay += verdict->piece ? 0.001 : 0;
        bytes += size;
        length -= size;
    }
}

static void take_out(struct faulty_conn *faulty, uint8_t *bytes, uint32_t length)
{
    struct faulty_verdict verdict = faulty_conn_judge_pdu(faulty, bytes, length, FAULTY_OUT, NULL);

    if (!verdict.is_dropped && !faulty->doomed) {
        pass_out(faulty, bytes, length, &verdict);
        if (verdict.is_duplicated)
            pass_out(faulty, bytes, length, &verdict);
    }
    if (verdict.send)
        faulty_conn_send_unasked(faulty, verdict.send, bytes);
}

/* The PDUs that are whole by now. */
static void cut_out(struct faulty_conn *faulty)
{
    while (faulty->partial.length >= BHS_SIZE) {
        struct faulty_layout layout =
            faulty_layout_of(faulty, (uint8_t *)buffer_content(&faulty->partial), FAULTY_OUT);
        uint32_t size = faulty_layout_size(&layout);
        uint8_t *pdu;

        if (faulty->partial.length < size)
            return;
        pdu = memory_new(size);
        memcpy(pdu, buffer_content(&faulty->partial), size);
        buffer_take(&faulty->partial, size); /* before others follow from within */
        take_out(faulty, pdu, size);
        free(pdu);
    }
}

static void commit(struct conn *conn, uint32_t size)
{
    struct faulty_conn *faulty = conn_way_owner(conn);

    buffer_append(&faulty->partial, conn_reserve(conn, size), size);
    cut_out(faulty);
}

static void send_chunk(struct conn *conn, struct conn_chunk *chunk, const uint8_t *bytes,
                       uint32_t length)
{
    (void)chunk;
    struct faulty_conn *faulty = conn_way_owner(conn);

    buffer_append(&faulty->partial, bytes, length);
    cut_out(faulty);
}

/* The copying way: the bytes may have to change. */
static void send_span(struct conn *conn, struct span *span)
{
    struct faulty_conn *faulty = conn_way_owner(conn);

    if (span_save(span))
        buffer_append(&faulty->partial, span->bytes, span->length);
    else
        faulty_conn_doom(faulty, "cannot send");
    span_end(span);
    conn_span_free(conn_pool_of(conn), span);
    cut_out(faulty);
}

static const char *take_in(struct faulty_conn *faulty, const struct pdu *pdu)
{
    uint32_t header = BHS_SIZE + pdu->ahs_length, length = header + pdu->data_length;
    struct faulty_item *item = memory_new(sizeof(*item) + length);
    struct faulty_verdict verdict, login = {0};
    const char *why = NULL;

    item->length = length;
    memcpy(item->bytes, pdu->bhs, BHS_SIZE);
    memcpy(item->bytes + BHS_SIZE, pdu->ahs, pdu->ahs_length);
    if (pdu->data_length)
        memcpy(item->bytes + header, pdu->data, pdu->data_length);
    faulty_conn_judge_login(faulty, pdu, &login);
    verdict = faulty_conn_judge_pdu(faulty, item->bytes, pdu->data_length, FAULTY_IN, pdu->data);
    verdict.delay += login.delay;
    pdu_decode(&item->pdu, item->bytes);
    item->pdu.data_length = pdu->data_length; /* the stream has cut it so */
    item->pdu.ahs_length = pdu->ahs_length;
    item->pdu.bhs = item->bytes;
    item->pdu.ahs = item->bytes + BHS_SIZE;
    item->pdu.data = item->bytes + header;
    if (verdict.send)
        faulty_conn_send_unasked(faulty, verdict.send, item->bytes);
    if (verdict.breaks_header) {
        why = "header digest error";
    } else if (verdict.breaks_data) {
        why = conn_user(faulty->conn)->stream.on_bad_data(conn_owner(faulty->conn), pdu);
    } else if (!verdict.is_dropped && !login.is_dropped && !faulty->doomed) {
        if (!faulty_conn_is_at_once(faulty, FAULTY_IN, &verdict)) {
            faulty_conn_keep(faulty, FAULTY_IN, item, &verdict);
            return NULL;
        }
        why = faulty_conn_deliver(faulty, &item->pdu);
        if (!why && verdict.is_duplicated)
            why = faulty_conn_deliver(faulty, &item->pdu);
    }
    free(item);
    return why;
}

static const char *on_begin(void *owner, const struct pdu *pdu)
{
    return take_in(owner, pdu);
}

static const char *on_data(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length)
{
    struct faulty_conn *faulty = owner;

    if (!faulty->passes)
        return NULL; /* all of it was there when it began */
    return conn_user(faulty->conn)->stream.on_data(conn_owner(faulty->conn), pdu, bytes, length);
}

static const char *on_end(void *owner, const struct pdu *pdu)
{
    struct faulty_conn *faulty = owner;

    if (!faulty->passes)
        return NULL;
    faulty->passes = false;
    faults_let_go(faulty->host->faults, FAULT_LOGIN | FAULT_PDU);
    return conn_user(faulty->conn)->stream.on_end(conn_owner(faulty->conn), pdu);
}

static const char *on_bad_data(void *owner, const struct pdu *pdu)
{
    struct faulty_conn *faulty = owner;

    return conn_user(faulty->conn)->stream.on_bad_data(conn_owner(faulty->conn), pdu);
}

static const struct stream_user faulty_user = {on_begin, on_data, on_end, on_bad_data};

static void follow_user(struct conn *conn)
{
    conn_stream(conn)->user = &faulty_user;
    conn_stream(conn)->owner = conn_way_owner(conn);
}

static void faulty_free(struct faulty_conn *faulty)
{
    struct ev_loop *loop = faulty->host->faults->loop;

    faulty_queues_free(faulty);
    ev_timer_stop(loop, &faulty->doom);
    list_remove(&faulty->link);
    buffer_free(&faulty->partial);
    free(faulty);
}

static void leave(struct conn *conn)
{
    faulty_free(conn_way_owner(conn));
}

static const struct conn_way faulty_way = {commit, send_chunk, send_span, follow_user, leave};

static void unwrap(struct faulty_conn *faulty)
{
    conn_stream(faulty->conn)->collects_all = false;
    conn_set_way(faulty->conn, NULL, NULL);
    faulty_free(faulty);
}

void faulty_conn_wrap(struct faulty_host *host, struct conn *conn)
{
    struct stream *stream = conn_stream(conn);
    struct faulty_conn *faulty;

    if (stream->user == &faulty_user)
        return;
    faulty = memory_new(sizeof(*faulty));
    faulty->host = host;
    faulty->conn = conn;
    list_append(&host->conns, &faulty->link);
    faulty_queues_init(faulty);
    ev_init(&faulty->doom, on_doom);
    faulty->passes = stream->in_segment && !stream->is_collected;
    stream->collects_all = true;
    conn_set_way(conn, &faulty_way, faulty);
}

void faulty_conns_follow(struct faulty_host *host, bool are_needed)
{
    LIST_FOR_EACH_SAFE (node, &host->conns) {
        struct faulty_conn *faulty = container_of(node, struct faulty_conn, link);

        if (are_needed)
            faulty_conn_strike_now(faulty);
        else if (faulty_conn_is_idle(faulty) && !faulty->doomed && !faulty->passes &&
                 !faulty->partial.length)
            unwrap(faulty);
    }
}
