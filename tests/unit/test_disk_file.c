#include "target/base/memory.h"
#include "target/disk/file.h"
#include "target/disk/landing.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 16 * 1024 * 1024 };

static struct ev_loop *loop;
static struct workers *workers;
static struct disk_setting setting;
static struct disk *disk;
static char path[32], landing_path[48];
static struct landing *landing;
static uint8_t *bytes, *other;

static void set_up(void)
{
    int error;

    strncpy(path, "/tmp/disk-file-XXXXXX", sizeof path);
    int descriptor = mkstemp(path);
    ck_assert_int_eq(ftruncate(descriptor, SIZE), 0);
    close(descriptor);
    loop = ev_loop_new(0);
    workers = workers_new(loop, 3);
    snprintf(landing_path, sizeof landing_path, "%s.landing", path);
    landing = landing_new(landing_path, LANDING_PAGE, "this boot");
    ck_assert_ptr_nonnull(landing);
    setting = (struct disk_setting){workers, "this boot", landing};
    disk = file_disk_open(&setting, path, SIZE, false, &error);
    ck_assert_ptr_nonnull(disk);
    bytes = malloc(SIZE);
    other = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 4096);
}

static void tear_down(void)
{
    disk_close(disk);
    landing_free(landing);
    workers_free(workers);
    ev_loop_destroy(loop);
    unlink(path);
    free(bytes);
    free(other);
}

struct request {
    struct disk_io io;
    bool is_done;
};

static void on_done(struct disk_io *io)
{
    container_of(io, struct request, io)->is_done = true;
}

static int run(struct request *request, enum disk_operation operation, uint64_t offset,
               uint64_t length, uint8_t *buffer)
{
    bool is_forced = request->io.is_forced;

    *request = (struct request){.io = {.operation = operation,
                                       .is_forced = is_forced,
                                       .offset = offset,
                                       .length = length,
                                       .buffer = buffer,
                                       .done = on_done}};
    if (disk_submit(disk, &request->io))
        return request->io.error;
    while (!request->is_done)
        ev_run(loop, EVRUN_ONCE);
    return request->io.error;
}

START_TEST(what_is_written_is_read_whoever_does_it)
{
    static const uint64_t lengths[] = {512, 4096, 65536, 256 * 1024, 256 * 1024 + 512, 3 << 20};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct request request = {.io = {.is_forced = i % 2}};

        ck_assert_int_eq(run(&request, DISK_WRITE, 1024, lengths[i], bytes + i), 0);
        memset(other, 0, lengths[i]);
        ck_assert_int_eq(run(&request, DISK_READ, 1024, lengths[i], other), 0);
        ck_assert_mem_eq(other, bytes + i, lengths[i]);
    }
}
END_TEST

START_TEST(a_read_that_is_not_in_the_cache_is_left_to_a_worker)
{
    struct request request = {0};
    int descriptor = open(path, O_RDWR);

    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    ck_assert_int_eq(run(&request, DISK_FLUSH, 0, 0, NULL), 0);
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ck_assert_int_eq(run(&request, DISK_READ, 8192, 65536, other), 0);
    ck_assert_mem_eq(other, bytes + 8192, 65536);
    close(descriptor);
}
END_TEST

START_TEST(discarded_and_zeroed_ranges_read_as_zeros)
{
    static const enum disk_operation operations[] = {DISK_DISCARD, DISK_ZERO};
    struct request request = {0};

    memset(other, 0, SIZE);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
        ck_assert_int_eq(run(&request, operations[i], 512, 500 * 1024, NULL), 0);
        ck_assert_int_eq(run(&request, DISK_READ, 0, 1 << 20, other), 0);
        ck_assert_mem_eq(other, bytes, 512);
        for (size_t at = 512; at < 512 + 500 * 1024; at++)
            ck_assert_uint_eq(other[at], 0);
        ck_assert_mem_eq(other + 512 + 500 * 1024, bytes + 512 + 500 * 1024, 4096);
    }
}
END_TEST

