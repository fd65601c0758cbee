#include "tests/unit/scsi_fixture.h"

static struct fixture fixture;

static void set_up(void)
{
    open_volume(&fixture, 64 * 1024 * 1024, 512, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")); /* takes the attention */
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
}

#define BYTES(bytes) "" bytes, sizeof(bytes) - 1
#define ZEROS_8 "\0\0\0\0\0\0\0\0"
#define LOG_SENSE(page, subpage, first, allocation)                                                \
    CDB("\x4d\0" page subpage "\0" first allocation "\0")
#define REPORT_IDENTITY(type) CDB("\xa3\x05\0\0\0\0\0\0\x01\x04" type "\0")

static void assert_answer(const char *cdb, size_t cdb_length, const char *answer, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, cdb, cdb_length);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_uint_eq(exchange->task.transfer_length, length);
    ck_assert_mem_eq(exchange->data, answer, length);
    free(exchange);
}

/* Command and the bytes it must answer, written out by hand from SPC-4 and SBC-3. */
static const struct {
    const char *cdb;
    size_t cdb_length;
    const char *answer;
    size_t length;
} answers[] = {
    {LOG_SENSE("\0", "\0", "\0\0", "\0\xff"), BYTES("\0\0\0\x06\0\x0c\x0d\x15\x19\x2f")},
    {LOG_SENSE("\0", "\xff", "\0\0", "\0\xff"),
     BYTES("\x40\xff\0\x0e\0\0\0\xff\x0c\0\x0d\0\x15\0\x19\0\x2f\0")},
    {LOG_SENSE("\x4d", "\0", "\0\0", "\0\xff"),
     BYTES("\x0d\0\0\x0c\0\0\x03\x02\0\x1c\0\x01\x03\x02\0\x3c")},
    {LOG_SENSE("\x4d", "\0", "\0\x01", "\0\xff"), BYTES("\x0d\0\0\x06\0\x01\x03\x02\0\x3c")},
    {LOG_SENSE("\x4d", "\0", "\0\0", "\0\x04"), BYTES("\x0d\0\0\x0c")},
    {LOG_SENSE("\x15", "\0", "\0\0", "\0\xff"),
     BYTES("\x15\0\0\x10\0\0\x03\x0c" ZEROS_8 "\0\0\0\0")},
    {LOG_SENSE("\x2f", "\0", "\0\0", "\0\xff"), BYTES("\x2f\0\0\x08\0\0\x03\x04\0\0\x1c\0")},
    {LOG_SENSE("\x59", "\0", "\0\x02", "\0\xff"),
     BYTES("\x19\0\0\x18\0\x02\x03\x08" ZEROS_8 "\0\x03\x03\x08" ZEROS_8)},
    {CDB("\x1c\x01\0\0\xff\0"), BYTES("\0\0\0\x01\0")},
    {CDB("\x1c\0\0\0\x04\0"), BYTES("\0\0\0\x01")},
    {REPORT_IDENTITY("\xfe"), BYTES("\0\0\0\x08\0\0\0\x40\x04\0\x01\0")},
    {REPORT_IDENTITY("\0"), BYTES("\0\0\0\0")},
    {REPORT_IDENTITY("\x04"), BYTES("\0\0\0\0")},
};

START_TEST(an_answer_is_exactly_these_bytes)
{
    assert_answer(answers[_i].cdb, answers[_i].cdb_length, answers[_i].answer, answers[_i].length);
}
END_TEST

