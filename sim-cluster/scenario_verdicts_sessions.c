#include "sim-cluster/scenario_verdicts.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- where ---- */

static int sessions_on(const char *node, const json_t *record)
{
    int count = 0;
    size_t i;
    json_t *session;

    json_array_foreach (json_object_get(json_object_get(record, "final"), "sessions"), i, session)
        count += !json_is_null(json_object_get(session, "target")) &&
                 record_number(session, "node") == strtol(node, NULL, 10);
    return count;
}

char *scenario_judge_session_on(const char *value, json_t *record, bool *passed)
{
    int count = sessions_on(value, record);

    *passed = count > 0;
    return memory_format("%d sessions on node %s at the end", count, value);
}

char *scenario_judge_no_session_on(const char *value, json_t *record, bool *passed)
{
    int count = sessions_on(value, record);

    *passed = !count;
    return memory_format("%d sessions on node %s at the end", count, value);
}

/* The same initiator at the same target. */
static bool is_same(const json_t *a, const json_t *b)
{
    return !strcmp(record_text(a, "initiator"), record_text(b, "initiator")) &&
           json_equal(json_object_get(a, "target"), json_object_get(b, "target"));
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

        if (record_is_event(event, "session.opened") && is_same(event, opened))
            return ended ? record_time(event, "time") - ended : 0;
        if (!ended && record_ends_session(event, opened))
            ended = record_time(event, "time");
        if (ended && (ended < record_time(record, "steady") || ended > record_time(record, "over")))
            return 0;
    }
    return ended ? -1 : 0;
}

char *scenario_judge_relogin(const char *value, json_t *record, bool *passed)
{
    double longest = 0;
    int count = 0;
    size_t i;
    json_t *event;

    *passed = true;
    json_array_foreach (json_object_get(record, "events"), i, event) {
        double away = !record_is_event(event, "session.opened") ||
                              !json_is_string(json_object_get(event, "target"))
                          ? 0
                          : absence(record, i);

        count += away != 0;
        if (away < 0) {
            *passed = false;
            return memory_format("%s never came back", record_text(event, "initiator"));
        }
        longest = away > longest ? away : longest;
    }
    *passed = longest * 1000 <= scenario_duration(value);
    return memory_format("%d sessions ended, the longest absence was %.0f ms", count,
                         longest * 1000);
}

/* ---- pings ---- */

/* The longest time without a NOP-Out in the life of the session that event `index` opened, as far
 * as it is between the steady state and the end of the steps; seconds. Counts the NOP-Outs. */
static double longest_silence(const json_t *record, size_t index, int *pings)
{
    const json_t *events = json_object_get(record, "events"),
                 *opened = json_array_get(events, index);
    double steady = record_time(record, "steady"), end = record_time(record, "over");
    double last = record_time(opened, "time"), longest = 0;

    last = last > steady ? last : steady;
    for (size_t i = index + 1; i < json_array_size(events) && last < end; i++) {
        const json_t *event = json_array_get(events, i);
        double at = record_time(event, "time");
        bool is_ping = record_is_event(event, "nop_out") && is_same(event, opened) &&
                       json_equal(json_object_get(event, "tsih"), json_object_get(opened, "tsih"));

        if (record_ends_session(event, opened))
            end = at < end ? at : end;
        if (!is_ping || at < last || at > end)
            continue;
        ++*pings;
        longest = at - last > longest ? at - last : longest;
        last = at;
    }
    return end - last > longest ? end - last : longest;
}

char *scenario_judge_nop_out(const char *value, json_t *record, bool *passed)
{
    double longest = 0;
    int pings = 0;
    size_t i;
    json_t *event;

    json_array_foreach (json_object_get(record, "events"), i, event)
        if (record_is_event(event, "session.opened") &&
            json_is_string(json_object_get(event, "target"))) {
            double silence = longest_silence(record, i, &pings);

            longest = silence > longest ? silence : longest;
        }
    *passed = pings && longest * 1000 <= scenario_duration(value);
    if (!pings)
        return memory_copy_text("no initiator has sent a NOP-Out");
    return memory_format("%d NOP-Outs, a session was without one for %.0f ms at most", pings,
                         longest * 1000);
}
