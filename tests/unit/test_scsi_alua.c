#include "tests/unit/scsi_fixture.h"

#include "target/scsi/command.h"

static struct fixture fixture;

#define BYTES(bytes) "" bytes, sizeof(bytes) - 1
#define PORT_1 "iqn.array:data1,t,0x0001"
#define PORT_2 "iqn.array:data1,t,0x0002"
#define REPORT CDB("\xa3\x0a\0\0\0\0\0\0\xff\xff\0\0")
#define TEST_UNIT_READY CDB("\0\0\0\0\0\0")

/* nexus comes through group 1, other through group 2. */
static void configure(enum scsi_alua_mode mode, enum scsi_access_state first,
                      enum scsi_access_state second)
{
    const struct scsi_port_group groups[] = {{1, PORT_1, mode, first}, {2, PORT_2, mode, second}};

    scsi_lun_set_port_groups(fixture.lun, groups, COUNT(groups));
}

static void take_attentions(struct scsi_nexus *nexus)
{
    while (execute_cdb(&fixture, nexus, CDB("\x03\0\0\0\xff\0")) == SCSI_GOOD) {
        struct exchange *exchange = new_exchange(nexus, CDB("\x03\0\0\0\xff\0"));
        uint8_t key;

        execute(&fixture, exchange);
        key = exchange->data[2];
        free(exchange);
        if (!key)
            return;
    }
}

static void set_up(void)
{
    open_volume(&fixture, 64 * 1024 * 1024, 512, false);
    configure(SCSI_ALUA_OFF, SCSI_OPTIMIZED, SCSI_OPTIMIZED);
    configure(SCSI_ALUA_EXPLICIT, SCSI_OPTIMIZED, SCSI_OPTIMIZED);
    take_attentions(fixture.nexus);
    take_attentions(fixture.other);
}

static void tear_down(void)
{
    close_volume(&fixture);
}

static void assert_answer(const char *cdb, size_t cdb_length, const char *answer, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, cdb, cdb_length);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_mem_eq(exchange->data, answer, length);
    free(exchange);
}

static uint32_t set_groups(const char *list, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\xa4\x0a\0\0\0\0\0\0\0\0\0\0"));
    uint32_t result;

    exchange->cdb[9] = (uint8_t)length;
    memcpy(exchange->data, list, length);
    result = execute(&fixture, exchange);
    free(exchange);
    return result;
}

START_TEST(groups_are_reported_with_state_and_port)
{
    configure(SCSI_ALUA_EXPLICIT, SCSI_OPTIMIZED, SCSI_STANDBY);
    take_attentions(fixture.nexus);
    assert_answer(REPORT, BYTES("\0\0\0\x18"
                                "\x80\x8f\0\x01\0\0\0\x01\0\0\0\x01"
                                "\x02\x8f\0\x02\0\x02\0\x01\0\0\0\x02"));
    assert_answer(CDB("\xa3\x2a\0\0\0\0\0\0\xff\xff\0\0"),
                  BYTES("\0\0\0\x1c\x10\0\0\0\x80\x8f\0\x01\0\0\0\x01\0\0\0\x01"));
}
END_TEST

START_TEST(inquiry_tells_how_access_is_managed)
{
    static const struct {
        enum scsi_alua_mode mode;
        uint8_t tpgs;
    } modes[] = {{SCSI_ALUA_OFF, 0}, {SCSI_ALUA_IMPLICIT, 0x10}, {SCSI_ALUA_EXPLICIT, 0x30}};

    for (size_t i = 0; i < COUNT(modes); i++) {
        struct exchange *standard = new_exchange(fixture.nexus, CDB("\x12\0\0\0\xff\0"));
        struct exchange *page = new_exchange(fixture.nexus, CDB("\x12\x01\x83\x01\xff\0"));

        configure(modes[i].mode, SCSI_OPTIMIZED, SCSI_OPTIMIZED);
        execute(&fixture, standard);
        execute(&fixture, page);
        ck_assert_uint_eq(standard->data[5] & 0x30, modes[i].tpgs);
        /* The designator of the port group stands behind that of the relative port. */
        ck_assert_int_eq(
            !!memmem(page->data, 255, "\x51\x94\0\x04\0\0\0\x01\x51\x95\0\x04\0\0\0\x01", 16),
            modes[i].mode != SCSI_ALUA_OFF);
        free(standard);
        free(page);
    }
}
END_TEST

