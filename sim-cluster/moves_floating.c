#include "sim-cluster/moves_parts.h"

#include "sim-cluster/fault_addresses.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STOP_DEADLINE_S 1.0

/* The old holder is rid of the address before another one gets it. */
void moves_lose_floating_ip(struct supervisor *supervisor, struct cluster_floating_ip *floating,
                            double may_place_at)
{
    network_remove_address(&supervisor->network, floating->node, &floating->config->subnet.address);
    floating->phase = FLOATING_NOWHERE;
    floating->node = 0;
    floating->may_place_at = may_place_at;
}

/* It could not even begin. */
static void lose_at_once(struct supervisor *supervisor, struct cluster_floating_ip *floating,
                         int error)
{
    char address[ADDRESS_TEXT_SIZE];
    char *why = memory_format("node %d cannot hold %s: %s", floating->node,
                              address_format_host(&floating->config->subnet.address, address),
                              strerror(-error));

    log_line(LOG_ERROR, "%s", why);
    if (supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(supervisor, why);
    free(why);
    moves_lose_floating_ip(supervisor, floating, ev_now(supervisor->loop) + MOVES_RETRY_S);
}

void moves_place_floating_ip(struct supervisor *supervisor, struct cluster_floating_ip *floating)
{
    int number = cluster_place_floating_ip(&supervisor->cluster, floating), error;

    if (!number)
        return;
    floating->phase = FLOATING_STARTING;
    floating->node = number;
    supervisor->published_stale = true;
    if (!floating->home)
        floating->home = number;
    error = node_hold(supervisor_find_node(supervisor, number), floating);
    if (error)
        lose_at_once(supervisor, floating, error);
}

void moves_take_down(struct node *node, struct cluster_floating_ip *floating, const char *why)
{
    char address[ADDRESS_TEXT_SIZE];

    if (floating->phase == FLOATING_UP) {
        floating->previous = floating->node;
        floating->stopped_at =
            node->state->stage == STAGE_SERVING ? node_now(node) : node->failed_at;
        event(EVENT_FLOATING_IP_DOWN,
              text("address", address_format_host(&floating->config->subnet.address, address)),
              number("node", node_number(node)), text("reason", why));
    }
    floating->phase = FLOATING_STOPPING;
    node->supervisor->published_stale = true;
}

static void on_stopped(void *owner, json_t *reply, const char *error)
{
    struct process *process = owner;

    (void)reply;
    if (error && !process->is_ended)
        process_signal(process, SIGKILL);
}

void moves_stop_floating_ip(struct node *from, struct cluster_floating_ip *floating, int to)
{
    struct process *process = supervisor_find_holder(from, floating);

    moves_take_down(from, floating, "moves");
    floating->wanted = to;
    process->is_expected = true;
    process_request(process, json_pack("{s:s}", "request", "stop"), STOP_DEADLINE_S, on_stopped,
                    process);
}

/* Everybody is told, unless a fault is in the way. */
static void announce(struct node *node, const struct cluster_floating_ip *floating)
{
    double delay_s = fault_addresses_delay(&node->supervisor->faults, floating);

    if (delay_s >= 0)
        network_announce(&node->supervisor->network, node_number(node),
                         &floating->config->subnet.address, delay_s);
}

void moves_holder_applied(struct node *node, struct cluster_floating_ip *floating)
{
    char address[ADDRESS_TEXT_SIZE];

    if (floating->phase != FLOATING_STARTING || floating->node != node_number(node))
        return;
    floating->phase = FLOATING_UP;
    floating->wanted = 0;
    announce(node, floating);
    event(EVENT_FLOATING_IP_UP,
          text("address", address_format_host(&floating->config->subnet.address, address)),
          number("node", node_number(node)), moves_node_field("from", floating->previous),
          number("duration_ms", moves_milliseconds_since(node, floating->stopped_at)));
}

void moves_holder_refused(struct node *node, struct process *process, const char *error)
{
    struct cluster_floating_ip *floating = process->subject;

    if (node->supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(node->supervisor, error);
    log_line(LOG_ERROR, "node %d: %s", node_number(node), error);
    if (floating->node == node_number(node)) {
        moves_take_down(node, floating, error);
        floating->may_place_at = node_now(node) + MOVES_RETRY_S;
    }
    process->is_expected = true;
    process_signal(process, SIGKILL);
}

void moves_holder_ended(struct node *node, struct cluster_floating_ip *floating)
{
    if (floating->phase == FLOATING_STOPPING && floating->node == node_number(node) &&
        node->state->stage == STAGE_SERVING)
        moves_lose_floating_ip(node->supervisor, floating, floating->may_place_at);
}
