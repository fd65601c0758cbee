/* What the disk must hold: per block the write acknowledged last, and the writes whose outcome is
 * in doubt because no status came. A block read is judged against that. Pure: no clock, no I/O.
 *
 * A write in doubt is there or not for each sector by itself; the first read settles it, and from
 * then on that must not change. The caller never has two commands outstanding on one block. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim-cluster/probe_stamp.h"

/* What can be wrong with a block; a set of bits. */
enum probe_fault {
    PROBE_LOST = 1,    /* at the end: older than what was acknowledged */
    PROBE_STALE = 2,   /* during the run: older than what was acknowledged or read before */
    PROBE_TORN = 4,    /* sectors of different writes, or a sector whose checksum is wrong */
    PROBE_FOREIGN = 8, /* content of another place, target or run, or of no known origin */
};

struct probe_verdict {
    unsigned faults;           /* 0: as it must be */
    unsigned sector;           /* the first one that is wrong */
    uint64_t expected;         /* the write that had to be there */
    struct probe_sector found; /* what is there */
};

/* Blocks with the fault, each counted once however often it is seen. */
struct probe_counts {
    uint64_t lost, stale, torn, foreign;
};

struct probe_model *probe_model_new(uint64_t blocks, unsigned sectors_per_block);
void probe_model_free(struct probe_model *model);

/* A write was sent in this run, whatever became of it. */
bool probe_model_is_written(const struct probe_model *model, uint64_t block);
/* Not while too many writes of the block are in doubt: read it first. */
bool probe_model_can_write(const struct probe_model *model, uint64_t block);
/* The sequence number of a new write, in doubt until it is acknowledged. Never 0. */
uint64_t probe_model_begin_write(struct probe_model *model, uint64_t block);
void probe_model_acknowledge(struct probe_model *model, uint64_t block, uint64_t sequence);

/* `sectors`: what each sector of the block holds. `at_end`: an old content is lost, not stale. */
struct probe_verdict probe_model_check(struct probe_model *model, uint64_t block,
                                       const struct probe_sector *sectors, bool at_end);

struct probe_counts probe_model_counts(const struct probe_model *model);
