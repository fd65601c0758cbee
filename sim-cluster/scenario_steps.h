/* The steps of a scenario that runs: which is due, what it does, how it ended. */
#pragma once

#include "sim-cluster/scenario.h"
#include "sim-cluster/scenario_process.h"

#include <jansson.h>

struct scenario_cluster;

struct scenario_step_run {
    double due; /* Unix time; 0: not known yet */
    bool has_begun, has_ended;
    struct scenario_process *processes; /* owned: one a command */
    char **commands;                    /* owned: as they were given, with @words replaced */
};

struct scenario_steps {
    const struct scenario *scenario; /* borrowed, as the next two */
    struct scenario_cluster *cluster;
    json_t *record;
    int seed;
    double steady; /* Unix time */
    struct scenario_step_run *runs;
};

void scenario_steps_start(struct scenario_steps *steps, double now);
/* An event may be what a step waits for. */
void scenario_steps_event(struct scenario_steps *steps, const json_t *event, double now);
/* Begins what is due, notes what has ended. Milliseconds until it is to be called again. */
int scenario_steps_turn(struct scenario_steps *steps, double now);
bool scenario_steps_are_running(const struct scenario_steps *steps);
/* Adds trouble for steps that never came; ends what still runs. */
void scenario_steps_free(struct scenario_steps *steps);
