/* The cluster that a scenario runs on: one of its own that comes and goes with it, or the one that
 * runs already. */
#pragma once

#include "sim-cluster/client.h"
#include "sim-cluster/scenario.h"

struct scenario_cluster {
    char *state;  /* owned: the state directory */
    char *config; /* owned; NULL: none to be read */
    bool is_up, is_ours, is_temporary;
    struct connection events, questions;
};

/* Three nodes, two floating IPs, two volumes, on loopback addresses picked at random; with the
 * settings of `scenario` unless that is NULL. NULL, or an owned sentence. */
char *scenario_config_write(const char *path, const struct scenario *scenario);

/* Brings it up, or finds it, and follows its events. NULL, or an owned sentence. `state` NULL: a
 * cluster of its own gets a directory of its own. In both cases scenario_cluster_close ends it. */
char *scenario_cluster_open(struct scenario_cluster *cluster, const struct scenario *scenario,
                            const char *state);
/* Ends a cluster of its own; removes its directory unless it is to be kept. */
void scenario_cluster_close(struct scenario_cluster *cluster, bool keeps);

/* An owned status; NULL: it does not answer. */
json_t *scenario_cluster_status(struct scenario_cluster *cluster);
