#include "target/iscsi/faulty_conn.h"

#include "target/base/bytes.h"
#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/iscsi/digest.h"
#include "target/iscsi/login.h"
#include "target/iscsi/pdu_field.h"
#include "target/iscsi/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum direction { IN, OUT, DIRECTIONS };
enum { PIECES_MAX = 64 };

#define OVERTAKE_SECONDS 1.0 /* nothing came to overtake it */

struct faulty_conn {
    struct list link; /* in faulty_host.conns */
    struct faulty_host *host;
    struct conn *conn;
    struct list queues[DIRECTIONS]; /* PDUs kept back, in the order they go on */
    ev_timer timers[DIRECTIONS], doom;
    double free_at[DIRECTIONS]; /* unix time: when a throttled direction has passed what it has */
    const char *doomed;         /* why it is about to be closed; NULL: it is not */
    struct buffer partial;      /* of a PDU that goes out */
    bool passes;     /* the PDU that is coming in began before we looked: it goes on as it comes */
    bool is_sending; /* what we send ourselves is not struck again by the rule that sends it */
};

/* A whole PDU as on the wire (out) or with header and data only (in), or a piece of one. */
struct item {
    struct list link;
    double due;        /* unix time, seconds */
    bool is_overtaken; /* by the next one */
    struct pdu pdu;    /* in */
    uint32_t length;
    uint8_t bytes[];
};

/* What the rules that strike have in mind for a PDU. */
struct verdict {
    bool is_dropped, is_duplicated, is_overtaken, breaks_header, breaks_data;
    double delay;  /* seconds */
    int64_t piece; /* bytes; 0: whole */
    int64_t rate;  /* bytes a second; 0: at once */
    const struct fault_rule *send;
};

static bool is_session(const struct faulty_conn *faulty)
{
    return conn_user(faulty->conn) == &session_user;
}

static struct session *session_of(const struct faulty_conn *faulty)
{
    return conn_owner(faulty->conn);
}

/* What must hold for a kind beside its conditions. */
struct question {
    const struct faulty_conn *faulty;
    enum direction direction;
    bool is_now; /* the rule has just been set, there is no PDU */
};

static bool accepts_pdu(const struct fault_rule *rule, const void *what)
{
    static const char *const outgoing[] = {"pdu.field", "pdu.close_window", "pdu.fragment"};
    const struct question *question = what;
    bool is_send = fault_is_kind(rule, "pdu.send"),
         waits = rule->values[FAULT_KEY_PDU].is_given || rule->values[FAULT_KEY_DIRECTION].is_given;

    if (question->is_now)
        return rule->is_new && !waits &&
               (is_send || fault_is_kind(rule, "pdu.half_close") ||
                fault_is_kind(rule, "pdu.reset"));
    if (is_send)
        return is_session(question->faulty) && !question->faulty->is_sending;
    for (size_t i = 0; question->direction == IN && i < sizeof(outgoing) / sizeof(*outgoing); i++)
        if (fault_is_kind(rule, outgoing[i]))
            return false;
    return true;
}

static bool accepts_login(const struct fault_rule *rule, const void *what)
{
    (void)what;
    return fault_is_kind(rule, "login.hang") || fault_is_kind(rule, "login.slow") ||
           fault_is_kind(rule, "login.drop");
}

static const char *text_after(const uint8_t *bytes, uint32_t length, const char *key)
{
    const char *found =
        bytes && length && !bytes[length - 1] ? memmem(bytes, length, key, strlen(key)) : NULL;

    return found ? found + strlen(key) : NULL;
}

/* Who it is: the session, the login so far, or what the first request of a login says. */
static void describe(const struct faulty_conn *faulty, const uint8_t *data, uint32_t length,
                     struct fault_point *point)
{
    const char *target;

    if (is_session(faulty)) {
        const struct session *session = session_of(faulty);

        point->initiator = session->initiator;
        point->session = session->tsih;
        target = session->target;
    } else {
        const struct login *login = conn_owner(faulty->conn);

        point->initiator =
            login->initiator ? login->initiator : text_after(data, length, "InitiatorName=");
        target = login->target ? login->target : text_after(data, length, "TargetName=");
    }
    faulty->host->describe(faulty->host->host, conn_local(faulty->conn), target, point);
}

static struct fault_point point_of(const struct faulty_conn *faulty, enum fault_where where,
                                   char portal[static ADDRESS_TEXT_SIZE])
{
    return (struct fault_point){
        .where = where,
        .node = faulty->host->faults->node,
        .portal = address_format(conn_local(faulty->conn), portal),
        .direction = -1,
        .pdu = -1,
        .command = -1,
        .lba = -1,
    };
}

