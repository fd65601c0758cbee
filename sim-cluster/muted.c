#include "sim-cluster/muted.h"

#include "target/base/config.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int option(int socket, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    return getsockopt(socket, SOL_SOCKET, name, &value, &length) ? -1 : value;
}

static bool is_connection(int socket)
{
    int domain = option(socket, SO_DOMAIN);

    return (domain == AF_INET || domain == AF_INET6) && option(socket, SO_ACCEPTCONN) == 0;
}

static void keep(struct muted *muted, int pidfd, int remote)
{
    int fd = pidfd_getfd(pidfd, remote, 0);
    int *slot;

    if (fd < 0)
        return;
    if (!is_connection(fd)) {
        close(fd);
        return;
    }
    slot = config_append(&muted->sockets, &muted->count, sizeof(*slot));
    *slot = fd;
}

void muted_take(struct muted *muted, pid_t pid, int pidfd)
{
    char path[64], link[64];
    DIR *directory;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);

        if (length > 7 && !memcmp(link, "socket:", 7))
            keep(muted, pidfd, (int)strtol(entry->d_name, NULL, 10));
    }
    closedir(directory);
}

void muted_reset(struct muted *muted)
{
    struct linger reset = {.l_onoff = 1};

    for (size_t i = 0; i < muted->count; i++) {
        setsockopt(muted->sockets[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(muted->sockets[i]);
    }
    free(muted->sockets);
    *muted = (struct muted){0};
}
