#include "sim-cluster/fault_addresses.h"

#include "sim-cluster/node.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <signal.h>
#include <string.h>

char *fault_addresses_check(const struct supervisor *supervisor, const struct fault_rule *rule)
{
    enum network_kind mode = supervisor->config->network;

    if (!strcmp(rule->kind->name, "floating_ip.duplicate") && mode != NETWORK_NETNS)
        return memory_copy_text("floating_ip.duplicate needs network = netns: elsewhere two nodes "
                                "cannot have one address");
    if (!strcmp(rule->kind->name, "floating_ip.unannounced") && mode == NETWORK_LOOPBACK)
        return memory_copy_text("floating_ip.unannounced needs network = netns or host: nothing is "
                                "announced on the loopback interface");
    return NULL;
}

/* ---- nobody is told ---- */

static bool is_about(const struct fault_rules *rules, const struct fault_entry *entry,
                     const struct cluster_floating_ip *floating)
{
    const struct fault_rule *rule = entry->rule;
    const struct fault_value *node = &rule->values[FAULT_KEY_NODE];

    return cluster_find_floating_ip(&rules->supervisor->cluster,
                                    fault_parameter(rule, "address")->text) == floating &&
           (!node->is_given || node->number == floating->node);
}

double fault_addresses_delay(struct fault_rules *rules, const struct cluster_floating_ip *floating)
{
    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);
        const struct fault_value *time;

        if (strcmp(entry->rule->kind->name, "floating_ip.unannounced") ||
            !is_about(rules, entry, floating) || !fault_rules_is_active(rules, entry) ||
            !fault_rules_strike(rules, entry))
            continue;
        time = fault_parameter(entry->rule, "time");
        return time->is_given ? (double)time->number / 1000 : -1;
    }
    return 0;
}

/* ---- two answer ---- */

static bool can_double(const struct node *node, const struct fault_entry *entry,
                       const struct cluster_floating_ip *floating)
{
    const struct fault_value *wanted = &entry->rule->values[FAULT_KEY_NODE];

    return node_number(node) != floating->node && node->state->state == NODE_UP &&
           node->state->stage == STAGE_SERVING &&
           (!wanted->is_given || wanted->number == node_number(node));
}

static void begin(struct fault_rules *rules, struct fault_entry *entry, struct node *node,
                  struct cluster_floating_ip *floating)
{
    const struct address *address = &floating->config->subnet.address;
    int error;

    if (!fault_rules_strike(rules, entry))
        return;
    error = node_hold(node, floating);
    if (error) {
        log_line(LOG_ERROR, "%s: node %d cannot answer, too: %s", entry->rule->id,
                 node_number(node), strerror(-error));
        return;
    }
    entry->second = node_number(node);
    network_announce(&rules->supervisor->network, node_number(node), address, 0);
}

void fault_addresses_double(struct fault_rules *rules, struct fault_entry *entry,
                            struct cluster_floating_ip *floating)
{
    struct supervisor *supervisor = rules->supervisor;
    struct node *second = supervisor_find_node(supervisor, entry->second);

    if (second && (!can_double(second, entry, floating) || floating->phase != FLOATING_UP))
        fault_addresses_end(rules, entry, floating);
    for (size_t i = 0; i < supervisor->cluster.node_count && !entry->second; i++)
        if (floating->phase == FLOATING_UP && can_double(&supervisor->nodes[i], entry, floating))
            begin(rules, entry, &supervisor->nodes[i], floating);
}

void fault_addresses_end(struct fault_rules *rules, struct fault_entry *entry,
                         struct cluster_floating_ip *floating)
{
    struct supervisor *supervisor = rules->supervisor;
    struct node *second = supervisor_find_node(supervisor, entry->second);
    struct process *process = second ? supervisor_find_holder(second, floating) : NULL;

    entry->second = 0;
    if (!process || floating->node == node_number(second))
        return;
    process->is_expected = true;
    process_signal(process, SIGKILL);
    network_remove_address(&supervisor->network, node_number(second),
                           &floating->config->subnet.address);
    if (floating->phase == FLOATING_UP) /* who has learned the wrong one learns the right one */
        network_announce(&supervisor->network, floating->node, &floating->config->subnet.address,
                         0);
}
