#include "target/scsi/command.h"

#include "target/scsi/result.h"
#include "target/scsi/runs.h"

#include <string.h>

/* clang-format off */
const struct scsi_command commands[] = {
    /* Rows of one opcode stand together.
     * name                data      flags                                    run                   opcode, then CDB bits in use */
    { "TEST UNIT READY",   NO_DATA,  0,                                       run_test_unit_ready,  { 0x00 } },
    { "REQUEST SENSE",     DATA_IN,  ANSWERS_ALWAYS | ANSWERS_WITHOUT_LUN | IGNORES_RESERVATION, run_request_sense, { 0x03, 0x01, 0, 0, 0xff } },
    { "READ(6)",           DATA_IN,  READS_MEDIUM,                            run_read,             { 0x08, 0x1f, 0xff, 0xff, 0xff } },
    { "WRITE(6)",          DATA_OUT, WRITES_MEDIUM,                           run_write,            { 0x0a, 0x1f, 0xff, 0xff, 0xff } },
    { "INQUIRY",           DATA_IN,  ANSWERS_ALWAYS | ANSWERS_WITHOUT_LUN | IGNORES_RESERVATION, run_inquiry, { 0x12, 0x01, 0xff, 0xff, 0xff } },
    { "MODE SENSE(6)",     DATA_IN,  0,                                       run_mode_sense,       { 0x1a, 0x08, 0xff, 0xff, 0xff } },
    { "READ CAPACITY(10)", DATA_IN,  0,                                       run_read_capacity10,  { 0x25 } },
    { "READ(10)",          DATA_IN,  READS_MEDIUM,                            run_read,             { 0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff } },
    { "WRITE(10)",         DATA_OUT, WRITES_MEDIUM,                           run_write,            { 0x2a, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff } },
    { "SYNCHRONIZE CACHE(10)", NO_DATA, 0,                                    run_synchronize_cache, { 0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff } },
    { "MODE SENSE(10)",    DATA_IN,  0,                                       run_mode_sense,       { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
    { "READ(16)",          DATA_IN,  READS_MEDIUM,                            run_read,             { 0x88, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "WRITE(16)",         DATA_OUT, WRITES_MEDIUM,                           run_write,            { 0x8a, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "SYNCHRONIZE CACHE(16)", NO_DATA, 0,                                    run_synchronize_cache, { 0x91, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "READ CAPACITY(16)", DATA_IN,  SERVICE_ACTION,                          run_read_capacity16,  { 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT LUNS",       DATA_IN,  ANSWERS_ALWAYS | ANSWERS_WITHOUT_LUN | IGNORES_RESERVATION, run_report_luns, { 0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "READ(12)",          DATA_IN,  READS_MEDIUM,                            run_read,             { 0xa8, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "WRITE(12)",         DATA_OUT, WRITES_MEDIUM,                           run_write,            { 0xaa, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
};
/* clang-format on */

const size_t command_count = sizeof commands / sizeof commands[0];
_Static_assert(sizeof commands / sizeof commands[0] < 255, "the index holds one byte a row");

enum { ACTION_BITS = 0x1f };

void command_index_fill(struct command_index *index)
{
    memset(index, 0, sizeof *index);
    for (size_t i = command_count; i-- > 0;)
        index->first[commands[i].usage[0]] = (uint8_t)(i + 1);
}

const struct scsi_command *command_find_action(const struct command_index *index, uint8_t opcode,
                                               unsigned action)
{
    size_t row = index->first[opcode];

    if (row == 0)
        return NULL;
    for (row--; row < command_count && commands[row].usage[0] == opcode; row++)
        if (!(commands[row].flags & SERVICE_ACTION) ||
            (commands[row].usage[1] & ACTION_BITS) == action)
            return &commands[row];
    return NULL;
}

const struct scsi_command *command_find(const struct command_index *index, const uint8_t *cdb,
                                        bool *has_opcode)
{
    *has_opcode = index->first[cdb[0]] != 0;
    return command_find_action(index, cdb[0], cdb[1] & ACTION_BITS);
}

/* SPC-4 4.3.2: the group code gives the length. */
unsigned command_cdb_length(const struct scsi_command *command)
{
    static const uint8_t lengths[] = {6, 10, 10, COMMAND_CDB_MAXIMUM, 16, 12, 0, 0};

    return lengths[command->usage[0] >> 5];
}

uint32_t command_check_cdb(struct scsi_task *task)
{
    const struct scsi_command *command = task->command;
    unsigned length = command_cdb_length(command);

    if (length > task->cdb_length)
        return SCSI_INVALID_FIELD_IN_CDB;
    for (unsigned i = 1; i < length; i++) {
        unsigned used = command->usage[i];

        if (i == 1 && command->flags & SERVICE_ACTION)
            used |= ACTION_BITS;
        unsigned reserved = task->cdb[i] & ~used;
        if (reserved)
            return result_in_cdb(task, i, 31 - (unsigned)__builtin_clz(reserved));
    }
    return SCSI_GOOD;
}
