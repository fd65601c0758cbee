/* What each expectation of scenarios looks at, one function each (scenario_judge.c has their
 * table). A function takes the value and the record, gives *passed and the evidence, which is
 * owned. */
#pragma once

#include "sim-cluster/scenario_record.h"
#include "sim-cluster/scenario_values.h"

typedef char *scenario_verdict(const char *value, json_t *record, bool *passed);

/* scenario_verdicts_probe.c: what the probe reports */
scenario_verdict scenario_judge_stall_below, scenario_judge_stall_above, scenario_judge_intact,
    scenario_judge_errors, scenario_judge_redirects, scenario_judge_reconnects,
    scenario_judge_load_exit;
/* scenario_verdicts_sessions.c: who was where, and how it stayed in touch */
scenario_verdict scenario_judge_session_on, scenario_judge_no_session_on, scenario_judge_relogin,
    scenario_judge_nop_out, scenario_judge_io_goes_on;
/* scenario_verdicts_events.c: what the event stream has and has not */
scenario_verdict scenario_judge_event, scenario_judge_never;
