#include "sim-cluster/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int client_connect(struct connection *connection, const char *state_directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length =
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", state_directory);
    int fd;

    connection->file = NULL;
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int error = errno;

        close(fd);
        return -error;
    }
    connection->file = fdopen(fd, "r+");
    return connection->file ? 0 : -errno;
}

void client_close(struct connection *connection)
{
    if (connection->file)
        fclose(connection->file);
    connection->file = NULL;
}

json_t *client_read(struct connection *connection)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = getline(&line, &capacity, connection->file);
    json_t *message = length > 0 ? json_loadb(line, (size_t)length, 0, NULL) : NULL;

    free(line);
    return message;
}

json_t *client_ask(struct connection *connection, json_t *request)
{
    int failed = json_dumpf(request, connection->file, JSON_COMPACT);

    json_decref(request);
    if (failed || fputc('\n', connection->file) == EOF || fflush(connection->file))
        return NULL;
    return client_read(connection);
}
