/* A control channel: JSON objects, one a line, both ways over a stream socket. Used between the
 * supervisor and its children (descriptor 3) and between the command line and the supervisor. The
 * channel owns its descriptor. A peer that sends a line over 64 MiB, or no JSON, loses the channel;
 * one that does not read gets up to 64 MiB kept for it, then loses it too. */
#pragma once

#include "target/base/buffer.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

struct control;

typedef void control_message(void *owner, json_t *message);   /* borrowed for the call */
typedef void control_closed(void *owner, const char *reason); /* once; the owner then frees it */

struct control {
    struct ev_loop *loop;
    ev_io readable, writable;
    struct buffer in, out;
    control_message *on_message;
    control_closed *on_closed;
    void *owner;  /* borrowed */
    bool closing; /* told its owner, or about to */
    bool
        *freed; /* set while a message is delivered, so that the owner may free the channel in it */
};

/* `fd` is made non-blocking. */
struct control *control_new(struct ev_loop *loop, int fd, control_message *on_message,
                            control_closed *on_closed, void *owner);
void control_free(struct control *control);

/* Takes the message. Never blocks, never calls back; what cannot be sent now is sent by the loop.
 */
void control_send(struct control *control, json_t *message);

/* Writes out what is pending, waiting for the peer up to `timeout_ms`: for the last words before
 * exit. */
void control_flush(struct control *control, int timeout_ms);
