#include "sim-cluster/requests.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/change_requests.h"
#include "sim-cluster/fault_requests.h"
#include "sim-cluster/heal.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "sim-cluster/node_verbs.h"
#include "sim-cluster/pending.h"
#include "sim-cluster/server.h"
#include "sim-cluster/status.h"
#include "sim-cluster/status_requests.h"

#include <stdlib.h>
#include <string.h>

#define MOVE_MARGIN_S 20.0

/* ---- moves ---- */

static double move_deadline(const struct supervisor *supervisor)
{
    return supervisor->config->drain_timeout_ms / 1000.0 + MOVE_MARGIN_S;
}

static json_t *check_target(struct supervisor *supervisor, const struct pending *pending)
{
    const struct cluster_target *target = pending->target;

    if (target->phase != TARGET_SERVING || !announce_is_all_known(supervisor))
        return NULL;
    if (target->controller == pending->wanted)
        return pending_done(supervisor, pending);
    return pending_error("%s is on node %d, not on node %d: see sim-cluster events",
                         target->config->name, target->controller, pending->wanted);
}

static json_t *check_floating_ip(struct supervisor *supervisor, const struct pending *pending)
{
    const struct cluster_floating_ip *floating = pending->floating;

    if (floating->phase != FLOATING_UP)
        return NULL;
    if (floating->node == pending->wanted)
        return pending_done(supervisor, pending);
    return pending_error("it is on node %d, not on node %d: see sim-cluster events", floating->node,
                         pending->wanted);
}

/* NULL: the node can take it. */
static json_t *refuse_goal(const struct node *node, int number, int from, uint64_t groups)
{
    if (!node)
        return pending_error("there is no node %d; \"sim-cluster status\" lists them", number);
    if (node->state->state != NODE_UP || node->state->stage != STAGE_SERVING)
        return pending_error("node %d is %s, not up", number, node_state_names[node->state->state]);
    if (from == number)
        return pending_error("it is on node %d already", number);
    if ((node->state->groups & groups) != groups)
        return pending_error("node %d has no portal in every portal group that needs one", number);
    return NULL;
}

static json_t *refuse_origin(struct supervisor *supervisor, int from)
{
    const struct node *node = supervisor_find_node(supervisor, from);

    return moves_can_leave(node)
               ? NULL
               : pending_error(
                     "node %d, where it is, does not answer: it cannot be asked to let go", from);
}

static json_t *answer_target(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;
    const char *volume = json_string_value(json_object_get(message, "volume"));
    int number = (int)json_integer_value(json_object_get(message, "node"));
    struct cluster_target *target = cluster_find_target(&supervisor->cluster, volume ? volume : "");
    json_t *refusal;

    if (!target)
        return pending_error("there is no volume %s; \"sim-cluster status\" lists them",
                             volume ? volume : "without a name");
    refusal = refuse_goal(supervisor_find_node(supervisor, number), number, target->controller,
                          target->groups);
    if (!refusal && target->phase != TARGET_SERVING)
        refusal = pending_error("%s is on its way already", target->config->name);
    if (!refusal)
        refusal = refuse_origin(supervisor, target->controller);
    if (refusal)
        return refusal;
    moves_release_target(supervisor_find_node(supervisor, target->controller), target, number);
    pending_add(
        supervisor,
        &(struct pending){
            .client = client->control, .check = check_target, .target = target, .wanted = number},
        move_deadline(supervisor));
    return NULL;
}

static json_t *answer_floating_ip(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;
    const char *address = json_string_value(json_object_get(message, "address"));
    int number = (int)json_integer_value(json_object_get(message, "node"));
    struct cluster_floating_ip *floating =
        cluster_find_floating_ip(&supervisor->cluster, address ? address : "");
    json_t *refusal;

    if (!floating)
        return pending_error("there is no floating IP %s; \"sim-cluster status\" lists them",
                             address ? address : "without a name");
    refusal = refuse_goal(supervisor_find_node(supervisor, number), number, floating->node,
                          UINT64_C(1) << floating->group);
    if (!refusal && floating->phase != FLOATING_UP)
        refusal = pending_error("%s is on its way already", address);
    if (!refusal)
        refusal = refuse_origin(supervisor, floating->node);
    if (refusal)
        return refusal;
    moves_stop_floating_ip(supervisor_find_node(supervisor, floating->node), floating, number);
    pending_add(supervisor,
                &(struct pending){.client = client->control,
                                  .check = check_floating_ip,
                                  .floating = floating,
                                  .wanted = number},
                move_deadline(supervisor));
    return NULL;
}

/* ---- the rest ---- */

static json_t *answer_node(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;
    int number = (int)json_integer_value(json_object_get(message, "node"));
    const char *verb = json_string_value(json_object_get(message, "verb"));
    struct node *node = supervisor_find_node(supervisor, number);
    struct pending pending = {.client = client->control, .node = node};
    json_t *refusal;

    if (!node)
        return pending_error("there is no node %d; \"sim-cluster status\" lists them", number);
    refusal = node_verbs_run(node, verb ? verb : "", &pending.check);
    if (!refusal)
        pending_add(supervisor, &pending, move_deadline(supervisor));
    return refusal;
}

static json_t *answer_events(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;

    (void)message;
    supervisor->flush_events(supervisor->owner);
    client->is_following = true;
    return json_pack("{s:b, s:I}", "ok", 1, "recorded", (json_int_t)supervisor->recorded);
}

static json_t *check_never(struct supervisor *supervisor, const struct pending *pending)
{
    (void)supervisor, (void)pending;
    return NULL; /* the end of the connection answers */
}

static json_t *answer_down(struct client *client, json_t *message)
{
    struct supervisor *supervisor = client->server->supervisor;

    (void)message;
    pending_add(supervisor, &(struct pending){.client = client->control, .check = check_never},
                1e6);
    supervisor_stop(supervisor);
    return NULL;
}

static json_t *answer_probe(struct client *client, json_t *message)
{
    const char *initiator = json_string_value(json_object_get(message, "initiator"));

    return status_probe_defaults(&client->server->supervisor->cluster, initiator ? initiator : "");
}

/* clang-format off */
static const struct {
    const char *name;
    request_answer *answer;
} requests[] = {
    { "status",         status_answer },
    { "hosts",          status_answer_hosts },
    { "node",           answer_node },
    { "target",         answer_target },
    { "floating-ip",    answer_floating_ip },
    { "volume",         change_answer_volume },
    { "pool",           change_answer_pool },
    { "export",         change_answer_export },
    { "alua",           change_answer_alua },
    { "fault",          fault_answer },
    { "heal",           heal_answer },
    { "events",         answer_events },
    { "down",           answer_down },
    { "probe-defaults", answer_probe },
};
/* clang-format on */

json_t *requests_answer(struct client *client, json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "request"));

    if (client->server->supervisor->phase == SUPERVISOR_STOPPING)
        return pending_error("the cluster goes down");
    for (size_t i = 0; name && i < sizeof(requests) / sizeof(*requests); i++)
        if (!strcmp(requests[i].name, name))
            return requests[i].answer(client, message);
    return pending_error("there is no request %s", name ? name : "without a name");
}
