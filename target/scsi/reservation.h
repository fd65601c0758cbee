/* Persistent reservations of a logical unit, SPC-4 5.13: who is registered, who holds the
 * reservation, and what a service action of PERSISTENT RESERVE OUT makes of that. Values in, values
 * out: knows no task and no session. An I_T nexus is known by the names of its ports, so it is the
 * same after a logout, on another node, and after a restart. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INITIATOR_PORT_SIZE = 248, /* "iqn...,i,0x400001370000" with its zero */
    REGISTRATIONS_MAXIMUM = 256,
};

/* The TYPE field, SPC-4 6.15.3.4. */
enum reservation_type {
    RESERVATION_NONE = 0,
    RESERVATION_WRITE_EXCLUSIVE = 1,
    RESERVATION_EXCLUSIVE_ACCESS = 3,
    RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS = 5,
    RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    RESERVATION_WRITE_EXCLUSIVE_ALL = 7,
    RESERVATION_EXCLUSIVE_ACCESS_ALL = 8,
};
bool reservation_is_type(unsigned type);
bool reservation_is_write_exclusive(enum reservation_type type);
/* Every registered I_T nexus has access: registrants only and all registrants. */
bool reservation_is_shared(enum reservation_type type);
/* Every registered I_T nexus holds it. */
bool reservation_is_held_by_all(enum reservation_type type);

struct registration {
    char initiator_port[INITIATOR_PORT_SIZE];
    uint16_t port; /* relative target port identifier */
    uint64_t key;
    bool is_holder; /* not set for what all registrants hold */
    /* What the last service action did to it. */
    bool is_removed;
    uint32_t notice; /* the unit attention that tells it, enum scsi_result; SCSI_GOOD: none */
};

struct reservations {
    uint32_t generation;        /* PRGENERATION */
    bool outlives_power;        /* APTPL of the last registration */
    enum reservation_type type; /* RESERVATION_NONE: there is none */
    size_t count;
    struct registration registrations[];
};

/* Service actions of PERSISTENT RESERVE OUT, SPC-4 6.16.2. */
enum reservation_action {
    RESERVATION_REGISTER,
    RESERVATION_RESERVE,
    RESERVATION_RELEASE,
    RESERVATION_CLEAR,
    RESERVATION_PREEMPT,
    RESERVATION_PREEMPT_AND_ABORT,
    RESERVATION_REGISTER_AND_IGNORE,
    RESERVATION_REGISTER_AND_MOVE,
};

struct reservation_request {
    enum reservation_action action;
    const char *initiator_port; /* the I_T nexus it came through, like `port` */
    uint16_t port;
    uint64_t key, service_key; /* RESERVATION KEY, SERVICE ACTION RESERVATION KEY */
    uint8_t scope, type;
    bool outlives_power, unregisters; /* APTPL, UNREG */
    /* The target ports a registration is for; ALL_TG_PT: all there are. REGISTER AND MOVE: the one
     * the reservation moves to. */
    const uint16_t *ports;
    size_t port_count;
    /* Initiator ports that register besides, SPEC_I_PT. REGISTER AND MOVE: the one the reservation
     * moves to. */
    const char (*others)[INITIATOR_PORT_SIZE];
    size_t other_count;
};

struct reservations *reservations_new(void);

/* What the request makes of `before`: a new value for the caller, with the registrations that it
 * removed and notified still marked; or an enum scsi_result that refuses it. */
uint32_t reservations_act(const struct reservations *before,
                          const struct reservation_request *request, struct reservations **after);
/* Takes the marks and the removed registrations away. */
void reservations_forget_marks(struct reservations *reservations);

/* NULL: not registered. */
const struct registration *reservations_find(const struct reservations *reservations,
                                             const char *initiator_port, uint16_t port);
bool reservations_is_holder(const struct reservations *reservations,
                            const struct registration *registration);
/* Of the reservation; 0 when all registrants hold it. */
uint64_t reservations_holder_key(const struct reservations *reservations);

/* As kept in the store. `json` may be NULL or anything. */
json_t *reservations_encode(const struct reservations *reservations);
struct reservations *reservations_decode(json_t *json);
