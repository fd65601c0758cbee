/* The other end of the control socket: asks the supervisor and waits for its answer. */
#pragma once

#include "target/base/buffer.h"

#include <jansson.h>
#include <stdbool.h>

/* For what is answered at once. */
enum { CLIENT_PATIENCE_MS = 5000 };

struct connection {
    int fd; /* -1: not connected */
    struct buffer in;
    size_t searched, given; /* bytes of it: without a newline; of the line that was read last */
};

/* 0 or -errno; -ENOENT and -ECONNREFUSED: no cluster runs there. */
int client_connect(struct connection *connection, const char *state_directory);
void client_close(struct connection *connection);

/* Takes the request. NULL: the supervisor has gone, or has not answered for `timeout_ms` (-1: any
 * time will do). */
json_t *client_ask(struct connection *connection, json_t *request, int timeout_ms);
/* The next line. NULL: the end, or, after `timeout_ms` (-1: never), nothing. */
json_t *client_read(struct connection *connection, int timeout_ms);
/* The same as a text, which is borrowed until something else is read, and may be changed. */
char *client_read_line(struct connection *connection, int timeout_ms);
