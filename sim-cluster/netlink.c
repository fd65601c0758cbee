#include "sim-cluster/netlink.h"

#include "target/base/memory.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/veth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct netlink {
    struct nl_sock *socket;
};

/* The library has numbers of its own. */
static int error_of(int code)
{
    static const struct {
        int code, error;
    } errors[] = {
        {NLE_EXIST, EEXIST}, {NLE_PERM, EPERM},           {NLE_NOACCESS, EACCES},
        {NLE_NODEV, ENODEV}, {NLE_OBJ_NOTFOUND, ENODEV},  {NLE_NOADDR, EADDRNOTAVAIL},
        {NLE_BUSY, EBUSY},   {NLE_OPNOTSUPP, EOPNOTSUPP}, {NLE_NOMEM, ENOMEM},
        {NLE_RANGE, ERANGE}, {NLE_INVAL, EINVAL},         {NLE_AF_NOSUPPORT, EAFNOSUPPORT},
    };

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (errors[i].code == -code)
            return -errors[i].error;
    return code ? -EIO : 0;
}

int netlink_open(struct netlink **netlink)
{
    struct netlink *opened = memory_new(sizeof(*opened));
    int error;

    opened->socket = nl_socket_alloc();
    error = opened->socket ? error_of(nl_connect(opened->socket, NETLINK_ROUTE)) : -ENOMEM;
    if (error) {
        netlink_close(opened);
        opened = NULL;
    }
    *netlink = opened;
    return error;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink && netlink->socket)
        nl_socket_free(netlink->socket);
    free(netlink);
}

/* ---- links ---- */

static void describe(struct rtnl_link *link, struct link_state *state)
{
    struct nl_addr *mac = rtnl_link_get_addr(link);
    const char *kind = rtnl_link_get_type(link), *alias = rtnl_link_get_ifalias(link);

    *state = (struct link_state){.index = rtnl_link_get_ifindex(link),
                                 .mtu = (int)rtnl_link_get_mtu(link)};
    if (mac && nl_addr_get_len(mac) == sizeof(state->mac))
        memcpy(state->mac, nl_addr_get_binary_addr(mac), sizeof(state->mac));
    state->is_up = rtnl_link_get_flags(link) & IFF_UP;
    state->has_carrier = rtnl_link_get_carrier(link);
    snprintf(state->kind, sizeof(state->kind), "%s", kind ? kind : "");
    snprintf(state->alias, sizeof(state->alias), "%s", alias ? alias : "");
}

int netlink_find_link(struct netlink *netlink, const char *name, struct link_state *state)
{
    struct rtnl_link *link;
    int error = error_of(rtnl_link_get_kernel(netlink->socket, 0, name, &link));

    if (error)
        return error;
    describe(link, state);
    rtnl_link_put(link);
    return 0;
}

static void set_mac(struct rtnl_link *link, const uint8_t mac[6])
{
    struct nl_addr *address = nl_addr_build(AF_LLC, mac, 6);

    rtnl_link_set_addr(link, address);
    nl_addr_put(address);
}

static void apply(struct rtnl_link *link, const struct link_plan *plan)
{
    rtnl_link_set_name(link, plan->name);
    if (plan->mac)
        set_mac(link, plan->mac);
    if (plan->mtu)
        rtnl_link_set_mtu(link, (unsigned)plan->mtu);
    if (plan->space >= 0)
        rtnl_link_set_ns_fd(link, plan->space);
    if (plan->master)
        rtnl_link_set_master(link, plan->master);
}

/* Takes the link. A new one has no alias, whatever is asked for. */
static int add(struct netlink *netlink, struct rtnl_link *link, const struct link_plan *plan)
{
    int error = error_of(rtnl_link_add(netlink->socket, link, NLM_F_CREATE | NLM_F_EXCL));
    struct link_state made;

    rtnl_link_put(link);
    if (error || !plan->alias)
        return error;
    error = netlink_find_link(netlink, plan->name, &made);
    return error ? error : netlink_set_alias(netlink, made.index, plan->alias);
}

int netlink_add_bridge(struct netlink *netlink, const struct link_plan *bridge)
{
    struct rtnl_link *link = rtnl_link_alloc();

    rtnl_link_set_type(link, "bridge");
    apply(link, bridge);
    return add(netlink, link, bridge);
}

int netlink_add_cable(struct netlink *netlink, const struct link_plan *near,
                      const struct link_plan *far)
{
    struct rtnl_link *link = rtnl_link_veth_alloc(), *peer = rtnl_link_veth_get_peer(link);

    apply(link, near);
    apply(peer, far);
    rtnl_link_put(peer);
    return add(netlink, link, near);
}

