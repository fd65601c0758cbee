#include "portalgroup/redirect.h"

static const struct map_portal *choose_portal(const struct map_portal_group *group,
                                              const struct map_floating_ip *floating_ip,
                                              int controller)
{
    const struct map_portal *elsewhere = NULL;

    for (size_t i = 0; i < group->portal_count; i++) {
        const struct map_portal *portal = &group->portals[i];

        if (portal->node != controller ||
            address_is_same(&portal->address, &floating_ip->subnet.address))
            continue;
        if (subnet_contains(&floating_ip->subnet, &portal->address))
            return portal;
        if (!elsewhere)
            elsewhere = portal;
    }
    return elsewhere;
}

enum login_status redirect_choose(const struct map_portal_group *group,
                                  const struct map_floating_ip *floating_ip,
                                  const struct map_target *target, struct address *to)
{
    const struct map_portal *portal = NULL;

    if (target->controller != MAP_NO_NODE)
        portal = choose_portal(group, floating_ip, target->controller);
    if (!portal)
        return LOGIN_SERVICE_UNAVAILABLE;
    *to = portal->address;
    return group->redirects_for_good ? LOGIN_MOVED_PERMANENTLY : LOGIN_MOVED_TEMPORARILY;
}
