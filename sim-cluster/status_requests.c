#include "sim-cluster/status_requests.h"

#include "sim-cluster/host_report.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "sim-cluster/pending.h"
#include "sim-cluster/status.h"
#include "target/base/event_line.h"

#include <string.h>

#define SESSIONS_DEADLINE_S 0.05
#define STATUS_DEADLINE_S 0.5

enum { LINE_MAX_LENGTH = 8192 };

/* ---- the sessions ---- */

static void gather(struct node *node, const struct event_field *session)
{
    const struct event_field row[] = {
        text("initiator", event_line_text(session, "initiator")),
        text("isid", event_line_text(session, "isid")),
        text("target", event_line_text(session, "target")),
        number("node", node_number(node)),
        text("portal", event_line_text(session, "portal")),
        text("peer", event_line_text(session, "peer")),
        text("since", event_line_text(session, "since")),
        number("commands", event_line_number(session, "commands")),
        number("bytes_in", event_line_number(session, "bytes_in")),
        number("bytes_out", event_line_number(session, "bytes_out")),
        {0},
    };

    event_line_write(&node->gathered, row);
    buffer_append(&node->gathered, "\n", 1);
    node->gathered_count++;
}

static void on_row(void *owner, const char *line, size_t length)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];
    struct node *node = owner;
    char copy[LINE_MAX_LENGTH];

    if (length >= sizeof(copy))
        return;
    memcpy(copy, line, length);
    copy[length] = '\0';
    if (!event_line_read(copy, fields))
        return;
    hosts_note_session(&node->supervisor->hosts, node_number(node), fields);
    gather(node, fields);
}

/* Without a whole answer the last known list stays. */
static void on_sessions(void *owner, json_t *reply, const char *error)
{
    struct node *node = owner;

    (void)reply;
    node->asked_sessions--;
    if (!error) {
        buffer_free(&node->state->sessions);
        node->state->sessions = node->gathered;
        node->state->session_count = node->gathered_count;
        node->gathered = (struct buffer){0};
    }
    buffer_free(&node->gathered);
    node->gathered_count = 0;
}

static bool is_asking(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        if (supervisor->nodes[i].asked_sessions)
            return true;
    return false;
}

/* The nodes that can are asked; then `check` answers. */
static void ask_sessions(struct client *client, pending_check *check)
{
    struct supervisor *supervisor = client->server->supervisor;

    for (size_t i = 0; i < supervisor->cluster.node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        if (!node->target || !moves_can_leave(node))
            continue;
        node->asked_sessions++;
        process_request_rows(node->target, json_pack("{s:s}", "request", "sessions"),
                             SESSIONS_DEADLINE_S, on_row, on_sessions, node);
    }
    pending_add(supervisor, &(struct pending){.client = client->control, .check = check},
                STATUS_DEADLINE_S);
}

/* ---- the answers ---- */

static json_t *answer_text(const struct pending *pending, struct buffer *answer)
{
    if (pending->client)
        control_append(pending->client, buffer_content(answer), answer->length);
    buffer_free(answer);
    return pending_answered();
}

static json_t *check_status(struct supervisor *supervisor, const struct pending *pending)
{
    struct buffer answer = {0};

    if (is_asking(supervisor))
        return NULL;
    buffer_append_text(&answer, "{\"ok\":true,\"status\":");
    status_write(&answer, &supervisor->cluster);
    buffer_append_text(&answer, "}\n");
    return answer_text(pending, &answer);
}

static json_t *check_rows(struct supervisor *supervisor, const struct pending *pending)
{
    struct buffer answer = {0};

    if (is_asking(supervisor))
        return NULL;
    buffer_append_text(&answer, "{\"ok\":true,\"status\":");
    status_write_head(&answer, &supervisor->cluster);
    buffer_append_text(&answer, "}\n");
    status_write_rows(&answer, &supervisor->cluster);
    return answer_text(pending, &answer);
}

static json_t *check_hosts(struct supervisor *supervisor, const struct pending *pending)
{
    (void)pending;
    if (is_asking(supervisor))
        return NULL;
    return json_pack("{s:b, s:o}", "ok", 1, "hosts",
                     host_report(&supervisor->hosts, &supervisor->cluster));
}

json_t *status_answer(struct client *client, json_t *message)
{
    const char *as = json_string_value(json_object_get(message, "as"));

    ask_sessions(client, as && !strcmp(as, "rows") ? check_rows : check_status);
    return NULL;
}

json_t *status_answer_hosts(struct client *client, json_t *message)
{
    (void)message;
    ask_sessions(client, check_hosts);
    return NULL;
}