static void on_doom(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, doom);

    conn_close(faulty->conn, faulty->doomed); /* frees it: always the last statement */
}

/* Not now: the connection may be at work. */
static void doom(struct faulty_conn *faulty, const char *why)
{
    if (faulty->doomed)
        return;
    faulty->doomed = why;
    ev_timer_set(&faulty->doom, 0, 0);
    ev_timer_start(faulty->host->faults->loop, &faulty->doom);
}

static void reset(struct faulty_conn *faulty)
{
    const struct linger linger = {1, 0};

    setsockopt(conn_descriptor(faulty->conn), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    doom(faulty, "reset by a fault");
}

/* The parts of a PDU as its bytes lie on the wire; digests: 4 bytes each or none. */
struct layout {
    uint32_t header, header_digest, data, padding, data_digest;
};

static uint32_t layout_size(const struct layout *layout)
{
    return layout->header + layout->header_digest + layout->data + layout->padding +
           layout->data_digest;
}

static struct layout layout_of(const struct faulty_conn *faulty, const uint8_t *bhs,
                               enum direction direction)
{
    const struct stream *stream = conn_stream(faulty->conn);
    bool is_wire = direction == OUT;
    struct pdu pdu;

    pdu_decode(&pdu, bhs);
    return (struct layout){
        .header = BHS_SIZE + pdu_ahs_length(bhs),
        .header_digest = is_wire && stream->header_digest ? DIGEST_SIZE : 0,
        .data = pdu.data_length,
        .padding = is_wire ? pdu_padding(pdu.data_length) : 0,
        .data_digest = is_wire && stream->data_digest && pdu.data_length ? DIGEST_SIZE : 0,
    };
}

static void seal(uint8_t *bytes, const struct layout *layout)
{
    uint8_t *data = bytes + layout->header + layout->header_digest;
    uint32_t padded = layout->data + layout->padding;

    if (layout->header_digest)
        digest_put(bytes + layout->header, digest_add(DIGEST_START, bytes, layout->header));
    if (layout->data_digest)
        digest_put(data + padded, digest_add(DIGEST_START, data, padded));
}

static void corrupt(struct faulty_conn *faulty, const struct fault_rule *rule, uint8_t *bytes,
                    enum direction direction, struct verdict *verdict)
{
    enum { HEADER, DATA, DIGEST, PADDING };
    struct layout layout = layout_of(faulty, bytes, direction);
    const struct stream *stream = conn_stream(faulty->conn);
    bool is_sealed = fault_parameter(rule, "when")->number;
    int64_t part = fault_parameter(rule, "part")->number;
    uint32_t data = layout.header + layout.header_digest, tail = data + layout.data;
    const uint32_t starts[] = {0, data, layout.data_digest ? tail + layout.padding : layout.header,
                               tail};
    const uint32_t sizes[] = {layout.header, layout.data,
                              layout.data_digest ? DIGEST_SIZE : layout.header_digest,
                              layout.padding};
    int64_t offset = fault_parameter(rule, "offset")->number;

    if (offset < sizes[part])
        bytes[starts[part] + offset] ^= (uint8_t)fault_parameter(rule, "xor")->number;
    if (direction == OUT && is_sealed)
        seal(bytes, &layout);
    if (direction == IN && !is_sealed) {
        verdict->breaks_header |= part == HEADER && stream->header_digest;
        verdict->breaks_data |= part != HEADER && stream->data_digest && layout.data;
    }
}

static void change_field(struct faulty_conn *faulty, const struct fault_rule *rule, uint8_t *bytes)
{
    struct layout layout = layout_of(faulty, bytes, OUT);

    if (rule)
        pdu_add_to_field(bytes, fault_parameter(rule, "field")->text,
                         (uint32_t)fault_parameter(rule, "by")->number);
    else
        pdu_close_window(bytes);
    seal(bytes, &layout);
}

static void send_nop(struct session *session)
{
    uint8_t bhs[BHS_SIZE];

    pdu_encode_nop_in(bhs, &(struct pdu_nop_in){.task_tag = RESERVED_TAG,
                                                .transfer_tag = session->next_tag++,
                                                .numbers = session_numbers(session)});
    session_send(session, bhs, NULL, 0);
}

static void send_reject(struct session *session)
{
    uint8_t bhs[BHS_SIZE], header[BHS_SIZE] = {OP_NOP_OUT};

    pdu_encode_reject(bhs, &(struct pdu_reject){.reason = REJECT_PROTOCOL_ERROR,
                                                .data_length = BHS_SIZE,
                                                .numbers = session_next_numbers(session)});
    session_send(session, bhs, header, BHS_SIZE);
}

/* `what` in the order of the table of kinds: nop_in, reject, then the asynchronous messages. */
static void send_unasked(struct faulty_conn *faulty, const struct fault_rule *rule)
{
    static const uint16_t parameters[3] = {0, 0, 10};
    int64_t what = fault_parameter(rule, "what")->number;
    struct session *session = session_of(faulty);

    if (!is_session(faulty) || session->is_over || !session->conn)
        return;
    faulty->is_sending = true;
    if (what == 0)
        send_nop(session);
    else if (what == 1)
        send_reject(session);
    else
        session_send_async(session, (enum async_event)(what - 1), parameters, NULL, 0);
    faulty->is_sending = false;
}

static void judge(struct faulty_conn *faulty, struct fault_rule *rule, uint8_t *bytes,
                  enum direction direction, struct verdict *verdict)
{
    const char *kind = strchr(rule->kind->name, '.') + 1;

    if (!strcmp(kind, "drop") || !strcmp(kind, "black_hole"))
        verdict->is_dropped = true;
    else if (!strcmp(kind, "delay"))
        verdict->delay += fault_delay_ms(rule) / 1000;
    else if (!strcmp(kind, "duplicate"))
        verdict->is_duplicated = true;
    else if (!strcmp(kind, "reorder"))
        verdict->is_overtaken = true;
    else if (!strcmp(kind, "fragment"))
        verdict->piece =
            1 + (int64_t)(fault_random(rule) % (uint64_t)fault_parameter(rule, "most")->number);
    else if (!strcmp(kind, "throttle"))
        verdict->rate = fault_parameter(rule, "rate")->number;
    else if (!strcmp(kind, "corrupt"))
        corrupt(faulty, rule, bytes, direction, verdict);
    else if (!strcmp(kind, "field"))
        change_field(faulty, rule, bytes);
    else if (!strcmp(kind, "close_window"))
        change_field(faulty, NULL, bytes);
    else if (!strcmp(kind, "send"))
        verdict->send = rule;
    else if (!strcmp(kind, "half_close"))
        shutdown(conn_descriptor(faulty->conn), SHUT_WR);
    else if (!strcmp(kind, "reset"))
        reset(faulty);
}

/* What strikes login requests as such. */
static void judge_login(struct faulty_conn *faulty, const struct pdu *pdu, struct verdict *verdict)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_LOGIN, portal);
    struct login *login = conn_owner(faulty->conn);
    struct fault_rule *rule;

    if (is_session(faulty) || pdu->opcode != OP_LOGIN_REQUEST)
        return;
    point.accepts = accepts_login;
    describe(faulty, pdu->data, pdu->data_length, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));) {
        if (fault_is_kind(rule, "login.slow")) {
            verdict->delay += fault_delay_ms(rule) / 1000;
            continue;
        }
        verdict->is_dropped = true;
        ev_timer_stop(faulty->host->faults->loop, &login->timeout);
        if (fault_is_kind(rule, "login.drop"))
            doom(faulty, "closed by a fault");
    }
}

