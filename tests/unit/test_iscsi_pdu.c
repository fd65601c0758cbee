/* PDUs against bytes written out by hand from RFC 7143 section 11, sixteen a line. */
#include "target/base/bytes.h"
#include "target/iscsi/pdu.h"
#include "tests/unit/unit.h"

#include <string.h>

#define NUMBERS                                                                                    \
    {                                                                                              \
        0x0a0b0c0d, 0x1a1b1c1d, 0x2a2b2c2d                                                         \
    }
#define LUN 0x0001020304050607u

static uint8_t bhs[BHS_SIZE];

static void set_up(void)
{
    memset(bhs, 0xee, sizeof(bhs)); /* an encoder leaves nothing as it was */
}

/* clang-format off */
START_TEST(login_response_is_the_rfcs)
{
    static const uint8_t expected[BHS_SIZE] = {
        0x23, 0x87, 0, 0, 0, 0x01, 0x02, 0x03, 0x40, 0, 0x01, 0x37, 0, 0x01, 0x05, 0x00,
        0, 0, 0, 0x01, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0x01, 0x01 };
    struct pdu_login_response response = {
        .transit = true, .current_stage = STAGE_OPERATIONAL, .next_stage = STAGE_FULL_FEATURE,
        .isid = { 0x40, 0, 0x01, 0x37, 0, 0x01 }, .tsih = 0x0500, .status = 0x0101, .task_tag = 1,
        .data_length = 0x010203, .numbers = NUMBERS };

    pdu_encode_login_response(bhs, &response);
    ck_assert_mem_eq(bhs, expected, BHS_SIZE);
}
END_TEST

/* NSG is reserved without T; T and C never come together. */
START_TEST(login_response_without_transit_names_no_next_stage)
{
    struct pdu_login_response response = { .continues = true, .next_stage = STAGE_FULL_FEATURE };

    pdu_encode_login_response(bhs, &response);
    ck_assert_uint_eq(bhs[1], 0x40);
    response = (struct pdu_login_response){ .current_stage = STAGE_OPERATIONAL, .next_stage = 3 };
    pdu_encode_login_response(bhs, &response);
    ck_assert_uint_eq(bhs[1], 0x04);
}
END_TEST

START_TEST(scsi_response_is_the_rfcs)
{
    static const uint8_t expected[BHS_SIZE] = {
        0x21, 0x82, 0, 0x02, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0x12, 0x34, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 0x03, 0, 0, 0, 0, 0x00, 0x01, 0x00, 0x02 };
    struct pdu_response response = {
        .residual = RESIDUAL_UNDERFLOW, .status = 2, .task_tag = 0x1234, .exp_data_sn = 3,
        .residual_count = 0x10002, .data_length = 20, .numbers = NUMBERS };

    pdu_encode_response(bhs, &response);
    ck_assert_mem_eq(bhs, expected, BHS_SIZE);
    response.residual = RESIDUAL_OVERFLOW;
    pdu_encode_response(bhs, &response);
    ck_assert_uint_eq(bhs[1], 0x84);
}
END_TEST

START_TEST(data_in_carries_status_only_when_it_has_one)
{
    static const uint8_t plain[BHS_SIZE] = {
        0x25, 0x80, 0, 0, 0, 0, 0x20, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0, 0, 0x12, 0x34, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 0x07, 0, 0x01, 0, 0 };
    static const uint8_t with_status[BHS_SIZE] = {
        0x25, 0x83, 0, 0x18, 0, 0, 0x20, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0, 0, 0x12, 0x34, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 0x07, 0, 0x01, 0, 0, 0, 0, 0x02, 0x00 };
    struct pdu_data_in data = {
        .is_final = true, .status = 0x18, .residual = RESIDUAL_UNDERFLOW, .residual_count = 512,
        .lun = LUN, .task_tag = 0x1234, .data_sn = 7, .offset = 0x10000, .data_length = 0x2000,
        .numbers = NUMBERS };

    pdu_encode_data_in(bhs, &data);
    ck_assert_mem_eq(bhs, plain, BHS_SIZE);
    data.has_status = true;
    pdu_encode_data_in(bhs, &data);
    ck_assert_mem_eq(bhs, with_status, BHS_SIZE);
}
END_TEST

START_TEST(r2t_is_the_rfcs)
{
    static const uint8_t expected[BHS_SIZE] = {
        0x31, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0, 0, 0x12, 0x34, 0, 0, 0, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 0x02, 0, 0x01, 0, 0, 0, 0x04, 0, 0 };
    struct pdu_r2t r2t = { .lun = LUN, .task_tag = 0x1234, .transfer_tag = 9, .r2t_sn = 2,
                           .offset = 0x10000, .length = 0x40000, .numbers = NUMBERS };

    pdu_encode_r2t(bhs, &r2t);
    ck_assert_mem_eq(bhs, expected, BHS_SIZE);
}
END_TEST

