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
