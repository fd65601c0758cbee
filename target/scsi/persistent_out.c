/* PERSISTENT RESERVE OUT, SPC-4 6.16: its parameter list, and what a change of the reservations
 * does once it is safe. What the change is, reservation.c says. */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/store.h"
#include "target/scsi/transport_id.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LIST_SIZE = 24, FLAGS = 20, OTHERS = 28, MOVE_FLAGS = 17, MOVE_PORT = 18, MOVE_OTHER = 24 };
enum { SPEC_I_PT = 0x08, ALL_TG_PT = 0x04, APTPL = 0x01, UNREG = 0x02 };
enum { OTHERS_MAXIMUM = 64 };

/* A request and what it points to. */
struct parsed {
    struct reservation_request request;
    char others[OTHERS_MAXIMUM][INITIATOR_PORT_SIZE];
    uint16_t port;
};

static bool is_register(enum reservation_action action)
{
    return action == RESERVATION_REGISTER || action == RESERVATION_REGISTER_AND_IGNORE;
}

/* SPC-4 6.16.3: the TransportIDs that follow the list when SPEC_I_PT is one. */
static uint32_t parse_others(struct scsi_task *task, struct parsed *parsed)
{
    const uint8_t *list = task->parameters;
    size_t end = task->received, offset = OTHERS;

    if (parsed->request.action != RESERVATION_REGISTER)
        return result_in_list(task, FLAGS, 3);
    if (end < OTHERS || get_be32(list + LIST_SIZE) != end - OTHERS)
        return SCSI_LIST_LENGTH_ERROR;
    while (offset < end) {
        size_t count = parsed->request.other_count;
        size_t length = count == OTHERS_MAXIMUM ? 0
                                                : transport_id_decode(list + offset, end - offset,
                                                                      parsed->others[count]);

        if (!length)
            return result_in_list(task, (unsigned)offset, WHOLE_BYTE);
        offset += length;
        parsed->request.other_count++;
    }
    return SCSI_GOOD;
}

static uint32_t parse_list(struct scsi_task *task, struct parsed *parsed)
{
    struct reservation_request *request = &parsed->request;
    const struct scsi_lun *lun = task->nexus->lun;
    uint8_t flags = task->parameters[FLAGS];

    if (flags & SPEC_I_PT) {
        uint32_t result = parse_others(task, parsed);

        if (result)
            return result;
    } else if (task->received != LIST_SIZE) {
        return SCSI_LIST_LENGTH_ERROR;
    }
    request->outlives_power = flags & APTPL;
    if (is_register(request->action) && flags & ALL_TG_PT && lun->port_count) {
        request->ports = lun->ports;
        request->port_count = lun->port_count;
    }
    return SCSI_GOOD;
}

static bool has_port(const struct scsi_lun *lun, uint16_t port)
{
    for (size_t i = 0; i < lun->port_count; i++)
        if (lun->ports[i] == port)
            return true;
    return false;
}

/* REGISTER AND MOVE has a list of its own, SPC-4 6.16.4. */
static uint32_t parse_move(struct scsi_task *task, struct parsed *parsed)
{
    struct reservation_request *request = &parsed->request;
    const struct scsi_nexus *nexus = task->nexus;
    const uint8_t *list = task->parameters;
    size_t rest = task->received - LIST_SIZE;

    if (get_be32(list + 20) != rest)
        return SCSI_LIST_LENGTH_ERROR;
    parsed->port = get_be16(list + MOVE_PORT);
    if (parsed->port != nexus->relative_port && !has_port(nexus->lun, parsed->port))
        return result_in_list(task, MOVE_PORT, WHOLE_BYTE);
    if (transport_id_decode(list + MOVE_OTHER, rest, parsed->others[0]) != rest)
        return result_in_list(task, MOVE_OTHER, WHOLE_BYTE);
    if (parsed->port == nexus->relative_port &&
        strcasecmp(parsed->others[0], nexus->initiator_port) == 0)
        return result_in_list(task, MOVE_OTHER, WHOLE_BYTE);
    request->ports = &parsed->port;
    request->other_count = 1;
    request->outlives_power = list[MOVE_FLAGS] & APTPL;
    request->unregisters = list[MOVE_FLAGS] & UNREG;
    return SCSI_GOOD;
}