static struct verdict judge_pdu(struct faulty_conn *faulty, uint8_t *bytes, uint32_t length,
                                enum direction direction, const uint8_t *data)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_PDU, portal);
    struct question question = {faulty, direction, false};
    struct verdict verdict = {0};
    struct fault_rule *rule;

    point.direction = direction;
    point.pdu = bytes[0] & 0x3f;
    point.size = get_be24(bytes + 5);
    point.accepts = accepts_pdu;
    point.what = &question;
    describe(faulty, data, data ? length : 0, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));)
        judge(faulty, rule, bytes, direction, &verdict);
    return verdict;
}

static const char *deliver_in(struct faulty_conn *faulty, struct pdu *pdu)
{
    struct conn *conn = faulty->conn;
    const struct stream_user *user = &conn_user(conn)->stream;
    void *owner = conn_owner(conn);
    const char *why = user->on_begin(owner, pdu);

    if (!why && pdu->data_length)
        why = user->on_data(owner, pdu, pdu->data, pdu->data_length);
    return why ? why : user->on_end(owner, pdu);
}

static void wait_for_first(struct faulty_conn *faulty, enum direction direction)
{
    struct list *first = list_first(&faulty->queues[direction]);
    ev_timer *timer = &faulty->timers[direction];
    struct ev_loop *loop = faulty->host->faults->loop;
    double left;

    ev_timer_stop(loop, timer);
    if (!first)
        return;
    left = container_of(first, struct item, link)->due - event_now();
    ev_now_update(loop);
    ev_timer_set(timer, left > 0 ? left : 0, 0);
    ev_timer_start(loop, timer);
}

