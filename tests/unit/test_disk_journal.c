#include "target/disk/file.h"
#include "target/disk/journal.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1024 * 1024, LENGTH = 64 * 1024, OFFSET = 12345 };

static char path[40], journal_path[48];
static uint8_t old[SIZE], now[SIZE], fresh[LENGTH];

static void set_up(void)
{
    strncpy(path, "/tmp/disk-journal-XXXXXX", sizeof path);
    int descriptor = mkstemp(path);
    snprintf(journal_path, sizeof journal_path, "%s.atomic", path);
    memset(old, 1, SIZE);
    for (size_t i = 0; i < LENGTH; i++)
        fresh[i] = (uint8_t)(i * 7 + 2);
    ck_assert_int_eq(write(descriptor, old, SIZE), SIZE);
    close(descriptor);
}

static void tear_down(void)
{
    unlink(path);
    unlink(journal_path);
}

/* Dies in the middle of the write. */
static int die_half_way(int descriptor, const uint8_t *bytes, uint64_t offset, uint64_t length,
                        int flags)
{
    (void)flags;
    if (pwrite(descriptor, bytes, length / 2, (off_t)offset) == (ssize_t)(length / 2))
        _exit(7);
    return -EIO;
}

static int write_whole(int descriptor, const uint8_t *bytes, uint64_t offset, uint64_t length,
                       int flags)
{
    (void)flags;
    return pwrite(descriptor, bytes, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

static void write_in_child(journal_write_function *write)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct journal *journal = journal_new(path);
        int descriptor = open(path, O_RDWR);

        _exit(journal_write(journal, write, descriptor, fresh, OFFSET, LENGTH, 0) ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 1);
}

/* Opening the disk is what replays. */
static void open_and_read(void)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct workers *workers = workers_new(loop, 1);
    int error, descriptor = open(path, O_RDONLY);
    struct disk *disk =
        file_disk_open(&(struct disk_setting){workers, NULL, NULL}, path, SIZE, false, &error);

    ck_assert_ptr_nonnull(disk);
    ck_assert_int_eq(pread(descriptor, now, SIZE, 0), SIZE);
    close(descriptor);
    disk_close(disk);
    workers_free(workers);
    ev_loop_destroy(loop);
}

START_TEST(a_write_that_was_cut_is_whole_after_the_next_opening)
{
    struct stat status;

    write_in_child(die_half_way);
    open_and_read();
    memcpy(old + OFFSET, fresh, LENGTH);
    ck_assert_mem_eq(now, old, SIZE);
    ck_assert_int_eq(stat(journal_path, &status), 0);
    ck_assert_int_eq(status.st_size, 0);
}
END_TEST

START_TEST(a_write_that_ended_is_not_repeated)
{
    int descriptor;

    write_in_child(write_whole);
    descriptor = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(descriptor, old, SIZE, 0), SIZE); /* newer */
    close(descriptor);
    open_and_read();
    ck_assert_mem_eq(now, old, SIZE);
}
END_TEST

/* The note itself was cut or is of something else: nothing of it was on the disk. */
START_TEST(half_a_note_changes_nothing)
{
    int file;

    write_in_child(die_half_way);
    file = open(journal_path, O_RDWR);
    ck_assert_int_eq(_i ? pwrite(file, "x", 1, 100) - 1 : ftruncate(file, LENGTH / 2), 0);
    close(file);
    file = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(file, old, SIZE, 0), SIZE);
    close(file);
    open_and_read();
    ck_assert_mem_eq(now, old, SIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_write_that_was_cut_is_whole_after_the_next_opening);
    tcase_add_test(tests, a_write_that_ended_is_not_repeated);
    tcase_add_loop_test(tests, half_a_note_changes_nothing, 0, 2);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
