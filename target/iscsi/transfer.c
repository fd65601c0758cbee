#include "target/iscsi/transfer.h"

#include "target/base/bytes.h"

#include <string.h>

enum { SENSE_MAX = 252 };

/* RFC 7143 11.4.5: what the command would have moved, against what the initiator expected. */
enum residual transfer_residual(const struct task *task, uint32_t *count)
{
    uint64_t expected = task->expected_out ? task->expected_out : task->expected_in;
    uint64_t moved = task->transfer_length;

    if (task->status)
        moved = task->total ? task->sent : transfer_least(task->received, task->wanted);
    *count = 0;
    if (moved == expected)
        return RESIDUAL_NONE;
    *count = transfer_least(moved < expected ? expected - moved : moved - expected, UINT32_MAX);
    return moved < expected ? RESIDUAL_UNDERFLOW : RESIDUAL_OVERFLOW;
}

void transfer_answer(struct task *task)
{
    struct session *session = task->session;
    uint8_t bhs[BHS_SIZE], data[2 + SENSE_MAX];
    uint32_t length = transfer_least(task->sense_length, SENSE_MAX);
    struct pdu_response response = {
        .status = task->status,
        .task_tag = task->tag,
        .exp_data_sn = task->data_sn_in + task->r2t_sn,
        .data_length = length ? length + 2 : 0,
    };

    response.residual = transfer_residual(task, &response.residual_count);
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
        transfer_answer(task);
}

void transfer_finish(struct task *task)
{
    task->phase = TASK_FINISHING;
    if (transfer_port(task)->finish(task) == PORT_STATUS)
        answer_when_drained(task);
}

static void go_on(struct task *task, enum port_next next)
{
    switch (next) {
    case PORT_DATA_OUT:
        transfer_start_writing(task);
        break;
    case PORT_DATA_IN:
        transfer_drop_early(task);
        transfer_start_reading(task);
        break;
    case PORT_STATUS:
        transfer_drop_early(task);
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
    uint32_t most =
        command->writes ? transfer_least(params->first_burst, command->expected_length) : 0;

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
    go_on(task, transfer_port(task)->begin(task));
    return NULL;
}

void task_on_next(struct task *task, enum port_next next)
{
    struct session *session = task->session;

    if (task->phase == TASK_ABORTING || session->ending)
        return;
    go_on(task, next);
    transfer_pump(session);
}

void task_on_aborted(struct task *task)
{
    struct session *session = task->session;

    if (task->chunk) {
        session->gets_under_way--;
        conn_send_detached(session->pool, NULL, task->chunk, NULL, 0);
        task->chunk = NULL;
    }
    task->is_in_port = false;
    task_free(task);
    session_task_ended(session);
}
