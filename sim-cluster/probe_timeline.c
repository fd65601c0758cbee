#include "sim-cluster/probe_timeline.h"

#include "target/base/memory.h"

#include <string.h>

static void grow(struct probe_timeline *timeline, size_t count)
{
    timeline->steps = memory_resize(timeline->steps, count * sizeof(*timeline->steps));
    memset(timeline->steps + timeline->count, 0,
           (count - timeline->count) * sizeof(*timeline->steps));
    timeline->count = count;
}

void probe_timeline_add(struct probe_timeline *timeline, uint64_t at_us, uint64_t took_us)
{
    uint64_t step = at_us / (PROBE_TIMELINE_STEP_MS * 1000);
    uint32_t longest = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;

    if (step >= PROBE_TIMELINE_STEPS_MAX)
        return;
    if (step >= timeline->count)
        grow(timeline, (size_t)step + 1);
    timeline->steps[step].operations++;
    if (timeline->steps[step].longest_us < longest)
        timeline->steps[step].longest_us = longest;
}
