#include "target/base/child.h"

#include "target/base/control.h"
#include "target/base/event_line.h"
#include "target/base/memory.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CONTROL_DESCRIPTOR = 3, LAST_WORDS_MS = 1000 };

struct child {
    struct control *control;              /* owned */
    const struct child_request *requests; /* borrowed */
    void *owner;                          /* borrowed */
};

static void on_closed(void *owner, const char *reason)
{
    (void)owner, (void)reason;
    exit(0);
}

static void on_message(void *owner, json_t *message)
{
    struct child *child = owner;
    const char *name = json_string_value(json_object_get(message, "request"));
    int64_t id = json_integer_value(json_object_get(message, "id"));

    if (name && !strcmp(name, "ping")) {
        child_reply(child, id, NULL);
        return;
    }
    for (const struct child_request *row = child->requests; name && row->name; row++) {
        if (!strcmp(row->name, name)) {
            row->run(child->owner, id, message);
            return;
        }
    }
    child_refuse(child, id, "unknown request %s", name ? name : "without a name");
}

struct child *child_new(struct ev_loop *loop, const struct child_request *requests, void *owner)
{
    struct child *child;
    struct stat about;

    if (fstat(CONTROL_DESCRIPTOR, &about) || !S_ISSOCK(about.st_mode)) {
        fputs("this program is started by sim-cluster: run `sim-cluster up`\n", stderr);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    child = memory_new(sizeof(*child));
    child->requests = requests;
    child->owner = owner;
    child->control = control_new(loop, CONTROL_DESCRIPTOR, on_message, on_closed, child);
    return child;
}

static void send_event(void *owner, const char *line, size_t length)
{
    struct child *child = owner;

    control_append(child->control, line, length);
}

void child_start_events(struct child *child, const char *process, int node)
{
    event_start(process, node, send_event, child);
}

void child_reply_row(struct child *child, int64_t id, struct event_field *fields)
{
    struct buffer line = {0};

    fields[0] = number("row", id);
    event_line_write(&line, fields);
    buffer_append(&line, "\n", 1);
    control_append(child->control, buffer_content(&line), line.length);
    buffer_free(&line);
}

void child_reply(struct child *child, int64_t id, json_t *fields)
{
    json_t *reply = fields ? fields : json_object();

    json_object_set_new(reply, "id", json_integer(id));
    json_object_set_new(reply, "ok", json_true());
    control_send(child->control, reply);
}

void child_refuse(struct child *child, int64_t id, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    control_send(child->control, json_pack("{s:I, s:s}", "id", (json_int_t)id, "error", sentence));
}

void child_exit(struct child *child)
{
    control_flush(child->control, LAST_WORDS_MS);
    exit(0);
}