START_TEST(all_ports_are_listed)
{
    assert_answer(CDB("\x12\x01\x88\x01\xff\0"),
                  BYTES("\0\x88\0\x58"
                        "\0\0\0\x01\0\0\0\0\0\0\0\x20\x53\x98\0\x1c" PORT_1 "\0\0\0\0"
                        "\0\0\0\x02\0\0\0\0\0\0\0\x20\x53\x98\0\x1c" PORT_2 "\0\0\0\0"));
}
END_TEST

/* Every command of the table through a port of each state. */
static const struct {
    enum scsi_access_state state;
    unsigned allows; /* command flag; 0: everything */
    uint32_t refusal;
} states[] = {
    {SCSI_OPTIMIZED, 0, 0},
    {SCSI_NON_OPTIMIZED, 0, 0},
    {SCSI_STANDBY, RUNS_IN_STANDBY, SCSI_IN_STANDBY},
    {SCSI_UNAVAILABLE, RUNS_UNAVAILABLE, SCSI_IN_UNAVAILABLE},
    {SCSI_TRANSITIONING, RUNS_UNAVAILABLE, SCSI_IN_TRANSITION},
};

START_TEST(a_state_lets_only_its_commands_through)
{
    for (size_t i = 0; i < scsi_command_count; i++) {
        const struct scsi_command *row = &scsi_commands[i];
        uint8_t cdb[32] = {row->usage[0], row->flags & SERVICE_ACTION ? row->usage[1] & 0x1f : 0};
        uint32_t result;

        if (!is_common(row))
            continue;
        configure(SCSI_ALUA_EXPLICIT, states[_i].state, SCSI_OPTIMIZED);
        take_attentions(fixture.nexus);
        result = execute_cdb(&fixture, fixture.nexus, (const char *)cdb, sizeof cdb);
        if (!states[_i].allows || row->flags & states[_i].allows)
            ck_assert_msg(result >> 16 != 0x0202, "%s: %08x", row->name, result);
        else
            ck_assert_msg(result == states[_i].refusal, "%s: %08x", row->name, result);
        ck_assert_uint_ne(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY),
                          states[_i].refusal ? states[_i].refusal : SCSI_PENDING);
    }
}
END_TEST

START_TEST(what_hosts_need_to_find_the_way_always_runs)
{
    static const uint8_t opcodes[] = {0x03, 0x12, 0xa0};

    for (size_t i = 0; i < scsi_command_count; i++) {
        const struct scsi_command *row = &scsi_commands[i];
        bool is_way = row->usage[0] == 0xa3 && row->usage[1] == 0xea;

        if (memchr(opcodes, row->usage[0], sizeof opcodes) || is_way)
            ck_assert_msg((row->flags & RUNS_IN_STANDBY) && (row->flags & RUNS_UNAVAILABLE), "%s",
                          row->name);
        ck_assert(!(row->flags & (READS_MEDIUM | WRITES_MEDIUM)) ||
                  !(row->flags & (RUNS_IN_STANDBY | RUNS_UNAVAILABLE)));
    }
}
END_TEST

START_TEST(a_change_is_told_to_every_nexus)
{
    configure(SCSI_ALUA_EXPLICIT, SCSI_NON_OPTIMIZED, SCSI_OPTIMIZED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_ACCESS_CHANGED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_ACCESS_CHANGED);
    configure(SCSI_ALUA_EXPLICIT, SCSI_NON_OPTIMIZED, SCSI_OPTIMIZED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_GOOD);
    configure(SCSI_ALUA_IMPLICIT, SCSI_NON_OPTIMIZED, SCSI_OPTIMIZED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_INQUIRY_CHANGED);
}
END_TEST

START_TEST(a_host_moves_access_to_the_other_group)
{
    configure(SCSI_ALUA_EXPLICIT, SCSI_STANDBY, SCSI_OPTIMIZED);
    take_attentions(fixture.nexus);
    take_attentions(fixture.other);
    ck_assert_uint_eq(set_groups(BYTES("\0\0\0\0\0\0\0\x01\x02\0\0\x02")), SCSI_GOOD);
    assert_answer(REPORT,
                  BYTES("\0\0\0\x18\0\x8f\0\x01\0\x01\0\x01\0\0\0\x01\x82\x8f\0\x02\0\x01"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_ACCESS_CHANGED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_IN_STANDBY);
    /* It stays so when the map comes again, until the map says something else. */
    configure(SCSI_ALUA_EXPLICIT, SCSI_STANDBY, SCSI_OPTIMIZED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_GOOD);
    configure(SCSI_ALUA_EXPLICIT, SCSI_UNAVAILABLE, SCSI_OPTIMIZED);
    take_attentions(fixture.nexus);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_IN_UNAVAILABLE);
}
END_TEST

