/* What the record of an initiator makes of events. */
#include "sim-cluster/hosts.h"

#include "target/base/event.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *event, const char *key)
{
    return json_string_value(json_object_get(event, key));
}

static int64_t number_of(const json_t *event, const char *key)
{
    return json_integer_value(json_object_get(event, key));
}

static double time_of(const json_t *event)
{
    return event_parse_time(text_of(event, "time"));
}

static void keep(char **field, const char *value)
{
    char *copy = value ? memory_copy_text(value) : NULL;

    free(*field);
    *field = copy;
}

/* NULL: the event names no initiator. */
static struct host_record *host_of(struct hosts *hosts, const json_t *event)
{
    const char *name = text_of(event, "initiator");

    return name ? hosts_get(hosts, name, time_of(event)) : NULL;
}

/* NULL: it is about discovery, or nobody. */
static struct host_path *path_of(struct hosts *hosts, const json_t *event)
{
    const char *target = text_of(event, "target"), *isid = text_of(event, "isid");
    struct host_record *host = host_of(hosts, event);

    return host && target && isid ? hosts_get_path(hosts, host, target, isid) : NULL;
}

/* ---- logins ---- */

/* A login that is not what a redirect sent it to: the initiator tries (again) by itself. */
static void note_try(struct host_path *path, double now)
{
    struct host_record *host = path->reach->host;
    int64_t gap_ms = (int64_t)((now - path->tried_at) * 1000 + 0.5);

    if (path->state == HOST_PATH_LOST) {
        if (path->tries && (host->cadence_ms < 0 || gap_ms < host->cadence_ms))
            host->cadence_ms = gap_ms;
        if (++path->tries > host->most_tries)
            host->most_tries = path->tries;
    }
    path->tried_at = now;
}

/* Whether the login at this portal is what the last redirect sent it to. */
static bool take_redirect(struct host_path *path, const char *portal)
{
    bool is_sent = path->redirected_to && portal && !strcmp(path->redirected_to, portal);

    free(path->redirected_to);
    path->redirected_to = NULL;
    return is_sent;
}

static void note_redirected(struct hosts *hosts, const json_t *event)
{
    struct host_path *path = path_of(hosts, event);

    if (!path)
        return;
    path->reach->host->redirects++;
    path->redirects++;
    note_try(path, time_of(event));
    keep(&path->floating_ip, text_of(event, "portal"));
    keep(&path->redirected_to, text_of(event, "to"));
}

static void note_refused(struct hosts *hosts, const json_t *event)
{
    struct host_record *host = host_of(hosts, event);
    struct host_path *path = path_of(hosts, event);

    if (host)
        host->refusals++;
    if (path && !take_redirect(path, text_of(event, "portal")))
        note_try(path, time_of(event));
}

/* ---- sessions ---- */

static void note_return(struct host_path *path, double now)
{
    struct host_record *host = path->reach->host;
    struct host_return *last = &host->returns[host->return_count++ % HOST_RETURNS_MAX];

    last->lost_at = path->lost_at;
    last->duration_ms = (int64_t)((now - path->lost_at) * 1000 + 0.5);
    last->tries = path->tries;
    keep(&last->target, path->reach->target);
    keep(&last->reason, path->reason);
    memcpy(last->isid, path->isid, sizeof(last->isid));
    if (last->duration_ms > host->longest_return_ms)
        host->longest_return_ms = last->duration_ms;
}

static void note_opened(struct hosts *hosts, const json_t *event)
{
    struct host_record *host = host_of(hosts, event);
    struct host_path *path = path_of(hosts, event);
    double now = time_of(event);

    if (!path) {
        if (host)
            host->discoveries++;
        return;
    }
    if (!take_redirect(path, text_of(event, "portal"))) {
        note_try(path, now);
        keep(&path->floating_ip, NULL);
        host->direct_logins++;
    }
    if (path->state == HOST_PATH_LOST)
        note_return(path, now);
    host->logins++;
    path->logins++;
    path->since = now;
    path->node = (int)number_of(event, "node");
    path->tsih = (int)number_of(event, "tsih");
    path->is_silenced = false;
    keep(&path->portal, text_of(event, "portal"));
    keep(&path->peer, text_of(event, "peer"));
    keep(&host->offered, text_of(event, "offered"));
    hosts_move_path(hosts, path, HOST_PATH_OPEN);
}

static void lose(struct hosts *hosts, struct host_path *path, const char *reason, double now)
{
    path->reach->host->losses++;
    path->losses++;
    path->lost_at = now;
    path->tries = 0;
    keep(&path->reason, reason);
    hosts_move_path(hosts, path, HOST_PATH_LOST);
}

static bool is_its_session(const struct host_path *path, const json_t *event, int node)
{
    return path && path->node == node && path->tsih == number_of(event, "tsih");
}

static void note_habits(struct host_path *path, const json_t *told, const char *count)
{
    struct host_record *host = path->reach->host;
    json_t *period = json_object_get(told, "nop_out_period_ms");
    int64_t quiet_ms = number_of(told, "quiet_ms");

    path->nops = (uint64_t)number_of(told, count);
    if (json_integer_value(period) > 0)
        host->nop_period_ms = json_integer_value(period);
    if (quiet_ms > host->quiet_ms)
        host->quiet_ms = quiet_ms;
}

