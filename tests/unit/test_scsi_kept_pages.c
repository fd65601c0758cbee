#include "tests/unit/scsi_store_fixture.h"

/* Page 0A as MODE SELECT sends it: D_SENSE, QERR, SWP. */
#define CONTROL(sense, queue, protect) "\0\0\0\0\x0a\x0a" sense queue protect "\0\0\0\xff\xff\0\0"

static struct exchange *new_select(const char *list, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x15\x11\0\0\0\0"));

    exchange->cdb[4] = (uint8_t)length;
    memcpy(exchange->data, list, length);
    return exchange;
}

static uint32_t select_saved(const char *list, size_t length)
{
    struct exchange *exchange = new_select(list, length);
    uint32_t result = execute(&fixture, exchange);

    free(exchange);
    return result;
}

static uint32_t set_text(const char *text, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\xa4\x06\0\0\0\0\0\0\0\0\x04\0"));
    uint32_t result;

    exchange->cdb[9] = (uint8_t)length;
    memcpy(exchange->data, text, length);
    result = execute(&fixture, exchange);
    free(exchange);
    return result;
}

static void assert_answer(const char *cdb, size_t cdb_length, const char *answer, size_t length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, cdb, cdb_length);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_mem_eq(exchange->data, answer, length);
    free(exchange);
}

#define CURRENT_CONTROL CDB("\x1a\x08\x0a\0\xff\0")
#define SAVED_CONTROL CDB("\x1a\x08\xca\0\xff\0")
#define TEXT CDB("\xa3\x05\0\0\0\0\0\0\x01\x04\x04\0")

static void reopen(const char *run)
{
    close_volume(&fixture);
    open_lun(run);
    test_unit_ready(fixture.nexus);
    test_unit_ready(fixture.other);
}

START_TEST(saved_pages_and_identifying_information_outlive_everything)
{
    ck_assert_uint_eq(select_saved(BYTES(CONTROL("\0", "\x10", "\x08"))), SCSI_GOOD);
    ck_assert_uint_eq(set_text(BYTES("Lab 3\0")), SCSI_GOOD);
    reopen("first");
    assert_answer(CURRENT_CONTROL, BYTES("\x0f\0\x90\0\x8a\x0a\0\x10\x08"));
    assert_answer(TEXT, BYTES("\0\0\0\x06Lab 3\0"));
    reopen("second"); /* the power was lost in between */
    assert_answer(SAVED_CONTROL, BYTES("\x0f\0\x90\0\x8a\x0a\0\x10\x08"));
    assert_answer(TEXT, BYTES("\0\0\0\x06Lab 3\0"));
}
END_TEST

START_TEST(a_page_that_is_not_saved_is_not_kept)
{
    struct exchange *exchange = new_select(BYTES(CONTROL("\0", "\x10", "\x08")));

    exchange->cdb[1] = 0x10;
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    free(exchange);
    reopen("first");
    assert_answer(CURRENT_CONTROL, BYTES("\x0f\0\x10\0\x8a\x0a\0\x10\0"));
}
END_TEST

START_TEST(what_cannot_be_kept_is_as_before_and_nobody_is_told)
{
    set_text(BYTES("old\0"));
    test_unit_ready(fixture.other);
    fake.error = -ENOSPC;
    ck_assert_uint_ne(select_saved(BYTES(CONTROL("\0", "\x10", "\x08"))), SCSI_GOOD);
    assert_answer(CURRENT_CONTROL, BYTES("\x0f\0\x10\0\x8a\x0a\0\x10\0"));
    assert_answer(SAVED_CONTROL, BYTES("\x0f\0\x10\0\x8a\x0a\0\x10\0"));
    ck_assert_uint_ne(set_text(BYTES("new\0")), SCSI_GOOD);
    assert_answer(TEXT, BYTES("\0\0\0\x04old"));
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_GOOD);
    fake.error = 0;
    ck_assert_uint_eq(select_saved(BYTES(CONTROL("\0", "\x10", "\x08"))), SCSI_GOOD);
}
END_TEST

