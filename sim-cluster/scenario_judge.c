#include "sim-cluster/scenario_judge.h"

#include "sim-cluster/scenario_words.h"
#include "target/base/config.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static double time_of(const json_t *object, const char *key)
{
    return event_parse_time(json_string_value(json_object_get(object, key)));
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* ---- values ---- */

static char *check_duration(const char *value)
{
    static const struct config_key key = {.least = 0, .most = 86400000};
    int ms;

    return config_parse_duration(&ms, value, &key, 0);
}

static int duration_of(const char *value)
{
    static const struct config_key key = {.least = 0, .most = 86400000};
    int ms = 0;

    free(config_parse_duration(&ms, value, &key, 0));
    return ms;
}

struct range {
    long long least, most;
};

/* "3", "1..", "..4", "1..4" */
static bool parse_range(const char *value, struct range *range)
{
    char *end;

    *range = (struct range){0, LLONG_MAX};
    range->least = strtoll(value, &end, 10);
    if (!*end && end != value) {
        range->most = range->least;
        return range->least >= 0;
    }
    if (strncmp(end, "..", 2))
        return false;
    value = end + 2;
    if (*value)
        range->most = strtoll(value, &end, 10);
    return range->least >= 0 && range->most >= range->least && (!*value || !*end);
}

static char *check_range(const char *value)
{
    struct range range;

    return parse_range(value, &range)
               ? NULL
               : memory_copy_text("must be a number or a range: 3, 1.., 1..4");
}

static char *check_flag(const char *value)
{
    bool flag;

    return config_parse_flag(&flag, value, NULL, 0);
}

static char *check_any(const char *value)
{
    (void)value;
    return NULL;
}

/* ---- stalls ---- */

/* The longest that ended after the steady state. NULL: none. */
static const json_t *find_longest(const json_t *record)
{
    double steady = time_of(record, "steady");
    const json_t *longest = NULL;
    size_t i;
    json_t *stall;

    json_array_foreach (json_object_get(json_object_get(record, "probe"), "stalls"), i, stall)
        if (time_of(stall, "at") + (double)number_of(stall, "ms") / 1000 >= steady &&
            (!longest || number_of(stall, "ms") > number_of(longest, "ms")))
            longest = stall;
    return longest;
}

static char *describe_longest(const json_t *record, long long *ms)
{
    const json_t *stall = find_longest(record);

    *ms = stall ? number_of(stall, "ms") : 0;
    if (!stall)
        return memory_copy_text("no stall was felt");
    return memory_format("the longest stall was %lld ms, %.1f s into the run%s%s", *ms,
                         time_of(stall, "at") - time_of(record, "steady"),
                         *text_of(stall, "why") ? ": " : "", text_of(stall, "why"));
}

static char *judge_stall_below(const char *value, json_t *record, bool *passed)
{
    long long ms;
    char *evidence = describe_longest(record, &ms);

    *passed = json_is_object(json_object_get(record, "probe")) && ms < duration_of(value);
    return evidence;
}

static char *judge_stall_above(const char *value, json_t *record, bool *passed)
{
    long long ms;
    char *evidence = describe_longest(record, &ms);

    *passed = ms > duration_of(value);
    return evidence;
}

/* ---- the probe's figures ---- */

static char *judge_intact(const char *value, json_t *record, bool *passed)
{
    const json_t *probe = json_object_get(record, "probe");
    long long wrong = number_of(probe, "lost") + number_of(probe, "stale") +
                      number_of(probe, "torn") + number_of(probe, "foreign");
    const char *unverified = text_of(probe, "not_verified");

    *passed = json_is_object(probe) && !*unverified && !wrong == !strcmp(value, "yes");
    if (!json_is_object(probe))
        return memory_copy_text("the probe left no report");
    if (*unverified)
        return memory_format("the disk was not read back: %s", unverified);
    return memory_format(
        "%lld operations, %lld blocks read back: %lld lost, %lld stale, %lld torn, "
        "%lld foreign",
        number_of(probe, "operations"), number_of(probe, "blocks_verified"),
        number_of(probe, "lost"), number_of(probe, "stale"), number_of(probe, "torn"),
        number_of(probe, "foreign"));
}

static char *judge_figure(const char *value, json_t *record, bool *passed, const char *key)
{
    const json_t *figure = json_object_get(json_object_get(record, "probe"), key);
    long long count = (long long)json_integer_value(figure);
    struct range range;

    parse_range(value, &range);
    *passed = figure && count >= range.least && count <= range.most;
    return memory_format("the probe counted %lld %s", count, key);
}

static char *judge_errors(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "errors");
}

