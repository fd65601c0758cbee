#include "tests/unit/scsi_fixture.h"

static struct fixture fixture;

static void set_up(void)
{
    open_volume(&fixture, 64 * 1024 * 1024, 512, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")); /* takes the attention */
}

static void tear_down(void)
{
    close_volume(&fixture);
}

#define BYTES(bytes) "" bytes, sizeof(bytes) - 1
#define ZEROS_8 "\0\0\0\0\0\0\0\0"

/* Command and the bytes it must answer, written out by hand from SPC-4 and SBC-3. */
static const struct {
    const char *cdb;
    size_t cdb_length;
    const char *answer;
    size_t length;
} answers[] = {
    /* INQUIRY: disk, SPC-4, HISUP, 91 more bytes, 3PC, MULTIP, CMDQUE, SAM-5 iSCSI SPC-4 SBC-3 */
    {CDB("\x12\0\0\0\xff\0"),
     BYTES("\0\0\x06\x12\x5b\x08\x10\x02StorPooliSCSI DISK      1.0 " ZEROS_8 ZEROS_8
           "\0\0\0\0\0\0\x00\xa0\x09\x60\x04\x60\x04\xc0" ZEROS_8 ZEROS_8 ZEROS_8 "\0\0\0\0\0\0")},
    {CDB("\x12\0\0\0\x05\0"), BYTES("\0\0\x06\x12\x5b")},
    {CDB("\x12\x01\0\0\xff\0"), BYTES("\0\0\0\x0b\0\x80\x83\x86\x87\x88\x8f\xb0\xb1\xb2\xb3")},
    {CDB("\x12\x01\x80\0\xff\0"), BYTES("\0\x80\0\x05"
                                        "12345")},
    /* 83: NAA, vendor text, relative port, name of the port, name of the device */
    {CDB("\x12\x01\x83\0\xff\0"),
     BYTES("\0\x83\0\x71"
           "\x01\x03\0\x10\x60\x12\x34\x56\x78\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"
           "\x02\x01\0\x1dStorPooliSCSI DISK      12345"
           "\x51\x94\0\x04\0\0\0\x01"
           "\x53\x98\0\x1ciqn.array:data1,t,0x0001\0\0\0\0"
           "\x53\xa8\0\x10iqn.array:data1\0")},
    /* 86: HEADSUP, ORDSUP, SIMPSUP, V_SUP, 32 bytes of sense data */
    {CDB("\x12\x01\x86\0\xff\0"), BYTES("\0\x86\0\x3c\0\x07\x01\0\0\0\0\0\0\x28\0\0" ZEROS_8 ZEROS_8
                                            ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8)},
    /* 87: every page and subpage is shared */
    {CDB("\x12\x01\x87\0\xff\0"), BYTES("\0\x87\0\x04\x3f\xff\0\0")},
    /* 88: the one port, its SCSI name string */
    {CDB("\x12\x01\x88\0\xff\0"),
     BYTES(
         "\0\x88\0\x2c\0\0\0\x01\0\0\0\0\0\0\0\x20\x53\x98\0\x1ciqn.array:data1,t,0x0001\0\0\0\0")},
    {CDB("\x12\x01\xb3\0\xff\0"), BYTES("\0\xb3\0\x0c" ZEROS_8 "\0\0\0\0")},
    {CDB("\x12\x01\xb0\0\xff\0"),
     BYTES(
         "\0\xb0\0\x3c\0\x01\0\x08\0\x01\0\0\0\0\x08\0\0\0\0\0\xff\xff\xff\xff\0\0\x01\0\0\0\0\x08"
         "\x80\0\0\0\0\0\0\0\0\x04\0\0\0\0\x08\0\0\0\0\x08\0\0\0\x08" ZEROS_8)},
    {CDB("\x12\x01\xb1\0\x40\0"),
     BYTES("\0\xb1\0\x3c\0\x01\0\x50" ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8)},
    {CDB("\x12\x01\xb2\0\xff\0"), BYTES("\0\xb2\0\x04\x0b\xe4\x02\0")},
    {CDB("\x25\0\0\0\0\0\0\0\0\0"), BYTES("\0\x01\xff\xff\0\0\x02\0")},
    {CDB("\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0"),
     BYTES("\0\0\0\0\0\x01\xff\xff\0\0\x02\0\0\x03\xc0\0" ZEROS_8 ZEROS_8)},
    {CDB("\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0"), BYTES("\0\0\0\0\0\x01\xff\xff\0\0\x02\0")},
    {CDB("\xa0\0\0\0\0\0\0\0\0\x10\0\0"), BYTES("\0\0\0\x08" ZEROS_8 "\0\0\0\0")},
    {CDB("\xa0\0\x02\0\0\0\0\0\0\xff\0\0"), BYTES("\0\0\0\x08" ZEROS_8 "\0\0\0\0")},
    {CDB("\xa0\0\x01\0\0\0\0\0\0\xff\0\0"), BYTES(ZEROS_8)},
    /* MODE SENSE(6) as Windows sends it: page 1C, page 08 current and changeable */
    {CDB("\x1a\0\x1c\0\xc0\0"), BYTES("\x17\0\x10\x08\0\x02\0\0\0\0\x02\0\x9c\x0a" ZEROS_8 "\0\0")},
    {CDB("\x1a\x08\x08\0\xc0\0"), BYTES("\x17\0\x10\0\x88\x12\x04" ZEROS_8 ZEROS_8 "\0")},
    {CDB("\x1a\x08\x3f\0\x04\0"), BYTES("\x73\0\x10\0")},
    {CDB("\x1a\x08\x3f\0\0\0"), BYTES("")},
    /* MODE SENSE(10) with the long block descriptor */
    {CDB("\x5a\x10\x1c\0\0\0\0\0\xff\0"),
     BYTES("\0\x22\0\x10\x01\0\0\x10\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x02\0\x9c\x0a" ZEROS_8 "\0\0")},
    {CDB("\x5a\x08\x0a\0\0\0\0\0\xff\0"),
     BYTES("\0\x12\0\x10\0\0\0\0\x8a\x0a\0\x10\0\0\0\0\xff\xff\0\0")},
    /* REQUEST SENSE, fixed and descriptor */
    {CDB("\x03\0\0\0\xff\0"), BYTES("\x70\0\0\0\0\0\0\x0a" ZEROS_8 "\0\0")},
    {CDB("\x03\x01\0\0\xff\0"), BYTES("\x72\0\0\0\0\0\0\0")},
    /* REPORT SUPPORTED OPERATION CODES: READ(10), with timeouts, and what is not there */
    {CDB("\xa3\x0c\x01\x28\0\0\0\0\0\xff\0\0"),
     BYTES("\0\x03\0\x0a\x28\x18\xff\xff\xff\xff\x1f\xff\xff\0")},
    {CDB("\xa3\x0c\x81\x00\0\0\0\0\0\xff\0\0"),
     BYTES("\0\x83\0\x06\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\0\0\x3c")},
    {CDB("\xa3\x0c\x02\x9e\0\x10\0\0\0\xff\0\0"),
     BYTES("\0\x03\0\x10\x9e\x10" ZEROS_8 "\xff\xff\xff\xff\0\0")},
    {CDB("\xa3\x0c\x03\x9e\0\x11\0\0\0\xff\0\0"), BYTES("\0\x01\0\0")},
    {CDB("\xa3\x0c\x03\x28\0\x01\0\0\0\xff\0\0"), BYTES("\0\x01\0\0")},
    {CDB("\xa3\x0c\x01\xc0\0\0\0\0\0\xff\0\0"), BYTES("\0\x01\0\0")},
    {CDB("\xa3\x0d\0\0\0\0\0\0\0\xff\0\0"), BYTES("\xda\0\0\0")},
    {CDB("\xa3\x0d\x80\0\0\0\0\0\0\xff\0\0"), BYTES("\xda\0\0\x0c" ZEROS_8 "\0\0\0\0")},
};

START_TEST(an_answer_is_exactly_these_bytes)
{
    struct exchange *exchange =
        new_exchange(fixture.nexus, answers[_i].cdb, answers[_i].cdb_length);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_uint_eq(exchange->task.transfer_length, answers[_i].length);
    ck_assert_mem_eq(exchange->data, answers[_i].answer, answers[_i].length);
    ck_assert_uint_eq(exchange->data[answers[_i].length], 0xcc);
    free(exchange);
}
END_TEST

/* The place of the field in the sense data: byte 15, then the pointer; 0: none. */
static const struct {
    const char *cdb;
    size_t length;
    uint32_t result, field;
} refusals[] = {
    {CDB("\x12\0\x80\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0002},
    {CDB("\x12\x01\x84\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0002},
    {CDB("\x12\x02\0\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xc90001},
    {CDB("\x1a\0\0\0\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcd0002},
    {CDB("\x1a\0\x0a\x02\xff\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0003},
    {CDB("\x28\x20\0\0\0\0\0\0\x01\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcd0001},
    {CDB("\x2f\x04\0\0\0\0\0\0\x01\0"), SCSI_INVALID_FIELD_IN_CDB, 0xca0001},
    {CDB("\x00\0\0\0\0\x04"), SCSI_INVALID_FIELD_IN_CDB, 0xca0005},
    {CDB("\xa0\0\x03\0\0\0\0\0\0\xff\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0002},
    {CDB("\x9e\x1f\0\0\0\0\0\0\0\0\0\0\0\x20\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcc0001},
    {CDB("\xa3\x0c\x01\x9e\0\0\0\0\0\xff\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xca0002},
    {CDB("\xa3\x0c\x02\x28\0\0\0\0\0\xff\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xca0002},
    {CDB("\xa3\x0c\x04\x28\0\0\0\0\0\xff\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xca0002},
    {CDB("\xa3\x0d\0\0\0\0\0\0\0\x03\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0xcf0006},
    {CDB("\xff\0\0\0\0\0"), SCSI_INVALID_OPCODE, 0},
    {CDB("\x05\0\0\0\0\0"), SCSI_INVALID_OPCODE, 0},
    {CDB("\x7f\0\0\0\0\0\0\x18\0\x0d"), SCSI_INVALID_OPCODE, 0},
};

START_TEST(a_refusal_names_its_field)
{
    struct exchange *exchange = new_exchange(fixture.nexus, refusals[_i].cdb, refusals[_i].length);

    ck_assert_uint_eq(execute(&fixture, exchange), refusals[_i].result);
    ck_assert_uint_eq(exchange->task.sense_length, 18);
    ck_assert_uint_eq(exchange->task.sense[0], 0x70);
    ck_assert_uint_eq(get_be24(exchange->task.sense + 15), refusals[_i].field);
    free(exchange);
}
END_TEST

START_TEST(a_logical_unit_that_is_not_there_says_so)
{
    static const struct {
        const char *cdb;
        size_t length;
        uint32_t result;
    } cdbs[] = {
        {CDB("\x12\0\0\0\xff\0"), SCSI_GOOD},
        {CDB("\x03\0\0\0\xff\0"), SCSI_GOOD},
        {CDB("\xa0\0\0\0\0\0\0\0\0\xff\0\0"), SCSI_GOOD},
        {CDB("\x00\0\0\0\0\0"), SCSI_LUN_NOT_SUPPORTED},
        {CDB("\x28\0\0\0\0\0\0\0\x01\0"), SCSI_LUN_NOT_SUPPORTED},
        {CDB("\xff\0\0\0\0\0"), SCSI_LUN_NOT_SUPPORTED},
    };

    for (size_t i = 0; i < COUNT(cdbs); i++) {
        struct exchange *exchange = new_exchange(fixture.nexus, cdbs[i].cdb, cdbs[i].length);

        exchange->task.lun = 0x0001000000000000;
        ck_assert_uint_eq(execute(&fixture, exchange), cdbs[i].result);
        if (cdbs[i].cdb[0] == 0x12)
            ck_assert_uint_eq(exchange->data[0], 0x7f);
        if (cdbs[i].cdb[0] == 0x03)
            ck_assert_mem_eq(exchange->data + 2, "\x05\0\0\0\0\x0a\0\0\0\0\x25\0", 12);
        exchange->task.lun = 0x4000000000000000; /* LUN 0 by flat space addressing */
        ck_assert_uint_ne(execute(&fixture, exchange), SCSI_LUN_NOT_SUPPORTED);
        free(exchange);
    }
}
END_TEST

static void set_up_large(void)
{
    open_volume(&fixture, (uint64_t)8 << 40, 512, false); /* over 2^32 blocks */
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
}

START_TEST(a_volume_of_more_than_2_32_blocks_says_so_in_every_form)
{
    struct exchange *ten = new_exchange(fixture.nexus, CDB("\x25\0\0\0\0\0\0\0\0\0"));
    struct exchange *sixteen =
        new_exchange(fixture.nexus, CDB("\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0"));
    struct exchange *mode = new_exchange(fixture.nexus, CDB("\x1a\0\x08\0\xff\0"));

    ck_assert_uint_eq(execute(&fixture, ten), SCSI_GOOD);
    ck_assert_mem_eq(ten->data, "\xff\xff\xff\xff\0\0\x02\0", 8);
    ck_assert_uint_eq(execute(&fixture, sixteen), SCSI_GOOD);
    ck_assert_mem_eq(sixteen->data, "\0\0\0\x03\xff\xff\xff\xff\0\0\x02\0", 12);
    ck_assert_uint_eq(execute(&fixture, mode), SCSI_GOOD);
    ck_assert_mem_eq(mode->data + 4, "\xff\xff\xff\xff\0\0\x02\0", 8);
    free(ten);
    free(sixteen);
    free(mode);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pages");
    TCase *tests = tcase_create("pages"), *large = tcase_create("large");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, an_answer_is_exactly_these_bytes, 0, COUNT(answers));
    tcase_add_loop_test(tests, a_refusal_names_its_field, 0, COUNT(refusals));
    tcase_add_test(tests, a_logical_unit_that_is_not_there_says_so);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(large, set_up_large, tear_down);
    tcase_add_test(large, a_volume_of_more_than_2_32_blocks_says_so_in_every_form);
    suite_add_tcase(suite, large);
    return run_suite(suite);
}
