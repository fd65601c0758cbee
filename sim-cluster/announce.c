#include "sim-cluster/announce.h"

#include "sim-cluster/map.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { TARGETS_PER_S = 500 }; /* that a node opens on a busy machine, at least */

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
    if (reply && error)
        announcement->process->map_sent = 0; /* whatever it has: the next one is whole */
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
    if (reply && error)
        process->map_sent = 0;
    if (!error) {
        process->map_known = announcement->generation;
        moves_holder_applied(announcement->node, process->subject);
    } else if (reply) {
        moves_holder_refused(announcement->node, process, error);
    } else {
        fail(announcement, error);
    }
    free(announcement);
}

/* Many processes are sent the same: the whole map, or what those of floating IPs are told. */
struct text {
    struct list link;
    struct map_recipient to;
    struct buffer json;
};

static bool is_same(const struct map_recipient *a, const struct map_recipient *b)
{
    return a->reader == b->reader && a->since == b->since &&
           (!a->since || a->reader == MAP_FOR_PORTALGROUP || a->node == b->node);
}

static const struct text *get_text(struct list *texts, const struct cluster *cluster,
                                   const struct map_recipient *to)
{
    struct text *text;

    LIST_FOR_EACH (link, texts) {
        text = container_of(link, struct text, link);
        if (is_same(&text->to, to))
            return text;
    }
    text = memory_new(sizeof(*text));
    text->to = *to;
    map_write_change(&text->json, cluster, to);
    list_append(texts, &text->link);
    return text;
}

static void free_texts(struct list *texts)
{
    LIST_FOR_EACH_SAFE (link, texts) {
        struct text *text = container_of(link, struct text, link);

        list_remove(link);
        buffer_free(&text->json);
        free(text);
    }
}

/* A node may have to open many volumes. */
static double deadline_s(const struct cluster *cluster)
{
    return NODE_MAP_DEADLINE_S + (double)cluster->target_count / TARGETS_PER_S;
}

static void send_map(struct node *node, struct process *process, struct list *texts)
{
    struct cluster *cluster = &node->supervisor->cluster;
    enum map_reader reader = process->subject ? MAP_FOR_PORTALGROUP : MAP_FOR_TARGET;
    struct announcement *announcement = memory_new(sizeof(*announcement));
    const struct map_recipient to = {reader, node->state, map_base(cluster, process->map_sent)};
    const struct text *text = get_text(texts, cluster, &to);

    *announcement = (struct announcement){node, process, cluster->generation};
    node->supervisor->announcing++;
    process->wants_map = false;
    process->map_sent = cluster->generation;
    if (reader == MAP_FOR_TARGET)
        node->announced = cluster->generation;
    process_request_text(
        process, buffer_content(&text->json), text->json.length, deadline_s(cluster),
        reader == MAP_FOR_TARGET ? on_target_replied : on_holder_replied, announcement);
}

void announce_to_process(struct node *node, struct process *process)
{
    process->wants_map = true;
    node->supervisor->maps_wanted = true;
}

void announce_wanted(struct supervisor *supervisor)
{
    struct list texts;

    if (!supervisor->maps_wanted)
        return;
    supervisor->maps_wanted = false;
    list_init(&texts);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        LIST_FOR_EACH (link, &node->processes) {
            struct process *process = container_of(link, struct process, link);

            if (process->wants_map)
                send_map(node, process, &texts);
        }
    }
    free_texts(&texts);
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
    map_stamp(&supervisor->cluster);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        if (node->target && is_listening(node))
            announce_to_process(node, node->target);
    }
    announce_wanted(supervisor);
}

void announce_published(struct supervisor *supervisor)
{
    supervisor->published_stale = false;
    supervisor->published = ++supervisor->cluster.generation;
    map_stamp(&supervisor->cluster);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        LIST_FOR_EACH (link, &node->processes) {
            struct process *process = container_of(link, struct process, link);

            if (process->subject && !process->is_expected && is_listening(node))
                announce_to_process(node, process);
        }
    }
    announce_wanted(supervisor);
}

static bool redirects(const struct node *node, const struct process *process)
{
    return process->subject && !process->is_expected && !process->is_ended && is_listening(node) &&
           node->state->state != NODE_FROZEN;
}

bool announce_is_known(const struct supervisor *supervisor, int64_t generation)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        const struct node *node = &supervisor->nodes[i];

        LIST_FOR_EACH (link, &node->processes) {
            const struct process *process = container_of(link, struct process, link);

            if (redirects(node, process) && process->map_known < generation)
                return false;
        }
    }
    return true;
}

bool announce_is_all_known(const struct supervisor *supervisor)
{
    return !supervisor->targets_stale && !supervisor->published_stale &&
           announce_is_known(supervisor, supervisor->published);
}
