/* SPC-4 5.13.1 and SBC-3 4.17, the tables of the commands that are allowed in the presence of
 * reservations: every row of the command table, every type, every kind of I_T nexus. */
#include "target/scsi/command.h"
#include "target/scsi/unit.h"
#include "tests/unit/scsi_fixture.h"

/* What the standards say of one who is neither holder nor, where that counts, registered. */
enum verdict {
    RUNS,     /* "allowed" in all columns */
    READS,    /* in the presence of write exclusive reservations only */
    CONFLICT, /* "conflict" */
    STARTS,   /* runs when it starts the unit, else a conflict */
    ALLOWS,   /* runs when it allows the removal of the medium, else a conflict */
    LEGACY,   /* SPC-4 5.13.3: nothing happens, or a conflict */
};
enum { NO_ACTION = 0xff };

static const struct {
    uint8_t opcode, action;
    enum verdict verdict;
} verdicts[] = {
    {0x00, NO_ACTION, RUNS},     /* TEST UNIT READY */
    {0x03, NO_ACTION, RUNS},     /* REQUEST SENSE */
    {0x04, NO_ACTION, CONFLICT}, /* FORMAT UNIT */
    {0x08, NO_ACTION, READS},    /* READ(6) */
    {0x0a, NO_ACTION, CONFLICT}, /* WRITE(6) */
    {0x12, NO_ACTION, RUNS},     /* INQUIRY */
    {0x15, NO_ACTION, CONFLICT}, /* MODE SELECT(6) */
    {0x16, NO_ACTION, LEGACY},   /* RESERVE(6) */
    {0x17, NO_ACTION, LEGACY},   /* RELEASE(6) */
    {0x1a, NO_ACTION, READS},    /* MODE SENSE(6) */
    {0x1b, NO_ACTION, STARTS},   /* START STOP UNIT */
    {0x1c, NO_ACTION, READS},    /* RECEIVE DIAGNOSTIC RESULTS */
    {0x1d, NO_ACTION, CONFLICT}, /* SEND DIAGNOSTIC */
    {0x1e, NO_ACTION, ALLOWS},   /* PREVENT ALLOW MEDIUM REMOVAL */
    {0x25, NO_ACTION, RUNS},     /* READ CAPACITY(10) */
    {0x28, NO_ACTION, READS},    /* READ(10) */
    {0x2a, NO_ACTION, CONFLICT}, /* WRITE(10) */
    {0x2e, NO_ACTION, CONFLICT}, /* WRITE AND VERIFY(10) */
    {0x2f, NO_ACTION, READS},    /* VERIFY(10) */
    {0x34, NO_ACTION, READS},    /* PRE-FETCH(10) */
    {0x35, NO_ACTION, CONFLICT}, /* SYNCHRONIZE CACHE(10) */
    {0x37, NO_ACTION, READS},    /* READ DEFECT DATA(10) */
    {0x41, NO_ACTION, CONFLICT}, /* WRITE SAME(10) */
    {0x42, NO_ACTION, CONFLICT}, /* UNMAP */
    {0x48, 0x01, CONFLICT},      /* SANITIZE: overwrite, block erase, cryptographic erase, exit */
    {0x48, 0x02, CONFLICT},      {0x48, 0x03, CONFLICT}, {0x48, 0x1f, CONFLICT},
    {0x4c, NO_ACTION, CONFLICT}, /* LOG SELECT */
    {0x4d, NO_ACTION, RUNS},     /* LOG SENSE */
    {0x55, NO_ACTION, CONFLICT}, /* MODE SELECT(10) */
    {0x56, NO_ACTION, LEGACY},   /* RESERVE(10) */
    {0x57, NO_ACTION, LEGACY},   /* RELEASE(10) */
    {0x5a, NO_ACTION, READS},    /* MODE SENSE(10) */
    {0x5e, 0x00, RUNS},          /* PERSISTENT RESERVE IN */
    {0x5e, 0x01, RUNS},          {0x5e, 0x02, RUNS},     {0x5e, 0x03, RUNS},
    {0x5f, 0x00, RUNS}, /* PERSISTENT RESERVE OUT: its own rules, test_scsi_reservation.c */
    {0x5f, 0x01, RUNS},          {0x5f, 0x02, RUNS},     {0x5f, 0x03, RUNS},
    {0x5f, 0x04, RUNS},          {0x5f, 0x05, RUNS},     {0x5f, 0x06, RUNS},
    {0x5f, 0x07, RUNS},          {0x7f, 0x0d, CONFLICT}, /* WRITE SAME(32); action: the low five
                                                            bits */
    {0x83, 0x00, CONFLICT},                              /* EXTENDED COPY(LID1) */
    {0x83, 0x01, CONFLICT},                              /* EXTENDED COPY(LID4) */
    {0x83, 0x10, READS},                                 /* POPULATE TOKEN */
    {0x83, 0x11, CONFLICT},                              /* WRITE USING TOKEN */
    {0x83, 0x1c, CONFLICT},                              /* COPY OPERATION ABORT */
    {0x84, 0x00, READS},                                 /* RECEIVE COPY STATUS(LID1) */
    {0x84, 0x01, READS},                                 /* RECEIVE COPY DATA(LID1) */
    {0x84, 0x03, READS},                                 /* RECEIVE COPY OPERATING PARAMETERS */
    {0x84, 0x04, READS},                                 /* RECEIVE COPY FAILURE DETAILS(LID1) */
    {0x84, 0x05, READS},                                 /* RECEIVE COPY STATUS(LID4) */
    {0x84, 0x06, READS},                                 /* RECEIVE COPY DATA(LID4) */
    {0x84, 0x07, READS},                                 /* RECEIVE ROD TOKEN INFORMATION */
    {0x84, 0x08, READS},                                 /* REPORT ALL ROD TOKENS */
    {0x88, NO_ACTION, READS},                            /* READ(16) */
    {0x89, NO_ACTION, CONFLICT},                         /* COMPARE AND WRITE */
    {0x8a, NO_ACTION, CONFLICT},                         /* WRITE(16) */
    {0x8b, NO_ACTION, CONFLICT},                         /* ORWRITE(16) */
    {0x8e, NO_ACTION, CONFLICT},                         /* WRITE AND VERIFY(16) */
    {0x8f, NO_ACTION, READS},                            /* VERIFY(16) */
    {0x90, NO_ACTION, READS},                            /* PRE-FETCH(16) */
    {0x91, NO_ACTION, CONFLICT},                         /* SYNCHRONIZE CACHE(16) */
    {0x93, NO_ACTION, CONFLICT},                         /* WRITE SAME(16) */
    {0x9c, NO_ACTION, CONFLICT},                         /* WRITE ATOMIC(16) */
    {0x9e, 0x10, RUNS},                                  /* READ CAPACITY(16) */
    {0x9e, 0x12, READS},                                 /* GET LBA STATUS */
    {0xa0, NO_ACTION, RUNS},                             /* REPORT LUNS */
    {0xa3, 0x05, RUNS},                                  /* REPORT IDENTIFYING INFORMATION */
    {0xa3, 0x0a, RUNS},                                  /* REPORT TARGET PORT GROUPS */
    {0xa3, 0x0c, READS},                                 /* REPORT SUPPORTED OPERATION CODES */
    {0xa3, 0x0d, READS},         /* REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS */
    {0xa3, 0x0f, RUNS},          /* REPORT TIMESTAMP */
    {0xa4, 0x06, CONFLICT},      /* SET IDENTIFYING INFORMATION */
    {0xa4, 0x0a, CONFLICT},      /* SET TARGET PORT GROUPS */
    {0xa8, NO_ACTION, READS},    /* READ(12) */
    {0xaa, NO_ACTION, CONFLICT}, /* WRITE(12) */
    {0xae, NO_ACTION, CONFLICT}, /* WRITE AND VERIFY(12) */
    {0xaf, NO_ACTION, READS},    /* VERIFY(12) */
    {0xb7, NO_ACTION, READS},    /* READ DEFECT DATA(12) */
};

