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

typedef void control_message(void *owner, json_t *message); /* borrowed for the call */
/* A line before it is parsed, its newline included; borrowed. true: taken, it is no message. It may
 * not free the channel. */
typedef bool control_line(void *owner, const char *line, size_t length);
typedef void control_closed(void *owner, const char *reason); /* once; the owner then frees it */

struct control {
    struct ev_loop *loop;
    ev_io readable, writable;
    ev_prepare flush; /* fed, never started: writes what was appended in this turn */
    struct buffer in, out;
    size_t searched;       /* bytes of `in` that hold no newline */
    control_line *on_line; /* may be NULL */
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

/* Sees each line first. */
void control_set_on_line(struct control *control, control_line *on_line);

/* Takes the message. Never blocks, never calls back; what cannot be sent now is sent by the loop.
 */
void control_send(struct control *control, json_t *message);

/* A line, or parts of one, which leaves before the loop rests: many of one turn leave together. */
void control_append(struct control *control, const char *line, size_t length);

/* Writes out what is pending, waiting for the peer up to `timeout_ms`: for the last words before
 * exit. */
void control_flush(struct control *control, int timeout_ms);
