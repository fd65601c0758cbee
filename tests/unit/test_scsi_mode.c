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
#define CONTROL(sense, queue, protect)                                                             \
    "\x0a\x0a" sense queue protect "\0\0\0\xff\xff\0\0" /* page 0A as MODE SELECT sends it */
#define CACHING(cache) "\x08\x12" cache ZEROS_8 ZEROS_8 "\0"

static const char test_unit_ready[] = "\0\0\0\0\0\0", write_one[] = "\x2a\0\0\0\0\0\0\0\x01\0";

/* MODE SELECT(6) with PF, and SP if it says so; the header has four bytes and no block descriptor.
 */
static uint32_t select_pages(bool is_saved, const char *pages, size_t length,
                             struct exchange **kept)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x15\x10\0\0\0\0"));
    uint32_t result;

    exchange->cdb[1] |= is_saved;
    exchange->cdb[4] = (uint8_t)(4 + length);
    memcpy(exchange->data + 4, pages, length);
    result = execute(&fixture, exchange);
    if (kept)
        *kept = exchange;
    else
        free(exchange);
    return result;
}

/* The first `length` bytes of a page, without mode parameter header. */
static void assert_page(unsigned control, unsigned code, unsigned subpage, const char *bytes,
                        size_t length)
{
    const char cdb[] = {0x1a, 0x08, (char)(control << 6 | code), (char)subpage, (char)0xff, 0};
    struct exchange *exchange = new_exchange(fixture.nexus, cdb, sizeof cdb);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_mem_eq(exchange->data + 4, bytes, length);
    free(exchange);
}

enum { CURRENT, CHANGEABLE, DEFAULT, SAVED };

/* Page, what of it can be changed, and its default values, SPC-4 7.5 and SBC-3 6.5. */
static const struct {
    unsigned code, subpage;
    const char *changeable;
    const char *values;
    size_t length;
} pages[] = {
    {0x01, 0, "\x81\x0a\0\x80" ZEROS_8, BYTES("\x81\x0a\xc0\x80" ZEROS_8)},
    {0x02, 0, "\x82\x0e" ZEROS_8 "\0\0\0\0\0\0", BYTES("\x82\x0e" ZEROS_8 "\0\0\0\0\0\0")},
    {0x08, 0, "\x88\x12\x04" ZEROS_8 ZEROS_8 "\0", BYTES("\x88\x12\x04" ZEROS_8 ZEROS_8 "\0")},
    {0x0a, 0, "\x8a\x0a\x04\x06\x0a\0\0\0\0\0\0\0", BYTES("\x8a\x0a\0\x10\0\0\0\0\xff\xff\0\0")},
    {0x0a, 1, "\xca\x01\0\x1c\x01\0\0\0" ZEROS_8, BYTES("\xca\x01\0\x1c\x01\0\0\0" ZEROS_8)},
    {0x1a, 0, "\x9a\x26" ZEROS_8 ZEROS_8, BYTES("\x9a\x26" ZEROS_8 ZEROS_8)},
    {0x1c, 0, "\x9c\x0a\x0c\x0f" ZEROS_8, BYTES("\x9c\x0a\0\0" ZEROS_8)},
    {0x1c, 2,
     "\xdc\x02\0\x1c\x01\0\0\0" ZEROS_8 "\x80\0\0\0\xff\xff\xff\xff\x80\0\0\0\xff\xff\xff\xff",
     BYTES("\xdc\x02\0\x1c\0\0\0\0" ZEROS_8 "\x01\x01\0\0\0\0\0\0\x02\x02\0\0\0\0\0\0")},
};

START_TEST(a_page_is_sensed_by_all_four_controls)
{
    unsigned code = pages[_i].code, subpage = pages[_i].subpage;

    assert_page(CURRENT, code, subpage, pages[_i].values, pages[_i].length);
    assert_page(CHANGEABLE, code, subpage, pages[_i].changeable, pages[_i].length);
    assert_page(DEFAULT, code, subpage, pages[_i].values, pages[_i].length);
    assert_page(SAVED, code, subpage, pages[_i].values, pages[_i].length);
}
END_TEST

