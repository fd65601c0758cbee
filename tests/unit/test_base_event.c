/* Events as JSON lines. */
#include "target/base/event.h"

#include <check.h>
#include <stdlib.h>

static json_t *last;

static void keep(void *owner, json_t *event)
{
    (void)owner;
    json_decref(last);
    last = event;
}

static void tear_down(void)
{
    json_decref(last);
    last = NULL;
}

static void set_up(void)
{
    event_start("target", 3, keep, NULL);
}

START_TEST(an_event_has_time_origin_kind_and_typed_fields)
{
    event(EVENT_SESSION_OPENED, text("initiator", "iqn.a"), number("tsih", 7),
          flag("data_digest", true), text("target", NULL));
    ck_assert_str_eq(json_string_value(json_object_get(last, "process")), "target");
    ck_assert_int_eq(json_integer_value(json_object_get(last, "node")), 3);
    ck_assert_str_eq(json_string_value(json_object_get(last, "event")), "session.opened");
    ck_assert_str_eq(json_string_value(json_object_get(last, "initiator")), "iqn.a");
    ck_assert_int_eq(json_integer_value(json_object_get(last, "tsih")), 7);
    ck_assert(json_is_true(json_object_get(last, "data_digest")));
    ck_assert(json_is_null(json_object_get(last, "target")));
    ck_assert_uint_eq(json_string_length(json_object_get(last, "time")), EVENT_TIME_SIZE - 1);
}
END_TEST

START_TEST(a_process_without_a_node_names_none)
{
    event_start("sim-cluster", 0, keep, NULL);
    event(EVENT_CLUSTER_DOWN, text("cluster", "demo"));
    ck_assert_ptr_null(json_object_get(last, "node"));
}
END_TEST

static const struct {
    double time;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {951782400.5, "2000-02-29T00:00:00.500000Z"},
    {1792000000.25, "2026-10-14T17:46:40.250000Z"},
};

START_TEST(time_is_rfc_3339_with_microseconds)
{
    char text[EVENT_TIME_SIZE];

    event_format_time(text, times[_i].time);
    ck_assert_str_eq(text, times[_i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_event");
    TCase *tests = tcase_create("base_event");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_event_has_time_origin_kind_and_typed_fields);
    tcase_add_test(tests, a_process_without_a_node_names_none);
    tcase_add_loop_test(tests, time_is_rfc_3339_with_microseconds, 0,
                        sizeof(times) / sizeof(*times));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
