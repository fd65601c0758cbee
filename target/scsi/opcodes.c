/* REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS, SPC-4 6.34 and 6.35, from the
 * command table. */
#include "target/base/bytes.h"
#include "target/scsi/command.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { TIMEOUTS_SIZE = 12, RECOMMENDED_TIMEOUT_S = 60 };
enum reporting { REPORT_ALL, REPORT_OPCODE, REPORT_ACTION, REPORT_ANY };

static unsigned service_action(const struct scsi_command *command)
{
    return command->flags & SERVICE_ACTION ? command->usage[1] & COMMAND_ACTION_BITS : 0;
}

/* Command timeouts descriptor, SPC-4 6.34.4; the nominal time is not known. */
static void put_timeouts(uint8_t *bytes)
{
    put_be16(bytes, TIMEOUTS_SIZE - 2);
    put_be32(bytes + 8, RECOMMENDED_TIMEOUT_S);
}

static uint32_t report_all(struct scsi_task *task, bool has_timeouts, uint32_t allocation_length)
{
    enum { HEADER = 4, DESCRIPTOR = 8, CTDP = 0x02, SERVACTV = 0x01 };
    const struct command_index *index = &task->nexus->lun->commands;
    size_t each = DESCRIPTOR + (has_timeouts ? TIMEOUTS_SIZE : 0), count = 0;
    uint8_t *bytes;

    for (size_t i = 0; i < scsi_command_count; i++)
        count += command_is_there(index, &scsi_commands[i]);
    bytes = data_answer(task, HEADER + each * count, allocation_length);
    put_be32(bytes, (uint32_t)(each * count));
    bytes += HEADER;
    for (size_t i = 0; i < scsi_command_count; i++) {
        if (!command_is_there(index, &scsi_commands[i]))
            continue;
        bytes[0] = scsi_commands[i].usage[0];
        put_be16(bytes + 2, (uint16_t)service_action(&scsi_commands[i]));
        bytes[5] = (uint8_t)((has_timeouts ? CTDP : 0) |
                             (scsi_commands[i].flags & SERVICE_ACTION ? SERVACTV : 0));
        put_be16(bytes + 6, (uint16_t)command_cdb_length(&scsi_commands[i]));
        if (has_timeouts)
            put_timeouts(bytes + DESCRIPTOR);
        bytes += each;
    }
    return SCSI_GOOD;
}

/* `command` NULL: it is not supported. */
static void report_one(struct scsi_task *task, const struct scsi_command *command,
                       bool has_timeouts, uint32_t allocation_length)
{
    enum { HEADER = 4, CTDP = 0x80, NOT_SUPPORTED = 0x01, AS_THE_STANDARD_SAYS = 0x03 };
    size_t length = command ? command_cdb_length(command) : 0;
    size_t size = HEADER + length + (command && has_timeouts ? TIMEOUTS_SIZE : 0);
    uint8_t *bytes = data_answer(task, size, allocation_length);

    bytes[1] = command ? AS_THE_STANDARD_SAYS : NOT_SUPPORTED;
    if (!command)
        return;
    put_be16(bytes + 2, (uint16_t)length);
    memcpy(bytes + HEADER, command->usage, length);
    if (has_timeouts) {
        bytes[1] |= CTDP;
        put_timeouts(bytes + HEADER + length);
    }
}

uint32_t run_report_opcodes(struct scsi_task *task)
{
    enum { RCTD = 0x80 };
    const uint8_t *cdb = task->cdb;
    bool has_timeouts = cdb[2] & RCTD;
    enum reporting reporting = cdb[2] & 7;
    uint32_t allocation_length = get_be32(cdb + 6);
    uint16_t action = get_be16(cdb + 4);
    const struct command_index *index = &task->nexus->lun->commands;
    const struct scsi_command *command = NULL, *any = command_find_opcode(index, cdb[3]);
    bool has_actions = any && any->flags & SERVICE_ACTION;

    if (reporting == REPORT_ALL)
        return report_all(task, has_timeouts, allocation_length);
    if (reporting > REPORT_ANY)
        return result_in_cdb(task, 2, 2);
    if (reporting == REPORT_OPCODE && has_actions)
        return result_in_cdb(task, 2, 2);
    if (reporting == REPORT_ACTION && any && !has_actions)
        return result_in_cdb(task, 2, 2);
    if (has_actions && action <= COMMAND_ACTION_BITS)
        command = command_find_action(index, cdb[3], action);
    else if (!has_actions && (reporting == REPORT_OPCODE || action == 0))
        command = any;
    report_one(task, command, has_timeouts, allocation_length);
    return SCSI_GOOD;
}

uint32_t run_report_task_functions(struct scsi_task *task)
{
    enum { ABORT_TASK = 0x80, ABORT_TASK_SET = 0x40, CLEAR_TASK_SET = 0x10 };
    enum { LUN_RESET = 0x08, TARGET_RESET = 0x02, REPD = 0x80, SIZE = 4, EXTENDED_SIZE = 16 };
    bool is_extended = task->cdb[2] & REPD;
    uint32_t allocation_length = get_be32(task->cdb + 6);

    if (allocation_length < SIZE)
        return result_in_cdb(task, 6, 7);
    uint8_t *bytes = data_answer(task, is_extended ? EXTENDED_SIZE : SIZE, allocation_length);
    bytes[0] = ABORT_TASK | ABORT_TASK_SET | CLEAR_TASK_SET | LUN_RESET | TARGET_RESET;
    bytes[3] = is_extended ? EXTENDED_SIZE - 4 : 0;
    return SCSI_GOOD;
}