START_TEST(a_change_is_in_force_and_told_to_the_others)
{
    ck_assert_uint_eq(select_pages(false, BYTES(CONTROL("\0", "\x10", "\x08")), NULL), SCSI_GOOD);
    assert_page(CURRENT, 0x0a, 0, BYTES("\x8a\x0a\0\x10\x08\0"));
    assert_page(SAVED, 0x0a, 0, BYTES("\x8a\x0a\0\x10\0\0"));
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")), SCSI_MODE_CHANGED);
}
END_TEST

START_TEST(selecting_what_is_so_tells_nobody)
{
    ck_assert_uint_eq(select_pages(false, BYTES(CONTROL("\0", "\x10", "\0")), NULL), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
}
END_TEST

START_TEST(software_write_protection_stops_writes_until_it_is_off)
{
    select_pages(false, BYTES(CONTROL("\0", "\x10", "\x08")), NULL);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, write_one, 10),
                      SCSI_SOFTWARE_WRITE_PROTECTED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x01\0")),
                      SCSI_GOOD);
    assert_page(CURRENT, 0x0a, 0, BYTES("\x8a"));
    select_pages(false, BYTES(CONTROL("\0", "\x10", "\0")), NULL);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, write_one, 10), SCSI_GOOD);
}
END_TEST

START_TEST(descriptor_sense_is_used_when_it_is_asked_for)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x28\x20\0\0\0\0\0\0\x01\0"));

    select_pages(false, BYTES(CONTROL("\x04", "\x10", "\0")), NULL);
    execute(&fixture, exchange);
    ck_assert_uint_eq(exchange->task.sense_length, 16);
    ck_assert_mem_eq(exchange->task.sense, "\x72\x05\x24\0\0\0\0\x08\x02\x06\0\0\xcd\0\x01\0", 16);
    free(exchange);
}
END_TEST

static void ignore_managed(void *owner, bool is_done)
{
    (void)owner, (void)is_done;
}

START_TEST(saved_values_come_back_after_a_reset_and_others_do_not)
{
    select_pages(true, BYTES(CONTROL("\x04", "\x10", "\0")), NULL);
    select_pages(false, BYTES(CONTROL("\x04", "\x10", "\x08")), NULL);
    assert_page(SAVED, 0x0a, 0, BYTES("\x8a\x0a\x04\x10\0"));
    assert_page(CURRENT, 0x0a, 0, BYTES("\x8a\x0a\x04\x10\x08"));
    scsi_manage(fixture.nexus, SCSI_LUN_RESET, NULL, ignore_managed, NULL);
    execute_cdb(&fixture, fixture.nexus, test_unit_ready, 6);
    assert_page(CURRENT, 0x0a, 0, BYTES("\x8a\x0a\x04\x10\0"));
}
END_TEST

START_TEST(turning_the_write_cache_off_writes_it_first)
{
    unsigned flushes = fixture.held->flushes;

    ck_assert_uint_eq(select_pages(false, BYTES(CACHING("\0")), NULL), SCSI_GOOD);
    ck_assert_uint_eq(fixture.held->flushes, flushes + 1);
    assert_page(CURRENT, 0x08, 0, BYTES("\x88\x12\0"));
}
END_TEST

/* Parameter lists that are refused as a whole; the field is byte 15 of the sense data and on. */
static const struct {
    const char *pages;
    size_t length;
    uint32_t result, field;
} wrong[] = {
    {BYTES("\x03\x16"), SCSI_INVALID_FIELD_IN_LIST, 0x8d0004},              /* no such page */
    {BYTES("\x4a\x02\0\x1c"), SCSI_INVALID_FIELD_IN_LIST, 0x8d0004},        /* nor subpage */
    {BYTES("\x0a\x09" ZEROS_8 "\0"), SCSI_INVALID_FIELD_IN_LIST, 0x800005}, /* length */
    {BYTES("\x0a\x0a\0\x10"), SCSI_LIST_LENGTH_ERROR, 0},                   /* cut off */
    {BYTES("\x0a"), SCSI_LIST_LENGTH_ERROR, 0},
    {BYTES(CONTROL("\x06", "\x10", "\0")), SCSI_INVALID_FIELD_IN_LIST, 0x890006}, /* GLTSD */
    {BYTES(CONTROL("\0", "\0", "\0")), SCSI_INVALID_FIELD_IN_LIST, 0x8c0007},     /* QAM */
    {BYTES(CONTROL("\0", "\x14", "\0")), SCSI_INVALID_FIELD_IN_LIST, 0x8a0007},   /* QERR 10b */
    {BYTES("\x1c\x0a\0\x03" ZEROS_8), SCSI_INVALID_FIELD_IN_LIST, 0x8b0007},      /* MRIE 3 */
    /* The good page before a bad one does not count. */
    {BYTES(CONTROL("\0", "\x10", "\x08") CACHING("\x05")), SCSI_INVALID_FIELD_IN_LIST, 0x880012},
};

