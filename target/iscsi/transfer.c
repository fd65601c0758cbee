#include "target/iscsi/transfer.h"

#include "target/base/bytes.h"
#include "target/iscsi/digest.h"

#include <string.h>

enum {
    COPY_MAX = 64 << 10, /* bytes of data-in that are copied into one PDU */
    GETS_MAX = 16,       /* chunks the port may be filling at a time */
    SENSE_MAX = 252,
};

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static const struct port_operations *port_of(const struct task *task)
{
    return task->session->port.operations;
}

/* RFC 7143 11.4.5: what the command would have moved, against what the initiator expected. */
static enum residual residual_of(const struct task *task, uint32_t *count)
{
    uint64_t expected = task->expected_out ? task->expected_out : task->expected_in;
    uint64_t moved = task->transfer_length;

    if (task->status)
        moved = task->total ? task->sent : least(task->received, task->wanted);

    *count = 0;
    if (moved == expected)
        return RESIDUAL_NONE;
    *count = least(moved < expected ? expected - moved : moved - expected, UINT32_MAX);
    return moved < expected ? RESIDUAL_UNDERFLOW : RESIDUAL_OVERFLOW;
}

/* The SCSI Response; ends the task. */
static void answer(struct task *task)
{
    struct session *session = task->session;
    uint8_t bhs[BHS_SIZE], data[2 + SENSE_MAX];
    uint32_t length = least(task->sense_length, SENSE_MAX);
    struct pdu_response response = {
        .status = task->status,
        .task_tag = task->tag,
        .exp_data_sn = task->data_sn_in + task->r2t_sn,
        .data_length = length ? length + 2 : 0,
    };

    response.residual = residual_of(task, &response.residual_count);
    put_be16(data, (uint16_t)length);
    if (length)
        memcpy(data + 2, task->sense, length);
    task_free(task);
    response.numbers = session_next_numbers(session);
    pdu_encode_response(bhs, &response);
    session_send(session, bhs, data, response.data_length);
    session_task_ended(session);
}

static void answer_when_drained(struct task *task)
{
    task->phase = TASK_ANSWERED;
    task->is_in_port = false;
    if (!task->is_unsolicited_open && task->session->incoming != task)
        answer(task);
}

static void finish(struct task *task)
{
    task->phase = TASK_FINISHING;
    if (port_of(task)->finish(task) == PORT_STATUS)
        answer_when_drained(task);
}

static void solicit(struct task *task)
{
    struct session *session = task->session;

    while (task->solicited < task->wanted &&
           task->r2t_count < session->params.max_outstanding_r2t) {
        uint8_t bhs[BHS_SIZE];
        uint32_t length = least(task->wanted - task->solicited, session->params.max_burst);
        struct pdu_r2t r2t = {
            .lun = task->lun,
            .task_tag = task->tag,
            .transfer_tag = session->next_tag++,
            .r2t_sn = task->r2t_sn++,
            .offset = task->solicited,
            .length = length,
            .numbers = session_numbers(session),
        };

        if (session->next_tag == RESERVED_TAG)
            session->next_tag = 0;
        task->solicited += length;
        task->r2ts[task->r2t_count++] = (struct task_r2t){r2t.transfer_tag, task->solicited};
        pdu_encode_r2t(bhs, &r2t);
        session_send(session, bhs, NULL, 0);
    }
}

/* A sequence of data-out is over, or the port has begun to want it: what comes next. */
static void go_on_writing(struct task *task)
{
    if (task->is_unsolicited_open || task->session->incoming == task)
        return;
    if (task->phase == TASK_ANSWERED) {
        answer(task);
    } else if (task->phase == TASK_WRITING) {
        if (task->solicited < task->received)
            task->solicited = task->received;
        if (task->received >= task->wanted)
            finish(task);
        else
            solicit(task);
    }
}

static void put(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
    struct session *session = task->session;
    uint32_t useful = offset < task->wanted ? least(length, task->wanted - offset) : 0;

    if (!useful || port_of(task)->put(task, offset, bytes, useful))
        return;
    session->unwritten += useful;
    task->unwritten += useful;
    if (session->unwritten > SESSION_UNWRITTEN_HIGH)
        conn_hold_input(session->conn, true);
}

void transfer_take(struct task *task, const uint8_t *bytes, uint32_t length)
{
    uint32_t offset = task->received;

    task->received += length;
    if (task->phase == TASK_BEGINNING)
        buffer_append(&task->early, bytes, length);
    else if (task->phase == TASK_WRITING)
        put(task, offset, bytes, length);
}

