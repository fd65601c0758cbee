/* Data-in: fetching it as there is room, sending it from memory or straight from the file (RFC
 * 7143 11.7). */
#include "target/base/guarded.h"
#include "target/iscsi/digest.h"
#include "target/iscsi/transfer.h"

#include <string.h>

enum {
    COPY_MAX = 64 << 10, /* bytes that are copied into one PDU */
    GETS_MAX = 16,       /* chunks the port may be filling at a time */
};

void transfer_start_reading(struct task *task)
{
    task->phase = TASK_READING;
    task->total = transfer_least(task->expected_in, task->transfer_length);
    task->burst_left = task->session->params.max_burst;
    if (task->total)
        list_append(&task->session->reading, &task->reading);
    else
        transfer_finish(task);
}

/* Header bytes in front of the data of a PDU. */
static uint32_t header_size(const struct session *session)
{
    return BHS_SIZE + (session->params.header_digest ? DIGEST_SIZE : 0);
}

static uint32_t tail_size(const struct session *session, uint32_t length)
{
    return pdu_padding(length) + (session->params.data_digest ? DIGEST_SIZE : 0);
}

static void seal(const struct session *session, uint8_t *pdu, uint32_t length)
{
    uint8_t *data = pdu + header_size(session), *end = data + length;

    if (session->params.header_digest)
        digest_put(pdu + BHS_SIZE, digest_add(DIGEST_START, pdu, BHS_SIZE));
    memset(end, 0, pdu_padding(length));
    end += pdu_padding(length);
    if (session->params.data_digest)
        digest_put(end, digest_add(DIGEST_START, data, (size_t)(end - data)));
}

/* The header of the next data-in PDU of `length` bytes, with the status if it is the last one and
 * all went well. Says whether it carries the status. */
static bool encode_data_in(struct task *task, uint8_t *bhs, uint32_t length)
{
    struct session *session = task->session;
    bool is_last = task->sent + length == task->total;
    struct pdu_data_in data = {
        .is_final = is_last || length == task->burst_left,
        .lun = task->lun,
        .task_tag = task->tag,
        .data_sn = task->data_sn_in++,
        .offset = task->sent,
        .data_length = length,
    };

    task->sent += length;
    task->burst_left = data.is_final ? session->params.max_burst : task->burst_left - length;
    if (is_last) {
        task->phase = TASK_FINISHING;
        list_remove(&task->reading);
        if (transfer_port(task)->finish(task) == PORT_STATUS) {
            task->is_in_port = false;
            task->phase = TASK_ANSWERED;
        }
    }
    data.has_status = task->phase == TASK_ANSWERED && !task->status && !task->sense_length;
    if (data.has_status) {
        data.residual = transfer_residual(task, &data.residual_count);
        session->task_count--; /* its place in the window is free again */
        data.numbers = session_next_numbers(session);
        session->task_count++;
    } else {
        data.numbers = session_numbers(session);
    }
    pdu_encode_data_in(bhs, &data);
    return data.has_status;
}

/* The data-in PDU is in the queue. */
static void sent_data_in(struct task *task, bool had_status)
{
    struct session *session = task->session;

    if (had_status) {
        task_free(task);
        session_task_ended(session);
    } else if (task->phase == TASK_ANSWERED) {
        transfer_answer(task);
    }
}

static uint32_t next_length(const struct task *task)
{
    uint32_t most = transfer_least(task->session->params.max_send_data, MAX_RECV_DATA_OURS);

    return transfer_least(transfer_least(task->total - task->sent, task->burst_left), most);
}

enum sent { SENT_NOTHING, SENT_PART, SENT_ALL };

static enum sent sent_so_far(bool is_last)
{
    return is_last ? SENT_ALL : SENT_PART;
}

static struct span *begin_span(struct task *task, uint32_t length)
{
    struct session *session = task->session;
    struct span *span;

    if (length % 4 || !session->host->settings.has_zero_copy)
        return NULL;
    span = conn_span_new(session->pool);
    if (transfer_port(task)->span(task, task->sent, length, span)) {
        span_begin(span);
        return span;
    }
    conn_span_free(session->pool, span);
    return NULL;
}

struct digest_of_span {
    const struct span *span;
    uint32_t digest;
};

static void add_span(void *argument)
{
    struct digest_of_span *of = argument;

    of->digest = digest_add(DIGEST_START, of->span->bytes, of->span->length);
}

