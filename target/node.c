#include "target/node.h"

#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/copy_source.h"
#include "target/faulty_port.h"
#include "target/iscsi/access.h"
#include "target/portal.h"

#include <stdlib.h>
#include <string.h>

#define LEAVE_SECONDS 0.5 /* for the last words to the initiators when the node stops */

struct node {
    struct ev_loop *loop;
    struct child *child;      /* borrowed */
    char *directory;          /* owned; of the volumes */
    struct scsi_peers *peers; /* owned; the other volumes, for copies */
    char *run;                /* owned; what the supervisor calls this `up`, or NULL */
    struct workers *workers;
    struct pools pools;
    struct service service;
    struct list portals, releases;
    unsigned closing;    /* volumes being closed */
    int64_t map_request; /* answered when nothing is closing; 0: none */
    json_t *map_failed;  /* owned: of that request, target to what is wrong with it; or NULL */
    int64_t stop_request;
    ev_timer leave;
    bool is_started, is_isolated;
};

/* A target on its way to another node. */
struct release {
    struct list link;
    struct node *node;
    char *target; /* owned */
    int64_t request;
    unsigned asked, dropped;
    ev_timer timeout;
};

static void answer_map(struct node *node)
{
    if (!node->map_request)
        return;
    child_reply(node->child, node->map_request,
                node->map_failed ? json_pack("{s:o}", "failed", node->map_failed) : NULL);
    node->map_request = 0;
    node->map_failed = NULL;
}

static void answer_if_done(struct node *node)
{
    if (node->closing)
        return;
    answer_map(node);
    if (node->stop_request && list_is_empty(&node->service.host.registry.sessions) &&
        list_is_empty(&node->service.volumes)) {
        child_reply(node->child, node->stop_request, NULL);
        child_exit(node->child);
    }
}

static void on_volume_closed(void *owner, int error)
{
    struct node *node = owner;

    (void)
        error; /* the flush failed: every write that asked for stable storage was told so already */
    node->closing--;
    answer_if_done(node);
}

static struct release *find_release(struct node *node, const char *target)
{
    LIST_FOR_EACH (element, &node->releases) {
        struct release *release = container_of(element, struct release, link);

        if (!strcmp(release->target, target))
            return release;
    }
    return NULL;
}

static void on_released(void *owner, int error)
{
    struct release *release = owner;
    struct node *node = release->node;

    if (error)
        child_refuse(node->child, release->request, "cannot flush %s: %s", release->target,
                     strerror(-error));
    else
        child_reply(node->child, release->request,
                    json_pack("{s:i, s:i, s:i}", "sessions", release->asked, "logged_out",
                              release->asked - release->dropped, "dropped", release->dropped));
    list_remove(&release->link);
    free(release->target);
    free(release);
    node->closing--;
    answer_if_done(node);
}

/* The volume has no session: if it is leaving, now it can. */
static void close_if_leaving(struct node *node, struct volume *volume)
{
    struct release *release;

    if (!volume->is_leaving || volume->sessions)
        return;
    release = find_release(node, volume->target);
    node->closing++;
    if (!release) {
        volume_close(volume, on_volume_closed, node);
        return;
    }
    ev_timer_stop(node->loop, &release->timeout);
    volume_close(volume, on_released, release);
}

static void on_idle(void *owner, struct volume *volume)
{
    close_if_leaving(owner, volume);
}

static void end_moved(struct session *session)
{
    session_end(session, "target moved to another node");
}

static void leave_volume(struct node *node, struct volume *volume)
{
    if (volume->is_leaving)
        return;
    volume->is_leaving = true;
    if (!volume->sessions)
        close_if_leaving(node, volume);
    else
        service_each_session(&node->service, volume->target, end_moved);
}

static void leave_volumes(struct node *node)
{
    LIST_FOR_EACH_SAFE (element, &node->service.volumes) {
        struct volume *volume = container_of(element, struct volume, link);
        const struct map_target *target = map_find_target(node->service.map, volume->target);

        if (!target || target->controller != node->service.node)
            leave_volume(node, volume);
    }
}

