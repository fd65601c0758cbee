#include "portalgroup/floating.h"

#include "portalgroup/redirect.h"
#include "target/base/event.h"
#include "target/base/listener.h"
#include "target/base/memory.h"
#include "target/base/sandbox.h"
#include "target/iscsi/access.h"
#include "target/iscsi/faulty_host.h"

#include <stdlib.h>
#include <string.h>

struct floating {
    struct ev_loop *loop;
    struct child *child; /* borrowed */
    struct host host;
    struct address address;
    char *group_name; /* owned */
    struct map *map;  /* owned; NULL before the first one */
    struct listener listener;
    struct faults faults;
    struct faulty_host faulty_host;
    bool is_started, is_listening, is_isolated;
};

static struct floating *floating_of(struct host *host)
{
    return container_of(host, struct floating, host);
}

static const struct map_portal_group *group_of(const struct floating *floating)
{
    return floating->map ? map_find_group(floating->map, floating->group_name) : NULL;
}

static const struct map_floating_ip *find_self(const struct floating *floating,
                                               const struct map_portal_group *group)
{
    for (size_t i = 0; i < group->floating_ip_count; i++)
        if (address_is_same(&group->floating_ips[i].subnet.address, &floating->address))
            return &group->floating_ips[i];
    return NULL;
}

static enum login_status admit(struct host *host, const struct login_names *names,
                               struct login_grant *grant)
{
    struct floating *floating = floating_of(host);
    const struct map_portal_group *group = group_of(floating);

    return group ? access_admit(floating->map, group, names, grant) : LOGIN_SERVICE_UNAVAILABLE;
}

/* Every normal login is sent elsewhere: when it is authentic, or at once where the group says so.
 */
static enum login_status route(struct host *host, const struct login_names *names,
                               bool is_authenticated, struct address *to)
{
    struct floating *floating = floating_of(host);
    const struct map_portal_group *group = group_of(floating);
    const struct map_floating_ip *self = group ? find_self(floating, group) : NULL;
    const struct map_target *target = group ? map_find_target(floating->map, names->target) : NULL;

    if (!self || !target)
        return LOGIN_SERVICE_UNAVAILABLE;
    if (!is_authenticated && !group->redirects_before_auth)
        return LOGIN_ACCEPTED;
    return redirect_choose(group, self, target, to);
}

static void list(struct host *host, const struct login_names *names, const char *name,
                 struct buffer *answer)
{
    struct floating *floating = floating_of(host);
    const struct map_portal_group *group = group_of(floating);

    if (group)
        access_list(floating->map, group, names->initiator, name, answer);
}

static enum login_status attach(struct host *host, struct session *session)
{
    (void)host, (void)session;
    return LOGIN_SERVICE_UNAVAILABLE; /* route sends every normal login elsewhere */
}

static void detach(struct host *host, struct session *session)
{
    (void)host, (void)session;
}

static const struct host_operations operations = {admit, route, list, attach, detach, NULL};

static void on_accepted(void *owner, int fd, const struct address *local,
                        const struct address *peer)
{
    struct floating *floating = owner;

    host_accept(&floating->host, fd, local, peer);
}

static void describe(struct host *host, const struct address *local, const char *target,
                     struct fault_point *point)
{
    struct floating *floating = floating_of(host);
    const struct map_target *known =
        floating->map && target ? map_find_target(floating->map, target) : NULL;

    (void)local;
    point->portal_group = floating->group_name;
    point->volume = known ? known->volume : NULL;
}

static void list_wrongly(struct host *host, const struct address *local, bool with_node_portals,
                         struct buffer *answer)
{
    struct floating *floating = floating_of(host);
    const struct map_portal_group *group = group_of(floating);

    (void)local;
    if (group)
        access_list_wrongly(floating->map, group, with_node_portals, answer);
}

static bool find_former(struct host *host, const struct login_names *names, struct address *portal,
                        double *moved)
{
    struct floating *floating = floating_of(host);
    const struct map_portal_group *group = group_of(floating);
    const struct map_floating_ip *self = group ? find_self(floating, group) : NULL;
    const struct map_target *target = group ? map_find_target(floating->map, names->target) : NULL;
    struct map_target before;

    if (!self || !target || target->former == MAP_NO_NODE)
        return false;
    before = *target;
    before.controller = target->former;
    *moved = target->moved;
    return redirect_choose(group, self, &before, portal) != LOGIN_SERVICE_UNAVAILABLE;
}

