/* The end of a demonstration: what was done, and what the probe felt of it. */
#pragma once

#include <jansson.h>

enum { DEMO_STEPS = 3 };

struct demo_step {
    char what[64];
    double begun, ended; /* unix time */
};

/* `report` is the probe's; NULL: it left none. */
void demo_table_print(const struct demo_step *steps, int count, const json_t *report);
