/* How a node lets go: of volumes that the map gives to others, of a target that is asked for (a
 * planned move), and of everything when it stops. Sessions first, then the volume, then the answer.
 */
#pragma once

#include "target/node_state.h"

/* Answers the map request, if there is one. */
void leave_answer_map(struct node *node);
/* Answers the map request and the stop request once no volume is being closed. */
void leave_answer_if_done(struct node *node);
/* The last session of a volume is gone; for service_init. */
void leave_on_idle(void *owner, struct volume *volume);
/* Volumes that the node is not controller of any more by its map. */
void leave_moved(struct node *node);

void leave_take_release(void *owner, int64_t id, json_t *request);
void leave_take_stop(void *owner, int64_t id, json_t *request);
