/* Events: every change of state is one JSON line with time, process, node, kind and typed fields.
 * The kinds are a contract with scripts and tests; no secret ever goes into a field.
 *
 *     event(EVENT_SESSION_OPENED, text("initiator", name), number("tsih", tsih));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_CLUSTER_UP,
    EVENT_CLUSTER_DOWN,
    EVENT_MAP_APPLIED,
    EVENT_PROCESS_STARTED,
    EVENT_PROCESS_SANDBOXED,
    EVENT_PROCESS_ENDED,
    EVENT_NODE_STATE,
    EVENT_NODE_FAILED,
    EVENT_NODE_FENCED,
    EVENT_TARGET_MOVED,
    EVENT_FLOATING_IP_UP,
    EVENT_FLOATING_IP_DOWN,
    EVENT_CONNECTIONS_MUTED,
    EVENT_PORTAL_UP,
    EVENT_PORTAL_DOWN,
    EVENT_VOLUME_OPENED,
    EVENT_VOLUME_CLOSED,
    EVENT_VOLUME_FAILED,
    EVENT_VOLUME_DAMAGED,
    EVENT_VOLUME_RESIZED,
    EVENT_POOL_RESIZED,
    EVENT_EXPORT_ADDED,
    EVENT_EXPORT_REMOVED,
    EVENT_ALUA_CHANGED,
    EVENT_NETWORK_LINK,
    EVENT_LOGIN_REDIRECTED,
    EVENT_LOGIN_REFUSED,
    EVENT_SESSION_OPENED,
    EVENT_SESSION_CLOSED,
    EVENT_CONNECTION_CLOSED,
    EVENT_TASK_MANAGEMENT,
    EVENT_NOP_OUT,
    EVENT_FAULT_SET,
    EVENT_FAULT_CLEARED,
    EVENT_FAULT_HIT,
};

enum event_type { EVENT_END, EVENT_TEXT, EVENT_NUMBER, EVENT_FLAG, EVENT_NULL };

struct event_field {
    enum event_type type;
    const char *name, *text;
    int64_t number;
};

static inline struct event_field text(const char *name, const char *value)
{
    return (struct event_field){value ? EVENT_TEXT : EVENT_NULL, name, value, 0};
}

static inline struct event_field number(const char *name, int64_t value)
{
    return (struct event_field){EVENT_NUMBER, name, NULL, value};
}

static inline struct event_field flag(const char *name, bool value)
{
    return (struct event_field){EVENT_FLAG, name, NULL, value};
}

/* One line of JSON, its newline included; borrowed. */
typedef void event_sink(void *owner, const char *line, size_t length);

/* Where this process's events go, once at start. `node` 0: no node. Without a sink events are
 * dropped. */
void event_start(const char *process, int node, event_sink *sink, void *owner);

#define event(...) event_emit_(__VA_ARGS__, (struct event_field){0})
#define event_emit_(kind, ...) event_emit(kind, (const struct event_field[]){__VA_ARGS__})
void event_emit(enum event_kind kind, const struct event_field *fields);

/* "session.opened" */
const char *event_name(enum event_kind kind);
/* RFC 3339 with microseconds, UTC: 27 characters and the final NUL. */
#define EVENT_TIME_SIZE 28
void event_format_time(char stamp[static EVENT_TIME_SIZE], double unix_time);
/* Unix time; 0: not a time. */
double event_parse_time(const char *stamp);
double event_now(void);
