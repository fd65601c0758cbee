/* Stalls: gaps between two answers, with what happened in between as the initiator saw it. Pure:
 * times come from the caller, in microseconds of one monotonic clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROBE_WHY_SIZE 128

enum probe_stage {
    STAGE_LOST,         /* the connection is known to be gone */
    STAGE_CONNECTED,    /* TCP to the floating IP is up again */
    STAGE_REDIRECTED,   /* the answer that says where the target is now */
    STAGE_LOGGED_IN,    /* full feature phase */
    STAGE_FIRST_ANSWER, /* a command was answered: the end of the stall */
    STAGE_COUNT,
};

struct probe_stall {
    uint64_t start_us;              /* the last answer before it */
    uint64_t length_us;             /* until the first answer after it, or until the run ended */
    uint64_t stage_us[STAGE_COUNT]; /* after the start; of the last attempt; 0: did not happen */
    unsigned attempts;              /* to log in, that reached the address */
    char why[PROBE_WHY_SIZE];       /* the connection was given up; empty: it was not */
};

struct probe_stall_watch {
    uint64_t threshold_us;
    struct probe_stall gap; /* the one that is open now */
};

/* From now on gaps longer than the threshold count. */
void probe_stall_start(struct probe_stall_watch *watch, uint64_t threshold_us, uint64_t now_us);
/* `why` for STAGE_LOST, else NULL. */
void probe_stall_note(struct probe_stall_watch *watch, enum probe_stage stage, const char *why,
                      uint64_t now_us);
/* An answer came: true when it ended a stall, which is then in `ended`. */
bool probe_stall_answer(struct probe_stall_watch *watch, uint64_t now_us,
                        struct probe_stall *ended);
/* No more answers will come: true when that leaves a stall without an end. */
bool probe_stall_stop(struct probe_stall_watch *watch, uint64_t now_us, struct probe_stall *ended);
