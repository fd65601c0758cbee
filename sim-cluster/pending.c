#include "sim-cluster/pending.h"

#include "target/base/control.h"
#include "target/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

json_t *pending_error(const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    return json_pack("{s:s}", "error", sentence);
}

json_t *pending_answered(void)
{
    return json_null();
}

json_t *pending_done(const struct supervisor *supervisor, const struct pending *pending)
{
    int64_t duration_ms = (int64_t)((ev_now(supervisor->loop) - pending->begun) * 1000);

    return json_pack("{s:b, s:I}", "ok", 1, "duration_ms", (json_int_t)duration_ms);
}

void pending_add(struct supervisor *supervisor, const struct pending *pending, double deadline_s)
{
    struct pending *copy = memory_new(sizeof(*copy));

    *copy = *pending;
    copy->begun = ev_now(supervisor->loop);
    copy->deadline = copy->begun + deadline_s;
    list_append(&supervisor->pending, &copy->link);
}

static void answer(struct pending *pending, json_t *reply)
{
    list_remove(&pending->link);
    if (pending->client && !json_is_null(reply))
        control_send(pending->client, reply);
    else
        json_decref(reply);
    free(pending);
}

void pending_turn(struct supervisor *supervisor)
{
    LIST_FOR_EACH_SAFE (link, &supervisor->pending) {
        struct pending *pending = container_of(link, struct pending, link);
        json_t *reply = pending->check(supervisor, pending);

        if (!reply && ev_now(supervisor->loop) > pending->deadline)
            reply = pending_error("it did not finish within %.0f s; see sim-cluster status",
                                  pending->deadline - pending->begun);
        if (reply)
            answer(pending, reply);
    }
}

void pending_end(struct supervisor *supervisor, const char *error)
{
    while (!list_is_empty(&supervisor->pending))
        answer(container_of(list_first(&supervisor->pending), struct pending, link),
               pending_error("%s", error));
}

void pending_forget(struct supervisor *supervisor, const struct control *client)
{
    LIST_FOR_EACH (link, &supervisor->pending) {
        struct pending *pending = container_of(link, struct pending, link);

        if (pending->client == client)
            pending->client = NULL;
    }
}
