/* A listening TCP socket that accepts in the loop. When descriptors run out it rests for a moment
 * instead of spinning. The accepted socket is non-blocking, close-on-exec, and sends without delay
 * (TCP_NODELAY). */
#pragma once

#include "target/base/address.h"

#include <ev.h>

struct listener;

/* The callee owns `fd`. */
typedef void listener_accepted(void *owner, int fd, const struct address *local,
                               const struct address *peer);

struct listener {
    struct ev_loop *loop;
    struct address address;
    ev_io readable;
    ev_timer rest;
    listener_accepted *on_accepted;
    void *owner; /* borrowed */
};

/* 0 or -errno (address in use, not there, not permitted); then nothing is left open. */
int listener_open(struct listener *listener, struct ev_loop *loop, const struct address *address,
                  listener_accepted *on_accepted, void *owner);
void listener_close(struct listener *listener);
