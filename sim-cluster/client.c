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

/* The end of the first line, or NULL. */
static char *find_newline(struct connection *connection)
{
    char *content = buffer_content(&connection->in), *newline = NULL;

    if (connection->in.length > connection->searched)
        newline = memchr(content + connection->searched, '\n',
                         connection->in.length - connection->searched);
    connection->searched = newline ? 0 : connection->in.length;
    return newline;
}

char *client_read_line(struct connection *connection, int timeout_ms)
{
    char *newline;

    buffer_take(&connection->in, connection->given);
    connection->given = 0;
    while (!(newline = find_newline(connection)))
        if (!receive(connection, timeout_ms))
            return NULL;
    *newline = '\0';
    connection->given = (size_t)(newline - buffer_content(&connection->in)) + 1;
    return buffer_content(&connection->in);
}

json_t *client_read(struct connection *connection, int timeout_ms)
{
    const char *line = client_read_line(connection, timeout_ms);

    return line ? json_loads(line, 0, NULL) : NULL;
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
