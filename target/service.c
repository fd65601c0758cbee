#include "target/service.h"

#include "target/iscsi/access.h"
#include "target/port.h"

#include <stdio.h>
#include <string.h>

static struct service *service_of(struct host *host)
{
    return container_of(host, struct service, host);
}

void service_add_volume(struct service *service, struct volume *volume)
{
    list_append(&service->volumes, &volume->link);
    hash_add(&service->volumes_by_target, &volume->entry, hash_folded(HASH_START, volume->target));
}

void service_remove_volume(struct service *service, struct volume *volume)
{
    list_remove(&volume->link);
    hash_remove(&service->volumes_by_target, &volume->entry);
}

struct volume *service_find_volume(struct service *service, const char *target)
{
    for (struct hash_entry *entry =
             hash_find(&service->volumes_by_target, hash_folded(HASH_START, target));
         entry; entry = hash_next(entry)) {
        struct volume *volume = container_of(entry, struct volume, entry);

        if (!strcasecmp(volume->target, target))
            return volume;
    }
    return NULL;
}

void service_describe(struct host *host, const struct address *local, const char *target,
                      struct fault_point *point)
{
    struct service *service = service_of(host);
    const struct map_portal_group *group =
        service->map ? access_group_of_portal(service->map, service->node, local) : NULL;
    const struct map_target *known =
        service->map && target ? map_find_target(service->map, target) : NULL;

    point->portal_group = group ? group->name : NULL;
    point->volume = known ? known->volume : NULL;
}

void service_list_wrongly(struct host *host, const struct address *local, bool with_node_portals,
                          struct buffer *answer)
{
    struct service *service = service_of(host);
    const struct map_portal_group *group =
        access_group_of_portal(service->map, service->node, local);

    if (group)
        access_list_wrongly(service->map, group, with_node_portals, answer);
}

static enum login_status admit(struct host *host, const struct login_names *names,
                               struct login_grant *grant)
{
    struct service *service = service_of(host);
    const struct map_portal_group *group =
        access_group_of_portal(service->map, service->node, &names->local);

    return group ? access_admit(service->map, group, names, grant) : LOGIN_SERVICE_UNAVAILABLE;
}

/* A target that is served elsewhere, or nowhere now, is to be asked for again: at the floating IP.
 */
static enum login_status route(struct host *host, const struct login_names *names,
                               bool is_authenticated, struct address *to)
{
    (void)is_authenticated, (void)to;
    struct volume *volume = service_find_volume(service_of(host), names->target);

    return volume && !volume->is_leaving ? LOGIN_ACCEPTED : LOGIN_SERVICE_UNAVAILABLE;
}

static void list(struct host *host, const struct login_names *names, const char *name,
                 struct buffer *answer)
{
    struct service *service = service_of(host);
    const struct map_portal_group *group =
        access_group_of_portal(service->map, service->node, &names->local);

    if (group)
        access_list(service->map, group, names->initiator, name, answer);
}

static enum login_status attach(struct host *host, struct session *session)
{
    struct volume *volume = service_find_volume(service_of(host), session->target);

    if (!volume || volume->is_leaving)
        return LOGIN_SERVICE_UNAVAILABLE;
    volume->sessions++;
    port_open(session, volume->lun, service_of(host)->port);
    return LOGIN_ACCEPTED;
}

static void detach(struct host *host, struct session *session)
{
    struct service *service = service_of(host);
    struct volume *volume = service_find_volume(service, session->target);

    port_close(session);
    if (!--volume->sessions)
        service->on_idle(service->owner, volume);
}

static const struct host_operations operations = {admit, route, list, attach, detach, NULL};

void service_init(struct service *service, struct ev_loop *loop, int node,
                  const struct host_settings *settings, service_volume_idle *on_idle, void *owner)
{
    *service = (struct service){
        .node = node, .on_idle = on_idle, .owner = owner, .port = &port_operations};
    host_init(&service->host, &operations, settings, loop);
    list_init(&service->volumes);
    list_init(&service->faulty_tasks);
}

unsigned service_each_session(struct service *service, const char *target,
                              void (*visit)(struct session *session))
{
    struct list *sessions = &service->host.registry.sessions, *next;
    unsigned count = 0;

    for (struct list *node = sessions->next; node != sessions; node = next) {
        struct session *session = container_of(node, struct session, link);

        next = node->next;
        if (!session->conn || !session->target || strcasecmp(session->target, target))
            continue;
        count++;
        visit(session);
    }
    return count;
}
