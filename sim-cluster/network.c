#include "sim-cluster/network.h"

#include "target/base/config.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* An address is ours when a socket can be bound to it; port 0 disturbs nobody. */
static int try_bind(const struct address *address)
{
    struct address any_port = *address;
    struct sockaddr_storage at;
    int fd, error = 0;

    any_port.port = 0;
    socklen_t length = address_to_socket(&any_port, &at);

    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&at, length))
        error = -errno;
    close(fd);
    return error;
}

static char *check_address(const struct cluster_config *config, const struct address *address,
                           int line)
{
    static const uint8_t any[16];
    char text[ADDRESS_TEXT_SIZE];
    int error = memcmp(address->bytes, any, sizeof(any)) ? try_bind(address) : -EADDRNOTAVAIL;

    if (!error)
        return NULL;
    return memory_format("%s:%d: %s is not an address of this machine (%s); network = loopback "
                         "takes addresses of 127.0.0.0/8, or ones it already has",
                         config->path, line, address_format_host(address, text), strerror(-error));
}

static char *check_group(const struct cluster_config *config,
                         const struct portal_group_config *group)
{
    char *wrong = NULL;

    for (size_t i = 0; i < group->floating_ip_count && !wrong; i++)
        wrong = check_address(config, &group->floating_ips[i].subnet.address,
                              group->floating_ips[i].line);
    return wrong;
}

char *network_check(const struct cluster_config *config)
{
    char *wrong = NULL;

    for (size_t i = 0; i < config->portal_group_count && !wrong; i++)
        wrong = check_group(config, &config->portal_groups[i]);
    for (size_t i = 0; i < config->node_count && !wrong; i++) {
        const struct node_config *node = &config->nodes[i];

        for (size_t j = 0; j < node->portal_count && !wrong; j++)
            wrong = check_address(config, &node->portals[j].address, node->portals[j].line);
    }
    return wrong;
}

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

void network_mute(struct muted *muted, pid_t pid, int pidfd)
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

void network_unmute(struct muted *muted)
{
    struct linger reset = {.l_onoff = 1};

    for (size_t i = 0; i < muted->count; i++) {
        setsockopt(muted->sockets[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(muted->sockets[i]);
    }
    free(muted->sockets);
    *muted = (struct muted){0};
}
