#include "target/base/segment.h"
#include "target/disk/pool.h"
#include "target/disk/segments.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A disk in two files, and one of a pool. */
static struct ev_loop *loop;
static struct workers *workers;
static struct disk *disk;
static char path[40];
static bool is_done;

static void make_file(unsigned number, uint64_t size)
{
    char *file = segment_path(path, number);
    int descriptor = open(file, O_RDWR | O_CREAT, 0600);

    ck_assert_int_eq(ftruncate(descriptor, (off_t)size), 0);
    close(descriptor);
    free(file);
}

static void set_up(void)
{
    int error;

    strncpy(path, "/tmp/disk-segments-XXXXXX", sizeof path);
    close(mkstemp(path));
    make_file(0, SEGMENT_SIZE);
    make_file(1, 1024 * 1024);
    loop = ev_loop_new(0);
    workers = workers_new(loop, 2);
    disk = segments_open(&(struct disk_setting){workers, NULL, NULL}, path,
                         SEGMENT_SIZE + 1024 * 1024, false, &error);
    ck_assert_ptr_nonnull(disk);
}

static void tear_down(void)
{
    char *second = segment_path(path, 1);

    disk_close(disk);
    workers_free(workers);
    ev_loop_destroy(loop);
    unlink(path);
    unlink(second);
    free(second);
}

static void on_done(struct disk_io *io)
{
    (void)io;
    is_done = true;
}

/* The request as it is at its end. */
static struct disk_io run(enum disk_operation operation, uint64_t offset, uint64_t length,
                          uint8_t *buffer)
{
    struct disk_io io = {.operation = operation,
                         .offset = offset,
                         .length = length,
                         .buffer = buffer,
                         .done = on_done};

    is_done = disk_submit(disk, &io);
    while (!is_done)
        ev_run(loop, EVRUN_ONCE);
    return io;
}

START_TEST(what_crosses_the_border_is_in_both_files)
{
    static uint8_t written[8192], read[8192];
    uint64_t place = SEGMENT_SIZE - 4096;

    for (size_t i = 0; i < sizeof written; i++)
        written[i] = (uint8_t)(i * 13 + i / 512);
    ck_assert_int_eq(run(DISK_WRITE, place, sizeof written, written).error, 0);
    ck_assert_int_eq(run(DISK_FLUSH, 0, 0, NULL).error, 0);
    ck_assert_int_eq(run(DISK_READ, place, sizeof read, read).error, 0);
    ck_assert_mem_eq(read, written, sizeof read);
    ck_assert_int_eq(run(DISK_READ, SEGMENT_SIZE, 4096, read).error, 0);
    ck_assert_mem_eq(read, written + 4096, 4096);
    ck_assert_uint_eq(disk_space(disk).used, 8192);
    ck_assert_int_eq(run(DISK_DISCARD, place, 8192, NULL).error, 0);
    ck_assert_uint_eq(disk_space(disk).used, 0);
}
END_TEST

START_TEST(a_run_of_blocks_ends_at_the_border)
{
    static uint8_t bytes[4096];
    struct disk_io io;

    ck_assert_int_eq(run(DISK_WRITE, SEGMENT_SIZE, 4096, bytes).error, 0);
    io = run(DISK_LOCATE, SEGMENT_SIZE - 8192, 65536, NULL);
    ck_assert(!io.is_mapped);
    ck_assert_uint_eq(io.length, 8192);
    io = run(DISK_LOCATE, SEGMENT_SIZE, 65536, NULL);
    ck_assert(io.is_mapped);
    ck_assert_uint_eq(io.length, 4096);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    char *second = segment_path(path, 1);
    int error = 0;

    unlink(second);
    free(second);
    ck_assert_ptr_null(segments_open(&(struct disk_setting){workers, NULL, NULL}, path,
                                     SEGMENT_SIZE + 4096, false, &error));
    ck_assert_int_eq(error, -ENOENT);
}
END_TEST

START_TEST(a_pool_counts_what_is_allocated)
{
    static uint8_t bytes[65536];
    struct pool *pool = pool_new();
    struct pool_member member = {memory_copy_text(path), 0};

    memset(bytes, 5, sizeof bytes);
    pool_set(pool, 2 * sizeof bytes, &member, 1);
    disk = pool_disk_new(pool, workers, disk, path);
    ck_assert_int_eq(run(DISK_WRITE, 0, sizeof bytes, bytes).error, 0);
    ck_assert_int_eq(run(DISK_ZERO, 1 << 20, sizeof bytes, NULL).error, 0);
    ck_assert_uint_eq(disk_space(disk).available, 0);
    ck_assert(disk_space(disk).is_shared);
    ck_assert_int_eq(run(DISK_WRITE, 1 << 21, 4096, bytes).error, -ENOSPC);
    ck_assert_int_eq(run(DISK_ZERO, 1 << 21, 4096, NULL).error, -ENOSPC);
    ck_assert_int_eq(run(DISK_WRITE, 4096, 8192, bytes).error, 0);
    ck_assert_int_eq(run(DISK_DISCARD, 0, 4096, NULL).error, 0);
    ck_assert_int_eq(run(DISK_WRITE, 1 << 21, 4096, bytes).error, 0);
    disk_close(disk);
    pool_free(pool);
    int error;
    disk = segments_open(&(struct disk_setting){workers, NULL, NULL}, path, 4096, false, &error);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segments");
    TCase *tests = tcase_create("segments");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_crosses_the_border_is_in_both_files);
    tcase_add_test(tests, a_run_of_blocks_ends_at_the_border);
    tcase_add_test(tests, a_missing_file_is_an_error);
    tcase_add_test(tests, a_pool_counts_what_is_allocated);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
