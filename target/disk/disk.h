/* Blocks of bytes, asynchronous. A disk is a table of operations so that a disk can wrap another
 * one (faults). Whoever submits keeps overlapping requests in order (target/scsi/order): a disk may
 * finish its requests in any order. */
#pragma once

#include "target/base/span.h"
#include "target/disk/workers.h"

#include <stdbool.h>
#include <stdint.h>

enum disk_operation {
    DISK_READ,
    DISK_WRITE,
    DISK_FLUSH, /* everything written so far reaches stable storage; offset and length do not matter
                 */
    DISK_DISCARD, /* gives the space back; reads as zeros from then on */
    DISK_ZERO, /* reads as zeros from then on; the space stays promised where the file system can do
                  that */
    DISK_LOCATE, /* whether there is data at `offset`: sets is_mapped, and length to the run of the
                  * same kind from there, at most what it was */
};

/* What the disks of a process have in common; borrowed, outlives them. */
struct landing;
struct disk_setting {
    struct workers *workers;
    const char *boot;        /* of landing_read_boot; NULL: not known */
    struct landing *landing; /* files are written through their mappings; NULL: they are not */
};

struct disk;
struct disk_io;
typedef void disk_io_done(struct disk_io *io);

struct disk_io {
    enum disk_operation operation;
    bool is_forced;          /* DISK_WRITE: finished only when on stable storage */
    bool is_atomic;          /* DISK_WRITE: whole or not there, also when the process is killed */
    bool is_mapped;          /* result of DISK_LOCATE */
    uint64_t offset, length; /* bytes */
    uint8_t *buffer; /* borrowed until the end of the request; DISK_WRITE does not change it */
    int error;       /* result: 0 or -errno; after an error the bytes of the range are undefined */
    disk_io_done *done; /* from the loop */
    /* The disk's own. */
    struct disk *disk;
    struct work work;
};

/* Of a sparse disk, in bytes. */
struct disk_space {
    uint64_t used, available; /* what more can be written to places that are empty */
    bool is_shared;           /* others take from what is available, too */
};

struct disk_operations {
    bool (*attempt)(struct disk *disk, struct disk_io *io);
    void (*start)(struct disk *disk, struct disk_io *io);
    bool (*span)(struct disk *disk, uint64_t offset, uint64_t length, struct span *span);
    struct disk_space (*space)(struct disk *disk);
    void (*close)(struct disk *disk);
};

struct disk {
    const struct disk_operations *operations;
};

/* Finishes the request now, without blocking, and sets io->error: true, done is not called. Or
 * leaves it: false, and neither `io` nor its buffer is kept. */
static inline bool disk_attempt(struct disk *disk, struct disk_io *io)
{
    return disk->operations->attempt(disk, io);
}

/* io->done follows from the loop; `io` and its buffer are the disk's until then. */
static inline void disk_start(struct disk *disk, struct disk_io *io)
{
    disk->operations->start(disk, io);
}

/* true: finished within the call, done is not called; false: done follows from the loop. */
static inline bool disk_submit(struct disk *disk, struct disk_io *io)
{
    if (disk_attempt(disk, io))
        return true;
    disk_start(disk, io);
    return false;
}

/* The range in memory, if it can be read from there without blocking and without passing the disk;
 * nothing that changes it may be under way. To be begun before the
 * next call for the disk; then it is valid until span_end, also when the disk is closed. */
static inline bool disk_span(struct disk *disk, uint64_t offset, uint64_t length, struct span *span)
{
    return disk->operations->span(disk, offset, length, span);
}

/* Does not block. */
static inline struct disk_space disk_space(struct disk *disk)
{
    return disk->operations->space(disk);
}

/* No request may be under way. Frees the disk; does not flush. */
static inline void disk_close(struct disk *disk)
{
    disk->operations->close(disk);
}
