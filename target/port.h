/* The SCSI port of a session: iSCSI tasks to SCSI tasks and back (target/iscsi/port.h,
 * target/scsi/task.h). */
#pragma once

#include "target/iscsi/session.h"
#include "target/scsi/lun.h"

/* Names of SCSI ports, RFC 7143 4.4.1: iSCSI name, ",i," or ",t,", ISID or portal group tag. */
enum { PORT_NAME_SIZE = 224 + 3 + 2 + 2 * ISID_SIZE + 1 };
void port_format_target(char name[static PORT_NAME_SIZE], const char *target, uint16_t tpgt);

/* A unit attention as an asynchronous message; `owner` is the session. */
void port_report(void *owner, const uint8_t *sense, size_t length);

/* What every port does when nothing stands in front of it. */
extern const struct port_operations port_operations;

/* Gives the session an I_T nexus at the logical unit. `operations`: port_operations, or what passes
 * on to them. */
void port_open(struct session *session, struct scsi_lun *lun,
               const struct port_operations *operations);
void port_close(struct session *session);