static void start_writing(struct task *task)
{
    task->phase = TASK_WRITING;
    task->wanted = least(task->expected_out, task->transfer_length);
    if (task->early.length)
        put(task, 0, (uint8_t *)buffer_content(&task->early), (uint32_t)task->early.length);
    buffer_free(&task->early);
    go_on_writing(task);
}

static void start_reading(struct task *task)
{
    task->phase = TASK_READING;
    task->total = least(task->expected_in, task->transfer_length);
    task->burst_left = task->session->params.max_burst;
    if (task->total)
        list_append(&task->session->reading, &task->reading);
    else
        finish(task);
}

static void go_on(struct task *task, enum port_next next)
{
    switch (next) {
    case PORT_DATA_OUT:
        start_writing(task);
        break;
    case PORT_DATA_IN:
        start_reading(task);
        break;
    case PORT_STATUS:
        answer_when_drained(task);
        break;
    case PORT_WAIT:
        break;
    }
}

/* RFC 7143 11.3.4, 13.10, 13.11, 13.14: what unsolicited data may come with and after a command. */
static const char *unsolicited_error(const struct session *session, const struct pdu *pdu,
                                     const struct pdu_command *command)
{
    const struct session_params *params = &session->params;
    uint32_t most = command->writes ? least(params->first_burst, command->expected_length) : 0;

    if (pdu->data_length && !params->immediate_data)
        return "immediate data although ImmediateData=No";
    if (pdu->data_length > most)
        return "immediate data longer than the command or FirstBurstLength";
    if (!command->is_final && (!command->writes || params->initial_r2t))
        return "unsolicited data although InitialR2T=Yes";
    return NULL;
}

const char *transfer_begin(struct session *session, const struct pdu *pdu)
{
    struct pdu_command command;
    const char *why;
    struct task *task;

    pdu_decode_command(&command, pdu->bhs);
    if (!session->port.operations || session_find_task(session, command.task_tag))
        return session_reject(session, pdu,
                              session->port.operations ? REJECT_TASK_IN_PROGRESS
                                                       : REJECT_PROTOCOL_ERROR);
    if (command.reads && command.writes) /* no command of ours moves data both ways */
        return session_reject(session, pdu, REJECT_INVALID_FIELD);
    why = unsolicited_error(session, pdu, &command);
    if (why)
        return session_protocol_error(session, pdu, why);
    if (pdu->is_immediate && session->immediate_count == IMMEDIATE_MAX)
        return session_reject(session, pdu, REJECT_TOO_MANY_IMMEDIATE);
    task = task_new(session, &command);
    task->is_immediate = pdu->is_immediate;
    session->immediate_count += task->is_immediate;
    session->commands++;
    task->is_unsolicited_open = !command.is_final;
    session->incoming = task;
    task->cdb_length = pdu_decode_cdb(task->cdb, pdu->bhs, pdu->ahs, pdu->ahs_length);
    if (!task->cdb_length) {
        session->incoming = NULL;
        task_free(task);
        return session_protocol_error(session, pdu, "malformed additional header segment");
    }
    task->is_in_port = true;
    go_on(task, port_of(task)->begin(task));
    return NULL;
}

/* The rules of RFC 7143 11.7 for the place of a Data-Out in its sequence. */
static const char *data_out_error(const struct task *task, const struct pdu_data_out *data,
                                  uint32_t length)
{
    bool is_unsolicited = data->transfer_tag == RESERVED_TAG;
    uint64_t end = (uint64_t)data->offset + length;
    uint32_t most;

    if (is_unsolicited ? !task->is_unsolicited_open
                       : !task->r2t_count || task->r2ts[0].transfer_tag != data->transfer_tag)
        return "data-out that nobody asked for";
    most = is_unsolicited ? least(task->session->params.first_burst, task->expected_out)
                          : task->r2ts[0].end;
    if (data->offset != task->received || end > most)
        return "data-out outside of its range";
    if (data->data_sn != task->data_sn)
        return "DataSN out of order";
    if (!is_unsolicited && data->is_final != (end == most))
        return "data-out sequence of the wrong length";
    return NULL;
}

const char *transfer_begin_data_out(struct session *session, const struct pdu *pdu)
{
    struct pdu_data_out data;
    struct task *task;
    const char *why;

    pdu_decode_data_out(&data, pdu->bhs);
    task = session_find_task(session, data.task_tag);
    if (!task || task->phase == TASK_ABORTING)
        return NULL; /* of a task that was aborted */
    why = data_out_error(task, &data, pdu->data_length);
    if (why)
        return session_protocol_error(session, pdu, why);
    task->data_sn++;
    session->incoming = task;
    return NULL;
}

