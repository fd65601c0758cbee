#include "target/iscsi/registry.h"

#include "target/iscsi/session.h"

#include <string.h>

void registry_init(struct registry *registry)
{
    *registry = (struct registry){0};
    list_init(&registry->sessions);
    list_init(&registry->logins);
}

void registry_free(struct registry *registry)
{
    hash_free(&registry->by_tsih);
    hash_free(&registry->by_nexus);
}

static uint64_t nexus_code(const char *initiator, const uint8_t isid[static 6], const char *target)
{
    uint64_t code = hash_bytes(hash_folded(HASH_START, initiator), isid, 6);

    return target ? hash_folded(code, target) : code;
}

void registry_add(struct registry *registry, struct session *session)
{
    list_append(&registry->sessions, &session->link);
    hash_add(&registry->by_tsih, &session->tsih_entry, session->tsih);
    hash_add(&registry->by_nexus, &session->nexus_entry,
             nexus_code(session->initiator, session->isid, session->target));
}

void registry_remove(struct registry *registry, struct session *session)
{
    list_remove(&session->link);
    hash_remove(&registry->by_tsih, &session->tsih_entry);
    hash_remove(&registry->by_nexus, &session->nexus_entry);
}

struct session *registry_find_tsih(struct registry *registry, uint16_t tsih)
{
    struct hash_entry *entry = hash_find(&registry->by_tsih, tsih);

    return entry ? container_of(entry, struct session, tsih_entry) : NULL;
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
    for (struct hash_entry *entry =
             hash_find(&registry->by_nexus, nexus_code(initiator, isid, target));
         entry; entry = hash_next(entry)) {
        struct session *session = container_of(entry, struct session, nexus_entry);

        if (!memcmp(session->isid, isid, sizeof(session->isid)) && session->tpgt == tpgt &&
            !strcasecmp(session->initiator, initiator) && is_same_target(session->target, target))
            return session;
    }
    return NULL;
}