START_TEST(task_and_logout_responses_are_the_rfcs)
{
    static const uint8_t task[BHS_SIZE] = {
        0x22, 0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0x12, 0x34, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d };
    static const uint8_t logout[BHS_SIZE] = {
        0x26, 0x80, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0x12, 0x34, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 0, 0, 0x02, 0, 0x14 };

    pdu_encode_task_response(bhs, &(struct pdu_task_response){ 255, 0x1234, NUMBERS });
    ck_assert_mem_eq(bhs, task, BHS_SIZE);
    pdu_encode_logout_response(bhs, &(struct pdu_logout_response){ 2, 2, 20, 0x1234, NUMBERS });
    ck_assert_mem_eq(bhs, logout, BHS_SIZE);
}
END_TEST

START_TEST(nop_in_and_text_response_are_the_rfcs)
{
    static const uint8_t nop[BHS_SIZE] = {
        0x20, 0x80, 0, 0, 0, 0, 0, 0x05, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d };
    static const uint8_t text[BHS_SIZE] = {
        0x24, 0x40, 0, 0, 0, 0, 0x20, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0, 0, 0x12, 0x34, 0, 0, 0, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d };
    struct pdu_text_response response = { .continues = true, .lun = LUN, .task_tag = 0x1234,
                                          .transfer_tag = 9, .data_length = 0x2000,
                                          .numbers = NUMBERS };

    pdu_encode_nop_in(bhs, &(struct pdu_nop_in){ LUN, RESERVED_TAG, 9, 5, NUMBERS });
    ck_assert_mem_eq(bhs, nop, BHS_SIZE);
    pdu_encode_text_response(bhs, &response);
    ck_assert_mem_eq(bhs, text, BHS_SIZE);
    response.continues = false;
    response.is_final = true;
    pdu_encode_text_response(bhs, &response);
    ck_assert_uint_eq(bhs[1], 0x80);
}
END_TEST

START_TEST(async_message_and_reject_are_the_rfcs)
{
    static const uint8_t async[BHS_SIZE] = {
        0x32, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d, 0x01, 0, 0, 0x01, 0, 0x02, 0, 0x05 };
    static const uint8_t reject[BHS_SIZE] = {
        0x3f, 0x80, 0x09, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x1c, 0x1d,
        0x2a, 0x2b, 0x2c, 0x2d };

    pdu_encode_async(bhs, &(struct pdu_async){ ASYNC_LOGOUT_REQUEST, LUN, { 1, 2, 5 }, 0, NUMBERS });
    ck_assert_mem_eq(bhs, async, BHS_SIZE);
    pdu_encode_reject(bhs, &(struct pdu_reject){ REJECT_INVALID_FIELD, BHS_SIZE, NUMBERS });
    ck_assert_mem_eq(bhs, reject, BHS_SIZE);
}
END_TEST

/* The first request of a Windows host, discovery. */
START_TEST(login_request_of_windows_is_understood)
{
    static const uint8_t request[BHS_SIZE] = {
        0x43, 0x81, 0x00, 0x00, 0x00, 0x00, 0x00, 0x58, 0x40, 0x00, 0x01, 0x37, 0x00, 0x00, 0, 0,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0, 1 };
    struct pdu pdu;
    struct pdu_login login;

    pdu_decode(&pdu, request);
    ck_assert_int_eq(pdu.opcode, OP_LOGIN_REQUEST);
    ck_assert(pdu.is_immediate && pdu.is_final);
    ck_assert_uint_eq(pdu.data_length, 88);
    ck_assert_uint_eq(pdu.ahs_length, 0);
    pdu_decode_login(&login, request);
    ck_assert(login.transit && !login.continues);
    ck_assert_uint_eq(login.current_stage, STAGE_SECURITY);
    ck_assert_uint_eq(login.next_stage, STAGE_OPERATIONAL);
    ck_assert_mem_eq(login.isid, "\x40\0\x01\x37\0\0", ISID_SIZE);
    ck_assert_uint_eq(login.tsih, 0);
    ck_assert_uint_eq(login.cid, 1);
    ck_assert_uint_eq(login.task_tag, 1);
    ck_assert_uint_eq(login.cmd_sn, 1);
    ck_assert_uint_eq(login.exp_stat_sn, 1);
}
END_TEST

