#include "target/scsi/reservation.h"

#include "target/base/memory.h"
#include "target/scsi/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A service action at work. */
struct action {
    const struct reservation_request *request;
    struct reservations *after;
    struct registration *self; /* NULL: the I_T nexus is not registered */
};

bool reservation_is_type(unsigned type)
{
    return type == RESERVATION_WRITE_EXCLUSIVE || type == RESERVATION_EXCLUSIVE_ACCESS ||
           (type >= RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS &&
            type <= RESERVATION_EXCLUSIVE_ACCESS_ALL);
}

bool reservation_is_write_exclusive(enum reservation_type type)
{
    return type == RESERVATION_WRITE_EXCLUSIVE || type == RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS ||
           type == RESERVATION_WRITE_EXCLUSIVE_ALL;
}

bool reservation_is_shared(enum reservation_type type)
{
    return type >= RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS;
}

bool reservation_is_held_by_all(enum reservation_type type)
{
    return type >= RESERVATION_WRITE_EXCLUSIVE_ALL;
}

struct reservations *reservations_new(void)
{
    return memory_new(sizeof(struct reservations));
}

static struct reservations *copy(const struct reservations *from, size_t room)
{
    size_t each = sizeof from->registrations[0];
    struct reservations *to = memory_new(sizeof *to + (from->count + room) * each);

    memcpy(to, from, sizeof *from + from->count * each);
    return to;
}

const struct registration *reservations_find(const struct reservations *reservations,
                                             const char *initiator_port, uint16_t port)
{
    for (size_t i = 0; i < reservations->count; i++) {
        const struct registration *registration = &reservations->registrations[i];

        if (!registration->is_removed && registration->port == port &&
            strcasecmp(registration->initiator_port, initiator_port) == 0)
            return registration;
    }
    return NULL;
}

static struct registration *find(struct reservations *reservations, const char *initiator_port,
                                 uint16_t port)
{
    return (struct registration *)(uintptr_t)reservations_find(reservations, initiator_port, port);
}

bool reservations_is_holder(const struct reservations *reservations,
                            const struct registration *registration)
{
    return registration->is_holder || reservation_is_held_by_all(reservations->type);
}

uint64_t reservations_holder_key(const struct reservations *reservations)
{
    for (size_t i = 0; i < reservations->count; i++)
        if (reservations->registrations[i].is_holder)
            return reservations->registrations[i].key;
    return 0;
}

static struct registration *add(struct reservations *reservations, const char *initiator_port,
                                uint16_t port)
{
    struct registration *registration = &reservations->registrations[reservations->count++];

    snprintf(registration->initiator_port, sizeof registration->initiator_port, "%s",
             initiator_port);
    registration->port = port;
    return registration;
}

/* Tells the registered I_T nexuses but the one that asks. */
static void notify_others(const struct action *action, uint32_t notice)
{
    struct reservations *after = action->after;

    for (size_t i = 0; i < after->count; i++)
        if (&after->registrations[i] != action->self && !after->registrations[i].is_removed)
            after->registrations[i].notice = notice;
}

static void set_holder(struct reservations *reservations, enum reservation_type type,
                       const struct registration *holder)
{
    reservations->type = type;
    for (size_t i = 0; i < reservations->count; i++)
        reservations->registrations[i].is_holder =
            &reservations->registrations[i] == holder && !reservation_is_held_by_all(type);
}

/* SPC-4 5.13.11.1.2: those who had access through it are told. */
static void end_reservation(const struct action *action)
{
    if (reservation_is_shared(action->after->type))
        notify_others(action, SCSI_RESERVATIONS_RELEASED);
    set_holder(action->after, RESERVATION_NONE, NULL);
}

static bool has_registrations(const struct reservations *reservations)
{
    for (size_t i = 0; i < reservations->count; i++)
        if (!reservations->registrations[i].is_removed)
            return true;
    return false;
}