static char *judge_redirects(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "redirects");
}

static char *judge_reconnects(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "reconnects");
}

static char *judge_load_exit(const char *value, json_t *record, bool *passed)
{
    struct range range;
    long long code = number_of(record, "load_code");

    parse_range(value, &range);
    *passed = code >= range.least && code <= range.most;
    return memory_format("the load ended with %lld", code);
}

/* ---- sessions ---- */

static int sessions_on(const char *node, const json_t *record)
{
    int count = 0;
    size_t i;
    json_t *session;

    json_array_foreach (json_object_get(json_object_get(record, "final"), "sessions"), i, session)
        count += !json_is_null(json_object_get(session, "target")) &&
                 number_of(session, "node") == strtol(node, NULL, 10);
    return count;
}

static char *judge_session_on(const char *value, json_t *record, bool *passed)
{
    int count = sessions_on(value, record);

    *passed = count > 0;
    return memory_format("%d sessions on node %s at the end", count, value);
}

static char *judge_no_session_on(const char *value, json_t *record, bool *passed)
{
    int count = sessions_on(value, record);

    *passed = !count;
    return memory_format("%d sessions on node %s at the end", count, value);
}

/* The same initiator at the same target. */
static bool is_same(const json_t *a, const json_t *b)
{
    return !strcmp(text_of(a, "initiator"), text_of(b, "initiator")) &&
           json_equal(json_object_get(a, "target"), json_object_get(b, "target"));
}

static bool is_end_of(const json_t *event, const json_t *opened)
{
    bool is_there = json_equal(json_object_get(event, "node"), json_object_get(opened, "node"));

    if (!strcmp(text_of(event, "event"), "session.closed"))
        return is_there && is_same(event, opened) &&
               json_equal(json_object_get(event, "tsih"), json_object_get(opened, "tsih"));
    return is_there && !strcmp(text_of(event, "event"), "process.ended") &&
           !strcmp(text_of(event, "name"), "target");
}

/* How long the initiator of the session that event `index` opened was away after its end. 0: it has
 * not ended between the steady state and the end of the steps, or there was another one by then.
 * -1: for ever. */
static double absence(const json_t *record, size_t index)
{
    const json_t *events = json_object_get(record, "events"),
                 *opened = json_array_get(events, index);
    double ended = 0;

    for (size_t i = index + 1; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);

        if (!strcmp(text_of(event, "event"), "session.opened") && is_same(event, opened))
            return ended ? time_of(event, "time") - ended : 0;
        if (!ended && is_end_of(event, opened))
            ended = time_of(event, "time");
        if (ended && (ended < time_of(record, "steady") || ended > time_of(record, "over")))
            return 0;
    }
    return ended ? -1 : 0;
}

static char *judge_relogin(const char *value, json_t *record, bool *passed)
{
    double longest = 0;
    int count = 0;
    size_t i;
    json_t *event;

    *passed = true;
    json_array_foreach (json_object_get(record, "events"), i, event) {
        double away = strcmp(text_of(event, "event"), "session.opened") ||
                              !json_is_string(json_object_get(event, "target"))
                          ? 0
                          : absence(record, i);

        count += away != 0;
        if (away < 0) {
            *passed = false;
            return memory_format("%s never came back", text_of(event, "initiator"));
        }
        longest = away > longest ? away : longest;
    }
    *passed = longest * 1000 <= duration_of(value);
    return memory_format("%d sessions ended, the longest absence was %.0f ms", count,
                         longest * 1000);
}

/* ---- events ---- */

static const json_t *find_event(const char *pattern, const json_t *record)
{
    double steady = time_of(record, "steady");
    size_t i;
    json_t *event;

    json_array_foreach (json_object_get(record, "events"), i, event)
        if (time_of(event, "time") >= steady && scenario_matches(pattern, event))
            return event;
    return NULL;
}

static char *show_event(const json_t *event, const json_t *record)
{
    char *line = json_dumps(event, JSON_COMPACT);
    char *evidence = memory_format("%.1f s into the run: %s",
                                   time_of(event, "time") - time_of(record, "steady"), line);

    free(line);
    return evidence;
}

