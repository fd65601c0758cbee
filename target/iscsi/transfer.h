/* The data of SCSI commands: immediate, unsolicited and solicited data-out, data-in, residuals and
 * status (RFC 7143 4.2.4, 11.3 to 11.8). Back pressure: data-in is fetched only while the
 * connection's queue has room; while the port is behind with writing, the connection is not read.
 */
#pragma once

#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

/* Each returns NULL, or why the connection must end. */
const char *transfer_begin(struct session *session, const struct pdu *pdu);
const char *transfer_begin_data_out(struct session *session, const struct pdu *pdu);
/* The next bytes of the data segment of session.incoming. */
void transfer_take(struct task *task, const uint8_t *bytes, uint32_t length);
/* The PDU of session.incoming is complete. */
const char *transfer_end(struct session *session, const struct pdu *pdu);

/* Sends data-in of whoever has some, as far as there is room. */
void transfer_pump(struct session *session);

/* For transfer.c, data_out.c and data_in.c. */
void transfer_start_writing(struct task *task);
/* Data that came before the port wanted it is not needed any more. */
void transfer_drop_early(struct task *task);
void transfer_start_reading(struct task *task);
/* All data has passed: the port says the status now or later. */
void transfer_finish(struct task *task);
/* The SCSI Response; ends the task. */
void transfer_answer(struct task *task);
/* What the command would have moved against what the initiator expected (RFC 7143 11.4.5), bytes.
 */
enum residual transfer_residual(const struct task *task, uint32_t *count);

static inline uint32_t transfer_least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static inline const struct port_operations *transfer_port(const struct task *task)
{
    return task->session->port.operations;
}
