/* What doctor says about namespaces, links and addresses. */
#include "sim-cluster/doctor.h"
#include "sim-cluster/netlink.h"
#include "target/base/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char not_needed[] = "not needed for this configuration";

static bool is_netns(const struct doctor *doctor)
{
    return doctor->config->network == NETWORK_NETNS;
}

/* ---- what the kernel can do ---- */

static int make_namespace(void)
{
    return unshare(CLONE_NEWNET) ? -errno : 0;
}

static int make_user_namespace(void)
{
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) ? -errno : 0;
}

/* 0 or -errno: a namespace needs a name as well. */
static int find_place_for_names(void)
{
    static const char *const places[] = {"/run/netns", "/run"};
    bool has_first = !access(places[0], F_OK);

    return access(places[!has_first], W_OK) ? -errno : 0;
}

struct finding doctor_namespaces(const struct doctor *doctor)
{
    int error = doctor_try(make_namespace);
    bool by_user = error && !doctor_try(make_user_namespace);
    int no_names = error ? 0 : find_place_for_names();

    if (no_names)
        return finding_bad(is_netns(doctor) ? FINDING_MISSING : FINDING_WARNING,
                           memory_format("/run/netns cannot be written: %s", strerror(-no_names)),
                           memory_copy_text("Run it as root: names of network namespaces are kept "
                                            "there."));
    if (!error)
        return finding_ok(memory_copy_text("each node can have one"));
    return finding_bad(is_netns(doctor) ? FINDING_MISSING : FINDING_WARNING,
                       memory_format("cannot be made: %s%s", strerror(-error),
                                     by_user ? "; in a user namespace they can" : ""),
                       memory_copy_text("network = netns needs them: run it as root, in a "
                                        "container with CAP_SYS_ADMIN and CAP_NET_ADMIN."));
}

/* One of each kind, in a namespace that ends with this process. */
static int make_links(void)
{
    struct link_plan bridge = {.name = "doctor-br", .space = -1},
                     near = {.name = "doctor-near", .space = -1},
                     far = {.name = "doctor-far", .space = -1},
                     macvlan = {.name = "doctor-mac", .space = -1};
    struct netlink *netlink;
    struct link_state cable;
    int error = make_namespace();

    if (!error)
        error = netlink_open(&netlink);
    if (!error)
        error = netlink_add_bridge(netlink, &bridge);
    if (!error)
        error = netlink_add_cable(netlink, &near, &far);
    if (!error)
        error = netlink_find_link(netlink, near.name, &cable);
    return error ? error : netlink_add_macvlan(netlink, &macvlan, cable.index);
}

struct finding doctor_links(const struct doctor *doctor)
{
    int error = doctor_try(make_links);

    if (!error)
        return finding_ok(memory_copy_text("bridges, veth pairs and macvlan can be made"));
    return finding_bad(
        is_netns(doctor) ? FINDING_MISSING : FINDING_WARNING,
        memory_format("bridge, veth and macvlan cannot all be made: %s", strerror(-error)),
        memory_copy_text("network = netns needs them: run it as root, and "
                         "\"modprobe -a bridge veth macvlan\"."));
}

/* ---- interfaces ---- */

/* NULL, or an owned sentence. */
static char *examine_interface(struct netlink *netlink, const char *name)
{
    struct link_state link;

    if (netlink_find_link(netlink, name, &link))
        return memory_format("There is no interface %s: \"ip link\" lists them.", name);
    if (!link.is_up)
        return memory_format("Interface %s is down: \"ip link set %s up\".", name, name);
    if (!link.has_carrier && strcmp(link.kind, "bridge"))
        return memory_format("Interface %s has no link: see to its cable.", name);
    return NULL;
}

struct finding doctor_interfaces(const struct doctor *doctor)
{
    const struct cluster_config *config = doctor->config;
    struct netlink *netlink;
    char *wrong = NULL;
    size_t count = 0;

    if (netlink_open(&netlink))
        return finding_bad(FINDING_WARNING, memory_copy_text("not known"), NULL);
    for (size_t i = 0; i < config->network_count && !wrong; i++) {
        if (!config->networks[i].device)
            continue;
        wrong = examine_interface(netlink, config->networks[i].device);
        count++;
    }
    netlink_close(netlink);
    if (wrong)
        return finding_bad(FINDING_MISSING, memory_copy_text("not as the configuration says"),
                           wrong);
    return finding_ok(count ? memory_format("%zu, up", count) : memory_copy_text(not_needed));
}

/* ---- addresses ---- */

/* All of 127.0.0.0/8 is. Port 0 disturbs nobody. */
static bool is_here(const struct address *address)
{
    struct address any_port = *address;
    struct sockaddr_storage at;
    int fd;
    bool is_bound;

    any_port.port = 0;
    socklen_t length = address_to_socket(&any_port, &at);

    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    is_bound = fd >= 0 && !bind(fd, (struct sockaddr *)&at, length);
    if (fd >= 0)
        close(fd);
    return is_bound;
}

static char *find_foreign(const struct address *address, int line, const void *owner)
{
    char text[ADDRESS_TEXT_SIZE];

    (void)line, (void)owner;
    return is_here(address) ? NULL : memory_copy_text(address_format_host(address, text));
}

static char *find_own(const struct address *address, int line, const void *owner)
{
    struct netlink *const *netlink = owner;
    char text[ADDRESS_TEXT_SIZE];

    (void)line;
    return netlink_find_address(*netlink, address)
               ? memory_copy_text(address_format_host(address, text))
               : NULL;
}

static struct finding say_foreign(char *address)
{
    struct finding finding = finding_bad(
        FINDING_MISSING, memory_format("%s is not this machine's", address),
        memory_format("network = loopback takes addresses of 127.0.0.0/8, or ones that the machine "
                      "has: \"ip address add %s/24 dev eth1\".",
                      address));

    free(address);
    return finding;
}

static struct finding say_taken(char *address)
{
    struct finding finding =
        finding_bad(FINDING_MISSING, memory_format("%s is this machine's already", address),
                    memory_copy_text("The cluster brings its own addresses: choose free ones."));

    free(address);
    return finding;
}

static struct finding examine_loopback(const struct doctor *doctor)
{
    char *bad = doctor_visit_addresses(doctor->config, find_foreign, NULL);

    return bad ? say_foreign(bad) : finding_ok(memory_copy_text("all are this machine's"));
}

struct finding doctor_addresses(const struct doctor *doctor)
{
    struct netlink *netlink;
    char *bad = NULL;

    if (doctor->config->network == NETWORK_LOOPBACK)
        return examine_loopback(doctor);
    if (doctor->is_running)
        return finding_ok(memory_copy_text("in use by the cluster that runs"));
    if (!netlink_open(&netlink)) {
        bad = doctor_visit_addresses(doctor->config, find_own, &netlink);
        netlink_close(netlink);
    }
    return bad ? say_taken(bad) : finding_ok(memory_copy_text("none is this machine's yet"));
}

/* ---- leftovers ---- */

struct finding doctor_leftovers(const struct doctor *doctor)
{
    char *path = memory_format("%s/network", doctor->directory);
    bool is_left = !doctor->is_running && !access(path, F_OK);

    free(path);
    if (!is_left)
        return finding_ok(memory_copy_text("none of an earlier run"));
    return finding_bad(FINDING_WARNING,
                       memory_copy_text("namespaces, links or addresses of an earlier run"),
                       memory_copy_text("\"sim-cluster cleanup\" removes them, as does the next "
                                        "\"up\"."));
}
