/* The record of events in the state directory: what it keeps, and how much. */
#include "sim-cluster/events.h"
#include "target/base/memory.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_MAX = 16 << 20, LINE = 4096, MANY = 3 * RECORD_MAX / LINE };

static char directory[32];

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/events-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static char *path_of(const char *name)
{
    return memory_format("%s/%s", directory, name);
}

static void tear_down(void)
{
    static const char *const names[] = {"events.jsonl", "events.jsonl.1"};

    for (int i = 0; i < ROWS(names); i++) {
        char *path = path_of(names[i]);

        unlink(path);
        free(path);
    }
    rmdir(directory);
}

/* -1: there is none. */
static long size_of(const char *name)
{
    struct stat status;
    char *path = path_of(name);
    int failed = stat(path, &status);

    free(path);
    return failed ? -1 : (long)status.st_size;
}

/* Of the last line. */
static int last_number(const char *name)
{
    char *path = path_of(name), *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "re");
    int number = -1;

    ck_assert_ptr_nonnull(file);
    while (getline(&line, &capacity, file) > 0)
        number = (int)strtol(line, NULL, 10);
    fclose(file);
    free(line);
    free(path);
    return number;
}

static void append(struct events *events, int number)
{
    char line[LINE];

    memset(line, ' ', sizeof(line));
    snprintf(line, sizeof(line), "%d", number);
    line[strlen(line)] = ' ';
    line[LINE - 1] = '\n';
    events_append(events, line, sizeof(line));
    events_flush(events);
}

START_TEST(the_record_is_bounded_and_holds_the_latest)
{
    struct events events;

    ck_assert_ptr_null(events_open(&events, directory));
    for (int i = 0; i <= MANY; i++)
        append(&events, i);
    events_close(&events);
    ck_assert_int_le(size_of("events.jsonl"), RECORD_MAX);
    ck_assert_int_le(size_of("events.jsonl.1"), RECORD_MAX);
    ck_assert_int_gt(size_of("events.jsonl.1"), RECORD_MAX / 2);
    ck_assert_int_eq(last_number("events.jsonl"), MANY);
}
END_TEST

START_TEST(the_record_of_the_last_run_stays_beside_the_new_one)
{
    struct events events;

    for (int run = 1; run <= 2; run++) {
        ck_assert_ptr_null(events_open(&events, directory));
        append(&events, run);
        events_close(&events);
    }
    ck_assert_int_eq(last_number("events.jsonl.1"), 1);
    ck_assert_int_eq(last_number("events.jsonl"), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("record");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_record_is_bounded_and_holds_the_latest);
    tcase_add_test(tests, the_record_of_the_last_run_stays_beside_the_new_one);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
