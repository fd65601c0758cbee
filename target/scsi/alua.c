/* Asymmetric logical unit access, SPC-4 5.15: the state of each target port group, REPORT and SET
 * TARGET PORT GROUPS. A target port group is a portal group: it has one port, whose relative
 * identifier is the group's. */
#include "target/scsi/alua.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>

/* Why the state is what it is, SPC-4 6.35.2. */
enum { STATUS_NONE = 0, STATUS_BY_COMMAND = 1, STATUS_IMPLICIT = 2 };

static struct alua_group *find_group(const struct alua *alua, uint16_t id)
{
    for (size_t i = 0; i < alua->count; i++)
        if (alua->groups[i].id == id)
            return &alua->groups[i];
    return NULL;
}

void alua_free(struct alua *alua)
{
    for (size_t i = 0; i < alua->count; i++)
        free(alua->groups[i].port_name);
    free(alua->groups);
    *alua = (struct alua){.mode = SCSI_ALUA_OFF};
}

json_t *alua_encode(const struct scsi_lun *lun)
{
    json_t *list = json_array();

    for (size_t i = 0; i < lun->alua.count; i++) {
        const struct alua_group *group = &lun->alua.groups[i];

        if (group->status == STATUS_BY_COMMAND)
            json_array_append_new(list, json_pack("{s:i, s:i, s:i}", "id", group->id, "configured",
                                                  group->configured, "state", group->state));
    }
    return list;
}

static int number(json_t *json, const char *key)
{
    return (int)json_integer_value(json_object_get(json, key));
}

void alua_decode(struct scsi_lun *lun, json_t *json, bool is_same_run)
{
    struct alua *alua = &lun->alua;
    size_t i;
    json_t *element;

    if (!is_same_run || !json_array_size(json))
        return;
    alua->groups = memory_new(json_array_size(json) * sizeof *alua->groups);
    json_array_foreach (json, i, element)
        alua->groups[alua->count++] = (struct alua_group){
            .id = (uint16_t)number(element, "id"),
            .status = STATUS_BY_COMMAND,
            .configured = (enum scsi_access_state)number(element, "configured"),
            .state = (enum scsi_access_state)number(element, "state"),
        };
}

/* What a group goes on with: a state that a host has set stays until another one is configured. */
static struct alua_group take_group(const struct alua *before,
                                    const struct scsi_port_group *configured)
{
    const struct alua_group *old = find_group(before, configured->id);
    struct alua_group group = {.id = configured->id,
                               .port_name = memory_copy_text(configured->port_name),
                               .configured = configured->state,
                               .state = configured->state};

    if (old && old->configured == configured->state) {
        group.state = old->state;
        group.status = old->status;
    } else if (old) {
        group.status = STATUS_IMPLICIT;
    }
    return group;
}

static void set_ports(struct scsi_lun *lun)
{
    lun->port_count = lun->alua.count;
    lun->ports = memory_resize(lun->ports, (lun->port_count + 1) * sizeof *lun->ports);
    for (size_t i = 0; i < lun->port_count; i++)
        lun->ports[i] = lun->alua.groups[i].id;
}

unsigned alua_missing(enum scsi_alua_mode mode)
{
    return (mode == SCSI_ALUA_OFF ? NEEDS_ALUA : 0) |
           (mode != SCSI_ALUA_EXPLICIT ? NEEDS_EXPLICIT_ALUA : 0);
}

static void set_commands(struct scsi_lun *lun)
{
    unsigned others = lun->commands.missing & ~(unsigned)(NEEDS_ALUA | NEEDS_EXPLICIT_ALUA);

    command_index_fill(&lun->commands, others | alua_missing(lun->alua.mode));
}

static bool has_other_states(const struct alua *before, const struct alua *after)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct alua_group *old = find_group(before, after->groups[i].id);

        if (old && old->state != after->groups[i].state)
            return true;
    }
    return false;
}

void scsi_lun_set_port_groups(struct scsi_lun *lun, const struct scsi_port_group *groups,
                              size_t count)
{
    struct alua before = lun->alua, *after = &lun->alua;

    *after = (struct alua){
        .groups = memory_new(count * sizeof *after->groups), .count = count, .is_configured = true};
    for (size_t i = 0; i < count; i++) {
        after->groups[i] = take_group(&before, &groups[i]);
        if (groups[i].mode > after->mode)
            after->mode = groups[i].mode;
    }
    set_ports(lun);
    set_commands(lun);
    if (before.is_configured && before.mode != after->mode)
        attention_add_all(lun, SCSI_INQUIRY_CHANGED);
    else if (before.is_configured && after->mode != SCSI_ALUA_OFF &&
             has_other_states(&before, after))
        attention_add_all(lun, SCSI_ACCESS_CHANGED);
    alua_free(&before);
}

