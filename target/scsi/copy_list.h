/* List identifiers: what third-party copies of an I_T nexus have come to, until it is asked for,
 * SPC-4 5.16.4 and 6.18 to 6.24. */
#pragma once

#include "target/scsi/result.h"
#include "target/scsi/unit.h"

enum copy_status { /* SPC-4 table 148 */
                   COPY_COMPLETED = 0x01,
                   COPY_FAILED = 0x02,
                   COPY_COMPLETED_WITH_RESIDUAL = 0x04,
                   COPY_IN_PROGRESS = 0x11,
                   COPY_ABORTED = 0x60,
};

struct copy_record {
    struct list link;
    uint32_t id;
    uint8_t action; /* service action of the command */
    enum copy_status status;
    uint16_t segments;
    uint64_t bytes;
    uint8_t scsi_status;
    uint8_t sense[SENSE_MAXIMUM_SIZE];
    size_t sense_length;
    uint8_t *token;         /* owned; of POPULATE TOKEN, or NULL */
    struct scsi_task *task; /* borrowed; while in progress */
};

/* A record in progress; one of the same identifier that has ended is forgotten. SCSI_GOOD, or
 * SCSI_OPERATION_IN_PROGRESS: the identifier is in use. */
uint32_t copy_record_new(struct scsi_task *task, uint32_t id, struct copy_record **record);

/* The task ends with `result`; SCSI_PENDING: it was aborted. */
void copy_record_end(struct copy_record *record, struct scsi_task *task, uint32_t result);

/* Forgets the records that have ended: the nexus or the logical unit was reset. */
void copy_record_forget(struct scsi_nexus *nexus);
