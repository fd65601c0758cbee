/* What `status` shows. */
#pragma once

#include "sim-cluster/cluster.h"

#include <jansson.h>

/* Appends the JSON object that `status --json` shows. No secret is in it. */
void status_write(struct buffer *out, const struct cluster *cluster);

/* The same for a table, which needs no tree of it: the object with what is short and how many
 * "targets" and "sessions" there are, and then as many flat objects, a line each. */
void status_write_head(struct buffer *out, const struct cluster *cluster);
void status_write_rows(struct buffer *out, const struct cluster *cluster);

/* {"ok":true,"portal":...,"target":...,"chap":{...}}: what a probe needs to find its way. Owned.
 * The secrets in it go to the user who owns the control socket, nowhere else. */
json_t *status_probe_defaults(const struct cluster *cluster, const char *initiator);
