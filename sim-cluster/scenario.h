/* A scenario: what is done to a cluster, when, and what must come of it. Read from an INI file,
 * then constant; scenario_run.h runs it, scenario_judge.h says what came of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum scenario_load { LOAD_PROBE, LOAD_NONE, LOAD_EXEC };

struct scenario_text {
    char *text;
    int line;
};

struct scenario_step {
    char *name; /* owned, as all texts here */
    int line;
    int at_ms;     /* after the steady state; -1: not by time */
    char *when;    /* event pattern; NULL: not by event */
    int after_ms;  /* behind the event, or behind the step before when there is neither */
    bool may_fail; /* its commands */
    struct scenario_text *commands;
    size_t command_count;
};

struct scenario_claim {
    const struct scenario_expectation *expectation;
    char *value;
    int line;
};

struct scenario {
    char *path, *title;
    char *cluster;      /* a configuration; NULL: three nodes of its own; "running" */
    char *probe, *exec; /* options; a command of the shell */
    int load;
    int steady_ms, duration_ms, wait_ms, back_within_ms;
    int seed; /* 0: random */
    struct scenario_text *settings, *group_settings, *volume_settings, *initiator_settings;
    size_t setting_count, group_setting_count, volume_setting_count, initiator_setting_count;
    struct scenario_step *steps;
    size_t step_count;
    struct scenario_claim *claims;
    size_t claim_count;
};

/* NULL, or an owned sentence: "file:line: what is wrong". In both cases scenario_free releases it.
 */
char *scenario_read(struct scenario *scenario, const char *path);
/* Its twin: the same expectations, and nothing is done. */
void scenario_drop_steps(struct scenario *scenario);
void scenario_free(struct scenario *scenario);
