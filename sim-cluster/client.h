/* The other end of the control socket: asks the supervisor and waits for its answer. */
#pragma once

#include <jansson.h>
#include <stdio.h>

struct connection {
    FILE *file; /* NULL: not connected */
};

/* 0 or -errno; -ENOENT and -ECONNREFUSED: no cluster runs there. */
int client_connect(struct connection *connection, const char *state_directory);
void client_close(struct connection *connection);

/* Takes the request. NULL: the supervisor has gone. */
json_t *client_ask(struct connection *connection, json_t *request);
/* The next line. NULL: the end. */
json_t *client_read(struct connection *connection);
