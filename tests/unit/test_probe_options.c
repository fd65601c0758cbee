/* The probe's command line and the secrets in its environment. */
#include <check.h>
#include <stdlib.h>

#include "sim-cluster/probe.h"

#define ARGUMENTS_MAX 6

static struct probe_options options;

static int parse(const char *const arguments[static ARGUMENTS_MAX])
{
    char *argv[ARGUMENTS_MAX + 2] = {(char *)"probe"};
    int argc = 1;

    for (int i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
        argv[argc++] = (char *)arguments[i];
    return probe_parse(argc, argv, &options);
}

static void set_up(void)
{
    unsetenv("SIM_CLUSTER_CHAP");
    unsetenv("SIM_CLUSTER_MUTUAL_CHAP");
}

START_TEST(without_options_the_defaults_hold_and_names_stay_open)
{
    ck_assert_int_eq(parse((const char *[ARGUMENTS_MAX]){0}), 0);
    ck_assert_ptr_null(options.portal);
    ck_assert_ptr_null(options.target);
    ck_assert_uint_eq(options.block_bytes, 4096);
    ck_assert_uint_eq(options.depth, 8);
    ck_assert_uint_eq(options.read_percent, 50);
    ck_assert_uint_eq(options.timeout_ms, 1000);
    ck_assert(!options.json);
}
END_TEST

START_TEST(options_are_taken_and_sizes_have_units)
{
    ck_assert_int_eq(parse((const char *[]){"--portal=[::1]:3261", "--block", "64k", "--region",
                                            "2G", "--json"}),
                     0);
    ck_assert_str_eq(options.portal, "[::1]:3261");
    ck_assert_uint_eq(options.block_bytes, 65536);
    ck_assert_uint_eq(options.region_bytes, UINT64_C(2) << 30);
    ck_assert(options.json);
}
END_TEST

static const char *const wrong[][ARGUMENTS_MAX] = {
    {"--portal", "floating"},
    {"--portal", "127.0.0.1:99999"},
    {"--block", "1000"},
    {"--block", "2M"},
    {"--block", "4kk"},
    {"--depth", "0"},
    {"--depth", "8k"},
    {"--depth", "-1"},
    {"--read", "101"},
    {"--seconds", ""},
    {"--region", "512"},
    {"--region", "99999999999T"},
    {"--chap", "user"},
    {"--nonsense"},
    {"argument"},
    {"--seconds"},
};

START_TEST(wrong_usage_is_refused)
{
    ck_assert_int_eq(parse(wrong[_i]), 2);
}
END_TEST

START_TEST(help_is_no_mistake)
{
    ck_assert_int_eq(parse((const char *[ARGUMENTS_MAX]){"--help"}), PROBE_HELP);
}
END_TEST

START_TEST(secrets_come_from_the_environment)
{
    setenv("SIM_CLUSTER_CHAP", "user secret12chars", 1);
    setenv("SIM_CLUSTER_MUTUAL_CHAP", "array othersecret12", 1);
    ck_assert_int_eq(parse((const char *[ARGUMENTS_MAX]){0}), 0);
    ck_assert_str_eq(options.chap_user, "user secret12chars"); /* up to the space */
    ck_assert_str_eq(options.chap_secret, "secret12chars");
    ck_assert_ptr_nonnull(options.mutual_user);
    ck_assert_str_eq(options.mutual_secret, "othersecret12");
}
END_TEST

START_TEST(a_user_of_the_command_line_goes_before_that_of_the_environment)
{
    setenv("SIM_CLUSTER_CHAP", _i ? "user secret12chars" : "secret12chars", 1);
    ck_assert_int_eq(parse((const char *[ARGUMENTS_MAX]){"--chap", "other"}), 0);
    ck_assert_str_eq(options.chap_user, "other");
    ck_assert_str_eq(options.chap_secret, "secret12chars");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_options");
    TCase *tests = tcase_create("command line");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, without_options_the_defaults_hold_and_names_stay_open);
    tcase_add_test(tests, options_are_taken_and_sizes_have_units);
    tcase_add_loop_test(tests, wrong_usage_is_refused, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(tests, help_is_no_mistake);
    tcase_add_test(tests, secrets_come_from_the_environment);
    tcase_add_loop_test(tests, a_user_of_the_command_line_goes_before_that_of_the_environment, 0,
                        2);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
