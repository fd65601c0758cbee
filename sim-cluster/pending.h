/* Requests of clients that are answered when something has come about: a node has started, a target
 * has moved. Looked at once a turn, so nothing in between has to know of them. */
#pragma once

#include "sim-cluster/supervisor.h"

struct pending;
struct control;

/* NULL: not yet. An owned reply otherwise. */
typedef json_t *pending_check(struct supervisor *supervisor, const struct pending *pending);

struct pending {
    struct list link;
    struct control *client; /* borrowed; NULL: it has left */
    pending_check *check;
    struct node *node; /* borrowed, as the next two; NULL: not about one */
    struct cluster_target *target;
    struct cluster_floating_ip *floating;
    int wanted;             /* node */
    int rule;               /* serial number of a fault rule that is being set; 0: none */
    double begun, deadline; /* loop time, seconds */
};

/* Copies `pending`. `deadline_s` from now it is refused as not finished in time. */
void pending_add(struct supervisor *supervisor, const struct pending *pending, double deadline_s);
void pending_turn(struct supervisor *supervisor);
/* Refuses all. */
void pending_end(struct supervisor *supervisor, const char *error);
/* Its client has left. */
void pending_forget(struct supervisor *supervisor, const struct control *client);

/* Replies: {"ok":true,...} and {"error":"..."}. */
json_t *pending_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Instead of one: its client has been sent it. */
json_t *pending_answered(void);
json_t *pending_done(const struct supervisor *supervisor, const struct pending *pending);
