/* Moving data inside the array: the segments of a third-party copy, done one piece after the other
 * on workers. Owns what it opened and borrowed until copy_free. */
#pragma once

#include "target/scsi/peers.h"
#include "target/scsi/task.h"

enum {
    COPY_SOURCES_MAXIMUM = 16, /* CSCD descriptors of one list */
    COPY_SEGMENTS_MAXIMUM = 256,
    COPY_LIST_MAXIMUM = 8192,       /* bytes of descriptors */
    COPY_SECONDS_MAXIMUM = 3,       /* a copy that may end early does so then */
    COPY_RANGES_MAXIMUM = 64,       /* of one token command */
    COPY_TOKEN_MAXIMUM = 256 << 20, /* bytes of one token command */
    COPY_TOKEN_OPTIMUM = 64 << 20,  /* bytes */
    COPY_LISTS_MAXIMUM = 32,        /* list identifiers of one nexus */
    COPY_THIS_UNIT = 0xffff,        /* CSCD descriptor ID of the logical unit itself */
};

struct copy;
struct copy_record;
struct token;

/* The task's copy, empty; the record (or NULL) is told how it ends. */
struct copy *copy_new(struct scsi_task *task, struct copy_record *record);

/* The token that it makes or uses; the copy's. */
struct token *copy_token(struct copy *copy);

/* Gives back what the copy holds; one under way was aborted. NULL is fine. */
void copy_free(struct copy *copy);

/* One of the places that segments name; SCSI_GOOD or SCSI_COPY_NOT_REACHABLE. `naa` NULL: the
 * logical unit itself; `initiator_port` NULL: whoever may see it. */
uint32_t copy_add_place(struct copy *copy, const uint8_t *naa, const char *initiator_port,
                        unsigned *place);
uint32_t copy_block_size(const struct copy *copy, unsigned place); /* bytes */

enum { COPY_ZEROS = -1 };

/* Bytes `from` of a place (COPY_ZEROS: zeros) are to be written to bytes `to` of another one, or of
 * the same: as if all were read before. SCSI_LBA_OUT_OF_RANGE, SCSI_COPY_NOT_REACHABLE if the
 * destination is served elsewhere, SCSI_WRITE_PROTECTED, SCSI_COPY_DEVICE_FAILURE if
 * there are reservations of others. */
struct copy_segment {
    int source, destination;
    uint64_t from, to, length;
};
uint32_t copy_add_segment(struct copy *copy, const struct copy_segment *segment);

/* What was done so far. */
size_t copy_segments_done(const struct copy *copy);
uint64_t copy_bytes_done(const struct copy *copy);
void copy_set_bytes_done(struct copy *copy, uint64_t bytes); /* by other means */

/* How the copy behaves. `fail` tells how the command ends when a piece has failed with `result`;
 * `confirm` (or NULL) tells whether a piece that was read may be written; it may say SCSI_PENDING
 * and then go on by copy_resume. */
struct copy_rules {
    uint32_t (*fail)(struct scsi_task *task, uint32_t result);
    uint32_t (*confirm)(struct scsi_task *task);
    void (*finished)(struct scsi_task *task); /* well; or NULL */
    bool may_end_early;                       /* after COPY_SECONDS_MAXIMUM with SCSI_GOOD */
};

/* Does the segments: SCSI_GOOD, SCSI_PENDING or how the command ends. */
uint32_t copy_run(struct copy *copy, const struct copy_rules *rules);
/* It ends with `result`, done or not; returns it. */
uint32_t copy_end(struct copy *copy, uint32_t result);
/* After a `confirm` that waited; from the loop. */
void copy_resume(struct copy *copy, uint32_t result);
/* Ends it before its next piece: SCSI_COPY_STOPPED. */
void copy_stop(struct copy *copy);
bool copy_has_ended_early(const struct copy *copy);