static struct item *take_due(struct faulty_conn *faulty, enum direction direction)
{
    struct list *first = list_first(&faulty->queues[direction]);
    struct item *item = first ? container_of(first, struct item, link) : NULL;

    if (!item || item->due > event_now() + 0.0005)
        return NULL;
    list_remove(first);
    return item;
}

static void on_in_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, timers[IN]);
    const char *why = NULL;
    struct item *item;

    while (!why && !faulty->doomed && (item = take_due(faulty, IN))) {
        why = deliver_in(faulty, &item->pdu);
        free(item);
    }
    if (why)
        conn_close(faulty->conn, why); /* frees it: always the last statement */
    else
        wait_for_first(faulty, IN);
}

/* One a turn where a PDU was cut, so that its pieces leave one by one. */
static void on_out_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, timers[OUT]);
    struct item *item;

    while (!faulty->doomed && (item = take_due(faulty, OUT))) {
        conn_put(faulty->conn, item->bytes, item->length);
        conn_expect_output(faulty->conn, -(int64_t)item->length);
        free(item);
    }
    wait_for_first(faulty, OUT);
}

static struct item *item_new(const uint8_t *bytes, uint32_t length)
{
    struct item *item = memory_new(sizeof(*item) + length);

    item->length = length;
    memcpy(item->bytes, bytes, length);
    return item;
}

/* Behind what waits already, or in front of the last one if that is to be overtaken. */
static void keep(struct faulty_conn *faulty, enum direction direction, struct item *item,
                 const struct verdict *verdict)
{
    struct list *queue = &faulty->queues[direction];
    struct item *last =
        list_is_empty(queue) ? NULL : container_of(queue->previous, struct item, link);
    double now = event_now();

    item->due = now + verdict->delay;
    if (verdict->rate) {
        double start = faulty->free_at[direction] > now ? faulty->free_at[direction] : now;

        faulty->free_at[direction] = start + item->length / (double)verdict->rate;
        item->due += faulty->free_at[direction] - now;
    }
    if (direction == OUT)
        conn_expect_output(faulty->conn, item->length);
    if (last && last->is_overtaken) {
        last->is_overtaken = false;
        last->due = item->due;
        list_append(&last->link, &item->link); /* in front of it */
    } else {
        if (last && last->due > item->due)
            item->due = last->due;
        list_append(queue, &item->link);
        item->is_overtaken = verdict->is_overtaken;
        item->due += verdict->is_overtaken ? OVERTAKE_SECONDS : 0;
    }
    wait_for_first(faulty, direction);
}

static bool is_at_once(const struct faulty_conn *faulty, enum direction direction,
                       const struct verdict *verdict)
{
    return verdict->delay == 0 && !verdict->rate && !verdict->piece && !verdict->is_overtaken &&
           list_is_empty(&faulty->queues[direction]);
}

static void pass_out(struct faulty_conn *faulty, const uint8_t *bytes, uint32_t length,
                     const struct verdict *verdict)
{
    uint32_t piece = verdict->piece ? (uint32_t)verdict->piece : length;
    struct verdict next = *verdict;

    if (is_at_once(faulty, OUT, verdict)) {
        conn_put(faulty->conn, bytes, length);
        return;
    }
    if (piece < length / PIECES_MAX)
        piece = length / PIECES_MAX;
    while (length) {
        uint32_t size = piece < length ? piece : length;

        keep(faulty, OUT, item_new(bytes, size), &next);
        next.delay += verdict->piece ? 0.001 : 0;
        bytes += size;
        length -= size;
    }
}

static void take_out(struct faulty_conn *faulty, uint8_t *bytes, uint32_t length)
{
    struct verdict verdict = judge_pdu(faulty, bytes, length, OUT, NULL);

    if (!verdict.is_dropped && !faulty->doomed) {
        pass_out(faulty, bytes, length, &verdict);
        if (verdict.is_duplicated)
            pass_out(faulty, bytes, length, &verdict);
    }
    if (verdict.send)
        send_unasked(faulty, verdict.send);
}