static const struct {
    const char *list;
    size_t length;
    uint32_t result;
} wrong[] = {
    {BYTES("\0\0\0\0\x01\0\0\x01\x04\0\0\x02"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\x01\0\0\x01\x0f\0\0\x02"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\x01\0\0\x01\x01\0\0\x03"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\x01\0\0\x01\x01\0"), SCSI_LIST_LENGTH_ERROR},
};

START_TEST(a_list_that_is_wrong_changes_nothing)
{
    ck_assert_uint_eq(set_groups(wrong[_i].list, wrong[_i].length), wrong[_i].result);
    assert_answer(REPORT, BYTES("\0\0\0\x18\x80\x8f\0\x01\0\0\0\x01\0\0\0\x01\x80\x8f\0\x02\0\0"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_GOOD);
}
END_TEST

START_TEST(a_group_in_transition_cannot_be_set)
{
    configure(SCSI_ALUA_EXPLICIT, SCSI_OPTIMIZED, SCSI_TRANSITIONING);
    take_attentions(fixture.nexus);
    ck_assert_uint_eq(set_groups(BYTES("\0\0\0\0\0\0\0\x02")), SCSI_SET_PORT_GROUPS_FAILED);
}
END_TEST

START_TEST(without_asymmetric_access_its_commands_are_not_there)
{
    configure(SCSI_ALUA_OFF, SCSI_STANDBY, SCSI_STANDBY);
    take_attentions(fixture.nexus);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, TEST_UNIT_READY), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, REPORT), SCSI_INVALID_FIELD_IN_CDB);
    assert_answer(CDB("\xa3\x0c\x03\xa3\0\x0a\0\0\0\xff\0\0"), BYTES("\0\x01\0\0"));
    configure(SCSI_ALUA_IMPLICIT, SCSI_OPTIMIZED, SCSI_OPTIMIZED);
    take_attentions(fixture.nexus);
    ck_assert_uint_eq(set_groups(BYTES("\0\0\0\0\0\0\0\x02")), SCSI_INVALID_FIELD_IN_CDB);
    assert_answer(CDB("\xa3\x0c\x03\xa4\0\x0a\0\0\0\xff\0\0"), BYTES("\0\x01\0\0"));
}
END_TEST

START_TEST(a_new_size_and_new_logical_units_are_told_to_everybody)
{
    scsi_lun_resize(fixture.lun, 32 * 1024 * 1024);
    scsi_lun_resize(fixture.lun, 32 * 1024 * 1024);
    scsi_lun_inventory_changed(fixture.lun);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_CAPACITY_CHANGED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_LUNS_CHANGED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, TEST_UNIT_READY), SCSI_GOOD);
    take_attentions(fixture.nexus);
    assert_answer(CDB("\x25\0\0\0\0\0\0\0\0\0"), BYTES("\0\0\xff\xff\0\0\x02\0"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alua");
    TCase *tests = tcase_create("alua");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, groups_are_reported_with_state_and_port);
    tcase_add_test(tests, inquiry_tells_how_access_is_managed);
    tcase_add_test(tests, all_ports_are_listed);
    tcase_add_loop_test(tests, a_state_lets_only_its_commands_through, 0, COUNT(states));
    tcase_add_test(tests, what_hosts_need_to_find_the_way_always_runs);
    tcase_add_test(tests, a_change_is_told_to_every_nexus);
    tcase_add_test(tests, a_host_moves_access_to_the_other_group);
    tcase_add_loop_test(tests, a_list_that_is_wrong_changes_nothing, 0, COUNT(wrong));
    tcase_add_test(tests, a_group_in_transition_cannot_be_set);
    tcase_add_test(tests, without_asymmetric_access_its_commands_are_not_there);
    tcase_add_test(tests, a_new_size_and_new_logical_units_are_told_to_everybody);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
