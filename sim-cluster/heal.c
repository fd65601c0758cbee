#include "sim-cluster/heal.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/node.h"
#include "sim-cluster/node_verbs.h"
#include "sim-cluster/pending.h"
#include "sim-cluster/server.h"

#define DEADLINE_S 30.0

static void heal_node(struct node *node)
{
    pending_check *check;

    if (node->state->state == NODE_UP)
        return;
    if (node->state->state == NODE_FROZEN && node->state->stage == STAGE_SERVING)
        json_decref(node_verbs_run(node, "thaw", &check));
    else if (node->state->state == NODE_FROZEN)
        node->wants_start = true; /* it is being given up */
    if (node->state->state != NODE_UP && node->state->state != NODE_FROZEN)
        json_decref(node_verbs_run(node, "start", &check));
}

static bool is_placed(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].phase != TARGET_SERVING)
            return false;
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].phase != FLOATING_UP)
            return false;
    return true;
}

static json_t *check_healed(struct supervisor *supervisor, const struct pending *pending)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        const struct node *node = &supervisor->nodes[i];

        if (node->state->stage == STAGE_GONE && !node->wants_start)
            return pending_error("node %d did not start: %s", node_number(node),
                                 node->why ? node->why : "it was stopped");
        if (node->state->stage != STAGE_SERVING || node->state->state != NODE_UP)
            return NULL;
    }
    if (!is_placed(&supervisor->cluster) || !announce_is_all_known(supervisor))
        return NULL;
    return pending_done(supervisor, pending);
}

json_t *heal_answer(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;

    (void)message;
    LIST_FOR_EACH_SAFE (link, &supervisor->faults.entries)
        fault_rules_clear(&supervisor->faults, container_of(link, struct fault_entry, link));
    fault_rules_send(&supervisor->faults);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        heal_node(&supervisor->nodes[i]);
    pending_add(supervisor, &(struct pending){.client = client->control, .check = check_healed},
                DEADLINE_S);
    return NULL;
}