/* The PDUs that are whole by now. */
static void cut_out(struct faulty_conn *faulty)
{
    while (faulty->partial.length >= BHS_SIZE) {
        struct layout layout = layout_of(faulty, (uint8_t *)buffer_content(&faulty->partial), OUT);
        uint32_t size = layout_size(&layout);
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
static void send_span(struct conn *conn, int fd, uint64_t offset, uint32_t length)
{
    struct faulty_conn *faulty = conn_way_owner(conn);
    uint8_t *bytes = memory_new(length);

    if (pread(fd, bytes, length, (off_t)offset) != (ssize_t)length)
        doom(faulty, "cannot send");
    buffer_append(&faulty->partial, bytes, length);
    free(bytes);
    cut_out(faulty);
}

static const char *take_in(struct faulty_conn *faulty, const struct pdu *pdu)
{
    uint32_t header = BHS_SIZE + pdu->ahs_length, length = header + pdu->data_length;
    struct item *item = memory_new(sizeof(*item) + length);
    struct verdict verdict, login = {0};
    const char *why = NULL;

    item->length = length;
    memcpy(item->bytes, pdu->bhs, BHS_SIZE);
    memcpy(item->bytes + BHS_SIZE, pdu->ahs, pdu->ahs_length);
    if (pdu->data_length)
        memcpy(item->bytes + header, pdu->data, pdu->data_length);
    judge_login(faulty, pdu, &login);
    verdict = judge_pdu(faulty, item->bytes, pdu->data_length, IN, pdu->data);
    verdict.delay += login.delay;
    pdu_decode(&item->pdu, item->bytes);
    item->pdu.data_length = pdu->data_length; /* the stream has cut it so */
    item->pdu.ahs_length = pdu->ahs_length;
    item->pdu.bhs = item->bytes;
    item->pdu.ahs = item->bytes + BHS_SIZE;
    item->pdu.data = item->bytes + header;
    if (verdict.send)
        send_unasked(faulty, verdict.send);
    if (verdict.breaks_header) {
        why = "header digest error";
    } else if (verdict.breaks_data) {
        why = conn_user(faulty->conn)->stream.on_bad_data(conn_owner(faulty->conn), pdu);
    } else if (!verdict.is_dropped && !login.is_dropped && !faulty->doomed) {
        if (!is_at_once(faulty, IN, &verdict)) {
            keep(faulty, IN, item, &verdict);
            return NULL;
        }
        why = deliver_in(faulty, &item->pdu);
        if (!why && verdict.is_duplicated)
            why = deliver_in(faulty, &item->pdu);
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

    for (int direction = 0; direction < DIRECTIONS; direction++) {
        ev_timer_stop(loop, &faulty->timers[direction]);
        LIST_FOR_EACH_SAFE (node, &faulty->queues[direction]) {
            list_remove(node);
            free(container_of(node, struct item, link));
        }
    }
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
    list_init(&faulty->queues[IN]);
    list_init(&faulty->queues[OUT]);
    ev_init(&faulty->timers[IN], on_in_due);
    ev_init(&faulty->timers[OUT], on_out_due);
    ev_init(&faulty->doom, on_doom);
    faulty->passes = stream->in_segment && !stream->is_collected;
    stream->collects_all = true;
    conn_set_way(conn, &faulty_way, faulty);
}

/* Rules that wait for no PDU. */
static void strike_now(struct faulty_conn *faulty)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_PDU, portal);
    struct question question = {faulty, OUT, true};
    struct verdict verdict = {0};
    struct fault_rule *rule;

    if (!is_session(faulty))
        return;
    point.accepts = accepts_pdu;
    point.what = &question;
    describe(faulty, NULL, 0, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));) {
        judge(faulty, rule, NULL, OUT, &verdict);
        if (verdict.send)
            send_unasked(faulty, verdict.send);
        verdict.send = NULL;
    }
}

void faulty_conns_follow(struct faulty_host *host, bool are_needed)
{
    LIST_FOR_EACH_SAFE (node, &host->conns) {
        struct faulty_conn *faulty = container_of(node, struct faulty_conn, link);

        if (are_needed)
            strike_now(faulty);
        else if (list_is_empty(&faulty->queues[IN]) && list_is_empty(&faulty->queues[OUT]) &&
                 !faulty->doomed && !faulty->passes)
            unwrap(faulty);
    }
}