static char *judge_event(const char *value, json_t *record, bool *passed)
{
    const json_t *event = find_event(value, record);

    *passed = event != NULL;
    return event ? show_event(event, record) : memory_copy_text("it was not seen");
}

static char *judge_never(const char *value, json_t *record, bool *passed)
{
    const json_t *event = find_event(value, record);

    *passed = !event;
    return event ? show_event(event, record) : memory_copy_text("it was not seen");
}

/* ---- the table ---- */

/* clang-format off */
const struct scenario_expectation scenario_expectations[] = {
    { "stall_below",    "DURATION", "no gap between two answers of the probe is as long",                "stall_below = 1500ms",                     true,  check_duration, judge_stall_below },
    { "stall_above",    "DURATION", "the fault was felt: a gap was longer",                              "stall_above = 900ms",                      true,  check_duration, judge_stall_above },
    { "intact",         "yes|no",   "no block lost, stale, torn or foreign; yes is expected of every probe that nothing is said about", "intact = yes", true, check_flag, judge_intact },
    { "errors",         "RANGE",    "commands of the probe that failed",                                 "errors = 0",                               true,  check_range,    judge_errors },
    { "redirects",      "RANGE",    "times that the probe was redirected, the first login included",     "redirects = 2..",                          true,  check_range,    judge_redirects },
    { "reconnects",     "RANGE",    "times that the probe lost its connection and came back",            "reconnects = 1",                           true,  check_range,    judge_reconnects },
    { "relogin_within", "DURATION", "every session that ended was followed by one of the same initiator and target in time", "relogin_within = 3s",  false, check_duration, judge_relogin },
    { "session_on",     "NODE",     "at the end of the steps a session is on that node",                 "session_on = 2",                           false, check_any,      judge_session_on },
    { "no_session_on",  "NODE",     "at the end of the steps no session is on that node",                "no_session_on = @serving",                 false, check_any,      judge_no_session_on },
    { "event",          "PATTERN",  "an event was seen after the steady state",                          "event = node.fenced node=@serving",        false, check_any,      judge_event },
    { "never",          "PATTERN",  "no such event was seen",                                            "never = node.failed",                      false, check_any,      judge_never },
    { "load_exit",      "RANGE",    "the exit code of the load",                                         "load_exit = 0",                            false, check_range,    judge_load_exit },
    { 0 },
};
/* clang-format on */

const struct scenario_expectation *scenario_find_expectation(const char *name)
{
    for (const struct scenario_expectation *row = scenario_expectations; row->name; row++)
        if (!strcmp(row->name, name))
            return row;
    return NULL;
}

char *scenario_check_claim(const struct scenario_claim *claim)
{
    return claim->expectation->check(claim->value);
}

bool scenario_needs_probe(const struct scenario_claim *claim)
{
    return claim->expectation->needs_probe;
}

/* @words in a claim mean what they meant in the steady state. */
static bool judge_one(const struct scenario_expectation *row, const char *value, json_t *record,
                      json_t *verdicts)
{
    char *what = memory_format("%s = %s", row->name, value), *why = NULL;
    char *resolved = scenario_resolve(value, json_object_get(record, "places"), &why);
    bool passed = false;
    char *evidence = resolved ? row->judge(resolved, record, &passed) : why;

    json_array_append_new(verdicts, json_pack("{s:s, s:b, s:s}", "what", what, "passed", passed,
                                              "evidence", evidence));
    free(what);
    free(resolved);
    free(evidence);
    return passed;
}

void scenario_judge(const struct scenario *scenario, json_t *record)
{
    const struct scenario_expectation *intact = scenario_find_expectation("intact");
    json_t *verdicts = json_array();
    bool passed = !json_array_size(json_object_get(record, "trouble"));
    bool is_told = scenario->load != LOAD_PROBE;

    for (size_t i = 0; i < scenario->claim_count; i++) {
        const struct scenario_claim *claim = &scenario->claims[i];

        is_told |= claim->expectation == intact;
        passed &= judge_one(claim->expectation, claim->value, record, verdicts);
    }
    if (!is_told)
        passed &= judge_one(intact, "yes", record, verdicts);
    json_object_set_new(record, "expectations", verdicts);
    json_object_set_new(record, "passed", json_boolean(passed));
}
