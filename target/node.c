#include "target/node.h"

#include "target/base/event.h"
#include "target/base/log.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/base/sandbox.h"
#include "target/base/segment.h"
#include "target/copy_source.h"
#include "target/faulty_port.h"
#include "target/iscsi/access.h"
#include "target/leave.h"
#include "target/portal.h"
#include "target/session_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* An owned object of the targets that cannot be opened, each with what is wrong; NULL: none. */
static json_t *open_volumes(struct node *node)
{
    const struct map *map = node->service.map;
    const struct volume_surroundings around = {
        .loop = node->loop,
        .disks = {node->workers, *node->boot ? node->boot : NULL, node->landing},
        .directory = node->directory,
        .place = node->place,
        .run = node->run,
        .peers = node->peers,
        .pools = &node->pools,
    };
    json_t *failed = NULL;

    for (size_t i = 0; i < map->target_count; i++) {
        const struct map_target *target = &map->targets[i];
        struct volume *volume;
        char *error = NULL;

        if (target->controller != node->service.node ||
            service_find_volume(&node->service, target->name))
            continue;
        volume = volume_open(&around, target, &error);
        if (volume) {
            service_add_volume(&node->service, volume);
            volume_follow_faults(volume, &node->service.faults);
            continue;
        }
        failed = failed ? failed : json_object();
        json_object_set_new(failed, target->name, json_string(error));
        free(error);
    }
    return failed;
}

/* Wraps what the rules need, lets go what rules held that are gone. */
static void on_faults_changed(void *owner)
{
    struct node *node = owner;

    LIST_FOR_EACH (element, &node->service.volumes)
        volume_follow_faults(container_of(element, struct volume, link), &node->service.faults);
    faulty_port_follow(&node->service);
    faulty_host_follow(&node->service.faulty_host);
}

static void take_faults(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;

    if (node->is_started)
        faults_take(&node->service.faults, node->child, id, request);
    else
        child_refuse(node->child, id, "not started");
}

static void follow_map(struct node *node, const struct map *before)
{
    const struct map *map = node->service.map;
    struct inventory_change change = {0};

    if (before)
        change = inventory_compare(before, map);
    LIST_FOR_EACH (element, &node->service.volumes)
        volume_follow(container_of(element, struct volume, link), map, before ? &change : NULL);
    inventory_change_free(&change);
}

/* Sessions whose export is gone. */
static void end_forbidden(struct node *node)
{
    struct service *service = &node->service;
    struct list *sessions = &service->host.registry.sessions, *next;

    for (struct list *element = sessions->next; element != sessions; element = next) {
        struct session *session = container_of(element, struct session, link);
        const struct login_names names = {session->initiator, session->target, session->local,
                                          session->peer};
        struct login_grant grant;

        next = element->next;
        if (session->conn && session->target &&
            service->host.operations->admit(&service->host, &names, &grant) != LOGIN_ACCEPTED)
            session_end(session, "target is no longer exported");
    }
}

static void on_accepted(void *owner, int fd, const struct address *local,
                        const struct address *peer)
{
    struct node *node = owner;

    host_accept(&node->service.host, fd, local, peer);
}

static void take_map(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const char *error = NULL;
    struct map *old = node->service.map;
    struct map *map = node->is_started ? map_follow(old, request, &error) : NULL;
    bool is_new = map != old;
    char where[ADDRESS_TEXT_SIZE];
    struct address failed;
    int code = 0;

    if (!map) {
        child_refuse(node->child, id, "%s", error ? error : "not started");
        return;
    }
    node->service.map = map;
    pools_follow(&node->pools, map, node->directory);
    if (is_new)
        end_forbidden(node);
    leave_moved(node);
    leave_answer_map(node); /* what an earlier one opened is open; what it closed is on its way */
    node->map_failed = open_volumes(node);
    follow_map(node, is_new ? old : NULL);
    if (is_new)
        map_free(old);
    if (!node->is_isolated)
        code = portals_apply(&node->portals, node->loop, map, node->service.node, on_accepted, node,
                             &failed);
    node->map_request = id;
    if (code) {
        child_refuse(node->child, id, "cannot listen on %s: %s", address_format(&failed, where),
                     strerror(-code));
        json_decref(node->map_failed);
        node->map_failed = NULL;
        node->map_request = 0;
    }
    leave_answer_if_done(node);
}

