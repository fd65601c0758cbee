#include "tests/unit/scsi_fixture.h"

#include <errno.h>

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

static uint32_t send(const char *cdb, size_t length, const void *data, size_t data_length)
{
    struct exchange *exchange = new_exchange(fixture.nexus, cdb, length);
    uint32_t result;

    memcpy(exchange->data, data, data_length);
    exchange->task.expected_out = (uint32_t)data_length;
    result = execute(&fixture, exchange);
    free(exchange);
    return result;
}

/* The bytes of `blocks` blocks at `lba`, in a buffer of the test. */
static const uint8_t *read_blocks(uint32_t lba, uint16_t blocks)
{
    static struct exchange *exchange;

    free(exchange);
    exchange = new_exchange(fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\0\0"));
    put_be32(exchange->cdb + 2, lba);
    put_be16(exchange->cdb + 7, blocks);
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    return exchange->data;
}

static bool is_filled(const uint8_t *bytes, size_t length, uint8_t value)
{
    return bytes[0] == value && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* 256 blocks from LBA 0, all of one value. */
static void fill_volume(uint8_t value)
{
    uint8_t *bytes = malloc(256 * 512);

    memset(bytes, value, 256 * 512);
    ck_assert_uint_eq(send(CDB("\x2a\0\0\0\0\0\0\x01\0\0"), bytes, 256 * 512), SCSI_GOOD);
    free(bytes);
}

START_TEST(unmapped_blocks_read_as_zeros_and_only_they)
{
    static const uint8_t list[] = {0, 38, 0, 32,   0, 0, 0, 0,    0, 0, 0, 0, 0, 0,
                                   0, 10, 0, 0,    0, 3, 0, 0,    0, 0, 0, 0, 0, 0,
                                   0, 0,  0, 0x40, 0, 0, 0, 0x80, 0, 0, 0, 0};

    fill_volume(0x5a);
    ck_assert_uint_eq(send(CDB("\x42\0\0\0\0\0\0\0\x28\0"), list, sizeof list), SCSI_GOOD);
    ck_assert(is_filled(read_blocks(0, 10), 10 * 512, 0x5a));
    ck_assert(is_filled(read_blocks(10, 3), 3 * 512, 0));
    ck_assert(is_filled(read_blocks(13, 51), 51 * 512, 0x5a));
    ck_assert(is_filled(read_blocks(64, 128), 128 * 512, 0));
    ck_assert(is_filled(read_blocks(192, 64), 64 * 512, 0x5a));
}
END_TEST

/* A list of one descriptor each: what is wrong with it. */
static const struct {
    uint8_t length;
    uint8_t list[24];
    uint32_t result;
} lists[] = {
    {0, {0}, SCSI_GOOD},
    {4, {0}, SCSI_LIST_LENGTH_ERROR},
    {8, {0, 6, 0, 0}, SCSI_GOOD},
    {8, {0, 22, 0, 16}, SCSI_LIST_LENGTH_ERROR},
    {24, {0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}, SCSI_GOOD},
    {24, {0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1}, SCSI_LBA_OUT_OF_RANGE},
    {24, {0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1}, SCSI_GOOD},
    {24, {0, 22, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1}, SCSI_GOOD},
};

START_TEST(a_list_of_unmap_is_checked)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x42\0\0\0\0\0\0\0\0\0"));

    exchange->cdb[8] = lists[_i].length;
    memcpy(exchange->data, lists[_i].list, 24);
    ck_assert_uint_eq(execute(&fixture, exchange), lists[_i].result);
    free(exchange);
}
END_TEST

START_TEST(nothing_is_unmapped_unless_every_range_is_good)
{
    static const uint8_t list[] = {0, 38, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8,
                                   0, 0,  0, 0,  0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};

    fill_volume(0x5a);
    ck_assert_uint_eq(send(CDB("\x42\0\0\0\0\0\0\0\x28\0"), list, sizeof list),
                      SCSI_LBA_OUT_OF_RANGE);
    ck_assert(is_filled(read_blocks(0, 8), 8 * 512, 0x5a));
}
END_TEST

START_TEST(anchoring_is_refused)
{
    static const uint8_t block[512];

    ck_assert_uint_eq(send(CDB("\x42\x01\0\0\0\0\0\0\x08\0"), block, 8), SCSI_INVALID_FIELD_IN_CDB);
    ck_assert_uint_eq(send(CDB("\x41\x18\0\0\0\0\0\0\x01\0"), block, 512),
                      SCSI_INVALID_FIELD_IN_CDB);
}
END_TEST

/* WRITE SAME of blocks 16 to 47 with 0x33 or, without data, zeros. */
static const struct {
    const char *cdb;
    size_t length;
    uint8_t value, expected;
} same[] = {
    {CDB("\x41\0\0\0\0\x10\0\0\x20\0"), 0x33, 0x33},
    {CDB("\x41\x08\0\0\0\x10\0\0\x20\0"), 0x33, 0x33},
    {CDB("\x41\0\0\0\0\x10\0\0\x20\0"), 0, 0},
    {CDB("\x41\x08\0\0\0\x10\0\0\x20\0"), 0, 0},
    {CDB("\x93\0\0\0\0\0\0\0\0\x10\0\0\0\x20\0\0"), 0x33, 0x33},
    {CDB("\x93\x08\0\0\0\0\0\0\0\x10\0\0\0\x20\0\0"), 0, 0},
    {CDB("\x93\x01\0\0\0\0\0\0\0\x10\0\0\0\x20\0\0"), 0x33, 0},
    {CDB("\x93\x09\0\0\0\0\0\0\0\x10\0\0\0\x20\0\0"), 0x33, 0},
};

START_TEST(write_same_writes_its_block_everywhere)
{
    uint8_t block[512];

    fill_volume(0x5a);
    memset(block, same[_i].value, sizeof block);
    ck_assert_uint_eq(send(same[_i].cdb, same[_i].length, block, sizeof block), SCSI_GOOD);
    ck_assert(is_filled(read_blocks(0, 16), 16 * 512, 0x5a));
    ck_assert(is_filled(read_blocks(16, 32), 32 * 512, same[_i].expected));
    ck_assert(is_filled(read_blocks(48, 208), 208 * 512, 0x5a));
}
END_TEST

START_TEST(write_same_without_a_number_goes_to_the_end)
{
    uint8_t block[512];

    memset(block, 0x44, sizeof block);
    ck_assert_uint_eq(send(CDB("\x41\0\0\x01\xf8\x01\0\0\0\0"), block, sizeof block), SCSI_GOOD);
    ck_assert(is_filled(read_blocks(0x1f800, 1), 512, 0));
    ck_assert(is_filled(read_blocks(0x1f801, 2047), 2047 * 512, 0x44));
    ck_assert_uint_eq(send(CDB("\x41\0\0\x02\0\x01\0\0\0\0"), block, sizeof block),
                      SCSI_LBA_OUT_OF_RANGE);
    ck_assert_uint_eq(send(CDB("\x41\0\0\0\0\0\0\0\x01\0"), block, 511), SCSI_INVALID_FIELD_IN_CDB);
}
END_TEST

START_TEST(get_lba_status_tells_what_is_mapped)
{
    struct exchange *status =
        new_exchange(fixture.nexus, CDB("\x9e\x12\0\0\0\0\0\0\0\0\0\0\0\xff\0\0"));
    static const uint8_t list[] = {0, 22, 0, 16, 0, 0, 0, 0,  0, 0, 0, 0,
                                   0, 0,  0, 64, 0, 0, 0, 64, 0, 0, 0, 0};

    fill_volume(0x5a);
    ck_assert_uint_eq(send(CDB("\x42\0\0\0\0\0\0\0\x18\0"), list, sizeof list), SCSI_GOOD);
    ck_assert_uint_eq(execute(&fixture, status), SCSI_GOOD);
    ck_assert_uint_eq(status->task.transfer_length, 8 + 4 * 16);
    ck_assert_mem_eq(status->data,
                     "\0\0\0\x44\0\0\0\0"
                     "\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0"
                     "\0\0\0\0\0\0\0\x40\0\0\0\x40\x01\0\0\0"
                     "\0\0\0\0\0\0\0\x80\0\0\0\x80\0\0\0\0"
                     "\0\0\0\0\0\0\x01\0\0\x01\xff\0\x01\0\0\0",
                     72);
    put_be64(status->cdb + 2, 70); /* in the middle; one descriptor asked for */
    put_be32(status->cdb + 10, 24);
    ck_assert_uint_eq(execute(&fixture, status), SCSI_GOOD);
    ck_assert_uint_eq(status->task.transfer_length, 24);
    ck_assert_mem_eq(status->data, "\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\x46\0\0\0\x3a\x01\0\0\0", 24);
    put_be64(status->cdb + 2, 0x20000);
    ck_assert_uint_eq(execute(&fixture, status), SCSI_LBA_OUT_OF_RANGE);
    free(status);
}
END_TEST

START_TEST(running_out_of_space_is_told)
{
    static const uint8_t block[512];

    fixture.held->error = -ENOSPC;
    ck_assert_uint_eq(send(CDB("\x93\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0"), block, sizeof block),
                      SCSI_SPACE_EXHAUSTED);
    fixture.held->error = 0; /* for the flush at the end */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thin");
    TCase *tests = tcase_create("thin");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, unmapped_blocks_read_as_zeros_and_only_they);
    tcase_add_loop_test(tests, a_list_of_unmap_is_checked, 0, COUNT(lists));
    tcase_add_test(tests, nothing_is_unmapped_unless_every_range_is_good);
    tcase_add_test(tests, anchoring_is_refused);
    tcase_add_loop_test(tests, write_same_writes_its_block_everywhere, 0, COUNT(same));
    tcase_add_test(tests, write_same_without_a_number_goes_to_the_end);
    tcase_add_test(tests, get_lba_status_tells_what_is_mapped);
    tcase_add_test(tests, running_out_of_space_is_told);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
