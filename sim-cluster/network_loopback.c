/* network = loopback: addresses that this machine has anyway. Nothing is configured, and silence is
 * the processes' own. */
#include "sim-cluster/network_mode.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

static char *check_addresses(const struct cluster_config *config)
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

static char *cut(struct network *network, struct network_node *node,
                 enum network_direction direction)
{
    (void)network, (void)node;
    return direction == NETWORK_BOTH
               ? NULL
               : memory_copy_text("network = loopback has no links, and cannot cut one direction; "
                                  "network = netns can");
}

const struct network_mode network_loopback = {.check = check_addresses, .cut = cut};
