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
enum { RUN = 4, RUN_LENGTH = RUN * PAGE };

static const char boot[] = "this boot";
static char path[40], redo_path[48], landing_path[48];
static uint8_t content[SIZE], fresh[SIZE];
static int descriptor;
static struct landing *landing;

static void set_up(void)
{
    strncpy(path, "/tmp/disk-redo-XXXXXX", sizeof path);
    descriptor = mkstemp(path);
    snprintf(redo_path, sizeof redo_path, "%s.redo", path);
    snprintf(landing_path, sizeof landing_path, "%s.landing", path);
    landing = landing_new(landing_path, SIZE, boot);
    ck_assert_ptr_nonnull(landing);
    memset(content, 1, SIZE);
    memset(fresh, 2, SIZE);
    ck_assert_int_eq(pwrite(descriptor, content, SIZE, 0), SIZE);
}

static void tear_down(void)
{
    landing_free(landing);
    close(descriptor);
    unlink(path);
    unlink(redo_path);
}

static struct redo *open_redo(void)
{
    return redo_new(path, descriptor, boot, landing);
}

/* What has come in from the network. */
static uint8_t *land(void)
{
    return memcpy(landing->room + 48, fresh, SIZE - PAGE);
}

static uint8_t *map(int protection)
{
    uint8_t *bytes = mmap(NULL, SIZE, protection, MAP_SHARED, descriptor, 0);

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    return bytes;
}

static void replay(const char *this_boot)
{
    struct redo *redo = redo_new(path, descriptor, this_boot, NULL);

    ck_assert_int_eq(redo_replay(redo), 0);
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    redo_free(redo);
}

static void read_content(void)
{
    ck_assert_int_eq(pread(descriptor, content, SIZE, 0), SIZE);
}

START_TEST(what_is_copied_is_in_the_file_and_leaves_nothing_behind)
{
    struct redo *redo = open_redo();

    ck_assert(redo_copy(redo, map(PROT_READ | PROT_WRITE) + AT, AT, _i ? land() : fresh, LENGTH));
    ck_assert_int_eq(access(redo_path, F_OK), 0);
    redo_free(redo);
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    landing_free(landing);
    ck_assert_int_ne(access(landing_path, F_OK), 0);
    landing = NULL;
    read_content();
    ck_assert_mem_eq(content + AT, fresh, LENGTH);
    ck_assert_uint_eq(content[AT - 1], 1);
    ck_assert_uint_eq(content[AT + LENGTH], 1);
}
END_TEST

/* The first byte that goes to its place ends the process: that page is not writable. */
static void die_in_the_copy(const uint8_t *bytes)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        redo_copy(open_redo(), map(PROT_READ) + AT, AT, bytes, LENGTH);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status));
}