/* The place of the field in the sense data: byte 15, then the pointer; 0: none. */
static const struct {
    const char *cdb;
    size_t length;
    uint32_t result, field;
} refusals[] = {
    {LOG_SENSE("\x01", "\0", "\0\0", "\0\xff"), SCSI_INVALID_FIELD_IN_CDB, 0xcd0002},
    {LOG_SENSE("\x0d", "\x01", "\0\0", "\0\xff"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0003},
    {LOG_SENSE("\x0d", "\0", "\0\x02", "\0\xff"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0005},
    {CDB("\x4d\x01\x0d\0\0\0\0\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xc80001},
    {CDB("\x4c\x02\x19\0\0\0\0\0\x04\0"), SCSI_INVALID_FIELD_IN_CDB, 0xc90001},
    {CDB("\x4c\0\x01\0\0\0\0\0\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcd0002},
    {CDB("\x4c\0\0\0\0\0\0\0\x04\0"), SCSI_INVALID_FIELD_IN_LIST, 0x8d0000},
    {CDB("\x1c\x01\x01\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0002},
    {CDB("\x1d\x60\0\0\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0001},
    {CDB("\x1d\x24\0\0\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0001},
    {CDB("\x1d\x14\0\0\x04\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0003},
    {CDB("\x1d\0\0\0\x04\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcc0001},
    {CDB("\x1d\x10\0\0\x05\0"), SCSI_LIST_LENGTH_ERROR, 0},
    {REPORT_IDENTITY("\x06"), SCSI_INVALID_FIELD_IN_CDB, 0xcf000a},
    {CDB("\xa4\x06\0\0\0\0\0\0\0\x41\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0006},
    {CDB("\xa4\x06\0\0\0\0\0\0\x01\x01\x04\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0006},
    {CDB("\xa4\x06\0\0\0\0\0\0\0\x02\x04\0"), SCSI_INVALID_FIELD_IN_LIST, 0x800001},
};

START_TEST(a_refusal_names_its_field)
{
    struct exchange *exchange = new_exchange(fixture.nexus, refusals[_i].cdb, refusals[_i].length);

    ck_assert_uint_eq(execute(&fixture, exchange), refusals[_i].result);
    ck_assert_uint_eq(get_be24(exchange->task.sense + 15), refusals[_i].field);
    free(exchange);
}
END_TEST

START_TEST(reads_and_writes_are_counted_until_they_are_reset)
{
    execute_cdb(&fixture, fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x10\0"));
    execute_cdb(&fixture, fixture.other, CDB("\x28\0\0\0\0\0\0\0\x01\0"));
    execute_cdb(&fixture, fixture.other, CDB("\x8a\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0"));
    execute_cdb(&fixture, fixture.nexus, CDB("\x28\0\xff\0\0\0\0\0\x01\0")); /* out of range */
    assert_answer(LOG_SENSE("\x59", "\0", "\0\0", "\0\x28"),
                  BYTES("\x19\0\0\x5c\0\x01\x03\x40\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01"
                        "\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x11"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x4c\x02\x59\0\0\0\0\0\0\0")),
                      SCSI_GOOD);
    assert_answer(LOG_SENSE("\x59", "\0", "\0\0", "\0\x28"),
                  BYTES("\x19\0\0\x5c\0\x01\x03\x40" ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8));
}
END_TEST

/* Page 1C/02: SITUA, then whether and at how many MiB the available and the used space are told. */
static void set_thresholds(const char *single, const char *available, const char *used)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x15\x10\0\0\x24\0"));

    memcpy(exchange->data + 4, "\x5c\x02\0\x1c", 4);
    exchange->data[8] = (uint8_t)*single;
    memcpy(exchange->data + 4 + 16, available, 8);
    memcpy(exchange->data + 4 + 24, used, 8);
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    free(exchange);
    while (execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")) != SCSI_GOOD)
        ;
}

static void write_mebibyte(struct scsi_nexus *nexus, unsigned number)
{
    char cdb[] = {0x2a, 0, 0, 0, (char)(number * 8), 0, 0, 0x08, 0, 0};

    ck_assert_uint_eq(execute_cdb(&fixture, nexus, cdb, sizeof cdb), SCSI_GOOD);
}

static void unmap_all(void)
{
    struct exchange *unmap = new_exchange(fixture.nexus, CDB("\x42\0\0\0\0\0\0\0\x18\0"));

    memcpy(unmap->data, "\0\x16\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 18);
    ck_assert_uint_eq(execute(&fixture, unmap), SCSI_GOOD);
    free(unmap);
}

#define OFF_AVAILABLE "\x01\x01\0\0\0\0\0\0"
#define OFF_USED "\x02\x02\0\0\0\0\0\0"

START_TEST(space_is_told_in_mebibytes)
{
    assert_answer(LOG_SENSE("\x4c", "\0", "\0\0", "\0\xff"),
                  BYTES("\x0c\0\0\x18\0\x01\x03\x08\0\0\0\x40\x01\0\0\0"
                        "\0\x02\x03\x08\0\0\0\0\x01\0\0\0"));
    write_mebibyte(fixture.nexus, 0);
    write_mebibyte(fixture.nexus, 1);
    assert_answer(LOG_SENSE("\x4c", "\0", "\0\x02", "\0\xff"),
                  BYTES("\x0c\0\0\x0c\0\x02\x03\x08\0\0\0\x02\x01\0\0\0"));
}
END_TEST

START_TEST(a_threshold_is_told_once_each_time_it_is_crossed)
{
    set_thresholds("\0", OFF_AVAILABLE, "\x82\x02\0\0\0\0\0\x02");
    for (int round = 0; round < 2; round++) {
        write_mebibyte(fixture.nexus, 0);
        ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
        write_mebibyte(fixture.nexus, 1);
        ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")),
                          SCSI_THRESHOLD_REACHED);
        ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")),
                          SCSI_THRESHOLD_REACHED);
        write_mebibyte(fixture.nexus, 2);
        ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
        unmap_all();
    }
}
END_TEST

START_TEST(a_threshold_of_available_space_may_be_told_to_one_nexus_alone)
{
    set_thresholds("\x01", "\x81\x01\0\0\0\0\0\x3f", OFF_USED);
    write_mebibyte(fixture.other, 0);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")),
                      SCSI_THRESHOLD_REACHED);
}
END_TEST

START_TEST(a_volume_may_come_with_a_threshold)
{
    close_volume(&fixture);
    open_volume_of(&fixture, 64 * 1024 * 1024, 512,
                   (struct volume_kind){.threshold = 63 * 1024 * 1024});
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    write_mebibyte(fixture.nexus, 0);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")),
                      SCSI_THRESHOLD_REACHED);
    assert_answer(CDB("\x1a\x08\x9c\x02\x1c\0"),
                  BYTES("\x23\0\x10\0\xdc\x02\0\x1c\0\0\0\0" ZEROS_8 "\x81\x01\0\0\0\0\0\x3f"));
}
END_TEST

START_TEST(a_self_test_passes_and_a_page_is_asked_for)
{
    static const uint8_t self_tests[] = {0x04, 0x20, 0x40, 0x80, 0xa0, 0xc0, 0x10, 0};

    for (size_t i = 0; i < sizeof self_tests; i++) {
        char cdb[] = {0x1d, (char)self_tests[i], 0, 0, 0, 0};

        ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, cdb, sizeof cdb), SCSI_GOOD);
    }
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x1d\x10\0\0\x04\0")), SCSI_GOOD);
}
END_TEST

START_TEST(identifying_information_is_kept_and_told_to_the_others)
{
    struct exchange *exchange =
        new_exchange(fixture.nexus, CDB("\xa4\x06\0\0\0\0\0\0\0\x06\x04\0"));

    memcpy(exchange->data, "Lab 3", 6);
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    free(exchange);
    assert_answer(REPORT_IDENTITY("\x04"), BYTES("\0\0\0\x06Lab 3\0"));
    assert_answer(REPORT_IDENTITY("\0"), BYTES("\0\0\0\0"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")),
                      SCSI_IDENTITY_CHANGED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\xa4\x06\0\0\0\0\0\0\0\0\x04\0")),
                      SCSI_GOOD);
    assert_answer(REPORT_IDENTITY("\x04"), BYTES("\0\0\0\0"));
}
END_TEST

START_TEST(the_timestamp_is_the_time)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\xa3\x0f\0\0\0\0\0\0\0\xff\0\0"));

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_mem_eq(exchange->data, "\0\x0a\x03\0", 4);
    ck_assert_double_eq_tol((double)get_be48(exchange->data + 4) / 1000, ev_now(fixture.loop), 1);
    free(exchange);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reports");
    TCase *tests = tcase_create("reports");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, an_answer_is_exactly_these_bytes, 0, COUNT(answers));
    tcase_add_loop_test(tests, a_refusal_names_its_field, 0, COUNT(refusals));
    tcase_add_test(tests, reads_and_writes_are_counted_until_they_are_reset);
    tcase_add_test(tests, space_is_told_in_mebibytes);
    tcase_add_test(tests, a_threshold_is_told_once_each_time_it_is_crossed);
    tcase_add_test(tests, a_threshold_of_available_space_may_be_told_to_one_nexus_alone);
    tcase_add_test(tests, a_volume_may_come_with_a_threshold);
    tcase_add_test(tests, a_self_test_passes_and_a_page_is_asked_for);
    tcase_add_test(tests, identifying_information_is_kept_and_told_to_the_others);
    tcase_add_test(tests, the_timestamp_is_the_time);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