enum role { HOLDER, REGISTERED, OTHER, ROLES };
static const uint8_t types[] = {1, 3, 5, 6, 7, 8};
static struct fixture fixture;

static uint32_t reserve_out(struct scsi_nexus *nexus, uint8_t action, uint8_t type, uint64_t key,
                            uint64_t service_key)
{
    uint8_t cdb[10] = {0x5f, action, type, 0, 0, 0, 0, 0, 24};
    struct exchange *exchange = new_exchange(nexus, (const char *)cdb, sizeof cdb);
    uint32_t result;

    put_be64(exchange->data, key);
    put_be64(exchange->data + 8, service_key);
    result = execute(&fixture, exchange);
    free(exchange);
    return result;
}

static void set_up(void)
{
    open_volume(&fixture, 1024 * 1024, 512, false);
    make_access_explicit(&fixture);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
}

static enum verdict verdict_of(const struct scsi_command *row)
{
    uint8_t action = row->flags & SERVICE_ACTION ? row->usage[1] & COMMAND_ACTION_BITS : NO_ACTION;

    for (size_t i = 0; i < COUNT(verdicts); i++)
        if (verdicts[i].opcode == row->usage[0] &&
            (verdicts[i].action == action || row->usage[0] == 0x7f))
            return verdicts[i].verdict;
    ck_abort_msg("what the standard says of %s is missing here", row->name);
}