static void note_closed(struct hosts *hosts, const json_t *event)
{
    const char *reason = text_of(event, "reason");
    struct host_path *path = path_of(hosts, event);
    bool is_asked = json_is_true(json_object_get(event, "asked"));

    if (!is_its_session(path, event, (int)number_of(event, "node")))
        return;
    if (path->state == HOST_PATH_OPEN) {
        note_habits(path, event, "nop_outs");
        if (!is_asked && reason && !strcmp(reason, "logged out"))
            hosts_move_path(hosts, path, HOST_PATH_LEFT);
        else
            lose(hosts, path, is_asked ? "asked to log out" : reason, time_of(event));
    }
    path->is_silenced = false;
}

static void note_pinged(struct hosts *hosts, const json_t *event)
{
    struct host_path *path = path_of(hosts, event);

    if (!is_its_session(path, event, (int)number_of(event, "node")))
        return;
    path->reach->host->nop_period_ms = number_of(event, "period_ms");
    if (path->state == HOST_PATH_OPEN && path->nops < 2)
        path->nops = 2;
}

static void note_function(struct hosts *hosts, const json_t *event)
{
    struct host_record *host = host_of(hosts, event);
    const char *function = text_of(event, "function");
    json_int_t count;

    if (!host || !function)
        return;
    count = json_integer_value(json_object_get(host->functions, function));
    json_object_set_new(host->functions, function, json_integer(count + 1));
}

/* ---- nodes ---- */

static void lose_node(struct hosts *hosts, int node, const char *reason, bool is_silenced,
                      double now)
{
    LIST_FOR_EACH (link, &hosts->all) {
        struct host_record *host = container_of(link, struct host_record, link);

        LIST_FOR_EACH_SAFE (element, &host->open) {
            struct host_path *path = container_of(element, struct host_path, link);

            if (path->node != node)
                continue;
            path->is_silenced = is_silenced;
            lose(hosts, path, reason, now);
        }
    }
}

/* It was silent for so short a time that nobody came back anew. */
static void find_again(struct hosts *hosts, int node)
{
    LIST_FOR_EACH (link, &hosts->all) {
        struct host_record *host = container_of(link, struct host_record, link);

        LIST_FOR_EACH_SAFE (element, &host->past) {
            struct host_path *path = container_of(element, struct host_path, link);

            if (!path->is_silenced || path->node != node || path->state != HOST_PATH_LOST)
                continue;
            path->is_silenced = false;
            path->losses--;
            host->losses--;
            hosts_move_path(hosts, path, HOST_PATH_OPEN);
        }
    }
}

static void end_silence(struct hosts *hosts, int node)
{
    LIST_FOR_EACH (link, &hosts->all) {
        struct host_record *host = container_of(link, struct host_record, link);

        LIST_FOR_EACH (element, &host->past) {
            struct host_path *path = container_of(element, struct host_path, link);

            if (path->node == node)
                path->is_silenced = false;
        }
    }
}

static void note_process(struct hosts *hosts, const json_t *event)
{
    const char *name = text_of(event, "name"), *how = text_of(event, "how");
    int node = (int)number_of(event, "node");

    if (!name || strcmp(name, "target"))
        return;
    lose_node(hosts, node, how ? how : "its process ended", false, time_of(event));
    end_silence(hosts, node);
}

static void note_node(struct hosts *hosts, const json_t *event)
{
    static const struct {
        const char *state, *reason;
    } silences[] = {
        {"frozen", "its node froze"},
        {"off", "its node lost power"},
        {"isolated", "its node was isolated"},
    };
    const char *state = text_of(event, "state");
    int node = (int)number_of(event, "node");

    for (size_t i = 0; state && i < sizeof(silences) / sizeof(*silences); i++)
        if (!strcmp(silences[i].state, state))
            lose_node(hosts, node, silences[i].reason, true, time_of(event));
    if (state && (!strcmp(state, "up") || !strcmp(state, "draining")))
        find_again(hosts, node);
}

static const struct {
    enum event_kind kind;
    void (*note)(struct hosts *hosts, const json_t *event);
} notes[] = {
    {EVENT_LOGIN_REDIRECTED, note_redirected}, {EVENT_LOGIN_REFUSED, note_refused},
    {EVENT_SESSION_OPENED, note_opened},       {EVENT_SESSION_CLOSED, note_closed},
    {EVENT_SESSION_PINGED, note_pinged},       {EVENT_TASK_MANAGEMENT, note_function},
    {EVENT_PROCESS_ENDED, note_process},       {EVENT_NODE_STATE, note_node},
};

void hosts_note(struct hosts *hosts, const json_t *event)
{
    const char *kind = text_of(event, "event");

    for (size_t i = 0; kind && i < sizeof(notes) / sizeof(*notes); i++) {
        if (!strcmp(event_name(notes[i].kind), kind)) {
            notes[i].note(hosts, event);
            return;
        }
    }
}

void hosts_note_sessions(struct hosts *hosts, int node, const json_t *sessions)
{
    size_t index;
    json_t *session;

    json_array_foreach ((json_t *)sessions, index, session) {
        const char *name = text_of(session, "initiator"), *target = text_of(session, "target");
        const char *isid = text_of(session, "isid");
        struct host_path *path =
            name && target && isid ? hosts_find_path(hosts, name, target, isid) : NULL;

        if (!is_its_session(path, session, node) || path->state != HOST_PATH_OPEN)
            continue;
        note_habits(path, session, "nop_outs");
        path->last_nop_period_ms = number_of(session, "nop_out_last_period_ms");
    }
}