START_TEST(the_answer_comes_when_the_page_is_safe)
{
    struct exchange *exchange = new_select(BYTES(CONTROL("\0", "\x10", "\x08")));

    fake.is_holding = true;
    ck_assert_int_eq(scsi_begin(&exchange->task), SCSI_DATA_OUT);
    send_data(&fixture, exchange);
    ck_assert_int_eq(scsi_finish(&exchange->task), SCSI_WAIT);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_GOOD);
    let_save();
    ck_assert(exchange->has_next);
    ck_assert_uint_eq(result_of(&exchange->task), SCSI_GOOD);
    ck_assert_uint_eq(test_unit_ready(fixture.other), SCSI_MODE_CHANGED);
    free(exchange);
}
END_TEST

START_TEST(kept_values_of_bits_that_cannot_be_changed_do_not_count)
{
    json_t *pages = json_pack("{s:s, s:s, s:s}", "0a", "00000cff0c00000000000000", "08", "00", "1c",
                              "no digits here, 24 of them");

    json_decref(fake.kept);
    fake.kept = json_pack("{s:s, s:o}", "run", "first", "mode", pages);
    reopen("first");
    assert_answer(SAVED_CONTROL, BYTES("\x0f\0\x90\0\x8a\x0a\x04\x16\x08\0\0\0\xff\xff\0\0"));
    assert_answer(CDB("\x1a\x08\x08\0\xff\0"), BYTES("\x17\0\x90\0\x88\x12\x04"));
}
END_TEST

static void set_state(uint8_t state)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\xa4\x0a\0\0\0\0\0\0\0\x08\0\0"));

    exchange->data[4] = state;
    exchange->data[7] = 1;
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    free(exchange);
}

START_TEST(access_states_that_a_host_has_set_stay_until_the_power_is_lost)
{
    bool is_saved = false;

    make_access_explicit(&fixture);
    test_unit_ready(fixture.nexus);
    set_state(SCSI_STANDBY);
    while (!is_saved) {
        ev_run(fixture.loop, EVRUN_ONCE);
        is_saved = !fake.next;
    }
    close_volume(&fixture);
    open_lun("first");
    make_access_explicit(&fixture);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_POWER_ON);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_IN_STANDBY);
    close_volume(&fixture);
    open_lun("second");
    make_access_explicit(&fixture);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_POWER_ON);
    ck_assert_uint_eq(test_unit_ready(fixture.nexus), SCSI_GOOD);
}
END_TEST

static void tear_down_thick(void)
{
    close_volume(&fixture);
}

static void set_up_thick(void)
{
    fixture.store = NULL;
    open_volume_of(&fixture, 1024 * 1024, 512, (struct volume_kind){.is_thick = true});
    test_unit_ready(fixture.nexus);
}

START_TEST(a_fully_provisioned_volume_has_no_thresholds)
{
    static const char *const refused[] = {"\x1a\x08\x1c\x02\xff\0", "\x4d\0\x4c\0\0\0\0\0\xff\0"};

    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, refused[0], 6),
                      SCSI_INVALID_FIELD_IN_CDB);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, refused[1], 10),
                      SCSI_INVALID_FIELD_IN_CDB);
    assert_answer(CDB("\x4d\0\0\0\0\0\0\0\xff\0"), BYTES("\0\0\0\x05\0\x0d\x15\x19\x2f"));
    assert_answer(CDB("\x12\x01\xb2\0\xff\0"), BYTES("\0\xb2\0\x04\0\0\0\0"));
    ck_assert_uint_eq(select_saved(BYTES("\0\0\0\0\x5c\x02\0\x1c")), SCSI_INVALID_FIELD_IN_LIST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept pages");
    TCase *tests = tcase_create("kept"), *thick = tcase_create("thick");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, saved_pages_and_identifying_information_outlive_everything);
    tcase_add_test(tests, a_page_that_is_not_saved_is_not_kept);
    tcase_add_test(tests, what_cannot_be_kept_is_as_before_and_nobody_is_told);
    tcase_add_test(tests, the_answer_comes_when_the_page_is_safe);
    tcase_add_test(tests, kept_values_of_bits_that_cannot_be_changed_do_not_count);
    tcase_add_test(tests, access_states_that_a_host_has_set_stay_until_the_power_is_lost);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(thick, set_up_thick, tear_down_thick);
    tcase_add_test(thick, a_fully_provisioned_volume_has_no_thresholds);
    suite_add_tcase(suite, thick);
    return run_suite(suite);
}
