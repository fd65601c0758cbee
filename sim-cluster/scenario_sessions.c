#include "sim-cluster/scenario_sessions.h"

#include "target/base/config.h"

#include <stdlib.h>
#include <string.h>

bool scenario_session_is_same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"initiator", "target", "isid"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

static bool is_opening(const json_t *event)
{
    return record_is_event(event, "session.opened") &&
           json_is_string(json_object_get(event, "target"));
}

/* Its own end, or that of its node's process. A session is replaced by one with its ISID; the TSIH
 * tells them apart, where it is known. */
static bool is_end_of(const json_t *event, const json_t *identity)
{
    const json_t *tsih = json_object_get(identity, "tsih");

    if (!json_equal(json_object_get(event, "node"), json_object_get(identity, "node")))
        return false;
    if (record_is_event(event, "session.closed"))
        return scenario_session_is_same(event, identity) &&
               (!tsih || json_equal(tsih, json_object_get(event, "tsih")));
    return record_is_event(event, "process.ended") && !strcmp(record_text(event, "name"), "target");
}

static void add(struct scenario_sessions *list, const json_t *events, size_t next,
                const json_t *identity, double begun)
{
    struct scenario_session *session =
        config_append(&list->sessions, &list->count, sizeof(*list->sessions));

    *session = (struct scenario_session){.identity = identity, .begun = begun};
    for (size_t i = next; i < json_array_size(events) && !session->ended; i++)
        if (is_end_of(json_array_get(events, i), identity))
            session->ended = record_time(json_array_get(events, i), "time");
}

/* Was it opened while the record was kept, and before its steady state? */
static bool has_opening(const json_t *events, const json_t *session, double steady)
{
    size_t i;
    const json_t *event;

    json_array_foreach (events, i, event)
        if (is_opening(event) && record_time(event, "time") <= steady &&
            scenario_session_is_same(event, session) &&
            json_equal(json_object_get(event, "node"), json_object_get(session, "node")))
            return true;
    return false;
}

struct scenario_sessions scenario_sessions_of(const json_t *record)
{
    const json_t *status = json_object_get(json_object_get(record, "places"), "status");
    const json_t *events = json_object_get(record, "events"), *entry;
    struct scenario_sessions list = {0};
    double steady = record_time(record, "steady");
    size_t i;

    json_array_foreach (json_object_get(status, "sessions"), i, entry)
        if (json_is_string(json_object_get(entry, "target")) && !has_opening(events, entry, steady))
            add(&list, events, 0, entry, record_time(record, "begun"));
    json_array_foreach (events, i, entry)
        if (is_opening(entry))
            add(&list, events, i + 1, entry, record_time(entry, "time"));
    return list;
}

void scenario_sessions_free(struct scenario_sessions *sessions)
{
    free(sessions->sessions);
    *sessions = (struct scenario_sessions){0};
}

const struct scenario_session *scenario_sessions_next(const struct scenario_sessions *sessions,
                                                      size_t index)
{
    for (size_t i = index + 1; i < sessions->count; i++)
        if (scenario_session_is_same(sessions->sessions[i].identity,
                                     sessions->sessions[index].identity))
            return &sessions->sessions[i];
    return NULL;
}
