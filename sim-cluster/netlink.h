/* Links and addresses of one network namespace, by rtnetlink. Errors are -errno. */
#pragma once

#include "target/base/address.h"

#include <net/if.h>
#include <stdint.h>

enum { LINK_ALIAS_SIZE = 256, LINK_KIND_SIZE = 16 };

struct netlink;

struct link_state {
    int index, mtu;
    uint8_t mac[6];
    bool is_up, has_carrier;
    char kind[LINK_KIND_SIZE]; /* "bridge"; empty: a plain interface */
    char alias[LINK_ALIAS_SIZE];
};

/* What a new link is like. */
struct link_plan {
    const char *name;
    const char *alias;  /* NULL: none */
    const uint8_t *mac; /* NULL: the kernel chooses */
    int mtu;            /* 0: as usual */
    int space;          /* descriptor of the namespace it is made in; -1: this one */
    int master;         /* index of the bridge it joins; 0: none */
};

/* Of the namespace that the caller is in, for good. 0 or -errno. */
int netlink_open(struct netlink **netlink);
void netlink_close(struct netlink *netlink);

/* -ENODEV: there is none of that name. */
int netlink_find_link(struct netlink *netlink, const char *name, struct link_state *state);

int netlink_add_bridge(struct netlink *netlink, const struct link_plan *bridge);
/* Two ends of one cable: `near` in this namespace, `far` anywhere. */
int netlink_add_cable(struct netlink *netlink, const struct link_plan *near,
                      const struct link_plan *far);
int netlink_add_macvlan(struct netlink *netlink, const struct link_plan *macvlan, int parent);

int netlink_set_up(struct netlink *netlink, int index, bool is_up);
/* Joins the bridge of that index; 0: leaves the one it is in. */
int netlink_set_master(struct netlink *netlink, int index, int master);
/* Answers no ARP itself. */
int netlink_set_deaf(struct netlink *netlink, int index, bool is_deaf);
int netlink_set_alias(struct netlink *netlink, int index, const char *alias);
int netlink_delete_link(struct netlink *netlink, int index);
/* All but the loopback interface. */
void netlink_delete_links(struct netlink *netlink);

/* In force at once: IPv6 without duplicate address detection. */
int netlink_add_address(struct netlink *netlink, int index, const struct subnet *address);
int netlink_remove_address(struct netlink *netlink, int index, const struct subnet *address);
/* Has any link of the namespace the address, whatever its prefix? The index of that link; 0: none.
 */
int netlink_find_address(struct netlink *netlink, const struct address *address);
