/* JSON texts in files. */
#include "target/base/json_file.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file of the text and then so many spaces. */
static int file_of(const char *text, size_t spaces)
{
    int descriptor = memfd_create("json", MFD_CLOEXEC);

    ck_assert_int_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    for (size_t i = 0; i < spaces; i++)
        ck_assert_int_eq(write(descriptor, " ", 1), 1);
    ck_assert_int_eq(lseek(descriptor, 0, SEEK_SET), 0);
    return descriptor;
}

START_TEST(a_text_of_any_length_is_read)
{
    static const size_t lengths[] = {0, 4095, 4096, 10000};
    json_error_t error;
    int descriptor = file_of("{\"naa\":\"6\"}", lengths[_i]);
    json_t *json = json_file_read(descriptor, &error);

    ck_assert_str_eq(json_string_value(json_object_get(json, "naa")), "6");
    json_decref(json);
    close(descriptor);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    static const char *const texts[] = {"", "{", "{} {}"};
    json_error_t error = {0};
    int descriptor = file_of(texts[_i], 0);

    ck_assert_ptr_null(json_file_read(descriptor, &error));
    ck_assert_uint_gt(strlen(error.text), 0);
    close(descriptor);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_no_empty_one)
{
    json_error_t error = {0};

    ck_assert_ptr_null(json_file_read(-1, &error));
    ck_assert_str_eq(error.text, "Bad file descriptor");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_file");
    TCase *test = tcase_create("json_file");

    tcase_add_loop_test(test, a_text_of_any_length_is_read, 0, 4);
    tcase_add_loop_test(test, what_is_wrong_is_said, 0, 3);
    tcase_add_test(test, a_file_that_cannot_be_read_is_no_empty_one);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
