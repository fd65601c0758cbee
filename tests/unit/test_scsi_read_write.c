#include "tests/unit/scsi_fixture.h"

#include <errno.h>

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

static void fill(uint8_t *bytes, size_t length, uint8_t seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(seed + i * 7 + i / 512);
}

/* One row for each form of READ and WRITE: 16 blocks at LBA 3. */
static const struct {
    const char *write, *read;
    size_t length;
} forms[] = {
    {"\x0a\0\0\x03\x10\0", "\x08\0\0\x03\x10\0", 6},
    {"\x2a\0\0\0\0\x03\0\0\x10\0", "\x28\0\0\0\0\x03\0\0\x10\0", 10},
    {"\x2a\x08\0\0\0\x03\0\0\x10\0", "\x28\x18\0\0\0\x03\0\0\x10\0", 10},
    {"\xaa\0\0\0\0\x03\0\0\0\x10\0\0", "\xa8\0\0\0\0\x03\0\0\0\x10\0\0", 12},
    {"\x8a\0\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0", "\x88\0\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0", 16},
};

START_TEST(what_is_written_is_read_back_however_it_is_cut)
{
    static const size_t cuts[] = {1 << 20, 8192, 4096, 512, 511, 513, 100, 1};
    uint8_t *expected = malloc(16 * 512);

    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct exchange *write = new_exchange(fixture.nexus, forms[_i].write, forms[_i].length);
        struct exchange *read = new_exchange(fixture.nexus, forms[_i].read, forms[_i].length);

        write->cut = read->cut = cuts[i];
        fill(write->data, 16 * 512, (uint8_t)(i * 16 + (size_t)_i));
        memcpy(expected, write->data, 16 * 512);
        ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
        ck_assert_uint_eq(write->task.transfer_length, 16 * 512);
        ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
        ck_assert_mem_eq(read->data, expected, 16 * 512);
        ck_assert_uint_eq(read->data[16 * 512], 0xcc);
        free(write);
        free(read);
    }
    free(expected);
}
END_TEST

/* One row for each command that goes past the end of 131072 blocks. */
static const struct {
    const char *cdb;
    size_t length;
    uint32_t result, information;
} ranges[] = {
    {CDB("\x28\0\0\x02\0\0\0\0\x01\0"), SCSI_LBA_OUT_OF_RANGE, 0x20000},
    {CDB("\x28\0\0\x01\xff\xff\0\0\x02\0"), SCSI_LBA_OUT_OF_RANGE, 0x20000},
    {CDB("\x28\0\0\x01\xff\xff\0\0\x01\0"), SCSI_GOOD, 0},
    {CDB("\x28\0\0\x02\0\0\0\0\0\0"), SCSI_GOOD, 0},
    {CDB("\x28\0\0\x02\0\x01\0\0\0\0"), SCSI_LBA_OUT_OF_RANGE, 0x20001},
    {CDB("\x2a\0\xff\xff\xff\xff\0\0\x01\0"), SCSI_LBA_OUT_OF_RANGE, 0xffffffff},
    {CDB("\x88\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\0\0"), SCSI_LBA_OUT_OF_RANGE, 0},
    {CDB("\x8a\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0"), SCSI_LBA_OUT_OF_RANGE, 0},
    {CDB("\xa8\0\0\x01\xff\xff\0\0\0\x02\0\0"), SCSI_LBA_OUT_OF_RANGE, 0x20000},
    {CDB("\x35\0\0\x02\0\x01\0\0\0\0"), SCSI_LBA_OUT_OF_RANGE, 0x20001},
    {CDB("\x34\0\0\x02\0\x01\0\0\0\0"), SCSI_LBA_OUT_OF_RANGE, 0x20001},
    {CDB("\x88\0\0\0\0\0\0\0\0\0\0\x01\0\x01\0\0"), SCSI_INVALID_FIELD_IN_CDB, 0},
};

START_TEST(a_range_past_the_end_is_refused_and_its_first_block_named)
{
    struct exchange *exchange = new_exchange(fixture.nexus, ranges[_i].cdb, ranges[_i].length);

    ck_assert_uint_eq(execute(&fixture, exchange), ranges[_i].result);
    if (ranges[_i].information) {
        ck_assert_uint_eq(exchange->task.sense[0], 0xf0);
        ck_assert_uint_eq(get_be32(exchange->task.sense + 3), ranges[_i].information);
    }
    free(exchange);
}
END_TEST

START_TEST(read_of_six_bytes_takes_no_blocks_for_256)
{
    struct exchange *read = new_exchange(fixture.nexus, CDB("\x08\0\0\0\0\0"));

    ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
    ck_assert_uint_eq(read->task.transfer_length, 256 * 512);
    free(read);
}
END_TEST

