/* The reader of INI files, apart from what the keys mean. */
#include "target/base/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct thing {
    int count, line;
    char *name;
    uint64_t size;
};

static struct thing thing;

static char *begin(void *owner, const char *name, int line, void **object)
{
    struct thing *here = owner;

    free(here->name);
    here->name = name ? strdup(name) : NULL;
    here->line = line;
    *object = owner;
    return NULL;
}

static const struct config_section sections[] = {{"thing", true, begin}, {0}};
static const struct config_key keys[] = {
    {"thing", "count", config_parse_number, offsetof(struct thing, count), .least = -5, .most = 9},
    {"thing", "size", config_parse_size, offsetof(struct thing, size), .repeats = true},
    {0},
};
static const struct config_table table = {sections, keys};

static char *read_bytes(const void *bytes, size_t length)
{
    char path[] = "/tmp/test_base_config.XXXXXX", *wrong, *sentence;
    int fd = mkstemp(path);

    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    wrong = config_read(path, &table, &thing);
    unlink(path);
    sentence = wrong ? strdup(strchr(wrong, ':')) : NULL;
    free(wrong);
    return sentence;
}

static void tear_down(void)
{
    free(thing.name);
}

static void set_up(void)
{
    thing = (struct thing){0};
}

START_TEST(sections_and_lines_are_counted)
{
    static const char text[] = "; a comment\r\n\r\n[thing  big one ]\r\ncount = 7 ; seven\r\n";

    ck_assert_ptr_null(read_bytes(text, strlen(text)));
    ck_assert_str_eq(thing.name, "big one");
    ck_assert_int_eq(thing.line, 3);
    ck_assert_int_eq(thing.count, 7);
}
END_TEST

START_TEST(a_long_name_is_kept_whole)
{
    char text[160];

    memset(text, 'x', sizeof(text));
    memcpy(text, "[thing ", 7);
    text[158] = ']';
    text[159] = '\n';
    ck_assert_ptr_null(read_bytes(text, sizeof(text)));
    ck_assert_uint_eq(strlen(thing.name), 151);
}
END_TEST

START_TEST(a_line_over_198_bytes_is_refused_not_cut)
{
    char text[300] = "[thing a]\n;";

    memset(text + 11, 'x', 197);
    text[208] = '\n';
    ck_assert_ptr_null(read_bytes(text, 209));
    memset(text + 11, 'x', 198);
    text[209] = '\n';
    char *sentence = read_bytes(text, 210);

    ck_assert_str_eq(sentence, ":2: the line is longer than 198 bytes");
    free(sentence);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
    char *sentence = read_bytes("[thing a]\nco\0unt = 1\n", 21);

    ck_assert_str_eq(sentence, ":2: has a NUL byte");
    free(sentence);
}
END_TEST

START_TEST(an_indented_line_is_no_continuation)
{
    static const char text[] = "[thing a]\nsize = 1k\n  count = 3\n";

    ck_assert_ptr_null(read_bytes(text, strlen(text)));
    ck_assert_int_eq(thing.count, 3);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    char *wrong = config_read("/nonexistent/x.ini", &table, &thing);

    ck_assert_str_eq(wrong, "/nonexistent/x.ini: cannot be read: No such file or directory");
    free(wrong);
}
END_TEST

START_TEST(a_directory_is_no_file)
{
    char *wrong = config_read("/tmp", &table, &thing);

    ck_assert_ptr_nonnull(strstr(wrong, "/tmp: cannot be read"));
    free(wrong);
}
END_TEST

static const struct {
    const char *text;
    uint64_t bytes; /* 0: refused */
} sizes[] = {
    {"1", 1},
    {"512", 512},
    {"1k", 1024},
    {"3M", 3 << 20},
    {"20G", UINT64_C(20) << 30},
    {"2T", UINT64_C(2) << 40},
    {"0", 0},
    {"-1", 0},
    {"", 0},
    {"k", 0},
    {"1K", 0},
    {"1kB", 0},
    {"1 k", 0},
    {"8388608T", 0},
    {"99999999999999999999", 0},
};

START_TEST(sizes_have_binary_units)
{
    uint64_t bytes = 0;
    char *wrong = config_parse_size(&bytes, sizes[_i].text, &keys[1], 1);

    ck_assert_int_eq(wrong == NULL, sizes[_i].bytes != 0);
    ck_assert_uint_eq(wrong ? 0 : bytes, sizes[_i].bytes);
    free(wrong);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_config");
    TCase *tests = tcase_create("base_config");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, sections_and_lines_are_counted);
    tcase_add_test(tests, a_long_name_is_kept_whole);
    tcase_add_test(tests, a_line_over_198_bytes_is_refused_not_cut);
    tcase_add_test(tests, a_nul_byte_is_refused);
    tcase_add_test(tests, an_indented_line_is_no_continuation);
    tcase_add_test(tests, a_file_that_is_not_there_is_named);
    tcase_add_test(tests, a_directory_is_no_file);
    tcase_add_loop_test(tests, sizes_have_binary_units, 0, sizeof(sizes) / sizeof(*sizes));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
