/* Events as JSON lines. */
#include "target/base/event_line.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *last;

static void keep(void *owner, const char *line, size_t length)
{
    (void)owner;
    ck_assert_int_eq(line[length - 1], '\n');
    ck_assert_int_eq(strncmp(line, EVENT_LINE_BEGIN, strlen(EVENT_LINE_BEGIN)), 0);
    json_decref(last);
    last = json_loadb(line, length, 0, NULL);
    ck_assert_ptr_nonnull(last);
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
    ck_assert(event_parse_time(text) == times[_i].time);
}
END_TEST

static const char *const no_times[] = {
    "",
    "now",
    "2026-10-14",
    "2026-13-14T17:46:40.250000Z",
    "2026-10-14 17:46:40.250000Z",
    "2026-10-14T17:61:40.250000Z",
    "2026-10-1417:46:40.25000000Z",
};

START_TEST(what_is_no_time_is_none)
{
    ck_assert(event_parse_time(no_times[_i]) == 0);
    ck_assert(event_parse_time(NULL) == 0);
}
END_TEST

static const struct {
    const char *text, *kept; /* NULL: as it is */
} texts[] = {
    {"", NULL},
    {"plain", NULL},
    {"\"quoted\" and \\", NULL},
    {"line\nbreak\ttab\x01\x7f", NULL},
    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", NULL},
    {"\xff\xc3(\xed\xa0\x80", "?\?(?\?\?"},
    {"eight by eight bytes and three", NULL},
    {"behind eight plain ones: \" \\ \x7f \x1f \xc3\xa9 and plain ones again", NULL},
};

START_TEST(any_text_is_read_back_by_json_and_by_ourselves)
{
    const char *kept = texts[_i].kept ? texts[_i].kept : texts[_i].text;
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    struct buffer line = {0};

    event(EVENT_SESSION_OPENED, text("initiator", texts[_i].text));
    ck_assert_str_eq(json_string_value(json_object_get(last, "initiator")), kept);
    event_line_write(&line, (struct event_field[]){text("a", texts[_i].text), {0}});
    buffer_append(&line, "", 1);
    ck_assert(event_line_read(buffer_content(&line), fields));
    ck_assert_str_eq(event_line_text(fields, "a"), kept);
    buffer_free(&line);
}
END_TEST

START_TEST(numbers_are_written_to_the_last_digit)
{
    event(EVENT_SESSION_OPENED, number("least", INT64_MIN), number("most", INT64_MAX),
          number("none", 0));
    ck_assert(json_integer_value(json_object_get(last, "least")) == INT64_MIN);
    ck_assert(json_integer_value(json_object_get(last, "most")) == INT64_MAX);
    ck_assert_int_eq(json_integer_value(json_object_get(last, "none")), 0);
}
END_TEST

START_TEST(a_line_is_taken_apart)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    char line[] = " {\"a\": \"x\", \"b\":-7,\"c\":true , \"d\":null}\n";

    ck_assert(event_line_read(line, fields));
    ck_assert_str_eq(event_line_text(fields, "a"), "x");
    ck_assert_int_eq(event_line_number(fields, "b"), -7);
    ck_assert_int_eq(event_line_number(fields, "c"), 1);
    ck_assert_ptr_null(event_line_text(fields, "b"));
    ck_assert_ptr_null(event_line_text(fields, "d"));
    ck_assert_ptr_null(event_line_text(fields, "e"));
    ck_assert_int_eq(event_line_number(fields, "e"), 0);
}
END_TEST

static const char *const malformed[] = {
    "",      "{",           "{}",          "{\"a\"}",        "{\"a\":}",       "{\"a\":\"x}",
    "{a:1}", "{\"a\":[1]}", "{\"a\":\"\\", "{\"a\":\"\\u12", "{\"a\":1,\"b\"", "[1]",
};

START_TEST(what_is_no_flat_object_is_refused)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    char line[64];

    snprintf(line, sizeof(line), "%s", malformed[_i]);
    ck_assert(!event_line_read(line, fields));
}
END_TEST

START_TEST(more_fields_than_there_is_room_for_are_refused)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    struct buffer line = {0};

    buffer_append(&line, "{\"a\":1", 6);
    for (int i = 0; i < EVENT_FIELDS_MAX; i++)
        buffer_append(&line, ",\"b\":2", 6);
    buffer_append(&line, "}", 2);
    ck_assert(!event_line_read(buffer_content(&line), fields));
    buffer_free(&line);
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
    tcase_add_loop_test(tests, what_is_no_time_is_none, 0, sizeof(no_times) / sizeof(*no_times));
    tcase_add_test(tests, numbers_are_written_to_the_last_digit);
    tcase_add_loop_test(tests, any_text_is_read_back_by_json_and_by_ourselves, 0,
                        sizeof(texts) / sizeof(*texts));
    tcase_add_test(tests, a_line_is_taken_apart);
    tcase_add_loop_test(tests, what_is_no_flat_object_is_refused, 0,
                        sizeof(malformed) / sizeof(*malformed));
    tcase_add_test(tests, more_fields_than_there_is_room_for_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
