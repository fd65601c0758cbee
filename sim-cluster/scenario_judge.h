/* What came of a scenario: each expectation against the record of the run. Pure.
 *
 * The record: {"title", "scenario", "seed", "steady", "over", "ended" (RFC 3339), "places" (as of
 * the steady state, scenario_words.h), "final" (status at the end of the steps), "later" (status a
 * while after it, with io_goes_on), "events", "probe"
 * (its report or null), "load_code", "steps": [{"name", "at", "did", "code", "said"}], "trouble":
 * [sentence]}. */
#pragma once

#include "sim-cluster/scenario.h"
#include "sim-cluster/scenario_verdicts.h"

#include <jansson.h>

struct scenario_expectation {
    const char *name, *value; /* "stall_below", "DURATION" */
    const char *help, *example;
    bool needs_probe;
    scenario_value_check *check;
    scenario_verdict *judge;
};

extern const struct scenario_expectation scenario_expectations[]; /* ends with a name of NULL */

const struct scenario_expectation *scenario_find_expectation(const char *name);
char *scenario_check_claim(const struct scenario_claim *claim);
bool scenario_needs_probe(const struct scenario_claim *claim);

/* For how long after the end of the steps the status is looked at again, in ms; 0: it is not. */
int scenario_later_ms(const struct scenario *scenario);

/* Adds "expectations": [{"what", "passed", "evidence"}] and "passed" to the record. */
void scenario_judge(const struct scenario *scenario, json_t *record);
