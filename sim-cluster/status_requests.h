/* What clients ask of the state: the nodes that can are asked for their sessions first. */
#pragma once

#include "sim-cluster/server.h"

/* {"request":"status"}: an object; with "as":"rows" an object without the long lists, which follow
 * as lines (status.h). */
json_t *status_answer(struct client *client, json_t *message);
json_t *status_answer_hosts(struct client *client, json_t *message);
