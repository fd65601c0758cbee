/* One SCSI command of a session: its numbers, and how far its data has come. The port's own part
 * follows it in memory. */
#pragma once

#include "target/iscsi/conn.h"
#include "target/iscsi/negotiate.h"
#include "target/iscsi/pdu.h"
#include "target/iscsi/port.h"

enum task_phase {
    TASK_BEGINNING, /* the port has not said what it wants */
    TASK_WRITING,   /* data-out is coming */
    TASK_READING,   /* data-in is going */
    TASK_FINISHING, /* the data has passed, the port is not done */
    TASK_ANSWERED,  /* the status is known; unsolicited data may still come */
    TASK_ABORTING,  /* taken from the initiator, not yet from the port */
};

struct task_r2t {
    uint32_t transfer_tag, end; /* end: offset behind its last byte */
};

struct task {
    struct list link;        /* in session.tasks, or among the host's unused ones */
    struct list reading;     /* in session.reading */
    struct session *session; /* parent: outlives us */
    uint64_t lun;
    uint32_t tag, cmd_sn;
    uint8_t attribute; /* RFC 7143 11.3.1 */
    bool is_immediate, is_in_port;
    uint32_t expected_out, expected_in; /* bytes: ExpectedDataTransferLength by direction */
    uint32_t cdb_length;
    uint8_t cdb[CDB_MAX];

    /* Set by the port. */
    uint64_t transfer_length; /* bytes, by the CDB */
    uint8_t status;
    uint32_t sense_length;
    const uint8_t *sense; /* the port's, until the task is freed */

    enum task_phase phase;
    /* Data-out: bytes wanted by the port, received in order, asked for by R2T. */
    uint32_t wanted, received, solicited;
    uint32_t unwritten; /* bytes the port has not finished */
    uint32_t data_sn, r2t_sn;
    bool is_spoiled; /* a DataSN was wrong: the command fails when what was asked for is here */
    bool is_unsolicited_open; /* unsolicited Data-Out PDUs are still to come */
    uint32_t r2t_count;
    struct task_r2t r2ts[MAX_OUTSTANDING_R2T_OURS]; /* outstanding, in order */
    struct buffer early;                            /* data that came before the port wanted it */
    /* Data-in: bytes to send in all, sent, and left in this burst; the chunk that the port is
     * filling. */
    uint32_t total, sent, burst_left, data_sn_in;
    struct conn_chunk *chunk;
    uint8_t *chunk_bytes;  /* where the PDU begins in it */
    uint32_t chunk_length; /* bytes of data */

    _Alignas(16) uint8_t port[];
};

/* A new task in the session's table. */
struct task *task_new(struct session *session, const struct pdu_command *command);
/* Out of the table and the counts, back to the host. It must be out of the port. */
void task_free(struct task *task);
/* Ends it without an answer. */
void task_abort(struct task *task);