START_TEST(part_that_was_being_copied_is_whole_once_the_disk_is_open)
{
    struct ev_loop *loop = ev_loop_new(0);
    const struct disk_setting setting = {workers_new(loop, 1), boot, NULL};
    struct disk *disk;
    int error;

    die_in_the_copy(_i ? land() : fresh);
    disk = file_disk_open(&setting, path, SIZE, false, &error);
    ck_assert_ptr_nonnull(disk);
    read_content();
    ck_assert_mem_eq(content + AT, fresh, _i ? LENGTH : PAGE - 512);
    ck_assert_uint_eq(content[_i ? AT + LENGTH : 4 * PAGE], 1); /* the next part had not begun */
    ck_assert_int_ne(access(redo_path, F_OK), 0);
    disk_close(disk);
    workers_free(setting.workers);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(what_was_under_way_before_the_machine_started_again_is_forgotten)
{
    die_in_the_copy(fresh);
    replay("another boot");
    read_content();
    ck_assert_uint_eq(content[AT], 1);
}
END_TEST

/* All disks of the process have the same record. */
START_TEST(what_was_under_way_to_another_disk_is_left_to_that)
{
    char other[48], other_redo[64];

    snprintf(other, sizeof other, "%s.other", path);
    snprintf(other_redo, sizeof other_redo, "%s.redo", other);
    int file = open(other, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(pwrite(file, content, SIZE, 0), SIZE);
    struct redo *before = redo_new(other, file, boot, landing);
    ck_assert(redo_copy(before, content, 0, fresh, 1));
    die_in_the_copy(land());
    struct redo *redo = redo_new(other, file, boot, NULL);
    ck_assert_int_eq(redo_replay(redo), 0);
    redo_free(redo);
    redo_free(before);
    ck_assert_int_ne(access(other_redo, F_OK), 0);
    ck_assert_int_eq(pread(file, content, SIZE, 0), SIZE);
    ck_assert_uint_eq(content[AT], 1);
    unlink(other);
    close(file);
    replay(boot);
    read_content();
    ck_assert_mem_eq(content + AT, fresh, LENGTH);
}
END_TEST

/* The node starts again before another one has opened the disk. */
START_TEST(record_outlives_the_next_landing_of_that_name)
{
    struct landing *next;

    die_in_the_copy(land());
    next = landing_new(landing_path, SIZE, boot);
    ck_assert_ptr_nonnull(next);
    replay(boot);
    read_content();
    ck_assert_mem_eq(content + AT, fresh, LENGTH);
    landing_free(next);
}
END_TEST

START_TEST(record_of_the_wrong_size_is_forgotten)
{
    die_in_the_copy(fresh);
    ck_assert_int_eq(truncate(redo_path, 100), 0);
    replay(boot);
    read_content();
    ck_assert_uint_eq(content[AT], 1);
}
END_TEST

START_TEST(copy_fails_where_somebody_has_cut_the_file)
{
    struct redo *redo = open_redo();
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
    struct redo *redo = open_redo();
    uint8_t *mapped = map(PROT_READ | PROT_WRITE);

    ck_assert(redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    ck_assert_int_eq(truncate(redo_path, 0), 0);
    ck_assert(!redo_copy(redo, mapped + AT, AT, fresh, LENGTH));
    ck_assert(landing->memory.is_lost);
    ck_assert(!redo_copy(redo, mapped + AT, AT, land(), LENGTH));
    redo_free(redo);
}
END_TEST

START_TEST(landing_that_somebody_has_cut_is_lost_and_still_memory)
{
    land();
    ck_assert_int_eq(truncate(landing_path, 0), 0);
    ck_assert_uint_eq(landing->room[48], 0);
    ck_assert(landing->memory.is_lost);
    ck_assert_mem_eq(land(), fresh, LENGTH);
}
END_TEST

START_TEST(copy_fails_where_the_record_cannot_be_made)
{
    struct redo *redo = redo_new("/nonexistent/volume.img", descriptor, boot, landing);

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

        redo_copy(open_redo(), (uint8_t *)(uintptr_t)mapped, 0, fresh, PAGE);
        if (!ftruncate(descriptor, 0))
            mapped[AT] = 1;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}
END_TEST

/* Writes four pages full of one number after the other, until it is killed. */
static void copy_until_killed(void)
{
    struct redo *redo = open_redo();
    uint8_t *mapped = map(PROT_READ | PROT_WRITE);

    for (unsigned turn = 0;; turn++) {
        uint64_t offset = turn * 7 % (PAGES / RUN) * RUN_LENGTH;

        memset(landing->room, (int)(turn % 251), RUN_LENGTH);
        if (!redo_copy(redo, mapped + offset, offset, landing->room, RUN_LENGTH))
            _exit(1);
    }
}

static int count_mixed_runs(void)
{
    int mixed = 0;

    read_content();
    for (size_t at = 0; at < SIZE; at += RUN_LENGTH)
        mixed += memcmp(content + at, content + at + 1, RUN_LENGTH - 1) != 0;
    return mixed;
}

START_TEST(nothing_is_mixed_however_often_the_process_is_killed)
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
        mixed += count_mixed_runs();
        replay(boot);
        ck_assert_int_eq(count_mixed_runs(), 0);
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
    tcase_add_loop_test(tests, what_is_copied_is_in_the_file_and_leaves_nothing_behind, 0, 2);
    tcase_add_loop_test(tests, part_that_was_being_copied_is_whole_once_the_disk_is_open, 0, 2);
    tcase_add_test(tests, what_was_under_way_to_another_disk_is_left_to_that);
    tcase_add_test(tests, record_outlives_the_next_landing_of_that_name);
    tcase_add_test(tests, what_was_under_way_before_the_machine_started_again_is_forgotten);
    tcase_add_test(tests, record_of_the_wrong_size_is_forgotten);
    tcase_add_test(tests, copy_fails_where_somebody_has_cut_the_file);
    tcase_add_test(tests, copy_fails_for_good_where_somebody_has_cut_the_record);
    tcase_add_test(tests, landing_that_somebody_has_cut_is_lost_and_still_memory);
    tcase_add_test(tests, copy_fails_where_the_record_cannot_be_made);
    tcase_add_test(tests, other_bus_errors_end_the_process);
    tcase_add_test(tests, nothing_is_mixed_however_often_the_process_is_killed);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
