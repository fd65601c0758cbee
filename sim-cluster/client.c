#include "sim-cluster/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10 };

int client_connect(struct connection *connection, const char *state_directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length =
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", state_directory);

    *connection = (struct connection){.fd = -1};
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return -errno;
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address))) {
        int error = errno;

        client_close(connection);
        return -error;
    }
    return 0;
}

void client_close(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    buffer_free(&connection->in);
}

/* false: the end, or nothing in time. */
static bool receive(struct connection *connection, int timeout_ms)
{
    struct pollfd ready = {.fd = connection->fd, .events = POLLIN};
    ssize_t got;

    if (poll(&ready, 1, timeout_ms) <= 0)
        return false;
    got = recv(connection->fd, buffer_reserve(&connection->in, READ_SIZE), READ_SIZE, 0);
    if (got <= 0)
        return false;
    buffer_added(&connection->in, (size_t)got);
    return true;
}

json_t *client_read(struct connection *connection, int timeout_ms)
{
    for (;;) {
        const char *content = buffer_content(&connection->in);
        const char *newline =
            connection->in.length ? memchr(content, '\n', connection->in.length) : NULL;

        if (newline) {
            size_t length = (size_t)(newline - content) + 1;
            json_t *message = json_loadb(content, length, 0, NULL);

            buffer_take(&connection->in, length);
            return message;
        }
        if (!receive(connection, timeout_ms))
            return NULL;
    }
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return false;
        bytes += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

json_t *client_ask(struct connection *connection, json_t *request, int timeout_ms)
{
    char *text = json_dumps(request, JSON_COMPACT);
    bool is_sent =
        send_all(connection->fd, text, strlen(text)) && send_all(connection->fd, "\n", 1);

    json_decref(request);
    free(text);
    return is_sent ? client_read(connection, timeout_ms) : NULL;
}