static void on_faults_changed(void *owner)
{
    struct floating *floating = owner;

    faulty_host_follow(&floating->faulty_host);
}

static void take_faults(void *owner, int64_t id, json_t *request)
{
    struct floating *floating = owner;

    if (floating->is_started)
        faults_take(&floating->faults, floating->child, id, request);
    else
        child_refuse(floating->child, id, "not started");
}

static void take_start(void *owner, int64_t id, json_t *request)
{
    struct floating *floating = owner;
    const char *address = json_string_value(json_object_get(request, "floating_ip"));
    const char *group = json_string_value(json_object_get(request, "portal_group"));
    json_int_t port = json_integer_value(json_object_get(request, "port"));
    int number = (int)json_integer_value(json_object_get(request, "node"));
    struct host_settings settings;
    struct sandbox sandbox;

    if (floating->is_started || !group || !address ||
        !address_parse(&floating->address, address,
                       port > 0 && port <= UINT16_MAX ? (uint16_t)port : ISCSI_PORT)) {
        child_refuse(floating->child, id, "start needs a floating IP and its portal group, once");
        return;
    }
    if (!sandbox_take(&sandbox, floating->child, id, request, NULL))
        return;
    floating->group_name = memory_copy_text(group);
    floating->is_started = true;
    access_read_settings(&settings, json_object_get(request, "settings"));
    host_init(&floating->host, &operations, &settings, floating->loop);
    faults_init(&floating->faults, floating->loop, on_faults_changed, floating);
    floating->faults.node = number;
    faulty_host_init(&floating->faulty_host, &floating->host, &floating->faults, describe,
                     list_wrongly, find_former);
    child_start_events(floating->child, "portalgroup", number);
    sandbox_tell(&sandbox);
    child_reply(floating->child, id, NULL);
}

static int listen_once(struct floating *floating)
{
    int error = 0;

    if (!floating->is_listening && !floating->is_isolated)
        error = listener_open(&floating->listener, floating->loop, &floating->address, on_accepted,
                              floating);
    floating->is_listening = !error && !floating->is_isolated;
    return error;
}

static void take_map(void *owner, int64_t id, json_t *request)
{
    struct floating *floating = owner;
    const char *error = NULL;
    struct map *old = floating->map;
    struct map *map = floating->is_started ? map_follow(old, request, &error) : NULL;
    char where[ADDRESS_TEXT_SIZE];
    int code;

    if (!map) {
        child_refuse(floating->child, id, "%s", error ? error : "not started");
        return;
    }
    floating->map = map;
    if (map != old)
        map_free(old);
    code = listen_once(floating);
    if (code)
        child_refuse(floating->child, id, "cannot listen on %s: %s",
                     address_format(&floating->address, where), strerror(-code));
    else
        child_reply(floating->child, id, NULL);
}

static void tell_sessions(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct floating *floating = owner;

    child_reply(floating->child, id, json_pack("{s:[]}", "sessions"));
}

static void stop_listening(struct floating *floating)
{
    if (floating->is_listening)
        listener_close(&floating->listener);
    floating->is_listening = false;
}

static void take_isolate(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct floating *floating = owner;

    floating->is_isolated = true;
    stop_listening(floating);
    if (floating->is_started)
        host_mute(&floating->host);
    child_reply(floating->child, id, NULL);
}

static void take_stop(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct floating *floating = owner;

    stop_listening(floating);
    if (floating->is_started)
        host_end(&floating->host, "floating IP moved");
    child_reply(floating->child, id, NULL);
    child_exit(floating->child);
}

const struct child_request floating_requests[] = {
    {"start", take_start},
    {"map", take_map},
    {"sessions", tell_sessions},
    {"isolate", take_isolate},
    {"stop", take_stop},
    {"faults", take_faults},
    {NULL, NULL},
};

struct floating *floating_new(struct ev_loop *loop)
{
    struct floating *floating = memory_new(sizeof(*floating));

    floating->loop = loop;
    return floating;
}

void floating_set_child(struct floating *floating, struct child *child)
{
    floating->child = child;
}
