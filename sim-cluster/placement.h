/* Where things go: pure decisions over a picture of the nodes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct placement_node {
    int number;
    bool can_take;   /* up and not draining */
    bool is_near;    /* has a portal in the floating IP's own subnet */
    uint64_t groups; /* bit n: has a portal in portal group n */
    unsigned targets, floating_ips;
};

/* The node for a target exported in all of `groups`: fewest targets, then the lowest number.
 * 0: none can take it. */
int placement_for_target(const struct placement_node *nodes, size_t count, uint64_t groups);

/* The node for a floating IP of a portal group: near before far, fewest floating IPs, then fewest
 * targets, then the lowest number. 0: none. */
int placement_for_floating_ip(const struct placement_node *nodes, size_t count, int group);
