/* The sessions of a process and its logins in progress: numbers for TSIH, and who is to be
 * reinstated (RFC 7143 6.3.5). */
#pragma once

#include "target/base/hash.h"
#include "target/base/list.h"

#include <stdint.h>

struct session;

struct registry {
    struct list sessions, logins;
    struct hash by_tsih, by_nexus; /* the sessions */
    uint16_t last_tsih;
};

void registry_init(struct registry *registry);
void registry_free(struct registry *registry);
/* Its names and numbers stay as they are until it is removed. */
void registry_add(struct registry *registry, struct session *session);
void registry_remove(struct registry *registry, struct session *session);
/* A number no session has; 0: there is none left. */
uint16_t registry_new_tsih(struct registry *registry);

/* The session of the same I_T nexus: initiator name, ISID, target and portal group. `target` NULL:
 * discovery. */
struct session *registry_find_nexus(struct registry *registry, const char *initiator,
                                    const uint8_t isid[static 6], const char *target,
                                    uint16_t tpgt);
struct session *registry_find_tsih(struct registry *registry, uint16_t tsih);
