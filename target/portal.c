#include "target/portal.h"

#include "target/base/event.h"
#include "target/base/memory.h"

#include <stdlib.h>

struct portal {
    struct list link;
    struct listener listener;
};

static bool is_in_map(const struct map *map, int node, const struct address *address)
{
    for (size_t i = 0; i < map->group_count; i++)
        for (size_t j = 0; j < map->groups[i].portal_count; j++)
            if (map->groups[i].portals[j].node == node &&
                address_is_same(&map->groups[i].portals[j].address, address))
                return true;
    return false;
}

static bool is_open(struct list *portals, const struct address *address)
{
    LIST_FOR_EACH(node, portals)
    {
        if (address_is_same(&container_of(node, struct portal, link)->listener.address, address))
            return true;
    }
    return false;
}

static void tell(enum event_kind kind, const struct address *address)
{
    char portal[ADDRESS_TEXT_SIZE];

    event(kind, text("portal", address_format(address, portal)));
}

static void close_portal(struct portal *portal)
{
    tell(EVENT_PORTAL_DOWN, &portal->listener.address);
    listener_close(&portal->listener);
    list_remove(&portal->link);
    free(portal);
}

static int open_portal(struct list *portals, struct ev_loop *loop, const struct address *address,
                       listener_accepted *on_accepted, void *owner)
{
    struct portal *portal = memory_new(sizeof(*portal));
    int error = listener_open(&portal->listener, loop, address, on_accepted, owner);

    if (error) {
        free(portal);
        return error;
    }
    list_append(portals, &portal->link);
    tell(EVENT_PORTAL_UP, address);
    return 0;
}

int portals_apply(struct list *portals, struct ev_loop *loop, const struct map *map, int node,
                  listener_accepted *on_accepted, void *owner, struct address *failed)
{
    LIST_FOR_EACH_SAFE(element, portals)
    {
        struct portal *portal = container_of(element, struct portal, link);

        if (!is_in_map(map, node, &portal->listener.address))
            close_portal(portal);
    }
    for (size_t i = 0; i < map->group_count; i++) {
        for (size_t j = 0; j < map->groups[i].portal_count; j++) {
            const struct map_portal *portal = &map->groups[i].portals[j];
            int error;

            if (portal->node != node || is_open(portals, &portal->address))
                continue;
            error = open_portal(portals, loop, &portal->address, on_accepted, owner);
            *failed = portal->address;
            if (error)
                return error;
        }
    }
    return 0;
}

void portals_close(struct list *portals)
{
    LIST_FOR_EACH_SAFE(node, portals)
    {
        close_portal(container_of(node, struct portal, link));
    }
}
