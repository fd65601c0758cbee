/* The SCSI port of a session: iSCSI tasks to SCSI tasks and back (target/iscsi/port.h,
 * target/scsi/task.h). */
#pragma once

#include "target/iscsi/session.h"
#include "target/scsi/lun.h"

/* Gives the session an I_T nexus at the logical unit. */
void port_open(struct session *session, struct scsi_lun *lun);
void port_close(struct session *session);