/* `bit` is bit 0 of byte 4: START of START STOP UNIT, PREVENT of PREVENT ALLOW MEDIUM REMOVAL. */
static bool may_run(enum verdict verdict, uint8_t type, enum role role, bool bit)
{
    bool has_access = role == HOLDER || (role == REGISTERED && type >= 5);
    bool is_write_exclusive = type == 1 || type == 5 || type == 7;

    switch (verdict) {
    case RUNS:
        return true;
    case READS:
        return has_access || is_write_exclusive;
    case STARTS:
        return has_access || bit;
    case ALLOWS:
        return has_access || !bit;
    default:
        return has_access;
    }
}

/* Only what must not run is executed, all of it is asked. */
static void check_row(const struct scsi_command *row, uint8_t type, enum role role, bool bit)
{
    struct scsi_nexus *nexus = role == HOLDER ? fixture.nexus : fixture.other;
    uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] : 0};
    struct scsi_task task = {.nexus = nexus, .cdb = cdb, .command = row};
    bool is_expected = may_run(verdict_of(row), type, role, bit);

    cdb[4] = bit;
    ck_assert_msg(reserve_is_conflict(&task) != is_expected, "%s, type %u, role %d: must %srun",
                  row->name, type, role, is_expected ? "" : "not ");
    if (!is_expected && is_common(row))
        ck_assert_uint_eq(execute_cdb(&fixture, nexus, (const char *)cdb, sizeof cdb),
                          SCSI_RESERVATION_CONFLICT);
}

START_TEST(every_command_conflicts_as_the_standard_says)
{
    uint8_t type = types[_i / ROLES];
    enum role role = _i % ROLES;

    ck_assert_uint_eq(reserve_out(fixture.nexus, 0, 0, 0, 0xa), SCSI_GOOD);
    if (role == REGISTERED)
        ck_assert_uint_eq(reserve_out(fixture.other, 0, 0, 0, 0xb), SCSI_GOOD);
    ck_assert_uint_eq(reserve_out(fixture.nexus, 1, type, 0xa, 0), SCSI_GOOD);
    for (size_t i = 0; i < scsi_command_count; i++) {
        check_row(&scsi_commands[i], type, role, false);
        check_row(&scsi_commands[i], type, role, true);
    }
}
END_TEST

START_TEST(registrations_alone_stop_nothing_but_spc2_reservations)
{
    ck_assert_uint_eq(reserve_out(fixture.nexus, 0, 0, 0, 0xa), SCSI_GOOD);
    for (size_t i = 0; i < scsi_command_count; i++) {
        const struct scsi_command *row = &scsi_commands[i];
        uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] : 0};
        struct scsi_task task = {.nexus = fixture.other, .cdb = cdb, .command = row};

        ck_assert_msg(reserve_is_conflict(&task) == (verdict_of(row) == LEGACY), "%s", row->name);
        task.nexus = fixture.nexus;
        ck_assert_msg(reserve_is_conflict(&task) == (verdict_of(row) == LEGACY), "%s", row->name);
    }
}
END_TEST

/* SPC-4 5.13.3: they do nothing for those who have access. */
START_TEST(reserve_and_release_do_nothing_beside_a_persistent_reservation)
{
    reserve_out(fixture.nexus, 0, 0, 0, 0xa);
    reserve_out(fixture.nexus, 1, 5, 0xa, 0);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x16\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x17\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_ptr_null(fixture.lun->reserved_by);
    ck_assert_uint_eq(fixture.lun->reservations->type, 5);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\x16\0\0\0\0\0")),
                      SCSI_RESERVATION_CONFLICT);
}
END_TEST

START_TEST(no_persistent_command_runs_beside_an_spc2_reservation)
{
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x16\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(reserve_out(fixture.nexus, 0, 0, 0, 0xa), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(reserve_out(fixture.other, 0, 0, 0, 0xa), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x5e\0\0\0\0\0\0\0\x08\0")),
                      SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x17\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(reserve_out(fixture.nexus, 0, 0, 0, 0xa), SCSI_GOOD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reservation conflicts");
    TCase *tests = tcase_create("conflicts");

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, every_command_conflicts_as_the_standard_says, 0,
                        COUNT(types) * ROLES);
    tcase_add_test(tests, registrations_alone_stop_nothing_but_spc2_reservations);
    tcase_add_test(tests, reserve_and_release_do_nothing_beside_a_persistent_reservation);
    tcase_add_test(tests, no_persistent_command_runs_beside_an_spc2_reservation);
    return run_suite(suite);
}