START_TEST(every_field_of_a_login_request_has_its_place)
{
    static const uint8_t request[BHS_SIZE] = {
        0x43, 0x47, 0x05, 0x03, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0x12, 0x34,
        0x21, 0x22, 0x23, 0x24, 0x31, 0x32, 0, 0, 0x41, 0x42, 0x43, 0x44, 0x51, 0x52, 0x53, 0x54 };
    struct pdu_login login;

    pdu_decode_login(&login, request);
    ck_assert(!login.transit && login.continues);
    ck_assert_uint_eq(login.current_stage, 1);
    ck_assert_uint_eq(login.next_stage, 3);
    ck_assert_uint_eq(login.version_max, 5);
    ck_assert_uint_eq(login.version_min, 3);
    ck_assert_uint_eq(login.tsih, 0x1234);
    ck_assert_uint_eq(login.task_tag, 0x21222324);
    ck_assert_uint_eq(login.cid, 0x3132);
    ck_assert_uint_eq(login.cmd_sn, 0x41424344);
    ck_assert_uint_eq(login.exp_stat_sn, 0x51525354);
}
END_TEST

START_TEST(every_field_of_a_command_has_its_place)
{
    static const uint8_t request[BHS_SIZE] = {
        0x01, 0xa1, 0, 0, 0x02, 0x01, 0x02, 0x03, 0, 1, 2, 3, 4, 5, 6, 7,
        0x21, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, 0x34, 0x41, 0x42, 0x43, 0x44, 0x51, 0x52, 0x53, 0x54,
        0x2a, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0x77 };
    struct pdu_command command;
    struct pdu pdu;

    pdu_decode(&pdu, request);
    ck_assert(!pdu.is_immediate);
    ck_assert_uint_eq(pdu.data_length, 0x010203);
    ck_assert_uint_eq(pdu.ahs_length, 8);
    ck_assert_uint_eq(pdu_cmd_sn(request), 0x41424344);
    pdu_decode_command(&command, request);
    ck_assert(command.is_final && command.writes && !command.reads);
    ck_assert_uint_eq(command.attribute, 1);
    ck_assert_uint_eq(command.lun, LUN);
    ck_assert_uint_eq(command.task_tag, 0x21222324);
    ck_assert_uint_eq(command.expected_length, 0x31323334);
    ck_assert_uint_eq(command.cmd_sn, 0x41424344);
    ck_assert_uint_eq(command.exp_stat_sn, 0x51525354);
    ck_assert_mem_eq(command.cdb, request + 32, 16);
}
END_TEST

START_TEST(every_field_of_the_other_requests_has_its_place)
{
    static const uint8_t request[BHS_SIZE] = {
        0x05, 0x81, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7,
        0x21, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, 0x34, 0x41, 0x42, 0x43, 0x44, 0, 0, 0, 0,
        0x61, 0x62, 0x63, 0x64, 0x71, 0x72, 0x73, 0x74, 0x81, 0x82, 0x83, 0x84 };
    struct pdu_data_out data;
    struct pdu_task_request task;
    struct pdu_nop_out nop;
    struct pdu_text text;
    struct pdu_logout logout;

    pdu_decode_data_out(&data, request);
    ck_assert(data.is_final);
    ck_assert_uint_eq(data.task_tag, 0x21222324);
    ck_assert_uint_eq(data.transfer_tag, 0x31323334);
    ck_assert_uint_eq(data.data_sn, 0x71727374);
    ck_assert_uint_eq(data.offset, 0x81828384);
    pdu_decode_task_request(&task, request);
    ck_assert_uint_eq(task.function, TASK_ABORT);
    ck_assert_uint_eq(task.lun, LUN);
    ck_assert_uint_eq(task.referenced_tag, 0x31323334);
    ck_assert_uint_eq(task.cmd_sn, 0x41424344);
    ck_assert_uint_eq(task.ref_cmd_sn, 0x61626364);
    pdu_decode_nop_out(&nop, request);
    ck_assert_uint_eq(nop.lun, LUN);
    ck_assert_uint_eq(nop.transfer_tag, 0x31323334);
    pdu_decode_text(&text, request);
    ck_assert(text.is_final && !text.continues);
    ck_assert_uint_eq(text.transfer_tag, 0x31323334);
    pdu_decode_logout(&logout, request);
    ck_assert_uint_eq(logout.reason, 1);
    ck_assert_uint_eq(logout.cid, 0x3132);
    ck_assert_uint_eq(logout.cmd_sn, 0x41424344);
}
END_TEST

