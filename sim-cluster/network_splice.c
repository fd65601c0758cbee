#include "sim-cluster/network_splice.h"

#include "sim-cluster/network_mode.h"
#include "target/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SIZE = 8 << 20 };

/* The links that matter, all in the namespace we run in. */
struct splice {
    char *port, *near, *far;              /* owned names */
    struct link_state uplink, node, wire; /* the bridge, the node's far end, the cable's near end */
};

static void name_links(const struct network *network, int node, size_t index, struct splice *splice)
{
    splice->port = network_plan_port(network->config, index, node);
    splice->near = network_plan_wire(network->config, index, node, 'n');
    splice->far = network_plan_wire(network->config, index, node, 'f');
}

static void forget(struct splice *splice)
{
    free(splice->port);
    free(splice->near);
    free(splice->far);
}

static int find_uplink(struct network *network, size_t index, struct link_state *uplink)
{
    char *name = network_plan_own(network->config, index);
    int error = netlink_find_link(network->netlink, name, uplink);

    free(name);
    return error;
}

/* Frames with what is left to do to them, in front: long ones stay whole. */
static int open_end(int link)
{
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = link};
    struct packet_mreq promiscuous = {.mr_ifindex = link, .mr_type = PACKET_MR_PROMISC};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
        size = BUFFER_SIZE, error;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    if (!setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) &&
        !setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) &&
        !setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) &&
        !bind(fd, (struct sockaddr *)&at, sizeof(at)))
        return fd;
    error = -errno;
    close(fd);
    return error;
}

/* A cable whose near end waits for frames, and whose far end takes the node's place at the bridge.
 */
static int lay_cable(struct network *network, struct splice *splice, int mtu)
{
    struct link_plan near = {.name = splice->near, .alias = network->mark, .mtu = mtu, .space = -1};
    struct link_plan far = {.name = splice->far, .mtu = mtu, .space = -1};
    struct link_state end;
    int error = netlink_add_cable(network->netlink, &near, &far);

    if (!error)
        error = netlink_find_link(network->netlink, splice->near, &splice->wire);
    if (!error)
        error = netlink_set_deaf(network->netlink, splice->wire.index, true);
    if (!error)
        error = netlink_find_link(network->netlink, splice->far, &end);
    if (!error)
        error = netlink_set_master(network->netlink, end.index, splice->uplink.index);
    if (!error)
        error = netlink_set_up(network->netlink, end.index, true);
    return error ? error : netlink_set_up(network->netlink, splice->wire.index, true);
}

static int open_ends(const struct splice *splice, int ends[2])
{
    ends[0] = open_end(splice->node.index);
    if (ends[0] < 0)
        return ends[0];
    ends[1] = open_end(splice->wire.index);
    return ends[1] < 0 ? ends[1] : 0;
}

static void close_ends(const int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

static int take_apart(struct network *network, struct splice *splice, size_t index, int ends[2])
{
    int error = find_uplink(network, index, &splice->uplink);

    if (!error)
        error = netlink_find_link(network->netlink, splice->port, &splice->node);
    if (!error)
        error = lay_cable(network, splice, network->config->networks[index].mtu);
    if (!error)
        error = open_ends(splice, ends);
    if (!error)
        error = netlink_set_deaf(network->netlink, splice->node.index, true);
    return error ? error : netlink_set_master(network->netlink, splice->node.index, 0);
}

char *network_cannot_splice(const struct network *network, size_t index)
{
    return network->config->network == NETWORK_NETNS &&
                   network->config->networks[index].uplink != UPLINK_MACVLAN
               ? NULL
               : memory_copy_text("faults of the network need network = netns, and a network whose "
                                  "uplink is not a macvlan");
}

char *network_splice(struct network *network, int node, size_t index, int ends[2])
{
    struct splice splice = {0};
    char *wrong = NULL;
    int error;

    ends[0] = ends[1] = -1;
    name_links(network, node, index, &splice);
    error = take_apart(network, &splice, index, ends);
    if (error) {
        close_ends(ends);
        wrong =
            memory_format("the link %s cannot be taken apart: %s", splice.port, strerror(-error));
        network_unsplice(network, node, index);
    }
    forget(&splice);
    return wrong;
}

void network_unsplice(struct network *network, int node, size_t index)
{
    struct splice splice = {0};

    name_links(network, node, index, &splice);
    if (!netlink_find_link(network->netlink, splice.near, &splice.wire))
        netlink_delete_link(network->netlink, splice.wire.index);
    if (!netlink_find_link(network->netlink, splice.port, &splice.node) &&
        !find_uplink(network, index, &splice.uplink)) {
        netlink_set_deaf(network->netlink, splice.node.index, false);
        netlink_set_master(network->netlink, splice.node.index, splice.uplink.index);
    }
    forget(&splice);
}
