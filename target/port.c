#include "target/port.h"

#include "target/base/bytes.h"
#include "target/iscsi/task.h"
#include "target/iscsi/text.h"

#include <string.h>

static struct scsi_task *scsi_of(struct task *task)
{
    return (struct scsi_task *)task->port;
}

static struct task *task_of(struct scsi_task *scsi)
{
    return container_of(scsi, struct task, port);
}

static enum port_next next_of(struct task *task, enum scsi_next next)
{
    static const enum port_next steps[] = {
        [SCSI_DATA_OUT] = PORT_DATA_OUT,
        [SCSI_DATA_IN] = PORT_DATA_IN,
        [SCSI_STATUS] = PORT_STATUS,
        [SCSI_WAIT] = PORT_WAIT,
    };
    struct scsi_task *scsi = scsi_of(task);

    task->transfer_length = scsi->transfer_length;
    if (next == SCSI_STATUS) {
        task->status = scsi->status;
        task->sense = scsi->sense;
        task->sense_length = scsi->sense_length;
    }
    return steps[next];
}

static void on_next(struct scsi_task *scsi, enum scsi_next next)
{
    struct task *task = task_of(scsi);

    task_on_next(task, next_of(task, next));
}

static void on_put(struct scsi_task *scsi, size_t length)
{
    task_on_put(task_of(scsi), (uint32_t)length);
}

static void on_got(struct scsi_task *scsi)
{
    task_on_got(task_of(scsi));
}

static void on_aborted(struct scsi_task *scsi)
{
    task_on_aborted(task_of(scsi));
}

static const struct scsi_transport transport = {on_next, on_put, on_got, on_aborted};

/* RFC 7143 11.3.1: untagged is simple here, as is what the RFC reserves. */
static enum scsi_attribute attribute_of(const struct task *task)
{
    static const enum scsi_attribute attributes[8] = {SCSI_SIMPLE,        SCSI_SIMPLE, SCSI_ORDERED,
                                                      SCSI_HEAD_OF_QUEUE, SCSI_ACA,    SCSI_SIMPLE,
                                                      SCSI_SIMPLE,        SCSI_SIMPLE};

    return attributes[task->attribute & 7];
}

static enum port_next begin(struct task *task)
{
    struct scsi_task *scsi = scsi_of(task);

    scsi->transport = &transport;
    scsi->nexus = task->session->port.nexus;
    scsi->lun = task->lun;
    scsi->cdb = task->cdb;
    scsi->cdb_length = task->cdb_length;
    scsi->attribute = attribute_of(task);
    scsi->expected_out = task->expected_out;
    scsi->expected_in = task->expected_in;
    return next_of(task, scsi_begin(scsi));
}

static bool put(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
    return scsi_put(scsi_of(task), offset, bytes, length);
}

static bool get(struct task *task, uint32_t offset, uint8_t *bytes, uint32_t length)
{
    return scsi_get(scsi_of(task), offset, bytes, length);
}

static bool has_failed(const struct task *task)
{
    return scsi_has_failed((const struct scsi_task *)task->port);
}

static bool span(struct task *task, uint32_t offset, uint32_t length, struct span *span)
{
    return scsi_span(scsi_of(task), offset, length, span);
}

static void spoil(struct task *task)
{
    scsi_spoil(scsi_of(task));
}

static enum port_next finish(struct task *task)
{
    return next_of(task, scsi_finish(scsi_of(task)));
}

static void abort_task(struct task *task)
{
    scsi_abort(scsi_of(task));
}

static void manage(struct session *session, enum port_function function, struct task *task,
                   port_managed *done, void *owner)
{
    static const enum scsi_function functions[] = {
        [PORT_ABORT_TASK] = SCSI_ABORT_TASK,     [PORT_ABORT_SET] = SCSI_ABORT_TASK_SET,
        [PORT_CLEAR_SET] = SCSI_CLEAR_TASK_SET,  [PORT_LUN_RESET] = SCSI_LUN_RESET,
        [PORT_TARGET_RESET] = SCSI_TARGET_RESET,
    };

    scsi_manage(session->port.nexus, functions[function], task ? scsi_of(task) : NULL, done, owner);
}

static bool has_lun(const struct session *session, uint64_t lun)
{
    (void)session;
    return scsi_lun_is_there(lun);
}

static bool answers_management(struct session *session)
{
    (void)session;
    return true;
}

const struct port_operations port_operations = {
    .task_size = sizeof(struct scsi_task),
    .begin = begin,
    .put = put,
    .get = get,
    .has_failed = has_failed,
    .span = span,
    .spoil = spoil,
    .finish = finish,
    .abort = abort_task,
    .manage = manage,
    .has_lun = has_lun,
    .answers_management = answers_management,
};

void port_report(void *owner, const uint8_t *sense, size_t length)
{
    static const uint16_t parameters[3];
    struct session *session = owner;

    if (session->conn && !session->is_over)
        session_send_async(session, ASYNC_SCSI_EVENT, parameters, sense, (uint32_t)length);
}

/* NAME,KIND,0xNUMBER (RFC 7143 3.4): `number` in network order. */
static void format_name(char name[static PORT_NAME_SIZE], const char *node, const char *kind,
                        const uint8_t *number, size_t length)
{
    enum { ISID_TEXT_SIZE = 2 * ISID_SIZE + 3, KIND_LENGTH = 3 };
    char *end = name + strnlen(node, PORT_NAME_SIZE - KIND_LENGTH - ISID_TEXT_SIZE);

    memcpy(name, node, (size_t)(end - name));
    memcpy(end, kind, KIND_LENGTH);
    text_format_binary(end + KIND_LENGTH, number, length);
}

void port_format_target(char name[static PORT_NAME_SIZE], const char *target, uint16_t tpgt)
{
    uint8_t number[sizeof(tpgt)];

    put_be16(number, tpgt);
    format_name(name, target, ",t,", number, sizeof(number));
}

void port_open(struct session *session, struct scsi_lun *lun,
               const struct port_operations *operations)
{
    char initiator[PORT_NAME_SIZE], target[PORT_NAME_SIZE];

    format_name(initiator, session->initiator, ",i,", session->isid, ISID_SIZE);
    port_format_target(target, session->target, session->tpgt);
    session->port.operations = operations;
    session->port.nexus = scsi_nexus_new(lun, initiator, target, session->tpgt, session);
}

void port_close(struct session *session)
{
    scsi_nexus_free(session->port.nexus);
    session->port.nexus = NULL;
}
