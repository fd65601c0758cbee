/* What became of a fault rule, counted by all processes of a cluster at once: the supervisor makes
 * a board in shared memory, a slot a rule, and hands its descriptor to every process it starts.
 * Each counts there without asking or waiting, so that a rule with a limit strikes as often as it
 * says in the whole cluster, and what a process that was killed has counted is not lost. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum {
    FAULT_BOARD_DESCRIPTOR = 5, /* of processes that the supervisor has started */
    FAULT_BOARD_SLOTS = 1024,
};

struct fault_counts {
    _Atomic uint64_t seen, hits;  /* places that matched, and strikes */
    _Atomic uint64_t draws;       /* random numbers taken */
    _Atomic uint64_t last_hit_us; /* unix time in microseconds; 0: never */
    uint64_t unused[4];           /* one cache line for each rule */
};

struct fault_board {
    struct fault_counts *slots; /* FAULT_BOARD_SLOTS of them, all 0 at first; NULL: not mapped */
    int descriptor;             /* owned; -1: it is FAULT_BOARD_DESCRIPTOR */
};

/* 0 or -errno. */
int fault_board_new(struct fault_board *board);
/* The one we were started with: 0 or -errno; again and again. */
int fault_board_join(struct fault_board *board);
/* Of the one that was made. */
void fault_board_free(struct fault_board *board);
