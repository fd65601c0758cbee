/* Latencies in, quantiles out. */
#include <check.h>
#include <stdlib.h>

#include "sim-cluster/probe_histogram.h"

START_TEST(small_values_are_exact)
{
    struct probe_histogram histogram = {0};

    for (uint64_t value = 1; value <= 20; value++)
        probe_histogram_add(&histogram, value);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 500), 10);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 950), 19);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 1000), 20);
}
END_TEST

START_TEST(large_values_are_at_most_4_percent_too_high_and_never_too_low)
{
    for (uint64_t value = 33; value < UINT64_MAX / 3; value = value * 3 + 1) {
        struct probe_histogram histogram = {0};
        uint64_t got;

        probe_histogram_add(&histogram, value);
        probe_histogram_add(&histogram, UINT64_MAX);
        got = probe_histogram_quantile(&histogram, 500);
        ck_assert_uint_ge(got, value);
        ck_assert_uint_le(got - value, value / 25);
    }
}
END_TEST

START_TEST(a_quantile_never_exceeds_the_largest_value)
{
    struct probe_histogram histogram = {0};

    probe_histogram_add(&histogram, 1000003);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 990), 1000003);
    ck_assert_uint_eq(histogram.largest, 1000003);
}
END_TEST

START_TEST(nothing_has_quantile_zero)
{
    struct probe_histogram histogram = {0};

    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 990), 0);
}
END_TEST

START_TEST(one_slow_answer_in_a_hundred_shows_above_p99_only)
{
    struct probe_histogram histogram = {0};

    for (int i = 0; i < 990; i++)
        probe_histogram_add(&histogram, 20);
    for (int i = 0; i < 10; i++)
        probe_histogram_add(&histogram, 500000);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 990), 20);
    ck_assert_uint_eq(probe_histogram_quantile(&histogram, 991), 500000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_histogram");
    TCase *tests = tcase_create("quantiles");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, small_values_are_exact);
    tcase_add_test(tests, large_values_are_at_most_4_percent_too_high_and_never_too_low);
    tcase_add_test(tests, a_quantile_never_exceeds_the_largest_value);
    tcase_add_test(tests, nothing_has_quantile_zero);
    tcase_add_test(tests, one_slow_answer_in_a_hundred_shows_above_p99_only);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
