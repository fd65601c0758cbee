/* The control socket: clients send one JSON object a line and get one back; followers get every
 * event. What a request means is in requests.c. */
#pragma once

#include "target/base/control.h"
#include "target/base/list.h"

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

struct supervisor;

struct server {
    struct ev_loop *loop;
    struct supervisor *supervisor; /* borrowed */
    char *path;                    /* owned: STATE/control.sock */
    ev_io acceptable;
    struct list clients;
};

struct client {
    struct list link;
    struct server *server; /* parent */
    struct control *control;
    bool is_following;
};

/* A socket that a dead supervisor left is replaced: the caller holds the lock. NULL, or an owned
 * sentence. */
char *server_open(struct server *server, struct ev_loop *loop, const char *state_directory,
                  struct supervisor *supervisor);
/* Says to all clients what is still to be said. */
void server_close(struct server *server);

/* To all followers. Borrows the event. */
void server_publish(struct server *server, const char *line, size_t length);
