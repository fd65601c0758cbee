/* What `status` shows. */
#pragma once

#include "sim-cluster/cluster.h"

#include <jansson.h>

/* Owned. No secret is in it. */
json_t *status_build(const struct cluster *cluster);

/* {"ok":true,"portal":...,"target":...,"chap":{...}}: what a probe needs to find its way. Owned.
 * The secrets in it go to the user who owns the control socket, nowhere else. */
json_t *status_probe_defaults(const struct cluster *cluster, const char *initiator);
