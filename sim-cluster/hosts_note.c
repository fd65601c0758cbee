/* What the record of an initiator makes of events. */
#include "sim-cluster/hosts.h"

#include "target/base/event_line.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_LENGTH = 8192 };

/* An event, with what most of them name. */
struct note {
    struct hosts *hosts;
    const struct event_field *fields;
    double now;
    int node;
    struct host_record *host; /* NULL: it names no initiator */
    struct host_path *path;   /* NULL: it is about discovery, or nobody */
};

static const char *text_of(const struct note *note, const char *name)
{
    return event_line_text(note->fields, name);
}

static int64_t number_of(const struct note *note, const char *name)
{
    return event_line_number(note->fields, name);
}

static void keep(char **field, const char *value)
{
    char *copy;

    if (*field && value && !strcmp(*field, value))
        return;
    copy = value ? memory_copy_text(value) : NULL;
    free(*field);
    *field = copy;
}

static struct note make_note(struct hosts *hosts, const struct event_field *fields)
{
    struct note note = {.hosts = hosts, .fields = fields};
    const char *name = text_of(&note, "initiator"), *target = text_of(&note, "target");
    const char *isid = text_of(&note, "isid");

    note.now = event_parse_time(text_of(&note, "time"));
    note.node = (int)number_of(&note, "node");
    note.host = name ? hosts_get(hosts, name, note.now) : NULL;
    note.path = name && target && isid ? hosts_get_path(hosts, note.host, target, isid) : NULL;
    return note;
}

static int64_t milliseconds(double seconds)
{
    return (int64_t)(seconds * 1000 + 0.5);
}

/* ---- logins ---- */