/* AHSLength and AHSType first (RFC 7143 11.2.2); length 0: malformed. */
static const struct {
    const char *ahs;
    uint32_t ahs_length, cdb_length;
} segments[] = {
    { "", 0, 16 },
    { "\0\x05\x01\0WXYZ", 8, 20 },                          /* extended CDB of 4 */
    { "\0\x06\x01\0WXYZV\0\0\0", 12, 21 },                  /* padded */
    { "\0\x05\x02\0\0\0\x10\0", 8, 16 },                    /* bidirectional read length */
    { "\0\x05\x02\0\0\0\x10\0\0\x05\x01\0WXYZ", 16, 20 },   /* both */
    { "\0\x01\x01\0", 4, 16 },                              /* an extension of nothing */
    { "\0\x01\x01\0\0\x05\x01\0WXYZ", 12, 20 },
    { "\0\0\x01\0WXYZ", 8, 0 },                             /* no length */
    { "\0\x06\x01\0WXYZ", 8, 0 },                           /* longer than what is there */
    { "\xff\xff\x01\0WXYZ", 8, 0 },
    { "\0\x05\x01\0WXYZ\0\x05\x01\0WXYZ", 16, 0 },          /* twice */
    { "\0\x05\x02\0WXYZ\0\xff\x02\0", 12, 0 },              /* the second one is too long */
};
/* clang-format on */

START_TEST(long_cdbs_come_in_an_additional_header)
{
    uint8_t cdb[CDB_MAX], *ahs = malloc(segments[_i].ahs_length + 1);

    memset(bhs + 32, 0x7f, 16);
    memset(cdb, 0xee, sizeof(cdb));
    memcpy(ahs, segments[_i].ahs, segments[_i].ahs_length);
    ck_assert_uint_eq(pdu_decode_cdb(cdb, bhs, ahs, segments[_i].ahs_length),
                      segments[_i].cdb_length);
    if (segments[_i].cdb_length)
        ck_assert_mem_eq(cdb, bhs + 32, 16);
    if (segments[_i].cdb_length >= 20)
        ck_assert_mem_eq(cdb + 16, "WXYZ", 4);
    if (segments[_i].cdb_length && segments[_i].ahs_length)
        for (size_t i = segments[_i].cdb_length; i < CDB_MAX; i++)
            ck_assert_uint_eq(cdb[i], 0);
    free(ahs);
}
END_TEST

/* 244 bytes fill the CDB of 260; one more is refused. Each length is exactly what lies there. */
START_TEST(the_longest_cdb_has_260_bytes)
{
    uint8_t cdb[CDB_MAX], *ahs;

    for (uint32_t extra = 1; extra <= 252; extra++) {
        uint32_t length = (3 + 1 + extra + 3) & ~3u;

        ahs = calloc(1, length);
        put_be16(ahs, (uint16_t)(extra + 1));
        ahs[2] = 1;
        memset(ahs + 4, 0xa5, extra);
        ck_assert_uint_eq(pdu_decode_cdb(cdb, bhs, ahs, length), extra <= 244 ? 16 + extra : 0);
        if (extra <= 244)
            ck_assert_uint_eq(cdb[16 + extra - 1], 0xa5);
        free(ahs);
    }
}
END_TEST

START_TEST(segments_are_padded_to_words)
{
    static const uint32_t padding[] = {0, 3, 2, 1, 0, 3};

    ck_assert_uint_eq(pdu_padding((uint32_t)_i), padding[_i]);
    ck_assert_uint_eq(pdu_padding(0xfffffc + (uint32_t)_i), padding[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pdu");
    TCase *tests = tcase_create("pdu");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, login_response_is_the_rfcs);
    tcase_add_test(tests, login_response_without_transit_names_no_next_stage);
    tcase_add_test(tests, scsi_response_is_the_rfcs);
    tcase_add_test(tests, data_in_carries_status_only_when_it_has_one);
    tcase_add_test(tests, r2t_is_the_rfcs);
    tcase_add_test(tests, task_and_logout_responses_are_the_rfcs);
    tcase_add_test(tests, nop_in_and_text_response_are_the_rfcs);
    tcase_add_test(tests, async_message_and_reject_are_the_rfcs);
    tcase_add_test(tests, login_request_of_windows_is_understood);
    tcase_add_test(tests, every_field_of_a_login_request_has_its_place);
    tcase_add_test(tests, every_field_of_a_command_has_its_place);
    tcase_add_test(tests, every_field_of_the_other_requests_has_its_place);
    tcase_add_loop_test(tests, long_cdbs_come_in_an_additional_header, 0, ROWS(segments));
    tcase_add_test(tests, the_longest_cdb_has_260_bytes);
    tcase_add_loop_test(tests, segments_are_padded_to_words, 0, 6);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
