/* A SCSI command as the transport sees it: begun, fed or drained piece by piece at the transport's pace, finished.
 * The transport owns the memory of the task; between scsi_begin and the task's end the device server keeps it in
 * its task set. Knows nothing of iSCSI.
 *
 *     next = scsi_begin(task)
 *       SCSI_DATA_OUT  the transport delivers min(expected_out, transfer_length) bytes in order by scsi_put,
 *                      then calls scsi_finish
 *       SCSI_DATA_IN   the transport fetches min(expected_in, transfer_length) bytes by scsi_get or scsi_span,
 *                      then calls scsi_finish
 *       SCSI_STATUS    over: status and sense are set, the task is out of the task set
 *       SCSI_WAIT      work is under way; transport->on_next says later how it goes on
 */
#pragma once

#include "target/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCSI_SENSE_SIZE = 252, SCSI_CDB_SIZE = 16 };

enum scsi_attribute { SCSI_SIMPLE, SCSI_ORDERED, SCSI_HEAD_OF_QUEUE, SCSI_ACA };

enum scsi_next { SCSI_DATA_OUT, SCSI_DATA_IN, SCSI_STATUS, SCSI_WAIT };

struct scsi_task;
struct scsi_nexus;
struct scsi_command;

/* What the device server tells the transport outside of its calls. Called from the loop, never from within scsi_begin,
 * scsi_put, scsi_get or scsi_finish of the same task. */
struct scsi_transport {
    void (*on_next)(struct scsi_task *task, enum scsi_next next); /* after SCSI_WAIT */
    void (*on_put)(struct scsi_task *task, size_t length);        /* after scsi_put said false */
    void (*on_got)(struct scsi_task *task);                       /* after scsi_get said false */
    /* The task is out of the task set, nothing of it is under way; no status is to be sent (SAM-5 8.x, TAS=0). */
    void (*on_aborted)(struct scsi_task *task);
};

struct scsi_task {
    /* Set by the transport. */
    const struct scsi_transport *transport; /* borrowed */
    struct scsi_nexus *nexus;               /* borrowed: outlives the task */
    uint64_t lun;                           /* eight bytes as on the wire, SAM-5 4.7 */
    const uint8_t *cdb;                     /* borrowed until the task ends; at least SCSI_CDB_SIZE bytes, zero filled */
    size_t cdb_length;
    enum scsi_attribute attribute;
    uint32_t expected_out, expected_in; /* bytes the initiator means to send and has room for */

    /* Set by the device server. */
    uint64_t transfer_length; /* bytes that the command transfers by its CDB: what residuals are counted from */
    uint8_t status;           /* SAM-5 5.3.1, valid with SCSI_STATUS */
    uint8_t sense_length;     /* bytes of sense; 0: none */
    uint8_t sense[SCSI_SENSE_SIZE];

    /* The device server's own. */
    ... 
};