const char *transfer_end(struct session *session, const struct pdu *pdu)
{
    struct task *task = session->incoming;
    struct pdu_data_out data;

    session->incoming = NULL;
    if (!task)
        return NULL;
    if (pdu->opcode == OP_DATA_OUT && pdu->is_final) {
        pdu_decode_data_out(&data, pdu->bhs);
        task->data_sn = 0;
        if (data.transfer_tag == RESERVED_TAG)
            task->is_unsolicited_open = false;
        else
            memmove(task->r2ts, task->r2ts + 1, --task->r2t_count * sizeof(*task->r2ts));
    }
    go_on_writing(task);
    return NULL;
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
        if (port_of(task)->finish(task) == PORT_STATUS) {
            task->is_in_port = false;
            task->phase = TASK_ANSWERED;
        }
    }
    data.has_status = task->phase == TASK_ANSWERED && !task->status && !task->sense_length;
    if (data.has_status) {
        data.residual = residual_of(task, &data.residual_count);
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
        answer(task);
    }
}

static uint32_t next_length(const struct task *task)
{
    uint32_t most = least(task->session->params.max_send_data, MAX_RECV_DATA_OURS);

    return least(least(task->total - task->sent, task->burst_left), most);
}

enum sent { SENT_NOTHING, SENT_PART, SENT_ALL };

static enum sent sent_so_far(bool is_last)
{
    return is_last ? SENT_ALL : SENT_PART;
}

/* Zero copy: the header, then the place in the file. SENT_NOTHING: it has to be copied. */
static enum sent send_span(struct task *task)
{
    struct session *session = task->session;
    uint32_t length = next_length(task), size = header_size(session);
    bool is_last = task->sent + length == task->total, has_status;
    uint64_t offset;
    uint8_t *pdu;
    int fd;

    if (session->params.data_digest || length % 4 ||
        !port_of(task)->span(task, task->sent, length, &fd, &offset))
        return SENT_NOTHING;
    pdu = conn_reserve(session->conn, size);
    has_status = encode_data_in(task, pdu, length);
    if (session->params.header_digest)
        digest_put(pdu + BHS_SIZE, digest_add(DIGEST_START, pdu, BHS_SIZE));
    conn_commit(session->conn, size);
    conn_send_span(session->conn, fd, offset, length);
    sent_data_in(task, has_status);
    return sent_so_far(is_last);
}

/* The port could not deliver: the status says why. */
static void give_up_reading(struct task *task)
{
    list_remove(&task->reading);
    finish(task);
}

/* The copying way. SENT_NOTHING: the port fills the chunk later. */
static enum sent send_copy(struct task *task)
{
    struct session *session = task->session;
    uint32_t length = least(next_length(task), COPY_MAX), header = header_size(session);
    uint32_t size = header + length + tail_size(session, length);
    bool is_last = task->sent + length == task->total, has_status;
    uint8_t *pdu = conn_reserve(session->conn, size);

    if (!port_of(task)->get(task, task->sent, pdu + header, length)) {
        task->chunk = conn_detach(session->conn, size);
        task->chunk_bytes = pdu;
        task->chunk_length = length;
        session->gets_under_way++;
        return SENT_NOTHING;
    }
    if (port_of(task)->has_failed(task)) {
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
    LIST_FOR_EACH_SAFE(node, &session->reading)
    {
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

void task_on_next(struct task *task, enum port_next next)
{
    struct session *session = task->session;

    if (task->phase == TASK_ABORTING || session->ending)
        return;
    go_on(task, next);
    transfer_pump(session);
}

void task_on_put(struct task *task, uint32_t length)
{
    task->unwritten -= length;
    session_written(task->session, length);
}

void task_on_got(struct task *task)
{
    struct session *session = task->session;
    struct conn_chunk *chunk = task->chunk;
    uint8_t *pdu = task->chunk_bytes;
    uint32_t length = task->chunk_length;
    uint32_t size = header_size(session) + length + tail_size(session, length);
    bool has_failed = port_of(task)->has_failed(task), has_status = false;

    task->chunk = NULL;
    session->gets_under_way--;
    if (has_failed) {
        conn_send_detached(session->host->pool, session->conn, chunk, pdu, 0);
        give_up_reading(task);
    } else {
        has_status = encode_data_in(task, pdu, length);
        seal(session, pdu, length);
        conn_send_detached(session->host->pool, session->conn, chunk, pdu, size);
        sent_data_in(task, has_status);
    }
    transfer_pump(session);
}

void task_on_aborted(struct task *task)
{
    struct session *session = task->session;

    if (task->chunk) {
        session->gets_under_way--;
        conn_send_detached(session->host->pool, NULL, task->chunk, NULL, 0);
        task->chunk = NULL;
    }
    task->is_in_port = false;
    task_free(task);
    session_task_ended(session);
}
