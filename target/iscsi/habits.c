#include "target/iscsi/habits.h"

void habits_init(struct habits *habits, double now)
{
    *habits = (struct habits){.last_request = now};
}

void habits_note_nop(struct habits *habits, double now)
{
    if (habits->nops)
        habits->last_period = now - habits->last_nop;
    else
        habits->first_nop = now;
    habits->last_nop = now;
    habits->nops++;
}

static int64_t milliseconds(double seconds)
{
    return (int64_t)(seconds * 1000 + 0.5);
}

int64_t habits_period_ms(const struct habits *habits)
{
    if (habits->nops < 2)
        return -1;
    return milliseconds((habits->last_nop - habits->first_nop) / (double)(habits->nops - 1));
}

int64_t habits_last_period_ms(const struct habits *habits)
{
    return habits->nops < 2 ? -1 : milliseconds(habits->last_period);
}

int64_t habits_quiet_ms(const struct habits *habits, double now)
{
    double quiet = now - habits->last_request;

    return milliseconds(quiet > habits->longest_quiet ? quiet : habits->longest_quiet);
}
