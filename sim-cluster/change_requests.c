#include "sim-cluster/change_requests.h"

#include "sim-cluster/exports.h"
#include "sim-cluster/pending.h"
#include "sim-cluster/server.h"
#include "sim-cluster/volumes.h"
#include "target/base/segment.h"

#include <stdlib.h>
#include <string.h>

#define DEADLINE_S 20.0

static const char *text_of(json_t *message, const char *key)
{
    const char *value = json_string_value(json_object_get(message, key));

    return value ? value : "";
}

static bool is_announced(const struct supervisor *supervisor)
{
    return !supervisor->targets_stale && !supervisor->published_stale && !supervisor->announcing;
}

static json_t *check_announced(struct supervisor *supervisor, const struct pending *pending)
{
    return is_announced(supervisor) ? pending_done(supervisor, pending) : NULL;
}

/* The next map tells everybody; then the client is answered. */
static json_t *announce(struct client *client, struct pending pending)
{
    struct supervisor *supervisor = client->server->supervisor;

    supervisor->targets_stale = supervisor->published_stale = true;
    pending.client = client->control;
    pending_add(supervisor, &pending, DEADLINE_S);
    return NULL;
}

/* ---- sizes ---- */

static json_t *refuse_size(const struct cluster_target *target, uint64_t size, bool is_forced)
{
    const struct volume_config *volume = target->config;

    if (target->phase != TARGET_SERVING)
        return pending_error("no node serves %s now: try again when one does", volume->name);
    if (!size || size % (uint64_t)volume->block_size)
        return pending_error("the size of volume %s must be a multiple of %d", volume->name,
                             volume->block_size);
    if (segment_count(size) != segment_count(target->size))
        return pending_error("volume %s cannot pass a multiple of 8T while it is served: give it "
                             "its new size in the configuration, then down and up",
                             volume->name);
    if (size < target->size && !is_forced)
        return pending_error("volume %s has %llu bytes: what is beyond the new end would be lost; "
                             "--force shrinks it all the same",
                             volume->name, (unsigned long long)target->size);
    return NULL;
}

/* A smaller disk is told first, then the file is cut. */
static json_t *check_resized(struct supervisor *supervisor, const struct pending *pending)
{
    const struct cluster_target *target = pending->target;
    int error;

    if (!is_announced(supervisor))
        return NULL;
    error = volumes_resize(target->config, supervisor->directory, target->size);
    return error ? pending_error("cannot cut the file of volume %s: %s", target->config->name,
                                 strerror(-error))
                 : pending_done(supervisor, pending);
}

json_t *change_answer_volume(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;
    struct cluster_target *target =
        cluster_find_target(&supervisor->cluster, text_of(message, "volume"));
    uint64_t size = (uint64_t)json_integer_value(json_object_get(message, "size"));
    json_t *refusal;
    int error = 0;

    if (!target)
        return pending_error("there is no volume %s; \"sim-cluster status\" lists them",
                             text_of(message, "volume"));
    refusal = refuse_size(target, size, json_is_true(json_object_get(message, "force")));
    if (refusal)
        return refusal;
    if (size > target->size)
        error = volumes_resize(target->config, supervisor->directory, size);
    if (error)
        return pending_error("volume %s cannot have %llu bytes: %s", target->config->name,
                             (unsigned long long)size, strerror(-error));
    event(EVENT_VOLUME_RESIZED, text("volume", target->config->name),
          text("target", target->config->target), number("size", (int64_t)size),
          number("was", (int64_t)target->size));
    target->size = size;
    return announce(client, (struct pending){.check = check_resized, .target = target});
}

json_t *change_answer_pool(struct client *client, json_t *message)
{
    struct cluster *cluster = &client->server->supervisor->cluster;
    struct cluster_pool *pool = cluster_find_pool(cluster, text_of(message, "pool"));
    uint64_t size = (uint64_t)json_integer_value(json_object_get(message, "size"));

    if (!pool)
        return pending_error("there is no pool %s", text_of(message, "pool"));
    if (!size)
        return pending_error("a pool needs a size");
    event(EVENT_POOL_RESIZED, text("pool", pool->config->name), number("size", (int64_t)size),
          number("was", (int64_t)pool->size));
    pool->size = size;
    return announce(client, (struct pending){.check = check_announced});
}