/* An owned object of the targets that cannot be opened, each with what is wrong; NULL: none. */
static json_t *open_volumes(struct node *node)
{
    const struct map *map = node->service.map;
    const struct volume_surroundings around = {
        .loop = node->loop,
        .workers = node->workers,
        .directory = node->directory,
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
            list_append(&node->service.volumes, &volume->link);
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

static void tell_fault_counts(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;

    faults_tell_counts(&node->service.faults, node->child, id);
}

static void follow_map(struct node *node, const struct map *before)
{
    LIST_FOR_EACH (element, &node->service.volumes)
        volume_follow(container_of(element, struct volume, link), node->service.map, before);
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
    struct map *map = map_decode(request, &error), *old = node->service.map;
    char where[ADDRESS_TEXT_SIZE];
    struct address failed;
    int code = 0;

    if (!map || !node->is_started || (old && map->generation <= old->generation)) {
        child_refuse(node->child, id, "%s",
                     error ? error : "the map is older than the one in force");
        map_free(map);
        return;
    }
    node->service.map = map;
    pools_follow(&node->pools, map, node->directory);
    end_forbidden(node);
    leave_volumes(node);
    answer_map(node); /* what an earlier one opened is open; what it closed is on its way */
    node->map_failed = open_volumes(node);
    follow_map(node, old);
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
    answer_if_done(node);
}

static void take_start(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const char *volumes = json_string_value(json_object_get(request, "volumes"));
    json_t *settings = json_object_get(request, "settings"),
           *workers = json_object_get(settings, "workers");
    const char *run = json_string_value(json_object_get(request, "run"));
    int number = (int)json_integer_value(json_object_get(request, "node"));
    struct host_settings host_settings;

    if (node->is_started || !volumes || number < 1) {
        child_refuse(node->child, id,
                     "start needs a node number and the directory of the volumes, once");
        return;
    }
    access_read_settings(&host_settings, settings);
    node->workers = workers_new(
        node->loop, json_is_integer(workers) ? (unsigned)json_integer_value(workers) : 4);
    if (!node->workers) {
        child_refuse(node->child, id, "cannot start worker threads: raise the limit of processes");
        return;
    }
    node->directory = memory_copy_text(volumes);
    node->run = run ? memory_copy_text(run) : NULL;
    node->is_started = true;
    service_init(&node->service, node->loop, number, &host_settings, on_idle, node);
    faults_init(&node->service.faults, node->loop, on_faults_changed, node);
    node->service.faults.node = number;
    faulty_host_init(&node->service.faulty_host, &node->service.host, &node->service.faults,
                     service_describe, service_list_wrongly);
    node->peers = copy_source_new(&node->service, node->workers, volumes);
    child_start_events(node->child, "target", number);
    child_reply(node->child, id, NULL);
}

static json_t *describe_session(const struct session *session)
{
    char isid[2 * ISID_SIZE + 3], portal[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE],
        since[EVENT_TIME_SIZE];

    text_format_binary(isid, session->isid, ISID_SIZE);
    event_format_time(since, session->since);
    return json_pack(
        "{s:s, s:s, s:i, s:s?, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "initiator", session->initiator,
        "isid", isid + 2, "tsih", session->tsih, "target", session->target, "type",
        session->target ? "normal" : "discovery", "portal", address_format(&session->local, portal),
        "peer", address_format(&session->peer, peer), "since", since, "commands",
        (json_int_t)session->commands, "bytes_in", (json_int_t)conn_bytes_in(session->conn),
        "bytes_out", (json_int_t)conn_bytes_out(session->conn));
}

static void tell_sessions(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;
    json_t *list = json_array();

    if (node->is_started) {
        LIST_FOR_EACH (element, &node->service.host.registry.sessions) {
            struct session *session = container_of(element, struct session, link);

            if (session->conn)
                json_array_append_new(list, describe_session(session));
        }
    }
    child_reply(node->child, id, json_pack("{s:o}", "sessions", list));
}

static void on_release_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct release *release = container_of(timer, struct release, timeout);
    struct node *node = release->node;
    char *target =
        memory_copy_text(release->target); /* the release may end with its last session */

    release->dropped = service_find_volume(&node->service, target)->sessions;
    service_each_session(&node->service, target, end_moved);
    free(target);
}

static void ask_to_leave(struct session *session)
{
    session_request_logout(session, 1);
}

static void take_release(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const char *target = json_string_value(json_object_get(request, "target"));
    json_t *timeout = json_object_get(request, "timeout_ms");
    struct volume *volume =
        target && node->is_started ? service_find_volume(&node->service, target) : NULL;
    struct release *release;

    if (!volume || volume->is_leaving) {
        child_refuse(node->child, id, "%s is not served here",
                     target ? target : "a target without a name");
        return;
    }
    release = memory_new(sizeof(*release));
    release->node = node;
    release->target = memory_copy_text(target);
    release->request = id;
    list_append(&node->releases, &release->link);
    ev_timer_init(&release->timeout, on_release_timeout,
                  json_is_integer(timeout) ? (double)json_integer_value(timeout) / 1000 : 5, 0);
    volume->is_leaving = true; /* first the way back is closed, then the sessions are asked */
    release->asked = service_each_session(&node->service, target, ask_to_leave);
    if (volume->sessions)
        ev_timer_start(node->loop, &release->timeout);
    else
        close_if_leaving(node, volume);
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

static void on_leave(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct node *node = container_of(timer, struct node, leave);

    host_end(&node->service.host, "node stopped");
    answer_if_done(node);
}

/* RFC 7143 11.9.1, event 2: the target is about to drop the connection. */
static void tell_drop(struct session *session)
{
    const uint16_t parameters[3] = {session->cid, (uint16_t)session->params.time2wait,
                                    (uint16_t)session->params.time2retain};

    if (session->is_over)
        return;
    session_send_async(session, ASYNC_CONNECTION_DROP, parameters, NULL, 0);
    session->is_over = true;
    conn_finish(session->conn, "node stopped");
}

static void take_stop(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;

    if (!node->is_started) {
        child_reply(node->child, id, NULL);
        child_exit(node->child);
    }
    node->stop_request = id;
    portals_close(&node->portals);
    LIST_FOR_EACH_SAFE (element, &node->service.volumes) {
        struct volume *volume = container_of(element, struct volume, link);

        volume->is_leaving = true;
        service_each_session(&node->service, volume->target, tell_drop);
        close_if_leaving(node, volume);
    }
    ev_timer_init(&node->leave, on_leave, LEAVE_SECONDS, 0);
    ev_timer_start(node->loop, &node->leave);
    answer_if_done(node);
}

const struct child_request node_requests[] = {
    {"start", take_start},
    {"map", take_map},
    {"sessions", tell_sessions},
    {"release", take_release},
    {"isolate", take_isolate},
    {"faults", take_faults},
    {"fault_counts", tell_fault_counts},
    {"stop", take_stop},
    {NULL, NULL},
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
