/* Data-out: taking it in order, asking for it by R2T (RFC 7143 11.7, 11.8). */
#include "target/iscsi/transfer.h"

#include <string.h>

static void solicit(struct task *task)
{
    struct session *session = task->session;

    while (task->solicited < task->wanted &&
           task->r2t_count < session->params.max_outstanding_r2t) {
        uint8_t bhs[BHS_SIZE];
        uint32_t length = transfer_least(task->wanted - task->solicited, session->params.max_burst);
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
        transfer_answer(task);
    } else if (task->phase == TASK_WRITING) {
        if (task->solicited < task->received)
            task->solicited = task->received;
        if (task->received >= task->wanted || (task->is_spoiled && !task->r2t_count))
            transfer_finish(task);
        else if (!task->is_spoiled)
            solicit(task);
    }
}

/* Bytes that are kept for the port; too many of them, and the connection rests. */
static void owe(struct task *task, uint32_t length)
{
    struct session *session = task->session;

    session->unwritten += length;
    task->unwritten += length;
    if (session->unwritten > SESSION_UNWRITTEN_HIGH)
        conn_hold_input(session->conn, true);
}

static void put(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
    uint32_t useful = offset < task->wanted ? transfer_least(length, task->wanted - offset) : 0;

    if (useful && !transfer_port(task)->put(task, offset, bytes, useful))
        owe(task, useful);
}

void transfer_take(struct task *task, const uint8_t *bytes, uint32_t length)
{
    uint32_t offset = task->received;

    task->received += length;
    if (task->phase == TASK_BEGINNING) {
        buffer_append(&task->early, bytes, length);
        owe(task, length);
    } else if (task->phase == TASK_WRITING && !task->is_spoiled) {
        put(task, offset, bytes, length);
    }
}

void transfer_drop_early(struct task *task)
{
    if (task->early.length)
        task_on_put(task, (uint32_t)task->early.length);
    buffer_free(&task->early);
}

void transfer_start_writing(struct task *task)
{
    task->phase = TASK_WRITING;
    task->wanted = transfer_least(task->expected_out, task->transfer_length);
    if (task->is_spoiled)
        transfer_port(task)->spoil(task);
    else if (task->early.length)
        put(task, 0, (uint8_t *)buffer_content(&task->early), (uint32_t)task->early.length);
    transfer_drop_early(task);
    go_on_writing(task);
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
    most = is_unsolicited ? transfer_least(task->session->params.first_burst, task->expected_out)
                          : task->r2ts[0].end;
    if (data->offset != task->received || end > most)
        return "data-out outside of its range";
    if (!is_unsolicited && data->is_final != (end == most))
        return "data-out sequence of the wrong length";
    return NULL;
}

/* RFC 7143 7.9: without recovery within a command, data that may be missing costs the command. */
static void spoil(struct task *task)
{
    if (task->phase == TASK_WRITING && !task->is_spoiled)
        transfer_port(task)->spoil(task);
    task->is_spoiled = true;
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
    if (data.data_sn != task->data_sn++)
        spoil(task);
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

void task_on_put(struct task *task, uint32_t length)
{
    task->unwritten -= length;
    session_written(task->session, length);
}
