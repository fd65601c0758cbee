/* One gap is always open: it began at the last answer. */
#include "sim-cluster/probe_stall.h"

#include <stdio.h>

void probe_stall_start(struct probe_stall_watch *watch, uint64_t threshold_us, uint64_t now_us)
{
    watch->threshold_us = threshold_us;
    watch->gap = (struct probe_stall){.start_us = now_us};
}

/* At least 1, since 0 means that it did not happen. */
static uint64_t since_start(const struct probe_stall *gap, uint64_t now_us)
{
    return now_us > gap->start_us ? now_us - gap->start_us : 1;
}

void probe_stall_note(struct probe_stall_watch *watch, enum probe_stage stage, const char *why,
                      uint64_t now_us)
{
    struct probe_stall *gap = &watch->gap;

    if (stage == STAGE_LOST) {
        if (!gap->stage_us[STAGE_LOST]) { /* the first loss is what began it */
            gap->stage_us[STAGE_LOST] = since_start(gap, now_us);
            snprintf(gap->why, sizeof gap->why, "%s", why);
        }
        return;
    }
    for (enum probe_stage later = stage; later < STAGE_COUNT; later++)
        gap->stage_us[later] = 0;
    gap->stage_us[stage] = since_start(gap, now_us);
    gap->attempts += stage == STAGE_CONNECTED;
}

static bool close_gap(struct probe_stall_watch *watch, uint64_t now_us, struct probe_stall *ended)
{
    struct probe_stall *gap = &watch->gap;

    gap->length_us = now_us > gap->start_us ? now_us - gap->start_us : 0;
    *ended = *gap;
    *gap = (struct probe_stall){.start_us = now_us};
    return ended->length_us > watch->threshold_us;
}

bool probe_stall_answer(struct probe_stall_watch *watch, uint64_t now_us, struct probe_stall *ended)
{
    if (!watch->gap.stage_us[STAGE_LOST] && now_us - watch->gap.start_us <= watch->threshold_us) {
        watch->gap.start_us = now_us; /* the usual case: nothing to report */
        return false;
    }
    probe_stall_note(watch, STAGE_FIRST_ANSWER, NULL, now_us);
    return close_gap(watch, now_us, ended);
}

bool probe_stall_stop(struct probe_stall_watch *watch, uint64_t now_us, struct probe_stall *ended)
{
    return close_gap(watch, now_us, ended);
}