START_TEST(runs_of_data_and_of_holes_are_located)
{
    struct request request = {0};

    ck_assert_int_eq(run(&request, DISK_LOCATE, 0, SIZE, NULL), 0);
    ck_assert(!request.io.is_mapped);
    ck_assert_uint_eq(request.io.length, SIZE);
    ck_assert_int_eq(run(&request, DISK_WRITE, 1 << 20, 1 << 20, bytes), 0);
    ck_assert_int_eq(run(&request, DISK_LOCATE, 4096, SIZE - 4096, NULL), 0);
    ck_assert(!request.io.is_mapped);
    ck_assert_uint_eq(request.io.length, (1 << 20) - 4096);
    ck_assert_int_eq(run(&request, DISK_LOCATE, (1 << 20) + 512, SIZE / 2, NULL), 0);
    ck_assert(request.io.is_mapped);
    ck_assert_uint_eq(request.io.length, (1 << 20) - 512);
    ck_assert_int_eq(run(&request, DISK_LOCATE, (1 << 20) + 512, 1024, NULL), 0);
    ck_assert_uint_eq(request.io.length, 1024);
}
END_TEST

START_TEST(a_span_is_given_only_for_what_the_cache_holds)
{
    struct request request = {0};
    struct span span = {0};

    ck_assert(!disk_span(disk, 4 << 20, 1 << 20, &span));
    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    ck_assert(!disk_span(disk, 8192, 4096, &span)); /* read once: looking is not worth it */
    ck_assert(disk_span(disk, 100, 100000, &span));
    ck_assert_uint_eq(span.length, 100000);
    ck_assert_mem_eq(span.bytes, bytes + 100, 100000);
    ck_assert(disk_span(disk, 8192, 4096, &span));
    ck_assert_mem_eq(span.bytes, bytes + 8192, 4096);
    ck_assert_int_eq(run(&request, DISK_DISCARD, 0, 1 << 20, NULL), 0);
    ck_assert(!disk_span(disk, 100, 100000, &span));
}
END_TEST

START_TEST(small_spans_are_given_where_reads_are_frequent)
{
    struct request request = {0};
    struct span span = {0};
    bool is_found = false;

    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    for (uint64_t i = 0; i < 40 && !is_found; i++) /* a new second begins at most once */
        is_found =
            disk_span(disk, i * 4096, 4096, &span) && !memcmp(span.bytes, bytes + i * 4096, 4096);
    ck_assert(is_found);
}
END_TEST

START_TEST(a_span_under_way_keeps_its_bytes)
{
    static const enum disk_operation changes[] = {DISK_WRITE, DISK_DISCARD, DISK_ZERO};
    struct request request = {.io = {.is_forced = _i == 3}};
    struct span span = {0}, aside = {0};

    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    ck_assert(disk_span(disk, 0, 200000, &span));
    span_begin(&span);
    ck_assert(disk_span(disk, 300000, 100000, &aside));
    span_begin(&aside);
    span_advance(&span, 1000);
    request.io.is_forced = _i == 3;
    if (_i < 4)
        ck_assert_int_eq(run(&request, changes[_i % 3], 4096, 8192, bytes + 1), 0);
    else
        disk_close(disk);
    ck_assert_mem_eq(span.bytes, bytes + 1000, 199000);
    ck_assert_int_eq(!aside.copy, _i < 4); /* what does not change is not copied */
    span_end(&span);
    span_end(&aside);
    if (_i == 4)
        disk = file_disk_open(&setting, path, SIZE, false, &request.io.error);
}
END_TEST

/* Until the file is written in memory: a new second begins at most once. */
static void write_often(void)
{
    struct request request = {0};
    char *record = memory_format("%s.redo", path);

    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    for (int i = 0; i < 40 && access(record, F_OK); i++)
        ck_assert_int_eq(run(&request, DISK_WRITE, 4096, 60000, bytes + i), 0);
    ck_assert_int_eq(access(record, F_OK), 0);
    free(record);
}

START_TEST(places_that_are_written_again_and_again_are_written_in_memory)
{
    struct request request = {0};
    struct span span = {0};

    write_often();
    ck_assert(disk_span(disk, 4096, 60000, &span));
    span_begin(&span);
    memcpy(other, bytes, 100000);
    ck_assert_int_eq(run(&request, DISK_READ, 4096, 60000, other), 0);
    ck_assert_int_eq(run(&request, DISK_WRITE, 5000, 50000, bytes + 77), 0);
    ck_assert_mem_eq(span.bytes, other, 60000); /* as it was when it was given */
    span_end(&span);
    memcpy(other + 904, bytes + 77, 50000);
    ck_assert_int_eq(run(&request, DISK_READ, 4096, 60000, other + 100000), 0);
    ck_assert_mem_eq(other + 100000, other, 60000);
}
END_TEST