static void give_back(struct session *session, struct span *span)
{
    span_end(span);
    conn_span_free(session->pool, span);
}

/* What the span holds now is what will be sent. false: the file has become shorter. */
static bool digest_span(const struct session *session, const struct span *span, uint32_t *digest)
{
    struct digest_of_span of = {.span = span};

    if (session->params.data_digest && !guarded_run(add_span, &of, NULL))
        return false;
    *digest = of.digest;
    return true;
}

static void append_digest(struct session *session, uint32_t digest)
{
    if (!session->params.data_digest)
        return;
    digest_put(conn_reserve(session->conn, DIGEST_SIZE), digest);
    conn_commit(session->conn, DIGEST_SIZE);
}

/* Zero copy: the header, then the file's own memory. SENT_NOTHING: it has to be copied. */
static enum sent send_span(struct task *task)
{
    struct session *session = task->session;
    uint32_t length = next_length(task), size = header_size(session);
    bool is_last = task->sent + length == task->total, has_status;
    struct span *span = begin_span(task, length);
    uint32_t digest;
    uint8_t *pdu;

    if (span && !digest_span(session, span, &digest)) {
        give_back(session, span);
        span = NULL;
    }
    if (!span)
        return SENT_NOTHING;
    pdu = conn_reserve(session->conn, size);
    has_status = encode_data_in(task, pdu, length);
    if (session->params.header_digest)
        digest_put(pdu + BHS_SIZE, digest_add(DIGEST_START, pdu, BHS_SIZE));
    conn_commit(session->conn, size);
    conn_send_span(session->conn, span);
    append_digest(session, digest);
    sent_data_in(task, has_status);
    return sent_so_far(is_last);
}

/* The port could not deliver: the status says why. */
static void give_up_reading(struct task *task)
{
    list_remove(&task->reading);
    transfer_finish(task);
}

/* The copying way. SENT_NOTHING: the port fills the chunk later. */
static enum sent send_copy(struct task *task)
{
    struct session *session = task->session;
    uint32_t length = transfer_least(next_length(task), COPY_MAX), header = header_size(session);
    uint32_t size = header + length + tail_size(session, length);
    bool is_last = task->sent + length == task->total, has_status;
    uint8_t *pdu = conn_reserve(session->conn, size);

    if (!transfer_port(task)->get(task, task->sent, pdu + header, length)) {
        task->chunk = conn_detach(session->conn, size);
        task->chunk_bytes = pdu;
        task->chunk_length = length;
        session->gets_under_way++;
        return SENT_NOTHING;
    }
    if (transfer_port(task)->has_failed(task)) {
        give_up_reading(task);
        return SENT_ALL;
    }
    has_status = encode_data_in(task, pdu, length);
    seal(session, pdu, length);
    conn_commit(session->conn, size);
    sent_data_in(task, has_status);
    return sent_so_far(is_last);
}

/* Each task in its turn sends until it is through or waits for the port. */
void transfer_pump(struct session *session)
{
    LIST_FOR_EACH_SAFE (node, &session->reading) {
        struct task *task = container_of(node, struct task, reading);
        enum sent sent = task->chunk ? SENT_NOTHING : SENT_PART;

        while (sent == SENT_PART) {
            if (conn_queued(session->conn) >= CONN_OUTPUT_LOW ||
                session->gets_under_way >= GETS_MAX)
                return;
            sent = send_span(task);
            if (sent == SENT_NOTHING)
                sent = send_copy(task);
        }
    }
}

void task_on_got(struct task *task)
{
    struct session *session = task->session;
    struct conn_chunk *chunk = task->chunk;
    uint8_t *pdu = task->chunk_bytes;
    uint32_t length = task->chunk_length;
    uint32_t size = header_size(session) + length + tail_size(session, length);
    bool has_failed = transfer_port(task)->has_failed(task), has_status = false;

    task->chunk = NULL;
    session->gets_under_way--;
    if (has_failed) {
        conn_send_detached(session->pool, session->conn, chunk, pdu, 0);
        give_up_reading(task);
    } else {
        has_status = encode_data_in(task, pdu, length);
        seal(session, pdu, length);
        conn_send_detached(session->pool, session->conn, chunk, pdu, size);
        sent_data_in(task, has_status);
    }
    transfer_pump(session);
}
