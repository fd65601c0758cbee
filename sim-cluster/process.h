/* A child process: started with its control channel as descriptor 3, asked things with a deadline,
 * watched until it is reaped. It dies with us. */
#pragma once

#include "target/base/list.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct process;

/* `reply` is borrowed. `error` is NULL when all is well, else the sentence of a child that refused,
 * or, with a reply of NULL, why there is none. */
typedef void process_replied(void *owner, json_t *reply, const char *error);
/* The process is reaped and its last words are read. `how`: "ended with status 1". The owner frees
 * it. */
typedef void process_ended(void *owner, struct process *process, const char *how);
/* The child closed its channel or broke the protocol, and still runs. */
typedef void process_broken(void *owner, struct process *process, const char *why);
typedef void process_event(void *owner, const char *line, size_t length); /* event_line.h */

struct process_watch {
    process_event *on_event;
    process_broken *on_broken;
    process_ended *on_ended;
    void *owner; /* borrowed */
};

struct process {
    struct list link; /* its owner's */
    const char *name; /* borrowed: "target" or "portalgroup" */
    void *subject;    /* the owner's: what this process is for */
    pid_t pid;
    double heard_at;   /* loop time of its last message */
    bool is_pinged;    /* a ping is on its way */
    bool is_expected;  /* to end */
    bool wants_map;    /* the present one is to be sent */
    int64_t map_sent;  /* generation of the last map it was sent; 0: it needs a whole one */
    int64_t map_known; /* generation of the last map that it said it follows; 0: none */
    bool is_ended;     /* on_ended comes next */
    struct process_internals *internals;
};

struct process_start {
    const char *path;  /* of the program */
    char *const *argv; /* ends with NULL */
    const char *log;   /* the file its stderr is appended to */
    int lock;          /* a descriptor that it keeps open for as long as it lives */
    int space;         /* the network namespace it runs in; -1: ours */
    int board;         /* a descriptor: fault_counts.h */
    int passed[2];     /* descriptors that become its 6 and 7; 0: none */
};

/* NULL with errno set: could not be started. */
struct process *process_start(struct ev_loop *loop, const struct process_start *start,
                              const struct process_watch *watch);
void process_free(struct process *process);

/* Takes `request`. `on_replied` may be NULL; it is called once, later, also when the process ends.
 */
void process_request(struct process *process, json_t *request, double deadline_s,
                     process_replied *on_replied, void *owner);

/* The same for a request whose answer has rows (child.h): `on_row` sees each before the reply. */
typedef void process_row(void *owner, const char *line, size_t length);
void process_request_rows(struct process *process, json_t *request, double deadline_s,
                          process_row *on_row, process_replied *on_replied, void *owner);

/* The same for a request that many are sent: the text of a JSON object without an id. */
void process_request_text(struct process *process, const char *text, size_t length,
                          double deadline_s, process_replied *on_replied, void *owner);

/* SIGKILL, SIGSTOP, SIGCONT: never to another process that got the same number. */
void process_signal(struct process *process, int signal);

/* Whether it waits for something to happen, as a loop does that has nothing to do; false also when
 * the kernel does not say. Does not wake it. */
bool process_is_at_rest(const struct process *process);

/* The pidfd, borrowed. */
int process_descriptor(const struct process *process);
