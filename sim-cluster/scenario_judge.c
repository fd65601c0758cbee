#include "sim-cluster/scenario_judge.h"

#include "sim-cluster/scenario_words.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
const struct scenario_expectation scenario_expectations[] = {
    { "stall_below",    "DURATION", "no gap between two answers of the probe is as long",                "stall_below = 1500ms",                     true,  scenario_check_duration, scenario_judge_stall_below },
    { "stall_above",    "DURATION", "the fault was felt: a gap was longer",                              "stall_above = 900ms",                      true,  scenario_check_duration, scenario_judge_stall_above },
    { "intact",         "yes|no",   "no block lost, stale, torn or foreign; yes is expected of every probe that nothing is said about", "intact = yes", true, scenario_check_flag, scenario_judge_intact },
    { "errors",         "RANGE",    "commands of the probe that failed",                                 "errors = 0",                               true,  scenario_check_range,    scenario_judge_errors },
    { "redirects",      "RANGE",    "times that the probe was redirected, the first login included",     "redirects = 2..",                          true,  scenario_check_range,    scenario_judge_redirects },
    { "reconnects",     "RANGE",    "times that the probe lost its connection and came back",            "reconnects = 1",                           true,  scenario_check_range,    scenario_judge_reconnects },
    { "relogin_within", "DURATION", "every session that ended was followed by one of the same initiator and target in time", "relogin_within = 3s",  false, scenario_check_duration, scenario_judge_relogin },
    { "session_on",     "NODE",     "at the end of the steps a session is on that node",                 "session_on = 2",                           false, scenario_check_any,      scenario_judge_session_on },
    { "no_session_on",  "NODE",     "at the end of the steps no session is on that node",                "no_session_on = @serving",                 false, scenario_check_any,      scenario_judge_no_session_on },
    { "nop_out",        "DURATION", "initiators send NOP-Out, and in no session longer apart",            "nop_out = 30s",                            false, scenario_check_duration, scenario_judge_nop_out },
    { "io_goes_on",     "DURATION", "at the end of the steps whoever was at a target still moves data there, 64 KiB in that time", "io_goes_on = 2s", false, scenario_check_duration, scenario_judge_io_goes_on },
    { "event",          "PATTERN",  "an event was seen after the steady state",                          "event = node.fenced node=@serving",        false, scenario_check_any,      scenario_judge_event },
    { "never",          "PATTERN",  "no such event was seen",                                            "never = node.failed",                      false, scenario_check_any,      scenario_judge_never },
    { "load_exit",      "RANGE",    "the exit code of the load",                                         "load_exit = 0",                            false, scenario_check_range,    scenario_judge_load_exit },
    { 0 },
};
/* clang-format on */

const struct scenario_expectation *scenario_find_expectation(const char *name)
{
    for (const struct scenario_expectation *row = scenario_expectations; row->name; row++)
        if (!strcmp(row->name, name))
            return row;
    return NULL;
}

char *scenario_check_claim(const struct scenario_claim *claim)
{
    return claim->expectation->check(claim->value);
}

bool scenario_needs_probe(const struct scenario_claim *claim)
{
    return claim->expectation->needs_probe;
}

int scenario_later_ms(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->claim_count; i++)
        if (scenario->claims[i].expectation->judge == scenario_judge_io_goes_on)
            return scenario_duration(scenario->claims[i].value);
    return 0;
}

/* @words in a claim mean what they meant in the steady state. */
static bool judge_one(const struct scenario_expectation *row, const char *value, json_t *record,
                      json_t *verdicts)
{
    char *what = memory_format("%s = %s", row->name, value), *why = NULL;
    char *resolved = scenario_resolve(value, json_object_get(record, "places"), &why);
    bool passed = false;
    char *evidence = resolved ? row->judge(resolved, record, &passed) : why;

    json_array_append_new(verdicts, json_pack("{s:s, s:b, s:s}", "what", what, "passed", passed,
                                              "evidence", evidence));
    free(what);
    free(resolved);
    free(evidence);
    return passed;
}

void scenario_judge(const struct scenario *scenario, json_t *record)
{
    const struct scenario_expectation *intact = scenario_find_expectation("intact");
    json_t *verdicts = json_array();
    bool passed = !json_array_size(json_object_get(record, "trouble"));
    bool is_told = scenario->load != LOAD_PROBE;

    for (size_t i = 0; i < scenario->claim_count; i++) {
        const struct scenario_claim *claim = &scenario->claims[i];

        is_told |= claim->expectation == intact;
        passed &= judge_one(claim->expectation, claim->value, record, verdicts);
    }
    if (!is_told)
        passed &= judge_one(intact, "yes", record, verdicts);
    json_object_set_new(record, "expectations", verdicts);
    json_object_set_new(record, "passed", json_boolean(passed));
}