static uint32_t parse(struct scsi_task *task, struct parsed *parsed)
{
    const struct scsi_nexus *nexus = task->nexus;
    const uint8_t *list = task->parameters;

    if (task->received < task->parameters_size)
        return SCSI_LIST_LENGTH_ERROR;
    parsed->request = (struct reservation_request){
        .action = task->cdb[1] & COMMAND_ACTION_BITS,
        .initiator_port = nexus->initiator_port,
        .port = nexus->relative_port,
        .key = get_be64(list),
        .service_key = get_be64(list + 8),
        .scope = task->cdb[2] >> 4,
        .type = task->cdb[2] & 0x0f,
        .ports = &nexus->relative_port,
        .port_count = 1,
        .others = (const char(*)[INITIATOR_PORT_SIZE])parsed->others,
    };
    return parsed->request.action == RESERVATION_REGISTER_AND_MOVE ? parse_move(task, parsed)
                                                                   : parse_list(task, parsed);
}

/* The sense data says where the value is that reservation.c did not like. */
static uint32_t place(struct scsi_task *task, uint32_t result, enum reservation_action action)
{
    enum { ACTION = 1, SCOPE_AND_TYPE = 2, SERVICE_KEY = 8 };
    bool is_about_action = is_register(action) || action == RESERVATION_REGISTER_AND_MOVE;

    if (result == SCSI_INVALID_FIELD_IN_CDB)
        return result_in_cdb(task, is_about_action ? ACTION : SCOPE_AND_TYPE, WHOLE_BYTE);
    return result == SCSI_INVALID_FIELD_IN_LIST ? result_in_list(task, SERVICE_KEY, WHOLE_BYTE)
                                                : result;
}

static uint32_t change(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;
    struct parsed *parsed = memory_new(sizeof *parsed);
    uint32_t result = parse(task, parsed);

    if (!result)
        result = place(
            task, reservations_act(lun->reservations, &parsed->request, &lun->changed_reservations),
            parsed->request.action);
    if (!result)
        attention_know(lun, lun->changed_reservations);
    free(parsed);
    return result;
}

/* The tasks of the I_T nexuses whose registrations were preempted, SPC-4 5.13.11.2.6. */
static void abort_preempted(struct scsi_lun *lun, const struct scsi_task *except)
{
    LIST_FOR_EACH (link, &lun->nexuses) {
        struct scsi_nexus *nexus = container_of(link, struct scsi_nexus, link);

        if (nexus->is_registered && !reservations_find(lun->changed_reservations,
                                                       nexus->initiator_port, nexus->relative_port))
            manage_abort_tasks(nexus, except);
    }
}

static void settle(struct scsi_task *task, bool is_saved)
{
    struct scsi_lun *lun = task->nexus->lun;
    struct reservations *changed = lun->changed_reservations;

    if (is_saved) {
        if ((task->cdb[1] & COMMAND_ACTION_BITS) == RESERVATION_PREEMPT_AND_ABORT)
            abort_preempted(lun, task);
        attention_add_notices(lun, changed);
        reservations_forget_marks(changed);
        free(lun->reservations);
        lun->reservations = changed;
        reserve_refresh_all(lun);
    } else {
        free(changed);
    }
    lun->changed_reservations = NULL;
}

static uint32_t run_change(struct scsi_task *task)
{
    if ((task->cdb[1] & COMMAND_ACTION_BITS) == RESERVATION_PREEMPT_AND_ABORT)
        task->then = manage_wait;
    return store_change(task, change, settle);
}

uint32_t run_persistent_reserve_out(struct scsi_task *task)
{
    uint32_t length = get_be32(task->cdb + 5);

    if (length < LIST_SIZE || length > DATA_LIST_MAXIMUM)
        return SCSI_LIST_LENGTH_ERROR;
    data_collect(task, length, run_change);
    return SCSI_GOOD;
}
