/* The load and its verification: which block is written or read next, what came back, and what the
 * numbers are. Load, then drain, then read back every block written, then done. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim-cluster/probe.h"
#include "sim-cluster/probe_histogram.h"
#include "sim-cluster/probe_model.h"
#include "sim-cluster/probe_session.h"
#include "sim-cluster/probe_stall.h"
#include "sim-cluster/probe_timeline.h"

enum probe_phase { PHASE_CONNECT, PHASE_LOAD, PHASE_DRAIN, PHASE_VERIFY, PHASE_DONE };

struct probe_figures {
    struct probe_histogram latency_us; /* of the load; reissues after a loss are in it */
    struct probe_histogram recent_us;  /* the same since the reader cleared it */
    uint64_t operations, bytes;        /* of the load */
    uint64_t recent_bytes;
    uint64_t load_us; /* how long the load ran */
    uint64_t retries, errors, reconnects;
    uint64_t blocks_written, blocks_verified;
    struct probe_timeline timeline;
    struct probe_stall *stalls; /* owned */
    size_t stall_count;
    char not_verified[PROBE_WHY_SIZE * 2]; /* why the disk was not read back; empty: it was */
};

/* What is told while it runs. */
struct probe_load_owner {
    void (*stalled)(struct probe_load_owner *owner, const struct probe_stall *stall);
    /* Something is wrong: one sentence. */
    void (*wrong)(struct probe_load_owner *owner, const char *sentence);
    void (*finished)(struct probe_load_owner *owner);
};

struct probe_load {
    struct probe_session_owner session_owner;
    struct probe_session session;
    const struct probe_options *options; /* borrowed */
    struct probe_load_owner *owner;      /* parent: outlives us */
    struct ev_loop *loop;                /* borrowed */
    enum probe_phase phase;
    struct probe_stamp stamp;
    struct probe_model *model;   /* owned, like the next three */
    struct probe_slot *slots;    /* `depth` of them */
    bool *busy;                  /* per block: a slot works on it */
    struct probe_sector *sector; /* what a block read holds */
    uint64_t blocks, cursor;     /* cursor: of the verification */
    unsigned sectors_per_block, working;
    uint64_t random, started_us, answered_us;
    struct probe_stall_watch watch;
    struct probe_figures figures;
    ev_timer tick;
    bool is_stopping;
};

void probe_load_start(struct probe_load *load, struct ev_loop *loop,
                      const struct probe_options *options, struct probe_load_owner *owner);
/* The first time ends the load, the second time the verification too. */
void probe_load_stop(struct probe_load *load);
/* For the slots: a command was answered. */
void probe_load_note_answer(struct probe_load *load);

/* After `finished`. */
void probe_load_free(struct probe_load *load);
