/* A SCSI command as the transport sees it: begun, fed or drained piece by piece at the transport's
 * pace, finished. The transport owns the memory of the task; between scsi_begin and the task's end
 * the device server keeps it in its task set. Knows nothing of iSCSI.
 *
 *     next = scsi_begin(task)
 *       SCSI_DATA_OUT  the transport delivers min(expected_out, transfer_length) bytes in order by
 * scsi_put, then calls scsi_finish SCSI_DATA_IN   the transport fetches min(expected_in,
 * transfer_length) bytes by scsi_get or scsi_span, then calls scsi_finish SCSI_STATUS    over:
 * status and sense are set, the task is out of the task set SCSI_WAIT      work is under way;
 * transport->on_next says later how it goes on
 *
 * A task that is begun ends in one of two ways: with SCSI_STATUS, or with on_aborted. After that
 * the device server does not touch it any more. */
#pragma once

#include "target/base/list.h"
#include "target/scsi/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCSI_SENSE_SIZE = 252, SCSI_CDB_SIZE = 16 };

enum scsi_attribute { SCSI_SIMPLE, SCSI_ORDERED, SCSI_HEAD_OF_QUEUE, SCSI_ACA };

enum scsi_next { SCSI_DATA_OUT, SCSI_DATA_IN, SCSI_STATUS, SCSI_WAIT };

struct scsi_task;
struct scsi_nexus;
struct scsi_command;
struct scsi_data;
struct copy;

/* What the device server tells the transport outside of its calls. Called from the loop, never from
 * within scsi_begin, scsi_put, scsi_get or scsi_finish of the same task; on_aborted also from
 * within scsi_abort and scsi_manage. */
struct scsi_transport {
    void (*on_next)(struct scsi_task *task, enum scsi_next next); /* after SCSI_WAIT */
    void (*on_put)(struct scsi_task *task, size_t length);        /* after scsi_put said false */
    void (*on_got)(struct scsi_task *task);                       /* after scsi_get said false */
    /* The task is out of the task set, nothing of it is under way; no status is to be sent
     * (SAM-5 5.3.1, TAS=0). on_next, on_put and on_got do not come any more once a task is being
     * aborted. */
    void (*on_aborted)(struct scsi_task *task);
};

/* The next step of a task; a value of enum scsi_result (result.h). */
typedef uint32_t scsi_step(struct scsi_task *task);

enum scsi_stage { SCSI_PARKED, SCSI_HELD, SCSI_BEGINNING, SCSI_TRANSFERRING, SCSI_FINISHING };

struct scsi_task {
    /* Set by the transport. */
    const struct scsi_transport *transport; /* borrowed */
    struct scsi_nexus *nexus;               /* borrowed: outlives the task */
    uint64_t lun;                           /* eight bytes as on the wire, SAM-5 4.7 */
    const uint8_t
        *cdb; /* borrowed until the task ends; at least SCSI_CDB_SIZE bytes, zero filled */
    size_t cdb_length;
    enum scsi_attribute attribute;
    uint32_t expected_out, expected_in; /* bytes the initiator means to send and has room for */

    /* Set by the device server. */
    uint64_t transfer_length; /* bytes that the command transfers by its CDB: what residuals are
                                 counted from */
    uint8_t status;           /* SAM-5 5.3.1, valid with SCSI_STATUS */
    uint8_t sense_length;     /* bytes of sense; 0: none */

    /* The device server's own. */
    const struct scsi_command *command; /* NULL: unknown opcode */
    const struct scsi_data *data;       /* how its data moves; NULL: there is none */
    scsi_step *then;                    /* what follows what is under way; NULL: the next stage */
    scsi_step *after_data;              /* what is to be done when the data has passed, or NULL */
    enum scsi_stage stage;
    bool is_waiting;      /* the transport waits for on_next */
    bool is_condemned;    /* QERR: it is aborted soon */
    bool is_ending;       /* aborted: ends when nothing is under way */
    bool is_forced;       /* FUA: its data must be on stable storage before its status */
    bool has_information; /* for the sense data, like the next two (result.h) */
    uint32_t field;       /* of the CDB or the parameter list */
    uint64_t information;
    uint32_t segment;       /* likewise: of a copy; 0: none */
    uint32_t result;        /* enum scsi_result; the first one that is not good stays */
    unsigned under_way;     /* requests that are not done */
    uint64_t ending;        /* serial number of its abort (manage.c) */
    uint64_t offset;        /* of the medium, bytes: where its data goes or comes from */
    uint64_t length;        /* of the medium, bytes */
    uint64_t position;      /* how far a step that goes on is */
    uint64_t received;      /* bytes of data-out */
    uint32_t checksum;      /* of the data of WRITE AND VERIFY */
    uint8_t *parameters;    /* owned; parameter data, in or out */
    size_t parameters_size; /* of data-in: what there is; of data-out: what is expected */
    uint8_t *scratch; /* owned; a piece of the medium, or the beginning of a logical block that
                       * the next put completes: then this many bytes */
    size_t scratch_length;
    struct copy *copy;      /* owned; of a third-party copy, or NULL */
    struct gate_lock *lock; /* owned; the range that is the task's alone, or NULL */
    uint64_t number;        /* order of arrival at the logical unit */
    bool is_exclusive;      /* has its range alone, or waits for that */
    struct order_item item; /* one request at a time; puts that go to a worker have their own */
    struct list link;

    uint8_t sense[SCSI_SENSE_SIZE]; /* for the transport; the last, and not cleared */
};

enum scsi_next scsi_begin(struct scsi_task *task);

/* The next `length` bytes of data-out at `offset` (always in order). `bytes` is valid only during
 * the call: what cannot be finished at once is copied. true: taken; false: on_put follows. Several
 * puts of one task may be under way. An error is kept and comes out of scsi_finish. */
bool scsi_put(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length);

/* Fills `bytes` with data-in [offset, offset+length). true: done; false: on_got follows (one at a
 * time per task), and `bytes` must stay until then or until on_aborted. After it,
 * scsi_has_failed(task) tells whether the data is bad. */
bool scsi_get(struct scsi_task *task, uint64_t offset, uint8_t *bytes, size_t length);
bool scsi_has_failed(const struct scsi_task *task);

/* Data-in [offset, offset+length) in memory, to be sent from there, or false: it is not there, not
 * in the page cache (would block), or must be fetched by scsi_get. To be begun before the
 * next call. */
bool scsi_span(struct scsi_task *task, uint64_t offset, size_t length, struct span *span);

/* Data-out was lost or mixed up on its way: scsi_finish will say ABORTED COMMAND, DATA PHASE ERROR.
 */
void scsi_spoil(struct scsi_task *task);

/* All data has passed (or will not come: the transport gives up early after a failed get).
 * SCSI_STATUS or SCSI_WAIT (flush for FUA, puts under way ...). */
enum scsi_next scsi_finish(struct scsi_task *task);

/* Ends the task without status. on_aborted is called from within this call when nothing of the task
 * is under way, otherwise from the loop once that has ended. Aborting a task that is being aborted
 * already does nothing. */
void scsi_abort(struct scsi_task *task);
