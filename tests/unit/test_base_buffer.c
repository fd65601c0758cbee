/* Bytes in at the end, out at the front. */
#include "target/base/buffer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(what_goes_in_comes_out_in_order)
{
    struct buffer buffer = {0};
    unsigned in = 0, out = 0;

    for (int i = 0; i < 10000; i++) {
        unsigned char bytes[7];

        for (size_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = (unsigned char)in++;
        buffer_append(&buffer, bytes, sizeof(bytes));
        for (size_t take = (size_t)i % 11; take && buffer.length; take--) {
            ck_assert_uint_eq((unsigned char)*buffer_content(&buffer), (unsigned char)out++);
            buffer_take(&buffer, 1);
        }
    }
    ck_assert_uint_eq(buffer.length, in - out);
    buffer_free(&buffer);
}
END_TEST

START_TEST(reserved_bytes_count_once_they_are_added)
{
    struct buffer buffer = {0};

    memcpy(buffer_reserve(&buffer, 1000), "hello", 5);
    ck_assert_uint_eq(buffer.length, 0);
    buffer_added(&buffer, 5);
    ck_assert_uint_eq(buffer.length, 5);
    ck_assert_mem_eq(buffer_content(&buffer), "hello", 5);
    buffer_free(&buffer);
}
END_TEST

START_TEST(an_empty_buffer_starts_from_the_front_again)
{
    struct buffer buffer = {0};

    for (int i = 0; i < 100000; i++) {
        buffer_append(&buffer, "0123456789", 10);
        buffer_take(&buffer, 10);
    }
    ck_assert_uint_lt(buffer.capacity, 1024);
    buffer_free(&buffer);
    ck_assert_ptr_null(buffer.bytes);
}
END_TEST

START_TEST(appending_nothing_is_nothing)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, NULL, 0);
    ck_assert_uint_eq(buffer.length, 0);
    buffer_free(&buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_buffer");
    TCase *tests = tcase_create("base_buffer");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, what_goes_in_comes_out_in_order);
    tcase_add_test(tests, reserved_bytes_count_once_they_are_added);
    tcase_add_test(tests, an_empty_buffer_starts_from_the_front_again);
    tcase_add_test(tests, appending_nothing_is_nothing);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
