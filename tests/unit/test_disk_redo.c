#include "target/disk/file.h"
#include "target/disk/redo.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16, SIZE = PAGES * PAGE, AT = 3 * PAGE + 512, LENGTH = 2 * PAGE };

static const char boot[] = "this boot";
static char path[40], redo_path[48];
static uint8_t content[SIZE], fresh[SIZE];
static int descriptor;

static void set_up(void)
{
    strncpy(path, "/tmp/disk-redo-XXXXXX", sizeof path);
    descriptor = mkstemp(path);
    snprintf(redo_path, sizeof redo_path, "%s.redo", path);
    memset(content, 1, SIZE);
    memset(fresh, 2, SIZE);
    ck_assert_int_eq(pwrite(descriptor, content, SIZE, 0), SIZE);
}

static void tear_down(void)
{
    close(descriptor);
    unlink(path);
    unlink(redo_path);
}

static uint8_t *map(int protection)
{
    uint8_t *bytes = mmap(NULL, SIZE, protection, MAP_SHARED, descriptor, 0);

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    return bytes;
}

static void replay(const char *this_boot)
{
    struct redo *redo = redo_new(path, this_boot);

    ck_assert_int_eq(redo_replay(redo, descriptor), 0);
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    redo_free(redo);
}

static void read_content(void)
{
    ck_assert_int_eq(pread(descriptor, content, SIZE, 0), SIZE);
}

START_TEST(what_is_copied_is_in_the_file_and_leaves_nothing_behind)
{
    struct redo *redo = redo_new(path, boot);

    ck_assert(redo_copy(redo, map(PROT_READ | PROT_WRITE) + AT, AT, fresh, LENGTH));
    ck_assert_int_eq(access(redo_path, F_OK), 0);
    redo_free(redo);
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    read_content();
    ck_assert_mem_eq(content + AT, fresh, LENGTH);
    ck_assert_uint_eq(content[AT - 1], 1);
    ck_assert_uint_eq(content[AT + LENGTH], 1);
}
END_TEST

/* The first byte that goes to its place ends the process: that page is not writable. */
static void die_in_the_copy(void)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        redo_copy(redo_new(path, boot), map(PROT_READ) + AT, AT, fresh, LENGTH);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status));
}

START_TEST(part_that_was_being_copied_is_whole_once_the_disk_is_open)
{
    struct ev_loop *loop = ev_loop_new(0);
    const struct disk_setting setting = {workers_new(loop, 1), boot, false};
    struct disk *disk;
    int error;

    die_in_the_copy();
    disk = file_disk_open(&setting, path, SIZE, false, &error);
    ck_assert_ptr_nonnull(disk);
    read_content();
    ck_assert_mem_eq(content + AT, fresh, PAGE - 512);
    ck_assert_uint_eq(content[4 * PAGE], 1); /* the next page's part had not begun */
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    disk_close(disk);
    workers_free(setting.workers);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(what_was_under_way_before_the_machine_started_again_is_forgotten)
{
    die_in_the_copy();
    replay("another boot");
    read_content();
    ck_assert_uint_eq(content[AT], 1);
}
END_TEST

START_TEST(record_of_the_wrong_size_is_forgotten)
{
    die_in_the_copy();
    ck_assert_int_eq(truncate(redo_path, 100), 0);
    replay(boot);
    read_content();
    ck_assert_uint_eq(content[AT], 1);
}
END_TEST

START_TEST(copy_fails_where_somebody_has_cut_the_file)
{
    struct redo *redo = redo_new(path, boot);
    uint8_t *mapped = map(PROT_READ | PROT_WRITE);

    ck_assert_int_eq(ftruncate(descriptor, 4 * PAGE), 0);
    ck_assert(!redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    ck_assert_int_eq(ftruncate(descriptor, SIZE), 0);
    ck_assert(redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    redo_free(redo);
}
END_TEST

START_TEST(copy_fails_for_good_where_somebody_has_cut_the_record)
{
    struct redo *redo = redo_new(path, boot);
    uint8_t *mapped = map(PROT_READ | PROT_WRITE);

    ck_assert(redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    ck_assert_int_eq(truncate(redo_path, 0), 0);
    ck_assert(!redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    ck_assert(!redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    redo_free(redo);
}
END_TEST

START_TEST(copy_fails_where_the_record_cannot_be_made)
{
    struct redo *redo = redo_new("/nonexistent/volume.img", boot);

    ck_assert(!redo_copy(redo, map(PROT_READ | PROT_WRITE) + AT, AT, fresh, LENGTH));
    redo_free(redo);
}
END_TEST

START_TEST(other_bus_errors_end_the_process)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        volatile uint8_t *mapped = map(PROT_READ | PROT_WRITE);

        redo_copy(redo_new(path, boot), (uint8_t *)(uintptr_t)mapped, 0, fresh, PAGE);
        if (!ftruncate(descriptor, 0))
            mapped[AT] = 1;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}
END_TEST

/* Writes each page full of one number after the other, until it is killed. */
static void copy_until_killed(void)
{
    struct redo *redo = redo_new(path, boot);
    uint8_t *mapped = map(PROT_READ | PROT_WRITE);

    for (unsigned turn = 0;; turn++) {
        uint64_t page = turn * 7 % PAGES;

        memset(fresh, (int)(turn % 251), PAGE);
        if (!redo_copy(redo, mapped + page * PAGE, page * PAGE, fresh, PAGE))
            _exit(1);
    }
}

static int count_mixed_pages(void)
{
    int mixed = 0;

    read_content();
    for (size_t page = 0; page < PAGES; page++)
        mixed += memcmp(content + page * PAGE, content + page * PAGE + 1, PAGE - 1) != 0;
    return mixed;
}

START_TEST(no_page_is_mixed_however_often_the_process_is_killed)
{
    enum { KILLS = 150 };
    int mixed = 0;

    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();

        if (child == 0)
            copy_until_killed();
        nanosleep(&(struct timespec){.tv_nsec = 2000000 + i * 9973}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        mixed += count_mixed_pages();
        replay(boot);
        ck_assert_int_eq(count_mixed_pages(), 0);
    }
    ck_assert_int_gt(mixed, 0); /* else nothing has been shown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redo");
    TCase *tests = tcase_create("redo");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_copied_is_in_the_file_and_leaves_nothing_behind);
    tcase_add_test(tests, part_that_was_being_copied_is_whole_once_the_disk_is_open);
    tcase_add_test(tests, what_was_under_way_before_the_machine_started_again_is_forgotten);
    tcase_add_test(tests, record_of_the_wrong_size_is_forgotten);
    tcase_add_test(tests, copy_fails_where_somebody_has_cut_the_file);
    tcase_add_test(tests, copy_fails_for_good_where_somebody_has_cut_the_record);
    tcase_add_test(tests, copy_fails_where_the_record_cannot_be_made);
    tcase_add_test(tests, other_bus_errors_end_the_process);
    tcase_add_test(tests, no_page_is_mixed_however_often_the_process_is_killed);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
