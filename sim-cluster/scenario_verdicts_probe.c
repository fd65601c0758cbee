#include "sim-cluster/scenario_verdicts.h"
#include "target/base/memory.h"

#include <string.h>

/* ---- stalls ---- */

/* The longest that ended after the steady state. NULL: none. */
static const json_t *find_longest(const json_t *record)
{
    double steady = record_time(record, "steady");
    const json_t *longest = NULL;
    size_t i;
    json_t *stall;

    json_array_foreach (json_object_get(json_object_get(record, "probe"), "stalls"), i, stall)
        if (record_time(stall, "at") + (double)record_number(stall, "ms") / 1000 >= steady &&
            (!longest || record_number(stall, "ms") > record_number(longest, "ms")))
            longest = stall;
    return longest;
}

static char *describe_longest(const json_t *record, long long *ms)
{
    const json_t *stall = find_longest(record);

    *ms = stall ? record_number(stall, "ms") : 0;
    if (!stall)
        return memory_copy_text("no stall was felt");
    return memory_format("the longest stall was %lld ms, %.1f s into the run%s%s", *ms,
                         record_time(stall, "at") - record_time(record, "steady"),
                         *record_text(stall, "why") ? ": " : "", record_text(stall, "why"));
}

char *scenario_judge_stall_below(const char *value, json_t *record, bool *passed)
{
    long long ms;
    char *evidence = describe_longest(record, &ms);

    *passed = json_is_object(json_object_get(record, "probe")) && ms < scenario_duration(value);
    return evidence;
}

char *scenario_judge_stall_above(const char *value, json_t *record, bool *passed)
{
    long long ms;
    char *evidence = describe_longest(record, &ms);

    *passed = ms > scenario_duration(value);
    return evidence;
}

/* ---- figures ---- */

char *scenario_judge_intact(const char *value, json_t *record, bool *passed)
{
    const json_t *probe = json_object_get(record, "probe");
    long long wrong = record_number(probe, "lost") + record_number(probe, "stale") +
                      record_number(probe, "torn") + record_number(probe, "foreign");
    const char *unverified = record_text(probe, "not_verified");

    *passed = json_is_object(probe) && !*unverified && !wrong == !strcmp(value, "yes");
    if (!json_is_object(probe))
        return memory_copy_text("the probe left no report");
    if (*unverified)
        return memory_format("the disk was not read back: %s", unverified);
    return memory_format(
        "%lld operations, %lld blocks read back: %lld lost, %lld stale, %lld torn, "
        "%lld foreign",
        record_number(probe, "operations"), record_number(probe, "blocks_verified"),
        record_number(probe, "lost"), record_number(probe, "stale"), record_number(probe, "torn"),
        record_number(probe, "foreign"));
}

static char *judge_figure(const char *value, json_t *record, bool *passed, const char *key)
{
    const json_t *figure = json_object_get(json_object_get(record, "probe"), key);
    long long count = (long long)json_integer_value(figure);
    struct scenario_range range;

    scenario_parse_range(value, &range);
    *passed = figure && count >= range.least && count <= range.most;
    return memory_format("the probe counted %lld %s", count, key);
}

char *scenario_judge_errors(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "errors");
}

char *scenario_judge_redirects(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "redirects");
}

char *scenario_judge_reconnects(const char *value, json_t *record, bool *passed)
{
    return judge_figure(value, record, passed, "reconnects");
}

char *scenario_judge_load_exit(const char *value, json_t *record, bool *passed)
{
    struct scenario_range range;
    long long code = record_number(record, "load_code");

    scenario_parse_range(value, &range);
    *passed = code >= range.least && code <= range.most;
    return memory_format("the load ended with %lld", code);
}
