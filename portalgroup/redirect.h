/* Where a login at a floating IP is sent. Pure. */
#pragma once

#include "target/iscsi/host.h"
#include "target/iscsi/map.h"

/* A portal of the target's current controller in the portal group: in the subnet of the floating IP
 * if there is one, never the floating IP itself. LOGIN_MOVED_TEMPORARILY or LOGIN_MOVED_PERMANENTLY
 * with *to, as the group says; LOGIN_SERVICE_UNAVAILABLE while there is no such portal, so that the
 * initiator asks again. */
enum login_status redirect_choose(const struct map_portal_group *group,
                                  const struct map_floating_ip *floating_ip,
                                  const struct map_target *target, struct address *to);
