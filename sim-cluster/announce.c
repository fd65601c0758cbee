#include "sim-cluster/announce.h"

#include "sim-cluster/map.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <stdlib.h>

struct announcement {
    struct node *node;       /* borrowed */
    struct process *process; /* borrowed: alive when its replies come */
    int64_t generation;
};

static void fail(const struct announcement *announcement, const char *error)
{
    if (announcement->process->is_expected || announcement->process->is_ended)
        return;
    char *why = memory_format("its %s process: %s", announcement->process->name, error);

    node_fail(announcement->node, why);
    free(why);
}

static void count_reply(struct supervisor *supervisor)
{
    if (!--supervisor->announcing)
        event(EVENT_MAP_APPLIED, number("generation", supervisor->cluster.generation));
}

/* A node that cannot apply a map while it starts has failed. One that serves goes on serving, and
 * is asked again. */
static void on_target_replied(void *owner, json_t *reply, const char *error)
{
    struct announcement *announcement = owner;
    struct node *node = announcement->node;

    count_reply(node->supervisor);
    if (!error) {
        node_join(node);
        moves_node_applied(node, announcement->generation, json_object_get(reply, "failed"));
    } else if (!reply) {
        fail(announcement, error);
    } else if (node->state->stage == STAGE_STARTING) {
        node_fail(node, error);
    } else {
        log_line(LOG_ERROR, "node %d: %s", node->state->config->number, error);
        moves_node_refused(node, announcement->generation);
    }
    free(announcement);
}

static void on_holder_replied(void *owner, json_t *reply, const char *error)
{
    struct announcement *announcement = owner;
    struct process *process = announcement->process;

    count_reply(announcement->node->supervisor);
    if (!error)
        moves_holder_applied(announcement->node, process->subject);
    else if (reply)
        moves_holder_refused(announcement->node, process, error);
    else
        fail(announcement, error);
    free(announcement);
}

static void send_map(struct node *node, struct process *process, enum map_reader reader)
{
    struct cluster *cluster = &node->supervisor->cluster;
    struct announcement *announcement = memory_new(sizeof(*announcement));

    *announcement = (struct announcement){node, process, cluster->generation};
    node->supervisor->announcing++;
    process_request(process, map_build(cluster, reader), NODE_MAP_DEADLINE_S,
                    reader == MAP_FOR_TARGET ? on_target_replied : on_holder_replied, announcement);
}

void announce_to_node(struct node *node)
{
    node->announced = node->supervisor->cluster.generation;
    send_map(node, node->target, MAP_FOR_TARGET);
}

void announce_to_holder(struct node *node, struct process *process)
{
    send_map(node, process, MAP_FOR_PORTALGROUP);
}

static bool is_listening(const struct node *node)
{
    return !node->is_silenced &&
           (node->state->stage == STAGE_STARTING || node->state->stage == STAGE_SERVING);
}

static void stamp_assignments(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].phase == TARGET_OPENING && !cluster->targets[i].assigned)
            cluster->targets[i].assigned = cluster->generation;
}

void announce_to_targets(struct supervisor *supervisor)
{
    supervisor->targets_stale = false;
    supervisor->cluster.generation++;
    stamp_assignments(&supervisor->cluster);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        if (node->target && is_listening(node))
            announce_to_node(node);
    }
}

void announce_published(struct supervisor *supervisor)
{
    supervisor->published_stale = false;
    supervisor->cluster.generation++;
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        LIST_FOR_EACH (link, &node->processes) {
            struct process *process = container_of(link, struct process, link);

            if (process->subject && !process->is_expected && is_listening(node))
                announce_to_holder(node, process);
        }
    }
}
