#include "tests/unit/scsi_fixture.h"

#include "target/scsi/command.h"

static struct fixture fixture;

enum { ONLY_ON_SOME = NEEDS_THIN | NEEDS_THICK | NEEDS_REMOVABLE | NEEDS_FIXED };

static void set_up(void)
{
    open_volume(&fixture, 64 * 1024 * 1024, 512, false);
    make_access_explicit(&fixture);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")); /* takes the attention */
}

static void tear_down(void)
{
    close_volume(&fixture);
}

/* An opcode's rows have one length and all of them a service action, or there is one row. */
START_TEST(rows_of_one_opcode_stand_together)
{
    bool is_seen[256] = {false};

    for (size_t i = 0; i < scsi_command_count; i++) {
        const struct scsi_command *row = &scsi_commands[i], *before = i ? row - 1 : NULL;

        if (before && before->usage[0] == row->usage[0])
            ck_assert(before->flags & row->flags & SERVICE_ACTION ||
                      (before->flags ^ row->flags) & ONLY_ON_SOME);
        else
            ck_assert_msg(!is_seen[row->usage[0]], "%s", row->name);
        is_seen[row->usage[0]] = true;
        for (unsigned byte = command_cdb_length(row) - 1; byte < COMMAND_CDB_MAXIMUM; byte++)
            ck_assert_msg(row->usage[byte] == 0, "%s", row->name);
    }
}
END_TEST

START_TEST(every_row_is_found)
{
    struct command_index index;

    for (size_t i = 0; i < scsi_command_count; i++) {
        command_index_fill(&index, ONLY_ON_SOME & ~scsi_commands[i].flags);
        ck_assert_ptr_eq(command_find_action(&index, scsi_commands[i].usage[0],
                                             scsi_commands[i].usage[1] & COMMAND_ACTION_BITS),
                         &scsi_commands[i]);
    }
}
END_TEST

/* A volume that has the command. */
static void open_for(const struct scsi_command *row)
{
    close_volume(&fixture);
    open_volume_of(&fixture, 64 * 1024 * 1024, 512,
                   (struct volume_kind){.is_thick = row->flags & NEEDS_THICK,
                                        .is_removable = row->flags & NEEDS_REMOVABLE});
    make_access_explicit(&fixture);
}

/* Each bit that a row does not use is refused, with its place. */
START_TEST(a_reserved_bit_is_refused)
{
    const struct scsi_command *row = &scsi_commands[_i];
    uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] : 0};

    open_for(row);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    for (unsigned byte = 1; byte < command_cdb_length(row); byte++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool is_action = byte == 1 && row->flags & SERVICE_ACTION && bit < 5;
            struct exchange *exchange;

            if (is_action || row->usage[byte] & 1 << bit)
                continue;
            cdb[byte] ^= (uint8_t)(1 << bit);
            exchange = new_exchange(fixture.nexus, (const char *)cdb, sizeof cdb);
            ck_assert_uint_eq(execute(&fixture, exchange), SCSI_INVALID_FIELD_IN_CDB);
            ck_assert_uint_eq(get_be24(exchange->task.sense + 15), (0xc8 | bit) << 16 | byte);
            free(exchange);
            cdb[byte] ^= (uint8_t)(1 << bit);
        }
    }
}
END_TEST

START_TEST(an_attention_comes_before_any_command_that_does_not_always_answer)
{
    const struct scsi_command *row = &scsi_commands[_i];
    uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] : 0};
    uint32_t result;

    open_for(row);
    result = execute_cdb(&fixture, fixture.other, (const char *)cdb, sizeof cdb);
    if (row->flags & ANSWERS_ALWAYS)
        ck_assert_uint_ne(result, SCSI_POWER_ON);
    else
        ck_assert_uint_eq(result, SCSI_POWER_ON);
    /* Only REQUEST SENSE takes it, as data. */
    result = execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
    ck_assert_uint_eq(result, row->flags & ANSWERS_ALWAYS && row->usage[0] != 0x03 ? SCSI_POWER_ON
                                                                                   : SCSI_GOOD);
}
END_TEST

START_TEST(a_reservation_stops_the_others)
{
    const struct scsi_command *row = &scsi_commands[_i];
    uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] : 0};
    uint32_t result;

    open_for(row);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\x16\0\0\0\0\0")), SCSI_GOOD);
    result = execute_cdb(&fixture, fixture.nexus, (const char *)cdb, sizeof cdb);
    if (row->flags & IGNORES_RESERVATION)
        ck_assert_uint_ne(result, SCSI_RESERVATION_CONFLICT);
    else
        ck_assert_uint_eq(result, SCSI_RESERVATION_CONFLICT);
    result = execute_cdb(&fixture, fixture.other, (const char *)cdb, sizeof cdb);
    if (row->flags & PERSISTENT_RESERVATION) /* SPC-2 5.5.1: whoever sends it */
        ck_assert_uint_eq(result, SCSI_RESERVATION_CONFLICT);
    else
        ck_assert_uint_ne(result, SCSI_RESERVATION_CONFLICT);
}
END_TEST

START_TEST(all_commands_are_reported)
{
    struct exchange *report = new_exchange(fixture.nexus, CDB("\xa3\x0c\0\0\0\0\0\0\xff\xff\0\0"));
    struct exchange *timeouts =
        new_exchange(fixture.nexus, CDB("\xa3\x0c\x80\0\0\0\0\0\xff\xff\0\0"));
    const uint8_t *bytes = report->data + 4;
    struct command_index index;
    uint32_t count = 0;

    command_index_fill(&index, NEEDS_THICK | NEEDS_REMOVABLE);
    for (size_t i = 0; i < scsi_command_count; i++)
        count += command_is_there(&index, &scsi_commands[i]);

    ck_assert_uint_eq(execute(&fixture, report), SCSI_GOOD);
    ck_assert_uint_eq(get_be32(report->data), 8 * count);
    ck_assert_uint_eq(report->task.transfer_length, 4 + 8 * count);
    for (size_t i = 0; i < scsi_command_count; i++) {
        if (!command_is_there(&index, &scsi_commands[i]))
            continue;
        ck_assert_uint_eq(bytes[0], scsi_commands[i].usage[0]);
        ck_assert_uint_eq(bytes[5], scsi_commands[i].flags & SERVICE_ACTION ? 1 : 0);
        ck_assert_uint_eq(get_be16(bytes + 6), command_cdb_length(&scsi_commands[i]));
        bytes += 8;
    }
    ck_assert_uint_eq(execute(&fixture, timeouts), SCSI_GOOD);
    ck_assert_uint_eq(get_be32(timeouts->data), 20 * count);
    ck_assert_uint_eq(timeouts->data[4 + 5] & 2, 2);
    ck_assert_uint_eq(get_be16(timeouts->data + 4 + 8), 10);
    free(report);
    free(timeouts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command");
    TCase *tests = tcase_create("command");
    int count = (int)scsi_command_count;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, rows_of_one_opcode_stand_together);
    tcase_add_test(tests, every_row_is_found);
    tcase_add_loop_test(tests, a_reserved_bit_is_refused, 0, count);
    tcase_add_loop_test(tests, an_attention_comes_before_any_command_that_does_not_always_answer, 0,
                        count);
    tcase_add_loop_test(tests, a_reservation_stops_the_others, 0, count);
    tcase_add_test(tests, all_commands_are_reported);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
