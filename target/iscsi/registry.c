#include "target/iscsi/registry.h"

#include "target/iscsi/session.h"

#include <string.h>

void registry_init(struct registry *registry)
{
    list_init(&registry->sessions);
    list_init(&registry->logins);
    registry->last_tsih = 0;
}

struct session *registry_find_tsih(struct registry *registry, uint16_t tsih)
{
    LIST_FOR_EACH (node, &registry->sessions) {
        struct session *session = container_of(node, struct session, link);

        if (session->tsih == tsih)
            return session;
    }
    return NULL;
}

uint16_t registry_new_tsih(struct registry *registry)
{
    for (int tries = 0; tries < UINT16_MAX; tries++)
        if (++registry->last_tsih && !registry_find_tsih(registry, registry->last_tsih))
            return registry->last_tsih;
    return 0;
}

static bool is_same_target(const char *a, const char *b)
{
    return a && b ? !strcasecmp(a, b) : a == b;
}

struct session *registry_find_nexus(struct registry *registry, const char *initiator,
                                    const uint8_t isid[static 6], const char *target, uint16_t tpgt)
{
    LIST_FOR_EACH (node, &registry->sessions) {
        struct session *session = container_of(node, struct session, link);

        if (!memcmp(session->isid, isid, sizeof(session->isid)) && session->tpgt == tpgt &&
            !strcasecmp(session->initiator, initiator) && is_same_target(session->target, target))
            return session;
    }
    return NULL;
}
