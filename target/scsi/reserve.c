/* Reservations as the commands meet them: which ones run in spite of another nexus' reservation,
 * RESERVE and RELEASE of SPC-2 (7.16 to 7.22), and the persistent ones in force. */
#include "target/base/bytes.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The nexus holds the persistent reservation or shares in it. */
static bool has_access(const struct scsi_nexus *nexus)
{
    const struct reservations *reservations = nexus->lun->reservations;

    return nexus->is_holder || (nexus->is_registered && reservation_is_shared(reservations->type));
}

/* Whether a row may run for one who has no access. */
static bool is_allowed(const struct scsi_task *task, enum reservation_type type)
{
    enum { START = 0x01, POWER_CONDITION = 0xf0, PREVENT = 0x03 };
    unsigned flags = task->command->flags;

    if (flags & ALLOWED_ALWAYS)
        return true;
    if (flags & ALLOWED_TO_START)
        return (task->cdb[4] & (START | POWER_CONDITION)) == START;
    if (flags & ALLOWED_TO_ALLOW)
        return !(task->cdb[4] & PREVENT);
    return reservation_is_write_exclusive(type) && !(flags & WRITES_MEDIUM) &&
           flags & (READS_MEDIUM | ALLOWED_WRITE_EXCLUSIVE);
}

bool reserve_is_conflict(const struct scsi_task *task)
{
    const struct scsi_nexus *nexus = task->nexus, *reserved_by = nexus->lun->reserved_by;
    const struct reservations *reservations = nexus->lun->reservations;
    unsigned flags = task->command->flags;

    if (!reserved_by && !reservations->count)
        return false;
    if (reserved_by)
        return flags & PERSISTENT_RESERVATION ||
               (reserved_by != nexus && !(flags & IGNORES_RESERVATION));
    if (flags & LEGACY_RESERVATION) /* SPC-4 5.13.3 */
        return !reservations->type || !has_access(nexus);
    return reservations->type && !has_access(nexus) && !is_allowed(task, reservations->type);
}

/* Ports of one initiator: the same name before ",i,". */
static bool is_same_initiator(const char *port, const char *other)
{
    size_t length = strcspn(port, ",");

    return strcspn(other, ",") == length && strncasecmp(port, other, length) == 0;
}

bool reserve_forbids_copy(const struct scsi_lun *lun, const char *initiator_port, bool writes)
{
    const struct reservations *reservations = lun->reservations;

    if (lun->reserved_by)
        return !is_same_initiator(lun->reserved_by->initiator_port, initiator_port);
    if (!reservations->type || (!writes && reservation_is_write_exclusive(reservations->type)))
        return false;
    for (size_t i = 0; i < reservations->count; i++)
        if ((reservation_is_shared(reservations->type) ||
             reservations_is_holder(reservations, &reservations->registrations[i])) &&
            is_same_initiator(reservations->registrations[i].initiator_port, initiator_port))
            return false;
    return true;
}

void reserve_drop(struct scsi_lun *lun)
{
    lun->reserved_by = NULL;
}

void reserve_forget(struct scsi_nexus *nexus)
{
    if (nexus->lun->reserved_by == nexus)
        nexus->lun->reserved_by = NULL;
}

void reserve_refresh(struct scsi_nexus *nexus)
{
    const struct reservations *reservations = nexus->lun->reservations;
    const struct registration *registration =
        reservations_find(reservations, nexus->initiator_port, nexus->relative_port);

    nexus->is_registered = registration != NULL;
    nexus->is_holder = registration && reservations_is_holder(reservations, registration);
}

void reserve_refresh_all(struct scsi_lun *lun)
{
    LIST_FOR_EACH (link, &lun->nexuses)
        reserve_refresh(container_of(link, struct scsi_nexus, link));
}

json_t *reserve_encode(const struct scsi_lun *lun)
{
    return reservations_encode(lun->changed_reservations ? lun->changed_reservations
                                                         : lun->reservations);
}

/* SPC-4 5.13.5: a power loss ends what was not asked to outlive it. */
void reserve_decode(struct scsi_lun *lun, json_t *json, bool is_same_run)
{
    lun->reservations = reservations_decode(json);
    if (is_same_run)
        return;
    if (!lun->reservations->outlives_power) {
        free(lun->reservations);
        lun->reservations = reservations_new();
    }
    lun->reservations->generation = 0;
}

/* Another nexus' reservation was found by the check before. Beside registrations it does nothing,
 * SPC-4 5.13.3. */
uint32_t run_reserve(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (!lun->reservations->count)
        lun->reserved_by = task->nexus;
    return SCSI_GOOD;
}

/* Of a reservation that the nexus does not hold nothing is released, and that is no error. */
uint32_t run_release(struct scsi_task *task)
{
    reserve_forget(task->nexus);
    return SCSI_GOOD;
}