/* ---- exports ---- */

static bool is_known(const struct cluster_config *config, const char *initiator)
{
    for (size_t i = 0; i < config->initiator_count; i++)
        if (!strcmp(config->initiators[i].name, initiator) ||
            !strcmp(config->initiators[i].name, "*"))
            return true;
    return !strcmp(initiator, "*");
}

static json_t *add(struct cluster *cluster, int target, int group, const char *initiator)
{
    const struct cluster_target *state = &cluster->targets[target];
    const struct cluster_node *node = cluster_find_node(cluster, state->controller);

    if (!is_known(cluster->config, initiator))
        return pending_error("there is no initiator %s", initiator);
    if (node && !(node->groups & UINT64_C(1) << group))
        return pending_error("node %d, which serves %s, has no portal in portal group %s",
                             state->controller, state->config->name,
                             cluster->groups[group].config->name);
    if (!exports_add(cluster, target, group, initiator))
        return pending_error("%s is exported to %s in portal group %s already", state->config->name,
                             initiator, cluster->groups[group].config->name);
    event(EVENT_EXPORT_ADDED, text("volume", state->config->name),
          text("target", state->config->target),
          text("portal_group", cluster->groups[group].config->name), text("initiator", initiator));
    return NULL;
}

static json_t *take_away(struct cluster *cluster, int target, int group, const char *initiator)
{
    const struct cluster_target *state = &cluster->targets[target];

    if (!exports_remove(cluster, target, group, initiator))
        return pending_error("%s is not exported to %s in portal group %s", state->config->name,
                             initiator ? initiator : "anybody",
                             cluster->groups[group].config->name);
    event(EVENT_EXPORT_REMOVED, text("volume", state->config->name),
          text("target", state->config->target),
          text("portal_group", cluster->groups[group].config->name), text("initiator", initiator));
    return NULL;
}

json_t *change_answer_export(struct client *client, json_t *message)
{
    struct cluster *cluster = &client->server->supervisor->cluster;
    const char *verb = text_of(message, "verb");
    const char *initiator = json_string_value(json_object_get(message, "initiator"));
    int target = cluster_find_volume(cluster, text_of(message, "volume"));
    int group = cluster_config_find_group(cluster->config, text_of(message, "portal_group"));
    json_t *refusal;

    if (target < 0)
        return pending_error("there is no volume %s; \"sim-cluster status\" lists them",
                             text_of(message, "volume"));
    if (group < 0)
        return pending_error("there is no portal group %s; \"sim-cluster status\" lists them",
                             text_of(message, "portal_group"));
    if (!strcmp(verb, "add"))
        refusal = add(cluster, target, group, initiator ? initiator : "*");
    else if (!strcmp(verb, "remove"))
        refusal = take_away(cluster, target, group, initiator);
    else
        refusal = pending_error("an export can be added or removed");
    return refusal ? refusal : announce(client, (struct pending){.check = check_announced});
}

/* ---- access states ---- */

/* -1: there is none of that name. */
static int find_state(const char *name)
{
    for (int i = 0; alua_state_names[i]; i++)
        if (!strcmp(alua_state_names[i], name))
            return i;
    return -1;
}

json_t *change_answer_alua(struct client *client, json_t *message)
{
    struct cluster *cluster = &client->server->supervisor->cluster;
    const char *name = text_of(message, "portal_group");
    int number = cluster_config_find_group(cluster->config, name);
    int state = find_state(text_of(message, "state"));
    struct cluster_group *group;

    if (number < 0)
        return pending_error("there is no portal group %s; \"sim-cluster status\" lists them",
                             name);
    if (state < 0)
        return pending_error("a portal group cannot be %s: optimized, non_optimized, standby, "
                             "unavailable or transitioning",
                             text_of(message, "state"));
    group = &cluster->groups[number];
    if (group->config->alua == ALUA_OFF)
        return pending_error("portal group %s has alua = off in the configuration", name);
    event(EVENT_ALUA_CHANGED, text("portal_group", name), text("state", alua_state_names[state]),
          text("was", alua_state_names[group->alua_state]));
    group->alua_state = state;
    return announce(client, (struct pending){.check = check_announced});
}
