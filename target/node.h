/* A node: carries out what the supervisor asks of it. Applies the cluster map (portals, volumes,
 * sessions that lost their target), lets go of targets that move away, and leaves. */
#pragma once

#include "target/base/child.h"
#include "target/service.h"

struct node;

struct node *node_new(struct ev_loop *loop);
/* The requests that node_new's result serves, for child_new. */
extern const struct child_request node_requests[];
void node_set_child(struct node *node, struct child *child);