int netlink_add_macvlan(struct netlink *netlink, const struct link_plan *macvlan, int parent)
{
    struct rtnl_link *link = rtnl_link_macvlan_alloc();

    apply(link, macvlan);
    rtnl_link_set_link(link, parent);
    rtnl_link_macvlan_set_mode(link, MACVLAN_MODE_BRIDGE);
    return add(netlink, link, macvlan);
}

/* Takes `change`. */
static int change(struct netlink *netlink, int index, struct rtnl_link *change)
{
    struct rtnl_link *link = rtnl_link_alloc();
    int error;

    rtnl_link_set_ifindex(link, index);
    error = error_of(rtnl_link_change(netlink->socket, link, change, 0));
    rtnl_link_put(link);
    rtnl_link_put(change);
    return error;
}

int netlink_set_up(struct netlink *netlink, int index, bool is_up)
{
    struct rtnl_link *link = rtnl_link_alloc();

    if (is_up)
        rtnl_link_set_flags(link, IFF_UP);
    else
        rtnl_link_unset_flags(link, IFF_UP);
    return change(netlink, index, link);
}

int netlink_set_master(struct netlink *netlink, int index, int master)
{
    struct rtnl_link *link = rtnl_link_alloc();

    rtnl_link_set_master(link, master);
    return change(netlink, index, link);
}

int netlink_set_deaf(struct netlink *netlink, int index, bool is_deaf)
{
    struct rtnl_link *link = rtnl_link_alloc();

    if (is_deaf)
        rtnl_link_set_flags(link, IFF_NOARP);
    else
        rtnl_link_unset_flags(link, IFF_NOARP);
    return change(netlink, index, link);
}

int netlink_set_alias(struct netlink *netlink, int index, const char *alias)
{
    struct rtnl_link *link = rtnl_link_alloc();

    rtnl_link_set_ifalias(link, alias);
    return change(netlink, index, link);
}

int netlink_delete_link(struct netlink *netlink, int index)
{
    struct rtnl_link *link = rtnl_link_alloc();
    int error;

    rtnl_link_set_ifindex(link, index);
    error = error_of(rtnl_link_delete(netlink->socket, link));
    rtnl_link_put(link);
    return error;
}

void netlink_delete_links(struct netlink *netlink)
{
    struct nl_cache *cache;

    if (rtnl_link_alloc_cache(netlink->socket, AF_UNSPEC, &cache))
        return;
    for (struct nl_object *object = nl_cache_get_first(cache); object;
         object = nl_cache_get_next(object)) {
        struct rtnl_link *link = (struct rtnl_link *)object;

        if (!(rtnl_link_get_flags(link) & IFF_LOOPBACK))
            netlink_delete_link(netlink, rtnl_link_get_ifindex(link));
    }
    nl_cache_free(cache);
}

/* ---- addresses ---- */

static struct nl_addr *build_address(const struct address *address)
{
    return nl_addr_build(address->is_ipv6 ? AF_INET6 : AF_INET, address->bytes,
                         address->is_ipv6 ? 16 : 4);
}

static struct rtnl_addr *describe_address(int index, const struct subnet *address)
{
    struct rtnl_addr *entry = rtnl_addr_alloc();
    struct nl_addr *local = build_address(&address->address);

    nl_addr_set_prefixlen(local, address->prefix);
    rtnl_addr_set_ifindex(entry, index);
    rtnl_addr_set_local(entry, local);
    if (address->address.is_ipv6)
        rtnl_addr_set_flags(entry, IFA_F_NODAD);
    nl_addr_put(local);
    return entry;
}

int netlink_add_address(struct netlink *netlink, int index, const struct subnet *address)
{
    struct rtnl_addr *entry = describe_address(index, address);
    int error = error_of(rtnl_addr_add(netlink->socket, entry, NLM_F_CREATE | NLM_F_EXCL));

    rtnl_addr_put(entry);
    return error;
}

int netlink_remove_address(struct netlink *netlink, int index, const struct subnet *address)
{
    struct rtnl_addr *entry = describe_address(index, address);
    int error = error_of(rtnl_addr_delete(netlink->socket, entry, 0));

    rtnl_addr_put(entry);
    return error;
}

static bool is_address(struct nl_object *object, const struct address *address)
{
    struct nl_addr *local = rtnl_addr_get_local((struct rtnl_addr *)object);
    unsigned size = address->is_ipv6 ? 16 : 4;

    return local && nl_addr_get_len(local) == size &&
           !memcmp(nl_addr_get_binary_addr(local), address->bytes, size);
}

int netlink_find_address(struct netlink *netlink, const struct address *address)
{
    struct nl_cache *cache;
    int index = 0;

    if (rtnl_addr_alloc_cache(netlink->socket, &cache))
        return 0;
    for (struct nl_object *object = nl_cache_get_first(cache); object && !index;
         object = nl_cache_get_next(object))
        if (is_address(object, address))
            index = rtnl_addr_get_ifindex((struct rtnl_addr *)object);
    nl_cache_free(cache);
    return index;
}
