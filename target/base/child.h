/* A child of the supervisor: its control channel on descriptor 3, requests by name, replies by
 * number, events upwards. Ends with the supervisor: a closed channel is the end of the process.
 * Answers `ping` by itself. */
#pragma once

#include "target/base/event.h"

#include <ev.h>
#include <jansson.h>
#include <stdint.h>

struct child;

typedef void child_request_run(void *owner, int64_t id, json_t *request); /* request: borrowed */

struct child_request {
    const char *name;
    child_request_run *run; /* answers now or later, once, by child_reply or child_refuse */
};

/* `requests` ends with a row without name. Signals that end the supervisor only are ignored. NULL:
 * descriptor 3 is not a control channel, which is said on stderr. */
struct child *child_new(struct ev_loop *loop, const struct child_request *requests, void *owner);
/* From now on events go to the supervisor. `process` is borrowed. */
void child_start_events(struct child *child, const char *process, int node);

/* A row of a long answer, before its reply: a line that begins so, the request's number first. */
#define CHILD_ROW_BEGIN "{\"row\":"
/* `fields` end with EVENT_END, and begin with room for that number. */
void child_reply_row(struct child *child, int64_t id, struct event_field *fields);
/* Takes `fields`, an object or NULL. */
void child_reply(struct child *child, int64_t id, json_t *fields);
void child_refuse(struct child *child, int64_t id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends what is pending and ends the process with success. */
void child_exit(struct child *child) __attribute__((noreturn));