START_TEST(a_write_that_gets_less_data_writes_the_whole_blocks_of_it)
{
    struct exchange *write = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\0\0\0\0\x04\0"));
    struct exchange *read = new_exchange(fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x04\0"));

    memset(write->data, 0x11, 2048);
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    memset(write->data, 0x22, 2048);
    write->task.expected_out = 2 * 512 + 100;
    write->cut = 300;
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    ck_assert_uint_eq(write->task.transfer_length, 2048);
    ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
    ck_assert_uint_eq(read->data[1023], 0x22);
    ck_assert_uint_eq(read->data[1024], 0x11);
    ck_assert_uint_eq(read->data[2047], 0x11);
    write->task.expected_out = 0;
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    free(write);
    free(read);
}
END_TEST

START_TEST(forced_unit_access_and_synchronize_cache_reach_the_disk)
{
    static const struct {
        const char *cdb;
        size_t cut;
        unsigned flushes, forced;
    } cdbs[] = {
        {"\x2a\x08\0\0\0\0\0\0\x02\0", 1024, 0, 1}, /* at once: this range alone */
        {"\x2a\x08\0\0\0\0\0\0\x02\0", 1023, 1, 0}, {"\x2a\x08\0\0\0\0\0\0\x02\0", 512, 1, 0},
        {"\x28\x08\0\0\0\0\0\0\x02\0", 1024, 1, 0}, {"\x2a\x10\0\0\0\0\0\0\x02\0", 1024, 0, 0},
        {"\x28\0\0\0\0\0\0\0\x02\0", 1024, 0, 0},   {"\x35\0\0\0\0\0\0\0\0\0", 1024, 1, 0},
        {"\x35\x02\0\0\0\0\0\0\0\0", 1024, 1, 0},
    };

    for (size_t i = 0; i < COUNT(cdbs); i++) {
        struct exchange *exchange = new_exchange(fixture.nexus, cdbs[i].cdb, 10);

        exchange->cut = cdbs[i].cut;
        fixture.held->flushes = fixture.held->forced = 0;
        ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
        ck_assert_uint_eq(fixture.held->flushes, cdbs[i].flushes);
        ck_assert_uint_eq(fixture.held->forced, cdbs[i].forced);
        free(exchange);
    }
}
END_TEST

static const struct {
    int error;
    const char *cdb;
    uint32_t result;
} errors[] = {
    {-ENOSPC, "\x2a\0\0\0\0\0\0\0\x01\0", SCSI_SPACE_EXHAUSTED},
    {-EDQUOT, "\x2a\0\0\0\0\0\0\0\x01\0", SCSI_SPACE_EXHAUSTED},
    {-EIO, "\x2a\0\0\0\0\0\0\0\x01\0", SCSI_WRITE_ERROR},
    {-EIO, "\x28\0\0\0\0\0\0\0\x01\0", SCSI_READ_ERROR},
    {-EIO, "\x35\0\0\0\0\0\0\0\0\0", SCSI_WRITE_ERROR},
    {-ENOMEM, "\x28\0\0\0\0\0\0\0\x01\0", SCSI_INTERNAL_FAILURE},
};

START_TEST(an_error_of_the_disk_becomes_its_sense)
{
    struct exchange *exchange;
    enum scsi_next next;

    fixture.held->error = errors[_i].error;
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, errors[_i].cdb, 10), errors[_i].result);
    fixture.held->error = 0;
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, errors[_i].cdb, 10), SCSI_GOOD);

    /* And if it comes later. */
    fixture.held->is_holding = true;
    exchange = new_exchange(fixture.nexus, errors[_i].cdb, 10);
    next = scsi_begin(&exchange->task);
    if (next == SCSI_DATA_OUT)
        ck_assert(!scsi_put(&exchange->task, 0, exchange->data, 512));
    if (next == SCSI_DATA_IN)
        ck_assert(!scsi_get(&exchange->task, 0, exchange->data, 512));
    release_one(fixture.held, errors[_i].error);
    ck_assert(exchange->has_put || exchange->has_got || exchange->has_next);
    if (next != SCSI_WAIT) {
        ck_assert(scsi_has_failed(&exchange->task));
        ck_assert_int_eq(scsi_finish(&exchange->task), SCSI_STATUS);
    }
    ck_assert_uint_eq(result_of(&exchange->task), errors[_i].result);
    fixture.held->is_holding = false;
    free(exchange);
}
END_TEST