START_TEST(a_list_that_is_wrong_changes_nothing)
{
    struct exchange *exchange;

    ck_assert_uint_eq(select_pages(true, wrong[_i].pages, wrong[_i].length, &exchange),
                      wrong[_i].result);
    ck_assert_uint_eq(get_be24(exchange->task.sense + 15), wrong[_i].field);
    for (size_t i = 0; i < COUNT(pages); i++) {
        assert_page(CURRENT, pages[i].code, pages[i].subpage, pages[i].values, pages[i].length);
        assert_page(SAVED, pages[i].code, pages[i].subpage, pages[i].values, pages[i].length);
    }
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0")), SCSI_GOOD);
    free(exchange);
}
END_TEST

/* Whole MODE SELECT(10) lists: header, block descriptor. 64 MiB are 20000h blocks. */
static const struct {
    const char *list;
    size_t length;
    uint32_t result;
} headers[] = {
    {BYTES(ZEROS_8), SCSI_GOOD},
    {BYTES("\0\0\0\0\0\0\0\x08\0\x02\0\0\0\0\x02\0"), SCSI_GOOD},
    {BYTES("\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\x02\0"), SCSI_GOOD},
    {BYTES("\0\0\0\0\0\0\0\x08\xff\xff\xff\xff\0\0\x02\0"), SCSI_GOOD},
    {BYTES("\0\0\0\0\x01\0\0\x10\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x02\0"), SCSI_GOOD},
    {BYTES("\0\0\0\0\0\0\0\x08\0\x01\0\0\0\0\x02\0"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\0\0\0\x08\0\x02\0\0\0\0\x10\0"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\x01\0\0\0\0\0"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0"), SCSI_INVALID_FIELD_IN_LIST},
    {BYTES("\0\0\0\0\0\0\0\x08\0\x02\0"), SCSI_LIST_LENGTH_ERROR},
    {BYTES("\0\0\0\0"), SCSI_LIST_LENGTH_ERROR},
};

START_TEST(the_block_descriptor_must_say_what_is_so)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x55\x10\0\0\0\0\0\0\0\0"));

    exchange->cdb[8] = (uint8_t)headers[_i].length;
    memcpy(exchange->data, headers[_i].list, headers[_i].length);
    ck_assert_uint_eq(execute(&fixture, exchange), headers[_i].result);
    free(exchange);
}
END_TEST

#define EXCEPTIONS(test, method) "\x1c\x0a" test method ZEROS_8

START_TEST(a_false_failure_prediction_is_reported_as_the_page_says)
{
    struct exchange *sense = new_exchange(fixture.nexus, CDB("\x03\0\0\0\xff\0"));

    ck_assert_uint_eq(select_pages(false, BYTES(EXCEPTIONS("\x04", "\x02")), NULL), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, test_unit_ready, 6),
                      SCSI_FAILURE_PREDICTED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, test_unit_ready, 6), SCSI_GOOD);
    ck_assert_uint_eq(select_pages(false, BYTES(EXCEPTIONS("\x04", "\x06")), NULL), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, test_unit_ready, 6), SCSI_GOOD);
    execute(&fixture, sense);
    ck_assert_mem_eq(sense->data, "\x70\0\0\0\0\0\0\x0a\0\0\0\0\x5d\xff", 14);
    free(sense);
}
END_TEST