/* A login that is not what a redirect sent it to: the initiator tries (again) by itself. */
static void note_try(struct host_path *path, double now)
{
    struct host_record *host = path->reach->host;
    int64_t gap_ms = milliseconds(now - path->tried_at);

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

static void note_redirected(const struct note *note)
{
    struct host_path *path = note->path;

    if (!path)
        return;
    path->reach->host->redirects++;
    path->redirects++;
    note_try(path, note->now);
    keep(&path->floating_ip, text_of(note, "portal"));
    keep(&path->redirected_to, text_of(note, "to"));
}

static void note_refused(const struct note *note)
{
    if (note->host)
        note->host->refusals++;
    if (note->path && !take_redirect(note->path, text_of(note, "portal")))
        note_try(note->path, note->now);
}

/* ---- sessions ---- */

static void note_return(struct host_path *path, double now)
{
    struct host_record *host = path->reach->host;
    struct host_return *last = &host->returns[host->return_count++ % HOST_RETURNS_MAX];

    last->lost_at = path->lost_at;
    last->duration_ms = milliseconds(now - path->lost_at);
    last->tries = path->tries;
    keep(&last->target, path->reach->target);
    keep(&last->reason, path->reason);
    memcpy(last->isid, path->isid, sizeof(last->isid));
    if (last->duration_ms > host->longest_return_ms)
        host->longest_return_ms = last->duration_ms;
}

static void note_opened(const struct note *note)
{
    struct host_record *host = note->host;
    struct host_path *path = note->path;

    if (!path) {
        if (host)
            host->discoveries++;
        return;
    }
    if (!take_redirect(path, text_of(note, "portal"))) {
        note_try(path, note->now);
        keep(&path->floating_ip, NULL);
        host->direct_logins++;
    }
    if (path->state == HOST_PATH_LOST)
        note_return(path, note->now);
    host->logins++;
    path->logins++;
    path->since = note->now;
    path->node = note->node;
    path->tsih = (int)number_of(note, "tsih");
    path->is_silenced = false;
    keep(&path->portal, text_of(note, "portal"));
    keep(&path->peer, text_of(note, "peer"));
    keep(&host->offered, text_of(note, "offered"));
    hosts_move_path(note->hosts, path, HOST_PATH_OPEN);
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

static bool is_its_session(const struct note *note)
{
    return note->path && note->path->node == note->node &&
           note->path->tsih == number_of(note, "tsih");
}

/* -1: no period is known. */
static void note_habits(struct host_path *path, int64_t nops, int64_t period_ms, int64_t quiet_ms)
{
    struct host_record *host = path->reach->host;

    path->nops = (uint64_t)nops;
    if (nops > 1 && period_ms >= 0)
        host->nop_period_ms = period_ms;
    if (quiet_ms > host->quiet_ms)
        host->quiet_ms = quiet_ms;
}

static void note_closed(const struct note *note)
{
    const char *reason = text_of(note, "reason");
    struct host_path *path = note->path;
    bool is_asked = number_of(note, "asked");

    if (!is_its_session(note))
        return;
    if (path->state == HOST_PATH_OPEN) {
        note_habits(path, number_of(note, "nop_outs"), number_of(note, "nop_out_period_ms"),
                    number_of(note, "quiet_ms"));
        if (!is_asked && reason && !strcmp(reason, "logged out"))
            hosts_move_path(note->hosts, path, HOST_PATH_LEFT);
        else
            lose(note->hosts, path, is_asked ? "asked to log out" : reason, note->now);
    }
    path->is_silenced = false;
}

/* Not every one is an event: the session itself counts better. */
static void note_nop(const struct note *note)
{
    struct host_path *path = note->path;

    if (!is_its_session(note) || path->state != HOST_PATH_OPEN)
        return;
    if (path->nops++)
        note->host->nop_period_ms = milliseconds(note->now - path->nop_at);
    path->nop_at = note->now;
}

static void note_function(const struct note *note)
{
    const char *function = text_of(note, "function");
    json_int_t count;

    if (!note->host || !function)
        return;
    count = json_integer_value(json_object_get(note->host->functions, function));
    json_object_set_new(note->host->functions, function, json_integer(count + 1));
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

static void note_process(const struct note *note)
{
    const char *name = text_of(note, "name"), *how = text_of(note, "how");

    if (!name || strcmp(name, "target"))
        return;
    lose_node(note->hosts, note->node, how ? how : "its process ended", false, note->now);
    end_silence(note->hosts, note->node);
}

static void note_node(const struct note *note)
{
    static const struct {
        const char *state, *reason;
    } silences[] = {
        {"frozen", "its node froze"},
        {"off", "its node lost power"},
        {"isolated", "its node was isolated"},
    };
    const char *state = text_of(note, "state");

    for (size_t i = 0; state && i < sizeof(silences) / sizeof(*silences); i++)
        if (!strcmp(silences[i].state, state))
            lose_node(note->hosts, note->node, silences[i].reason, true, note->now);
    if (state && (!strcmp(state, "up") || !strcmp(state, "draining")))
        find_again(note->hosts, note->node);
}

static const struct {
    enum event_kind kind;
    void (*note)(const struct note *note);
} notes[] = {
    {EVENT_LOGIN_REDIRECTED, note_redirected},
    {EVENT_LOGIN_REFUSED, note_refused},
    {EVENT_SESSION_OPENED, note_opened},
    {EVENT_SESSION_CLOSED, note_closed},
    {EVENT_NOP_OUT, note_nop},
    {EVENT_TASK_MANAGEMENT, note_function},
    {EVENT_PROCESS_ENDED, note_process},
    {EVENT_NODE_STATE, note_node},
};

void hosts_note(struct hosts *hosts, const char *line, size_t length)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    char copy[LINE_MAX_LENGTH];
    const char *kind;

    if (length >= sizeof(copy))
        return;
    memcpy(copy, line, length);
    copy[length] = '\0';
    kind = event_line_read(copy, fields) ? event_line_text(fields, "event") : NULL;
    for (size_t i = 0; kind && i < sizeof(notes) / sizeof(*notes); i++) {
        if (!strcmp(event_name(notes[i].kind), kind)) {
            struct note note = make_note(hosts, fields);

            notes[i].note(&note);
            return;
        }
    }
}

void hosts_note_session(struct hosts *hosts, int node, const struct event_field *session)
{
    const char *name = event_line_text(session, "initiator");
    const char *target = event_line_text(session, "target");
    const char *isid = event_line_text(session, "isid");
    struct host_path *path =
        name && target && isid ? hosts_find_path(hosts, name, target, isid) : NULL;

    if (!path || path->node != node || path->tsih != event_line_number(session, "tsih") ||
        path->state != HOST_PATH_OPEN)
        return;
    note_habits(path, event_line_number(session, "nop_outs"),
                event_line_number(session, "nop_out_period_ms"),
                event_line_number(session, "quiet_ms"));
    path->last_nop_period_ms = event_line_number(session, "nop_out_last_period_ms");
}
