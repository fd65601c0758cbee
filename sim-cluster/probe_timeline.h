/* How many answers came when, and how long the slowest of them took: figures for a chart. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PROBE_TIMELINE_STEP_MS = 100, PROBE_TIMELINE_STEPS_MAX = 36000 };

struct probe_timeline_step {
    uint32_t operations, longest_us;
};

struct probe_timeline {
    struct probe_timeline_step *steps; /* owned */
    size_t count;
};

/* `at_us` after the start. What comes after the last step it can hold is left out. */
void probe_timeline_add(struct probe_timeline *timeline, uint64_t at_us, uint64_t took_us);
