/* Numbers as digits. */
#include "target/base/decimal.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t numbers[] = {0, 9, 10, 99, 100, 65535, UINT32_MAX, INT64_MAX, UINT64_MAX};

START_TEST(a_number_is_written_as_printf_would)
{
    char text[DECIMAL_DIGITS_MAX + 1], expected[DECIMAL_DIGITS_MAX + 1];

    *decimal_write(text, numbers[_i]) = '\0';
    snprintf(expected, sizeof(expected), "%" PRIu64, numbers[_i]);
    ck_assert_str_eq(text, expected);
}
END_TEST

START_TEST(padded_numbers_have_their_width)
{
    char text[8] = "";

    *decimal_write_padded(text, 42, 6) = '\0';
    ck_assert_str_eq(text, "000042");
    *decimal_write_padded(text, 1234, 2) = '\0';
    ck_assert_str_eq(text, "34");
}
END_TEST

START_TEST(padded_numbers_are_read_back)
{
    ck_assert_int_eq(decimal_read_padded("000042Z", 6), 42);
    ck_assert_int_eq(decimal_read_padded("12345", 2), 12);
    ck_assert_int_eq(decimal_read_padded("1", 2), -1);
    ck_assert_int_eq(decimal_read_padded("-1", 2), -1);
    ck_assert_int_eq(decimal_read_padded("1 ", 2), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decimal");
    TCase *test = tcase_create("decimal");

    tcase_add_loop_test(test, a_number_is_written_as_printf_would, 0, ROWS(numbers));
    tcase_add_test(test, padded_numbers_have_their_width);
    tcase_add_test(test, padded_numbers_are_read_back);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