START_TEST(the_status_of_a_write_waits_for_its_pieces)
{
    struct exchange *write = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\0\0\0\0\x02\0"));
    struct exchange *read = new_exchange(fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x02\0"));

    fill(write->data, 1024, 5);
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_begin(&write->task), SCSI_DATA_OUT);
    ck_assert(!scsi_put(&write->task, 0, write->data, 700));
    ck_assert(!scsi_put(&write->task, 700, write->data + 700, 324));
    ck_assert_int_eq(scsi_finish(&write->task), SCSI_WAIT);
    release_one(fixture.held, 0);
    ck_assert(!write->has_next);
    release_one(fixture.held, 0);
    ck_assert(write->has_next);
    ck_assert_int_eq(write->next, SCSI_STATUS);
    ck_assert_uint_eq(result_of(&write->task), SCSI_GOOD);
    fixture.held->is_holding = false;
    ck_assert_uint_eq(execute(&fixture, read), SCSI_GOOD);
    ck_assert_mem_eq(read->data, write->data, 1024);
    free(write);
    free(read);
}
END_TEST

START_TEST(a_read_waits_for_the_write_it_overlaps)
{
    struct exchange *write = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\0\x04\0\0\x01\0"));
    struct exchange *read = new_exchange(fixture.other, CDB("\x28\0\0\0\0\x04\0\0\x01\0"));
    struct exchange *aside = new_exchange(fixture.other, CDB("\x28\0\0\0\0\x05\0\0\x01\0"));

    memset(write->data, 0x77, 512);
    fixture.held->is_holding = true;
    ck_assert_int_eq(scsi_begin(&write->task), SCSI_DATA_OUT);
    ck_assert(!scsi_put(&write->task, 0, write->data, 512));
    fixture.held->is_holding = false;
    ck_assert_int_eq(scsi_begin(&read->task), SCSI_DATA_IN);
    ck_assert(!scsi_get(&read->task, 0, read->data, 512));
    ck_assert(!list_is_empty(&fixture.held->held));
    ck_assert_uint_eq(execute(&fixture, aside), SCSI_GOOD);
    release_one(fixture.held, 0);
    ck_assert_int_eq(scsi_finish(&write->task), SCSI_STATUS);
    wait_for(&fixture, &read->has_got);
    ck_assert_uint_eq(read->data[0], 0x77);
    ck_assert_uint_eq(read->data[511], 0x77);
    ck_assert_int_eq(scsi_finish(&read->task), SCSI_STATUS);
    free(write);
    free(read);
    free(aside);
}
END_TEST

START_TEST(a_span_is_the_data_in_memory)
{
    struct exchange *write = new_exchange(fixture.nexus, CDB("\x2a\0\0\0\x01\0\0\x01\0\0"));
    struct exchange *read = new_exchange(fixture.nexus, CDB("\x28\0\0\0\x01\0\0\x01\0\0"));
    struct span span = {0};

    fill(write->data, 256 * 512, 9);
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    ck_assert_int_eq(scsi_begin(&read->task), SCSI_DATA_IN);
    ck_assert(!scsi_span(&read->task, 0, 4096, &span)); /* not worth it */
    ck_assert(scsi_span(&read->task, 1000, 100000, &span));
    ck_assert_uint_eq(span.length, 100000);
    ck_assert_mem_eq(span.bytes, write->data + 1000, 100000);
    ck_assert_int_eq(scsi_finish(&read->task), SCSI_STATUS);
    free(write);
    free(read);
}
END_TEST

static void set_up_read_only(void)
{
    open_volume(&fixture, 1024 * 1024, 4096, true);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
}

START_TEST(a_volume_that_is_read_only_is_write_protected)
{
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x2a\0\0\0\0\0\0\0\x01\0")),
                      SCSI_WRITE_PROTECTED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x42\0\0\0\0\0\0\0\x18\0")),
                      SCSI_WRITE_PROTECTED);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x01\0")),
                      SCSI_GOOD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("read and write");
    TCase *tests = tcase_create("read and write"), *read_only = tcase_create("read only");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, what_is_written_is_read_back_however_it_is_cut, 0, COUNT(forms));
    tcase_add_loop_test(tests, a_range_past_the_end_is_refused_and_its_first_block_named, 0,
                        COUNT(ranges));
    tcase_add_test(tests, read_of_six_bytes_takes_no_blocks_for_256);
    tcase_add_test(tests, a_write_that_gets_less_data_writes_the_whole_blocks_of_it);
    tcase_add_test(tests, forced_unit_access_and_synchronize_cache_reach_the_disk);
    tcase_add_loop_test(tests, an_error_of_the_disk_becomes_its_sense, 0, COUNT(errors));
    tcase_add_test(tests, the_status_of_a_write_waits_for_its_pieces);
    tcase_add_test(tests, a_read_waits_for_the_write_it_overlaps);
    tcase_add_test(tests, a_span_is_the_data_in_memory);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(read_only, set_up_read_only, tear_down);
    tcase_add_test(read_only, a_volume_that_is_read_only_is_write_protected);
    suite_add_tcase(suite, read_only);
    return run_suite(suite);
}
