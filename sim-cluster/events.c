#include "sim-cluster/events.h"

#include "target/base/log.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MAX = 16 << 20, PENDING_MAX = 64 << 10 };

/* 0 or -1 with errno. */
static int begin_record(struct events *events)
{
    char *old = memory_format("%s.1", events->path);
    int failed = rename(events->path, old) && errno != ENOENT;
    int error = errno;

    free(old);
    errno = error;
    if (failed)
        return -1;
    events->file = open(events->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    events->size = 0;
    return events->file < 0 ? -1 : 0;
}

char *events_open(struct events *events, const char *state_directory)
{
    *events =
        (struct events){.path = memory_format("%s/events.jsonl", state_directory), .file = -1};
    return begin_record(events)
               ? memory_format("%s: cannot be written: %s", events->path, strerror(errno))
               : NULL;
}

void events_close(struct events *events)
{
    events_flush(events);
    if (events->file >= 0)
        close(events->file);
    buffer_free(&events->pending);
    free(events->path);
    *events = (struct events){.file = -1};
}

static void lose(struct events *events)
{
    if (!events->lost++)
        log_line(LOG_WARNING, "%s: events are not recorded: %s", events->path, strerror(errno));
}

static void append_lines(struct events *events, const char *lines, size_t length)
{
    ssize_t written = write(events->file, lines, length);

    if (written == (ssize_t)length) {
        events->size += written;
        events->lost = 0;
        return;
    }
    lose(events);
    while (written > 0 && lines[written - 1] != '\n')
        written--;
    if (written > 0)
        events->size += written;
    if (ftruncate(events->file, events->size))
        log_line(LOG_WARNING, "%s: half a line stays in it: %s", events->path, strerror(errno));
}

void events_append(struct events *events, const char *line, size_t length)
{
    if (events->size + (int64_t)(events->pending.length + length) > RECORD_MAX) {
        events_flush(events);
        close(events->file);
        events->file = -1;
        if (begin_record(events))
            lose(events);
    }
    buffer_append(&events->pending, line, length);
    if (events->pending.length > PENDING_MAX)
        events_flush(events);
}

void events_flush(struct events *events)
{
    struct buffer *pending = &events->pending;

    if (events->file >= 0 && pending->length)
        append_lines(events, buffer_content(pending), pending->length);
    buffer_take(pending, pending->length);
}