uint32_t alua_check(const struct scsi_nexus *nexus, unsigned flags)
{
    const struct alua *alua = &nexus->lun->alua;
    const struct alua_group *group;

    if (alua->mode == SCSI_ALUA_OFF || !(group = find_group(alua, nexus->relative_port)))
        return SCSI_GOOD;
    switch (group->state) {
    case SCSI_STANDBY:
        return flags & RUNS_IN_STANDBY ? SCSI_GOOD : SCSI_IN_STANDBY;
    case SCSI_UNAVAILABLE:
        return flags & RUNS_UNAVAILABLE ? SCSI_GOOD : SCSI_IN_UNAVAILABLE;
    case SCSI_TRANSITIONING:
        return flags & RUNS_UNAVAILABLE ? SCSI_GOOD : SCSI_IN_TRANSITION;
    default:
        return SCSI_GOOD;
    }
}

/* A target port group descriptor, SPC-4 6.35.2. */
static void put_group(uint8_t *bytes, const struct alua_group *group)
{
    enum { T_SUP = 0x80, U_SUP = 0x08, S_SUP = 0x04, AN_SUP = 0x02, AO_SUP = 0x01, PREF = 0x80 };

    bytes[0] = (uint8_t)(group->state | (group->configured == SCSI_OPTIMIZED ? PREF : 0));
    bytes[1] = T_SUP | U_SUP | S_SUP | AN_SUP | AO_SUP;
    put_be16(bytes + 2, group->id);
    bytes[5] = group->status;
    bytes[7] = 1; /* port */
    put_be16(bytes + 10, group->id);
}

uint32_t run_report_port_groups(struct scsi_task *task)
{
    enum { FORMAT = 0xe0, EXTENDED = 0x20, EXTENDED_TYPE = 0x10, GROUP = 12 };
    const struct alua *alua = &task->nexus->lun->alua;
    uint8_t format = task->cdb[1] & FORMAT;
    size_t header = format == EXTENDED ? 8 : 4, size = header + alua->count * GROUP;
    uint8_t *bytes;

    if (format > EXTENDED)
        return result_in_cdb(task, 1, 7);
    bytes = data_answer(task, size, get_be32(task->cdb + 6));
    put_be32(bytes, (uint32_t)(size - 4));
    if (format == EXTENDED)
        bytes[4] = EXTENDED_TYPE; /* implicit transitions take no time */
    for (size_t i = 0; i < alua->count; i++)
        put_group(bytes + header + i * GROUP, &alua->groups[i]);
    return SCSI_GOOD;
}

/* Checks the list (`is_checking`), or makes it so; SPC-4 6.45. */
static uint32_t walk_list(struct scsi_task *task, bool is_checking)
{
    enum { HEADER = 4, DESCRIPTOR = 4, STATE = 0x0f };
    const struct alua *alua = &task->nexus->lun->alua;
    const uint8_t *bytes = task->parameters;

    for (unsigned place = HEADER; place < task->received; place += DESCRIPTOR) {
        enum scsi_access_state state = bytes[place] & STATE;
        struct alua_group *group = find_group(alua, get_be16(bytes + place + 2));

        if (is_checking && state > SCSI_UNAVAILABLE)
            return result_in_list(task, place, 3);
        if (is_checking && !group)
            return result_in_list(task, place + 2, WHOLE_BYTE);
        if (is_checking && group->state == SCSI_TRANSITIONING)
            return SCSI_SET_PORT_GROUPS_FAILED;
        if (!is_checking && group->state != state) {
            group->state = state;
            group->status = STATUS_BY_COMMAND;
            attention_add_others(task->nexus, SCSI_ACCESS_CHANGED);
        }
    }
    return SCSI_GOOD;
}

static uint32_t set_port_groups(struct scsi_task *task)
{
    uint32_t result = SCSI_LIST_LENGTH_ERROR;

    if (task->received == task->parameters_size && task->received % 4 == 0)
        result = walk_list(task, true);
    if (result)
        return result;
    result = walk_list(task, false);
    store_touch(task->nexus->lun); /* kept soon: after a power loss nobody relies on it */
    return result;
}

uint32_t run_set_port_groups(struct scsi_task *task)
{
    uint32_t length = get_be32(task->cdb + 6);

    if (length > DATA_LIST_MAXIMUM)
        return result_in_cdb(task, 6, 7);
    if (length)
        data_collect(task, length, set_port_groups);
    return SCSI_GOOD;
}