/* SPC-4 5.13.11.1.3: the reservation ends with its holder, or with the last of them. */
static void unregister(const struct action *action, struct registration *registration)
{
    registration->is_removed = true;
    registration->notice = SCSI_GOOD;
    if (registration->is_holder || !has_registrations(action->after))
        end_reservation(action);
}

static void change_registration(struct action *action, const char *initiator_port, uint16_t port,
                                uint64_t key)
{
    struct registration *registration = find(action->after, initiator_port, port);

    if (registration && key == 0) {
        unregister(action, registration);
        return;
    }
    if (!registration && key)
        registration = add(action->after, initiator_port, port);
    if (registration)
        registration->key = key;
}

/* SPC-4 5.13.7, tables of the register service actions. Of the target ports the one that the
 * request came through counts; others may not be registered with another key. */
static uint32_t check_register(const struct action *action)
{
    const struct reservation_request *request = action->request;
    uint64_t key = action->self ? action->self->key : 0;

    if (request->action == RESERVATION_REGISTER_AND_IGNORE)
        return SCSI_GOOD;
    if (request->key != key)
        return SCSI_RESERVATION_CONFLICT;
    if (action->self && request->other_count)
        return SCSI_INVALID_FIELD_IN_CDB;
    for (size_t i = 0; i < request->port_count; i++) {
        const struct registration *registration =
            find(action->after, request->initiator_port, request->ports[i]);

        if (registration && registration->key != key)
            return SCSI_RESERVATION_CONFLICT;
    }
    return SCSI_GOOD;
}

static uint32_t act_register(struct action *action)
{
    const struct reservation_request *request = action->request;
    uint32_t result = check_register(action);

    if (result)
        return result;
    for (size_t i = 0; i < request->port_count; i++) {
        change_registration(action, request->initiator_port, request->ports[i],
                            request->service_key);
        for (size_t j = 0; j < request->other_count; j++)
            if (!find(action->after, request->others[j], request->ports[i]))
                change_registration(action, request->others[j], request->ports[i],
                                    request->service_key);
    }
    action->after->outlives_power = request->outlives_power;
    return SCSI_GOOD;
}

/* SPC-4 5.13.9 */
static uint32_t act_reserve(struct action *action)
{
    const struct reservation_request *request = action->request;
    struct reservations *after = action->after;

    if (request->scope || !reservation_is_type(request->type))
        return SCSI_INVALID_FIELD_IN_CDB;
    if (after->type == RESERVATION_NONE)
        set_holder(after, request->type, action->self);
    else if (!reservations_is_holder(after, action->self) || after->type != request->type)
        return SCSI_RESERVATION_CONFLICT;
    return SCSI_GOOD;
}

/* SPC-4 5.13.11.1.2 */
static uint32_t act_release(struct action *action)
{
    struct reservations *after = action->after;

    if (after->type == RESERVATION_NONE || !reservations_is_holder(after, action->self))
        return SCSI_GOOD;
    if (action->request->scope || after->type != action->request->type)
        return SCSI_INVALID_RELEASE;
    end_reservation(action);
    return SCSI_GOOD;
}

/* SPC-4 5.13.11.1.6 */
static uint32_t act_clear(struct action *action)
{
    struct reservations *after = action->after;

    notify_others(action, SCSI_RESERVATIONS_PREEMPTED);
    for (size_t i = 0; i < after->count; i++)
        after->registrations[i].is_removed = true;
    set_holder(after, RESERVATION_NONE, NULL);
    return SCSI_GOOD;
}

/* Removes the registrations with the key, or all (`key` 0), but not `keep`. The number of them. */
static size_t preempt_registrations(const struct action *action, uint64_t key,
                                    const struct registration *keep)
{
    struct reservations *after = action->after;
    size_t count = 0;

    for (size_t i = 0; i < after->count; i++) {
        struct registration *registration = &after->registrations[i];

        if (registration == keep || (key && registration->key != key))
            continue;
        registration->is_removed = true;
        if (registration != action->self)
            registration->notice = SCSI_REGISTRATIONS_PREEMPTED;
        count++;
    }
    return count;
}