START_TEST(attentions_are_reported_at_once_where_the_host_asked)
{
    reported.count = 0;
    select_pages(false, BYTES(CONTROL("\0", "\x10", "\x02")), NULL);
    ck_assert_uint_eq(reported.count, 1); /* to the other one: this page has changed */
    ck_assert_mem_eq(reported.sense, "\x70\0\x06\0\0\0\0\x0a\0\0\0\0\x2a\x01", 14);
    scsi_lun_inventory_changed(fixture.lun);
    ck_assert_uint_eq(reported.count, 3);
    ck_assert_mem_eq(reported.sense + 12, "\x3f\x0e", 2);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, test_unit_ready, 6), SCSI_LUNS_CHANGED);
}
END_TEST

START_TEST(attentions_wait_to_be_asked_for_otherwise)
{
    reported.count = 0;
    scsi_lun_inventory_changed(fixture.lun);
    ck_assert_uint_eq(reported.count, 0);
}
END_TEST

/* Which commands that wait for the medium are gone after another one of `nexus` failed. */
static const struct {
    const char *control;
    size_t length;
    bool aborts_own, aborts_others;
} queue_errors[] = {
    {BYTES(CONTROL("\0", "\x10", "\0")), false, false},
    {BYTES(CONTROL("\0", "\x12", "\0")), true, true},
    {BYTES(CONTROL("\0", "\x16", "\0")), true, false},
};

static void run_until_over(const struct exchange *exchange)
{
    while (!exchange->is_aborted && !exchange->has_next)
        ev_run(fixture.loop, EVRUN_ONCE);
}

START_TEST(a_failure_ends_the_tasks_that_qerr_says)
{
    struct exchange *own = new_exchange(fixture.nexus, CDB("\x35\0\0\0\0\0\0\0\0\0"));
    struct exchange *others = new_exchange(fixture.other, CDB("\x35\0\0\0\0\0\0\0\0\0"));

    select_pages(false, queue_errors[_i].control, queue_errors[_i].length, NULL);
    execute_cdb(&fixture, fixture.other, test_unit_ready, 6);
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_begin(&own->task), SCSI_WAIT);
    ck_assert_int_eq(scsi_begin(&others->task), SCSI_WAIT);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\xff\0\0\0\0\0")),
                      SCSI_INVALID_OPCODE);
    for (int i = 0; i < 10; i++)
        ev_run(fixture.loop, EVRUN_NOWAIT);
    fixture.held->is_holding = false;
    while (!list_is_empty(&fixture.held->held))
        release_one(fixture.held, 0);
    run_until_over(own);
    run_until_over(others);
    ck_assert_int_eq(own->is_aborted, queue_errors[_i].aborts_own);
    ck_assert_int_eq(others->is_aborted, queue_errors[_i].aborts_others);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, test_unit_ready, 6),
                      queue_errors[_i].aborts_others ? SCSI_COMMANDS_CLEARED : SCSI_GOOD);
    free(own);
    free(others);
}
END_TEST

START_TEST(an_empty_list_and_the_old_format)
{
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x15\x10\0\0\0\0")), SCSI_GOOD);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x15\0\0\0\x04\0")),
                      SCSI_INVALID_FIELD_IN_CDB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mode");
    TCase *tests = tcase_create("mode");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_page_is_sensed_by_all_four_controls, 0, COUNT(pages));
    tcase_add_test(tests, a_change_is_in_force_and_told_to_the_others);
    tcase_add_test(tests, selecting_what_is_so_tells_nobody);
    tcase_add_test(tests, software_write_protection_stops_writes_until_it_is_off);
    tcase_add_test(tests, descriptor_sense_is_used_when_it_is_asked_for);
    tcase_add_test(tests, saved_values_come_back_after_a_reset_and_others_do_not);
    tcase_add_test(tests, turning_the_write_cache_off_writes_it_first);
    tcase_add_loop_test(tests, a_list_that_is_wrong_changes_nothing, 0, COUNT(wrong));
    tcase_add_loop_test(tests, the_block_descriptor_must_say_what_is_so, 0, COUNT(headers));
    tcase_add_test(tests, a_false_failure_prediction_is_reported_as_the_page_says);
    tcase_add_test(tests, attentions_are_reported_at_once_where_the_host_asked);
    tcase_add_test(tests, attentions_wait_to_be_asked_for_otherwise);
    tcase_add_loop_test(tests, a_failure_ends_the_tasks_that_qerr_says, 0, COUNT(queue_errors));
    tcase_add_test(tests, an_empty_list_and_the_old_format);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
