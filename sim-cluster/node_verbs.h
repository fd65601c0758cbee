/* kill, freeze, thaw, power-off, isolate, drain, start: in which states each is possible, and when
 * it is done. */
#pragma once

#include "sim-cluster/pending.h"

/* Runs the verb. NULL: it is under way, and *check tells when it is done; else an owned refusal. */
json_t *node_verbs_run(struct node *node, const char *verb, pending_check **check);