/* SPC-4 5.13.11.2.4: the reservation goes to the one that asks. */
static uint32_t take_over(struct action *action)
{
    const struct reservation_request *request = action->request;
    bool is_other_type = action->after->type != request->type;

    if (request->scope || !reservation_is_type(request->type))
        return SCSI_INVALID_FIELD_IN_CDB;
    preempt_registrations(action, request->service_key, action->self);
    set_holder(action->after, request->type, action->self);
    if (is_other_type)
        notify_others(action, SCSI_RESERVATIONS_RELEASED);
    return SCSI_GOOD;
}

/* SPC-4 5.13.11.2 */
static uint32_t act_preempt(struct action *action)
{
    struct reservations *after = action->after;
    bool is_held_by_all = reservation_is_held_by_all(after->type);
    uint64_t key = action->request->service_key;

    if (key == 0 && !is_held_by_all)
        return SCSI_INVALID_FIELD_IN_LIST;
    if (after->type && key == reservations_holder_key(after))
        return take_over(action);
    if (preempt_registrations(action, key, NULL) == 0)
        return SCSI_RESERVATION_CONFLICT;
    if (!has_registrations(after))
        set_holder(after, RESERVATION_NONE, NULL);
    return SCSI_GOOD;
}

/* SPC-4 5.13.8 */
static uint32_t act_move(struct action *action)
{
    const struct reservation_request *request = action->request;
    struct reservations *after = action->after;
    struct registration *to;

    if (reservation_is_held_by_all(after->type))
        return SCSI_RESERVATION_CONFLICT;
    if (after->type == RESERVATION_NONE || !action->self->is_holder)
        return SCSI_INVALID_FIELD_IN_CDB;
    if (request->service_key == 0)
        return SCSI_INVALID_FIELD_IN_LIST;
    to = find(after, request->others[0], request->ports[0]);
    if (!to)
        to = add(after, request->others[0], request->ports[0]);
    to->key = request->service_key;
    set_holder(after, after->type, to);
    action->self->is_removed = request->unregisters;
    after->outlives_power = request->outlives_power;
    return SCSI_GOOD;
}

static const struct {
    uint32_t (*act)(struct action *action);
    bool needs_key; /* only for the registered, with their key */
    bool counts;    /* in PRGENERATION */
} actions[] = {
    [RESERVATION_REGISTER] = {act_register, false, true},
    [RESERVATION_RESERVE] = {act_reserve, true, false},
    [RESERVATION_RELEASE] = {act_release, true, false},
    [RESERVATION_CLEAR] = {act_clear, true, true},
    [RESERVATION_PREEMPT] = {act_preempt, true, true},
    [RESERVATION_PREEMPT_AND_ABORT] = {act_preempt, true, true},
    [RESERVATION_REGISTER_AND_IGNORE] = {act_register, false, true},
    [RESERVATION_REGISTER_AND_MOVE] = {act_move, true, true},
};

uint32_t reservations_act(const struct reservations *before,
                          const struct reservation_request *request, struct reservations **after)
{
    size_t room = request->port_count * (request->other_count + 1);
    struct action action = {request, copy(before, room), NULL};
    uint32_t result = SCSI_RESERVATION_CONFLICT;

    action.self = find(action.after, request->initiator_port, request->port);
    if (!actions[request->action].needs_key || (action.self && action.self->key == request->key))
        result = actions[request->action].act(&action);
    if (!result && action.after->count > REGISTRATIONS_MAXIMUM)
        result = SCSI_REGISTRATIONS_EXHAUSTED;
    if (result) {
        free(action.after);
        return result;
    }
    action.after->generation += actions[request->action].counts;
    *after = action.after;
    return SCSI_GOOD;
}

void reservations_forget_marks(struct reservations *reservations)
{
    size_t kept = 0;

    for (size_t i = 0; i < reservations->count; i++) {
        struct registration *registration = &reservations->registrations[i];

        registration->notice = SCSI_GOOD;
        if (!registration->is_removed)
            reservations->registrations[kept++] = *registration;
    }
    reservations->count = kept;
}
