#include "sim-cluster/scenario_sessions.h"
#include "sim-cluster/scenario_verdicts.h"
#include "target/base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { IO_LEAST = 64 << 10 };

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

/* ---- how long away ---- */

char *scenario_judge_relogin(const char *value, json_t *record, bool *passed)
{
    struct scenario_sessions list = scenario_sessions_of(record);
    double steady = record_time(record, "steady"), over = record_time(record, "over"), longest = 0;
    const char *missing = NULL;
    int count = 0;

    for (size_t i = 0; i < list.count; i++) {
        const struct scenario_session *session = &list.sessions[i],
                                      *next = scenario_sessions_next(&list, i);
        double away = next && next->begun > session->ended ? next->begun - session->ended : 0;

        if (!session->ended || session->ended < steady || session->ended > over)
            continue;
        count++;
        longest = away > longest ? away : longest;
        if (!next)
            missing = record_text(session->identity, "initiator");
    }
    scenario_sessions_free(&list);
    *passed = !missing && longest * 1000 <= scenario_duration(value);
    if (missing)
        return memory_format("%s never came back", missing);
    return memory_format("%d sessions ended, the longest absence was %.0f ms", count,
                         longest * 1000);
}

/* ---- pings ---- */

/* The longest time without a NOP-Out in the life of a session, as far as it is between the steady
 * state and the end of the steps; seconds. Counts the NOP-Outs. */
static double longest_silence(const json_t *record, const struct scenario_session *session,
                              int *pings)
{
    double from = record_time(record, "steady"), to = record_time(record, "over"), longest = 0;
    size_t i;
    const json_t *event;

    from = session->begun > from ? session->begun : from;
    to = session->ended && session->ended < to ? session->ended : to;
    json_array_foreach (json_object_get(record, "events"), i, event) {
        double at = record_time(event, "time");

        if (!record_is_event(event, "nop_out") || at < from || at > to ||
            !scenario_session_is_same(event, session->identity))
            continue;
        ++*pings;
        longest = at - from > longest ? at - from : longest;
        from = at;
    }
    return to - from > longest ? to - from : longest;
}

char *scenario_judge_nop_out(const char *value, json_t *record, bool *passed)
{
    struct scenario_sessions list = scenario_sessions_of(record);
    double longest = 0;
    int pings = 0;

    for (size_t i = 0; i < list.count; i++) {
        double silence = longest_silence(record, &list.sessions[i], &pings);

        longest = silence > longest ? silence : longest;
    }
    scenario_sessions_free(&list);
    *passed = pings && longest * 1000 <= scenario_duration(value);
    if (!pings)
        return memory_copy_text("no initiator has sent a NOP-Out");
    return memory_format("%d NOP-Outs, a session was without one for %.0f ms at most", pings,
                         longest * 1000);
}

/* ---- data ---- */

static long long bytes_of(const json_t *session)
{
    return record_number(session, "bytes_in") + record_number(session, "bytes_out");
}

/* What it had moved by the end of the steps. */
static long long bytes_before(const json_t *record, const json_t *session)
{
    const json_t *other;
    size_t i;

    json_array_foreach (json_object_get(json_object_get(record, "final"), "sessions"), i, other)
        if (scenario_session_is_same(other, session) &&
            json_equal(json_object_get(other, "node"), json_object_get(session, "node")) &&
            json_equal(json_object_get(other, "since"), json_object_get(session, "since")))
            return bytes_of(other);
    return 0;
}

/* Moved by all sessions of that initiator with that target since the end of the steps. */
static long long bytes_since(const json_t *record, const json_t *identity)
{
    long long bytes = 0;
    const json_t *session;
    size_t i;

    json_array_foreach (json_object_get(json_object_get(record, "later"), "sessions"), i, session)
        if (json_equal(json_object_get(session, "initiator"),
                       json_object_get(identity, "initiator")) &&
            json_equal(json_object_get(session, "target"), json_object_get(identity, "target")))
            bytes += bytes_of(session) - bytes_before(record, session);
    return bytes;
}

char *scenario_judge_io_goes_on(const char *value, json_t *record, bool *passed)
{
    const json_t *status = json_object_get(json_object_get(record, "places"), "status"), *session;
    const char *slowest = "";
    long long least = LLONG_MAX;
    size_t i;

    (void)value;
    json_array_foreach (json_object_get(status, "sessions"), i, session) {
        long long bytes = json_is_string(json_object_get(session, "target"))
                              ? bytes_since(record, session)
                              : LLONG_MAX;

        if (bytes < least) {
            least = bytes;
            slowest = record_text(session, "initiator");
        }
    }
    *passed = least != LLONG_MAX && least >= IO_LEAST;
    return least == LLONG_MAX ? memory_copy_text("nobody was at a target")
                              : memory_format("%s moved %lld bytes", slowest, least);
}
