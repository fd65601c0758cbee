#include "sim-cluster/server.h"

#include "sim-cluster/pending.h"
#include "sim-cluster/requests.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64, LAST_WORDS_MS = 200 };

static void close_client(struct client *client)
{
    pending_forget(client->server->supervisor, client->control);
    list_remove(&client->link);
    control_free(client->control);
    free(client);
}

static void on_closed(void *owner, const char *reason)
{
    (void)reason;
    close_client(owner);
}

static void on_message(void *owner, json_t *message)
{
    struct client *client = owner;
    struct supervisor *supervisor = client->server->supervisor;
    json_t *reply = requests_answer(client, message);

    if (!reply)
        return;
    supervisor->flush_events(supervisor->owner); /* who is answered may read them */
    control_send(client->control, reply);
}

static void on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct server *server = container_of(watcher, struct server, acceptable);
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *client;

    if (fd < 0)
        return;
    client = memory_new(sizeof(*client));
    client->server = server;
    client->control = control_new(loop, fd, on_message, on_closed, client);
    list_append(&server->clients, &client->link);
}

char *server_open(struct server *server, struct ev_loop *loop, const char *state_directory,
                  struct supervisor *supervisor)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask;

    *server = (struct server){.loop = loop, .supervisor = supervisor};
    list_init(&server->clients);
    server->path = memory_format("%s/control.sock", state_directory);
    ev_io_init(&server->acceptable, on_acceptable, fd, EV_READ);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
    unlink(server->path);
    mask = umask(0177);
    int failed =
        fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG);
    int error = errno;

    umask(mask);
    if (failed)
        return memory_format("%s: cannot listen: %s", server->path, strerror(error));
    ev_io_start(loop, &server->acceptable);
    return NULL;
}

void server_close(struct server *server)
{
    LIST_FOR_EACH_SAFE (link, &server->clients) {
        struct client *client = container_of(link, struct client, link);

        control_flush(client->control, LAST_WORDS_MS);
        close_client(client);
    }
    ev_io_stop(server->loop, &server->acceptable);
    if (server->acceptable.fd >= 0)
        close(server->acceptable.fd);
    unlink(server->path);
    free(server->path);
}

void server_publish(struct server *server, const char *line, size_t length)
{
    LIST_FOR_EACH (link, &server->clients) {
        struct client *client = container_of(link, struct client, link);

        if (client->is_following)
            control_append(client->control, line, length);
    }
}
