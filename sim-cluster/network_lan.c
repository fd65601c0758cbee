#include "sim-cluster/network_lan.h"

#include "sim-cluster/neighbour.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 3, ROUND_MS = 250, FRAMES_PER_TURN = 64 };

/* ---- interfaces ---- */

char *network_lan_check_device(const struct network *network, const struct network_config *config)
{
    struct link_state link;
    int error = netlink_find_link(network->netlink, config->device, &link);
    const char *path = network->config->path, *name = config->device;

    if (error)
        return memory_format("%s:%d: there is no interface %s on this machine: \"ip link\" lists "
                             "them",
                             path, config->line, name);
    if (config->uplink == UPLINK_BRIDGE && strcmp(link.kind, "bridge"))
        return memory_format("%s:%d: %s is no bridge: uplink = macvlan %s puts the nodes on an "
                             "interface",
                             path, config->line, name, name);
    if (!link.is_up)
        return memory_format("%s:%d: interface %s is down: \"ip link set %s up\" brings it up",
                             path, config->line, name, name);
    if (config->uplink != UPLINK_BRIDGE && !link.has_carrier)
        return memory_format("%s:%d: interface %s has no link: is its cable plugged in?", path,
                             config->line, name);
    if (config->uplink == UPLINK_MACVLAN && config->mtu > link.mtu)
        return memory_format("%s:%d: mtu = %d is more than interface %s has, %d", path,
                             config->line, config->mtu, name, link.mtu);
    return NULL;
}

/* ---- questions ---- */

struct question {
    const struct address *address; /* borrowed */
    int line;
    size_t network;
};

struct asking {
    const struct network *network;
    struct question *questions;
    size_t count;
    struct pollfd *sockets; /* one a network; -1: it has no LAN */
    struct link_state *links;
    char *wrong; /* owned */
};

static void note(struct asking *asking, const struct address *address, int line)
{
    struct question *question =
        config_append(&asking->questions, &asking->count, sizeof(*question));

    *question = (struct question){address, line,
                                  (size_t)network_plan_find(asking->network->config, address, 0)};
}

static void note_all(struct asking *asking)
{
    const struct cluster_config *config = asking->network->config;

    for (size_t i = 0; i < config->network_count; i++)
        for (size_t j = 0; j < config->networks[i].address_count; j++)
            note(asking, &config->networks[i].addresses[j].address, config->networks[i].line);
    for (size_t i = 0; i < config->portal_group_count; i++)
        for (size_t j = 0; j < config->portal_groups[i].floating_ip_count; j++)
            note(asking, &config->portal_groups[i].floating_ips[j].subnet.address,
                 config->portal_groups[i].floating_ips[j].line);
    for (size_t i = 0; i < config->node_count; i++)
        for (size_t j = 0; j < config->nodes[i].portal_count; j++)
            note(asking, &config->nodes[i].portals[j].address, config->nodes[i].portals[j].line);
}

static char *refuse(const struct asking *asking, const struct question *question, const char *by)
{
    char text[ADDRESS_TEXT_SIZE];

    return memory_format("%s:%d: %s is in use already, by %s: choose another address",
                         asking->network->config->path, question->line,
                         address_format_host(question->address, text), by);
}

static void look_at_machine(struct asking *asking)
{
    for (size_t i = 0; i < asking->count && !asking->wrong; i++) {
        int index = netlink_find_address(asking->network->netlink, asking->questions[i].address);
        char name[IF_NAMESIZE] = "", *by;

        if (!index)
            continue;
        by = memory_format("this machine itself (interface %s)",
                           if_indextoname((unsigned)index, name) ? name : "unknown");
        asking->wrong = refuse(asking, &asking->questions[i], by);
        free(by);
    }
}

static int open_socket(int index)
{
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void ask(const struct asking *asking)
{
    uint8_t frame[NEIGHBOUR_FRAME_MAX];

    for (size_t i = 0; i < asking->count; i++) {
        const struct question *question = &asking->questions[i];
        const struct link_state *link = &asking->links[question->network];
        struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = link->index};
        size_t length = neighbour_encode_question(frame, link->mac, question->address);

        sendto(asking->sockets[question->network].fd, frame, length, 0, (struct sockaddr *)&to,
               sizeof(to));
    }
}

static void judge(struct asking *asking, size_t network, const uint8_t *frame, size_t length)
{
    struct address address;
    uint8_t mac[NEIGHBOUR_MAC_SIZE];
    char by[32];

    if (!neighbour_decode(frame, length, &address, mac))
        return;
    snprintf(by, sizeof(by), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    for (size_t i = 0; i < asking->count && !asking->wrong; i++)
        if (asking->questions[i].network == network &&
            address_is_same_host(asking->questions[i].address, &address))
            asking->wrong = refuse(asking, &asking->questions[i], by);
}

/* A LAN that is flooded may not keep us beyond the deadline. */
static void read_frames(struct asking *asking, size_t network)
{
    uint8_t frame[256];
    ssize_t length;

    for (int i = 0; i < FRAMES_PER_TURN && !asking->wrong; i++) {
        length = recv(asking->sockets[network].fd, frame, sizeof(frame), 0);
        if (length <= 0)
            return;
        judge(asking, network, frame, (size_t)length);
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void listen_until(struct asking *asking, int64_t until)
{
    size_t count = asking->network->config->network_count;
    int64_t left;

    while (!asking->wrong && (left = until - now_ms()) > 0)
        if (poll(asking->sockets, count, (int)left) > 0)
            for (size_t i = 0; i < count; i++)
                if (asking->sockets[i].revents)
                    read_frames(asking, i);
}

static bool open_sockets(struct asking *asking)
{
    const struct cluster_config *config = asking->network->config;
    bool has_any = false;

    for (size_t i = 0; i < config->network_count; i++) {
        asking->sockets[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        if (config->networks[i].device &&
            !netlink_find_link(asking->network->netlink, config->networks[i].device,
                               &asking->links[i]))
            asking->sockets[i].fd = open_socket(asking->links[i].index);
        has_any |= asking->sockets[i].fd >= 0;
    }
    return has_any;
}

char *network_lan_check_addresses(const struct network *network)
{
    size_t count = network->config->network_count;
    struct asking asking = {.network = network,
                            .sockets = memory_new(count * sizeof(struct pollfd)),
                            .links = memory_new(count * sizeof(struct link_state))};

    note_all(&asking);
    look_at_machine(&asking);
    if (open_sockets(&asking))
        for (int round = 0; round < ROUNDS && !asking.wrong; round++) {
            ask(&asking);
            listen_until(&asking, now_ms() + ROUND_MS);
        }
    for (size_t i = 0; i < count; i++)
        if (asking.sockets[i].fd >= 0)
            close(asking.sockets[i].fd);
    free(asking.questions);
    free(asking.sockets);
    free(asking.links);
    return asking.wrong;
}
