#include "target/base/event.h"

#include "target/base/event_line.h"

#include <stddef.h>

static const char *const names[] = {
    [EVENT_CLUSTER_UP] = "cluster.up",
    [EVENT_CLUSTER_DOWN] = "cluster.down",
    [EVENT_MAP_APPLIED] = "map.applied",
    [EVENT_PROCESS_STARTED] = "process.started",
    [EVENT_PROCESS_SANDBOXED] = "process.sandboxed",
    [EVENT_PROCESS_ENDED] = "process.ended",
    [EVENT_NODE_STATE] = "node.state",
    [EVENT_NODE_FAILED] = "node.failed",
    [EVENT_NODE_FENCED] = "node.fenced",
    [EVENT_TARGET_MOVED] = "target.moved",
    [EVENT_FLOATING_IP_UP] = "floating_ip.up",
    [EVENT_FLOATING_IP_DOWN] = "floating_ip.down",
    [EVENT_CONNECTIONS_MUTED] = "connections.muted",
    [EVENT_PORTAL_UP] = "portal.up",
    [EVENT_PORTAL_DOWN] = "portal.down",
    [EVENT_VOLUME_OPENED] = "volume.opened",
    [EVENT_VOLUME_CLOSED] = "volume.closed",
    [EVENT_VOLUME_FAILED] = "volume.failed",
    [EVENT_VOLUME_DAMAGED] = "volume.damaged",
    [EVENT_VOLUME_RESIZED] = "volume.resized",
    [EVENT_POOL_RESIZED] = "pool.resized",
    [EVENT_EXPORT_ADDED] = "export.added",
    [EVENT_EXPORT_REMOVED] = "export.removed",
    [EVENT_ALUA_CHANGED] = "alua.changed",
    [EVENT_NETWORK_LINK] = "network.link",
    [EVENT_LOGIN_REDIRECTED] = "login.redirected",
    [EVENT_LOGIN_REFUSED] = "login.refused",
    [EVENT_SESSION_OPENED] = "session.opened",
    [EVENT_SESSION_CLOSED] = "session.closed",
    [EVENT_CONNECTION_CLOSED] = "connection.closed",
    [EVENT_TASK_MANAGEMENT] = "task_management",
    [EVENT_NOP_OUT] = "nop_out",
    [EVENT_FAULT_SET] = "fault.set",
    [EVENT_FAULT_CLEARED] = "fault.cleared",
    [EVENT_FAULT_HIT] = "fault.hit",
};

/* Set once at start, as the log level is: an event has no other way to its process. */
static struct {
    const char *process;
    int node;
    event_sink *sink;
    void *owner;
} here;

void event_start(const char *process, int node, event_sink *sink, void *owner)
{
    here.process = process;
    here.node = node;
    here.sink = sink;
    here.owner = owner;
}

void event_emit(enum event_kind kind, const struct event_field *fields)
{
    struct event_field all[EVENT_FIELDS_MAX + 1];
    struct buffer line = {0};
    char stamp[EVENT_TIME_SIZE];
    size_t count = 0;

    if (!here.sink)
        return;
    event_format_time(stamp, event_now());
    all[count++] = text("time", stamp);
    all[count++] = text("process", here.process);
    if (here.node)
        all[count++] = number("node", here.node);
    all[count++] = text("event", names[kind]);
    while (fields->type != EVENT_END && count < EVENT_FIELDS_MAX)
        all[count++] = *fields++;
    all[count] = (struct event_field){0};
    event_line_write(&line, all);
    buffer_append(&line, "\n", 1);
    here.sink(here.owner, buffer_content(&line), line.length);
    buffer_free(&line);
}

const char *event_name(enum event_kind kind)
{
    return names[kind];
}