START_TEST(a_file_that_was_cut_is_written_as_before)
{
    struct request request = {0};

    write_often();
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_int_eq(run(&request, DISK_WRITE, 4096, 60000, bytes), 0);
    ck_assert_int_eq(run(&request, DISK_READ, 4096, 60000, other), 0);
    ck_assert_mem_eq(other, bytes, 60000);
}
END_TEST

START_TEST(where_a_file_was_cut_a_span_fails_and_then_the_read)
{
    struct request request = {0};
    struct span span = {0};

    ck_assert_int_eq(run(&request, DISK_WRITE, 0, 1 << 20, bytes), 0);
    ck_assert(disk_span(disk, 0, 100000, &span));
    span_begin(&span);
    ck_assert_int_eq(truncate(path, 4096), 0);
    ck_assert(!span_save(&span));
    ck_assert_ptr_null(span.bytes);
    span_end(&span);
    ck_assert(!disk_span(disk, 0, 100000, &span));
    ck_assert_int_eq(run(&request, DISK_READ, 8192, 65536, other), -EIO);
}
END_TEST

START_TEST(a_file_that_is_missing_or_too_short_is_not_opened)
{
    int error = 0;

    ck_assert_ptr_null(file_disk_open(&setting, "/nonexistent/volume", SIZE, false, &error));
    ck_assert_int_eq(error, -ENOENT);
    ck_assert_ptr_null(file_disk_open(&setting, path, SIZE + 1, false, &error));
    ck_assert_int_eq(error, -EFBIG);
}
END_TEST

START_TEST(a_file_that_was_cut_gives_an_error_and_lives_on)
{
    struct request request = {0};

    ck_assert_int_eq(truncate(path, 4096), 0);
    ck_assert_int_eq(run(&request, DISK_READ, 8192, 4096, other), -EIO);
    ck_assert_int_eq(run(&request, DISK_READ, 0, 4096, other), 0);
}
END_TEST

START_TEST(many_requests_at_once_are_all_answered)
{
    enum { COUNT = 200 };
    struct request *requests = calloc(COUNT, sizeof *requests);

    for (size_t i = 0; i < COUNT; i++) {
        requests[i].io = (struct disk_io){.operation = i % 10 ? DISK_WRITE : DISK_FLUSH,
                                          .is_forced = i % 50 == 1,
                                          .offset = i * 4096,
                                          .length = 4096,
                                          .buffer = bytes + i,
                                          .done = on_done};
        disk_start(disk, &requests[i].io);
    }
    for (size_t i = 0; i < COUNT; i++) {
        while (!requests[i].is_done)
            ev_run(loop, EVRUN_ONCE);
        ck_assert_int_eq(requests[i].io.error, 0);
    }
    free(requests);
}
END_TEST

START_TEST(the_loop_ends_when_nothing_is_under_way)
{
    struct request request = {.io = {.operation = DISK_FLUSH, .done = on_done}};

    disk_start(disk, &request.io);
    ck_assert_int_eq(ev_run(loop, 0), 0);
    ck_assert(request.is_done);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_written_is_read_whoever_does_it);
    tcase_add_test(tests, a_read_that_is_not_in_the_cache_is_left_to_a_worker);
    tcase_add_test(tests, discarded_and_zeroed_ranges_read_as_zeros);
    tcase_add_test(tests, runs_of_data_and_of_holes_are_located);
    tcase_add_test(tests, a_span_is_given_only_for_what_the_cache_holds);
    tcase_add_test(tests, small_spans_are_given_where_reads_are_frequent);
    tcase_add_loop_test(tests, a_span_under_way_keeps_its_bytes, 0, 5);
    tcase_add_test(tests, places_that_are_written_again_and_again_are_written_in_memory);
    tcase_add_test(tests, a_file_that_was_cut_is_written_as_before);
    tcase_add_test(tests, where_a_file_was_cut_a_span_fails_and_then_the_read);
    tcase_add_test(tests, a_file_that_is_missing_or_too_short_is_not_opened);
    tcase_add_test(tests, a_file_that_was_cut_gives_an_error_and_lives_on);
    tcase_add_test(tests, many_requests_at_once_are_all_answered);
    tcase_add_test(tests, the_loop_ends_when_nothing_is_under_way);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