/* NULL, or what to do about it. */
static const char *start_threads(struct node *node, const struct host_settings *settings,
                                 const json_t *workers)
{
    node->workers = workers_new(
        node->loop, json_is_integer(workers) ? (unsigned)json_integer_value(workers) : 4);
    if (node->workers && settings->io_threads > 1)
        node->loops = loops_new(node->loop, settings->io_threads - 1);
    if (!node->workers || (settings->io_threads > 1 && !node->loops))
        return "cannot start its threads: raise the limit of processes";
    return NULL;
}

static void share_connections(struct node *node)
{
    struct host *host = &node->service.host;

    for (unsigned number = 1; number < host->settings.io_threads; number++)
        host_add_loop(host, loops_get(node->loops, number));
}

/* What the hosts send lands in one file, if there can be one. */
static void open_landing(struct node *node)
{
    struct host *host = &node->service.host;
    char *path;

    if (!host->settings.has_zero_copy || !*node->boot)
        return;
    path = memory_format("%s/" LANDING_NAME, node->directory, node->service.node);
    node->landing =
        landing_new(path, (size_t)host->settings.io_threads * CONN_RECEIVE_SIZE, node->boot);
    free(path);
    if (!node->landing) {
        log_line(LOG_WARNING, "writes are slower: no file for what comes in: %s", strerror(errno));
        return;
    }
    for (unsigned i = 0; i < host->pool_count; i++)
        conn_pool_receive_into(host->pools[i], &node->landing->memory,
                               node->landing->room + (size_t)i * CONN_RECEIVE_SIZE);
}

static void take_start(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const char *volumes = json_string_value(json_object_get(request, "volumes"));
    json_t *settings = json_object_get(request, "settings");
    const char *run = json_string_value(json_object_get(request, "run"));
    int number = (int)json_integer_value(json_object_get(request, "node"));
    struct host_settings host_settings;
    struct sandbox sandbox;
    const char *wrong;

    if (node->is_started || !volumes || number < 1) {
        child_refuse(node->child, id,
                     "start needs a node number and the directory of the volumes, once");
        return;
    }
    landing_read_boot(node->boot);
    if (!sandbox_take(&sandbox, node->child, id, request, volumes))
        return;
    access_read_settings(&host_settings, settings);
    wrong = start_threads(node, &host_settings, json_object_get(settings, "workers"));
    if (wrong) {
        child_refuse(node->child, id, "%s", wrong);
        return;
    }
    node->place = memory_copy_text(volumes);
    node->directory = memory_copy_text("."); /* where the sandbox has gone */
    node->run = run ? memory_copy_text(run) : NULL;
    node->is_started = true;
    service_init(&node->service, node->loop, number, &host_settings, leave_on_idle, node);
    share_connections(node);
    open_landing(node);
    faults_init(&node->service.faults, node->loop, on_faults_changed, node);
    node->service.faults.node = number;
    faulty_host_init(&node->service.faulty_host, &node->service.host, &node->service.faults,
                     service_describe, service_list_wrongly, NULL);
    node->peers = copy_source_new(&node->service, node->workers, node->directory);
    child_start_events(node->child, "target", number);
    sandbox_tell(&sandbox);
    child_reply(node->child, id, NULL);
}

/* A fault: its soft limit; without "most" the hard one. */
static void take_descriptors(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const json_t *most = json_object_get(request, "most");
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (json_is_integer(most) && (rlim_t)json_integer_value(most) < limit.rlim_max)
        limit.rlim_cur = (rlim_t)json_integer_value(most);
    setrlimit(RLIMIT_NOFILE, &limit);
    child_reply(node->child, id, NULL);
}

static void take_isolate(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;

    node->is_isolated = true;
    portals_close(&node->portals);
    if (node->is_started)
        host_mute(&node->service.host);
    child_reply(node->child, id, NULL);
}

const struct child_request node_requests[] = {
    {"start", take_start},           {"map", take_map},         {"sessions", session_list_tell},
    {"release", leave_take_release}, {"isolate", take_isolate}, {"descriptors", take_descriptors},
    {"faults", take_faults},         {"stop", leave_take_stop}, {NULL, NULL},
};

struct node *node_new(struct ev_loop *loop)
{
    struct node *node = memory_new(sizeof(*node));

    node->loop = loop;
    pools_init(&node->pools);
    list_init(&node->portals);
    list_init(&node->releases);
    return node;
}

void node_set_child(struct node *node, struct child *child)
{
    node->child = child;
}
