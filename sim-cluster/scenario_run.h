/* Runs a scenario: the steady state, the steps, the healing, the liveness check; and keeps the
 * record of it. */
#pragma once

#include "sim-cluster/scenario_cluster.h"

/* On an open cluster. An owned record, as scenario_judge.h has it. */
json_t *scenario_run(const struct scenario *scenario, struct scenario_cluster *cluster, int seed);
