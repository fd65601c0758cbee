#include "target/scsi/command.h"

#include "target/base/bytes.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"

#include <string.h>

/* clang-format off */
enum {
    UNAVAILABLE = RUNS_IN_STANDBY | RUNS_UNAVAILABLE,
    ALWAYS = ANSWERS_ALWAYS | ANSWERS_WITHOUT_LUN | IGNORES_RESERVATION | ALLOWED_ALWAYS | UNAVAILABLE,
    PERSISTENT = SERVICE_ACTION | ALLOWED_ALWAYS | PERSISTENT_RESERVATION | RUNS_IN_STANDBY,
    LEGACY = ALLOWED_ALWAYS | LEGACY_RESERVATION,
};

const struct scsi_command scsi_commands[] = {
    /* Rows of one opcode stand together, and so in REPORT SUPPORTED OPERATION CODES.
     * name, data, flags, run, then the opcode, the service action if there is one, and the CDB bits in use */
    { "TEST UNIT READY",         NO_DATA,  ALLOWED_ALWAYS | NEEDS_MEDIUM, run_test_unit_ready,       { 0x00 } },
    { "REQUEST SENSE",           DATA_IN,  ALWAYS,                        run_request_sense,         { 0x03, 0x01, 0, 0, 0xff } },
    { "FORMAT UNIT",             DATA_OUT, WRITES_MEDIUM | MENDS_MEDIUM,  run_format_unit,           { 0x04, 0x38 } },
    { "READ(6)",                 DATA_IN,  READS_MEDIUM,                  run_read,                  { 0x08, 0x1f, 0xff, 0xff, 0xff } },
    { "WRITE(6)",                DATA_OUT, WRITES_MEDIUM,                 run_write,                 { 0x0a, 0x1f, 0xff, 0xff, 0xff } },
    { "INQUIRY",                 DATA_IN,  ALWAYS,                        run_inquiry,               { 0x12, 0x01, 0xff, 0xff, 0xff } },
    { "MODE SELECT(6)",          DATA_OUT, RUNS_IN_STANDBY,               run_mode_select,           { 0x15, 0x11, 0, 0, 0xff } },
    { "RESERVE(6)",              NO_DATA,  LEGACY,                        run_reserve,               { 0x16 } },
    { "RELEASE(6)",              NO_DATA,  IGNORES_RESERVATION | LEGACY,  run_release,               { 0x17 } },
    { "MODE SENSE(6)",           DATA_IN,  ALLOWED_WRITE_EXCLUSIVE | RUNS_IN_STANDBY, run_mode_sense,            { 0x1a, 0x08, 0xff, 0xff, 0xff } },
    { "START STOP UNIT",         NO_DATA,  ALLOWED_TO_START | NEEDS_FIXED, run_start_stop_unit,       { 0x1b, 0x01, 0, 0, 0x05 } },
    { "START STOP UNIT",         NO_DATA,  ALLOWED_TO_START | NEEDS_REMOVABLE, run_load_or_eject,         { 0x1b, 0x01, 0, 0x0f, 0xf7 } },
    { "RECEIVE DIAGNOSTIC RESULTS", DATA_IN, ALLOWED_WRITE_EXCLUSIVE | RUNS_IN_STANDBY, run_receive_diagnostic,    { 0x1c, 0x01, 0xff, 0xff, 0xff } },
    { "SEND DIAGNOSTIC",         DATA_OUT, RUNS_IN_STANDBY,               run_send_diagnostic,       { 0x1d, 0xf7, 0, 0xff, 0xff } },
    { "PREVENT ALLOW MEDIUM REMOVAL", NO_DATA,  NEEDS_REMOVABLE | ALLOWED_TO_ALLOW, run_prevent_allow,        { 0x1e, 0, 0, 0, 0x01 } },
    { "READ CAPACITY(10)",       DATA_IN,  ALLOWED_ALWAYS | NEEDS_MEDIUM, run_read_capacity10,       { 0x25 } },
    { "READ(10)",                DATA_IN,  READS_MEDIUM,                  run_read,                  { 0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "WRITE(10)",               DATA_OUT, WRITES_MEDIUM,                 run_write,                 { 0x2a, 0x18, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "WRITE AND VERIFY(10)",    DATA_OUT, WRITES_MEDIUM,                 run_write_and_verify,      { 0x2e, 0x16, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "VERIFY(10)",              DATA_OUT, READS_MEDIUM,                  run_verify,                { 0x2f, 0x16, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "PRE-FETCH(10)",           NO_DATA,  READS_MEDIUM,                  run_prefetch,              { 0x34, 0x02, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "SYNCHRONIZE CACHE(10)",   NO_DATA,  NEEDS_MEDIUM,                  run_synchronize_cache,     { 0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "READ DEFECT DATA(10)",    DATA_IN,  NEEDS_MEDIUM | ALLOWED_WRITE_EXCLUSIVE, run_read_defect_data,      { 0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff } },
    { "WRITE SAME(10)",          DATA_OUT, WRITES_MEDIUM | NEEDS_THIN,    run_write_same,            { 0x41, 0x08, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "WRITE SAME(10)",          DATA_OUT, WRITES_MEDIUM | NEEDS_THICK,   run_write_same,            { 0x41, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff } },
    { "UNMAP",                   DATA_OUT, WRITES_MEDIUM | NEEDS_THIN,    run_unmap,                 { 0x42, 0, 0, 0, 0, 0, 0x1f, 0xff, 0xff } },
    { "SANITIZE OVERWRITE",      DATA_OUT, WRITES_MEDIUM | MENDS_MEDIUM | SERVICE_ACTION, run_sanitize_overwrite,    { 0x48, 0xa1, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "SANITIZE BLOCK ERASE",    NO_DATA,  WRITES_MEDIUM | MENDS_MEDIUM | SERVICE_ACTION | NEEDS_THIN, run_sanitize_block_erase,  { 0x48, 0xa2 } },
    { "SANITIZE CRYPTO ERASE",   NO_DATA,  WRITES_MEDIUM | MENDS_MEDIUM | SERVICE_ACTION | NEEDS_THIN, run_sanitize_crypto_erase, { 0x48, 0xa3 } },
    { "SANITIZE EXIT FAILURE MODE", NO_DATA,  WRITES_MEDIUM | MENDS_MEDIUM | SERVICE_ACTION, run_sanitize_exit_failure, { 0x48, 0x1f } },
    { "LOG SELECT",              DATA_OUT, RUNS_IN_STANDBY,               run_log_select,            { 0x4c, 0x02, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
    { "LOG SENSE",               DATA_IN,  ALLOWED_ALWAYS | RUNS_IN_STANDBY, run_log_sense,             { 0x4d, 0, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff } },
    { "MODE SELECT(10)",         DATA_OUT, RUNS_IN_STANDBY,               run_mode_select,           { 0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "RESERVE(10)",             NO_DATA,  LEGACY,                        run_reserve,               { 0x56 } },
    { "RELEASE(10)",             NO_DATA,  IGNORES_RESERVATION | LEGACY,  run_release,               { 0x57 } },
    { "MODE SENSE(10)",          DATA_IN,  ALLOWED_WRITE_EXCLUSIVE | RUNS_IN_STANDBY, run_mode_sense,            { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
    { "PERSISTENT RESERVE IN READ KEYS", DATA_IN, PERSISTENT, run_read_keys, { 0x5e, 0x00, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "PERSISTENT RESERVE IN READ RESERVATION", DATA_IN, PERSISTENT, run_read_reservation, { 0x5e, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "PERSISTENT RESERVE IN REPORT CAPABILITIES", DATA_IN, PERSISTENT, run_report_capabilities, { 0x5e, 0x02, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "PERSISTENT RESERVE IN READ FULL STATUS", DATA_IN, PERSISTENT, run_read_full_status, { 0x5e, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT REGISTER", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x00, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT RESERVE", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x01, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT RELEASE", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x02, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT CLEAR", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x03, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT PREEMPT", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x04, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT PREEMPT AND ABORT", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x05, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT REGISTER AND IGNORE EXISTING KEY", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x06, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "PERSISTENT RESERVE OUT REGISTER AND MOVE", DATA_OUT, PERSISTENT, run_persistent_reserve_out, { 0x5f, 0x07, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "EXTENDED COPY(LID1)",     DATA_OUT, NEEDS_MEDIUM | SERVICE_ACTION, run_extended_copy,         { 0x83, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "EXTENDED COPY(LID4)",     DATA_OUT, NEEDS_MEDIUM | SERVICE_ACTION, run_extended_copy,         { 0x83, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "POPULATE TOKEN",          DATA_OUT, READS_MEDIUM | SERVICE_ACTION, run_populate_token,        { 0x83, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE USING TOKEN",       DATA_OUT, WRITES_MEDIUM | SERVICE_ACTION, run_write_using_token,    { 0x83, 0x11, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "COPY OPERATION ABORT",    NO_DATA,  SERVICE_ACTION,                run_copy_abort,            { 0x83, 0x1c, 0xff, 0xff, 0xff, 0xff } },
    { "RECEIVE COPY STATUS(LID1)", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_receive_copy_status1,  { 0x84, 0x00, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "RECEIVE COPY OPERATING PARAMETERS", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_receive_copy_parameters, { 0x84, 0x03, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "RECEIVE COPY FAILURE DETAILS(LID1)", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_receive_copy_failure,  { 0x84, 0x04, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "RECEIVE COPY STATUS(LID4)", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_receive_copy_status4,  { 0x84, 0x05, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "RECEIVE ROD TOKEN INFORMATION", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_receive_token,         { 0x84, 0x07, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "READ(16)",                DATA_IN,  READS_MEDIUM,                  run_read,                  { 0x88, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "COMPARE AND WRITE",       DATA_OUT, READS_MEDIUM | WRITES_MEDIUM,  run_compare_and_write,     { 0x89, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0x1f } },
    { "WRITE(16)",               DATA_OUT, WRITES_MEDIUM,                 run_write,                 { 0x8a, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "ORWRITE(16)",             DATA_OUT, READS_MEDIUM | WRITES_MEDIUM,  run_orwrite,               { 0x8b, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE AND VERIFY(16)",    DATA_OUT, WRITES_MEDIUM,                 run_write_and_verify,      { 0x8e, 0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "VERIFY(16)",              DATA_OUT, READS_MEDIUM,                  run_verify,                { 0x8f, 0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "PRE-FETCH(16)",           NO_DATA,  READS_MEDIUM,                  run_prefetch,              { 0x90, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "SYNCHRONIZE CACHE(16)",   NO_DATA,  NEEDS_MEDIUM,                  run_synchronize_cache,     { 0x91, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE SAME(16)",          DATA_OUT, WRITES_MEDIUM | NEEDS_THIN,    run_write_same,            { 0x93, 0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE SAME(16)",          DATA_OUT, WRITES_MEDIUM | NEEDS_THICK,   run_write_same,            { 0x93, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE ATOMIC(16)",        DATA_OUT, WRITES_MEDIUM,                 run_write_atomic,          { 0x9c, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0x1f } },
    { "READ CAPACITY(16)",       DATA_IN,  SERVICE_ACTION | ALLOWED_ALWAYS | NEEDS_MEDIUM, run_read_capacity16,       { 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "GET LBA STATUS",          DATA_IN,  READS_MEDIUM | SERVICE_ACTION | NEEDS_THIN, run_get_lba_status,        { 0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT LUNS",             DATA_IN,  ALWAYS,                        run_report_luns,           { 0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT IDENTIFYING INFORMATION", DATA_IN,  SERVICE_ACTION | ALLOWED_ALWAYS, run_report_identity,       { 0xa3, 0x05, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe } },
    { "REPORT TARGET PORT GROUPS", DATA_IN,  SERVICE_ACTION | NEEDS_ALUA | IGNORES_RESERVATION | ALLOWED_ALWAYS | UNAVAILABLE, run_report_port_groups, { 0xa3, 0xea, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT SUPPORTED OPERATION CODES", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_report_opcodes,        { 0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", DATA_IN,  SERVICE_ACTION | ALLOWED_WRITE_EXCLUSIVE, run_report_task_functions, { 0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "REPORT TIMESTAMP",        DATA_IN,  SERVICE_ACTION | ALLOWED_ALWAYS, run_report_timestamp,      { 0xa3, 0x0f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "SET IDENTIFYING INFORMATION", DATA_OUT, SERVICE_ACTION,              run_set_identity,          { 0xa4, 0x06, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe } },
    { "SET TARGET PORT GROUPS",  DATA_OUT, SERVICE_ACTION | NEEDS_EXPLICIT_ALUA | UNAVAILABLE, run_set_port_groups,      { 0xa4, 0x0a, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
    { "READ(12)",                DATA_IN,  READS_MEDIUM,                  run_read,                  { 0xa8, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE(12)",               DATA_OUT, WRITES_MEDIUM,                 run_write,                 { 0xaa, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "WRITE AND VERIFY(12)",    DATA_OUT, WRITES_MEDIUM,                 run_write_and_verify,      { 0xae, 0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "VERIFY(12)",              DATA_OUT, READS_MEDIUM,                  run_verify,                { 0xaf, 0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f } },
    { "READ DEFECT DATA(12)",    DATA_IN,  NEEDS_MEDIUM | ALLOWED_WRITE_EXCLUSIVE, run_read_defect_data,      { 0xb7, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
};
/* clang-format on */

const size_t scsi_command_count = sizeof scsi_commands / sizeof scsi_commands[0];
_Static_assert(sizeof scsi_commands / sizeof scsi_commands[0] < 255,
               "the index holds one byte a row");

bool command_is_there(const struct command_index *index, const struct scsi_command *command)
{
    return !(command->flags & index->missing);
}

void command_index_fill(struct command_index *index, unsigned missing)
{
    memset(index, 0, sizeof *index);
    index->missing = missing;
    for (size_t i = scsi_command_count; i-- > 0;)
        if (command_is_there(index, &scsi_commands[i]))
            index->first[scsi_commands[i].usage[0]] = (uint8_t)(i + 1);
}

const struct scsi_command *command_find_opcode(const struct command_index *index, uint8_t opcode)
{
    size_t row = index->first[opcode];

    return row ? &scsi_commands[row - 1] : NULL;
}

const struct scsi_command *command_find_action(const struct command_index *index, uint8_t opcode,
                                               unsigned action)
{
    const struct scsi_command *command = command_find_opcode(index, opcode);

    if (!command || !(command->flags & SERVICE_ACTION))
        return command;
    for (; command < scsi_commands + scsi_command_count && command->usage[0] == opcode; command++)
        if ((command->usage[1] & COMMAND_ACTION_BITS) == action && command_is_there(index, command))
            return command;
    return NULL;
}

/* SPC-4 4.3.2: the group code gives the length. */
unsigned command_cdb_length(const struct scsi_command *command)
{
    static const uint8_t lengths[] = {6, 10, 10, COMMAND_CDB_MAXIMUM, 16, 12, 0, 0};

    return lengths[command->usage[0] >> 5];
}

/* Of eight bytes, of which only the first `length` count. */
static uint64_t reserved_bits(const uint8_t *cdb, const uint8_t *usage, unsigned length)
{
    uint64_t reserved = get_be64(cdb) & ~get_be64(usage);

    return length < 8 ? reserved >> (8 - length) * 8 : reserved;
}

/* Eight bytes at a time: this is asked of every command. */
static bool is_surely_good(const struct scsi_task *task, unsigned length)
{
    const uint8_t *cdb = task->cdb, *usage = task->command->usage;

    return length <= SCSI_CDB_SIZE && !reserved_bits(cdb, usage, length) &&
           (length <= 8 || !reserved_bits(cdb + 8, usage + 8, length - 8));
}

uint32_t command_check_cdb(struct scsi_task *task)
{
    const struct scsi_command *command = task->command;
    unsigned length = command_cdb_length(command);

    if (length > task->cdb_length)
        return SCSI_INVALID_FIELD_IN_CDB;
    if (is_surely_good(task, length))
        return SCSI_GOOD;
    for (unsigned i = 1; i < length; i++) {
        unsigned used = command->usage[i];

        if (i == 1 && command->flags & SERVICE_ACTION)
            used |= COMMAND_ACTION_BITS;
        unsigned reserved = task->cdb[i] & ~used;
        if (reserved)
            return result_in_cdb(task, i, 31 - (unsigned)__builtin_clz(reserved));
    }
    return SCSI_GOOD;
}
