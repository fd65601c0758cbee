/* The values of expectations: durations and ranges. Pure. */
#pragma once

#include <stdbool.h>

/* NULL, or an owned phrase: what is wrong with it. */
typedef char *scenario_value_check(const char *value);
scenario_value_check scenario_check_duration, scenario_check_range, scenario_check_flag,
    scenario_check_any;

/* Milliseconds. */
int scenario_duration(const char *value);

struct scenario_range {
    long long least, most;
};

/* "3", "1..", "..4", "1..4" */
bool scenario_parse_range(const char *value, struct scenario_range *range);
