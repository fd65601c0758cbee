/* What an initiator does by itself in one session: its NOP-Outs and their period, and how long it
 * was quiet. Answers to our pings are not its doing. Times are loop times, seconds. */
#pragma once

#include <stdint.h>

struct habits {
    double last_request, longest_quiet;
    double first_nop, last_nop, last_period;
    uint64_t nops;
};

/* A request, NOP-Outs among them. */
static inline void habits_note_request(struct habits *habits, double now)
{
    double quiet = now - habits->last_request;

    if (quiet > habits->longest_quiet)
        habits->longest_quiet = quiet;
    habits->last_request = now;
}

void habits_init(struct habits *habits, double now);
/* A NOP-Out that wants an answer. */
void habits_note_nop(struct habits *habits, double now);

/* The mean time between two NOP-Outs, milliseconds; -1: there were not two. */
int64_t habits_period_ms(const struct habits *habits);
/* The time between the last two. */
int64_t habits_last_period_ms(const struct habits *habits);
/* The longest time without a request so far, milliseconds. */
int64_t habits_quiet_ms(const struct habits *habits, double now);
