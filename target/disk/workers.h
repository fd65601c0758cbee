/* The only threads there are: a fixed pool that runs what would block the loop. Work sees its own
 * struct and what that points to, never a session; its end is told in the loop. */
#pragma once

#include "target/base/list.h"

#include <ev.h>

struct work;
typedef void work_function(struct work *work);

struct work {
    work_function *run;  /* on a worker */
    work_function *done; /* in the loop, afterwards; may free the work or add it again */
    struct list link;    /* the pool's own */
};

/* NULL: the system gives no thread or no descriptor. */
struct workers *workers_new(struct ev_loop *loop, unsigned count);

/* The work belongs to the pool until its done is called. */
void workers_add(struct workers *workers, struct work *work);

/* Ends the threads once all work that was added has run; what has run and was not told yet is told
 * from within this call. NULL is fine. */
void workers_free(struct workers *workers);
