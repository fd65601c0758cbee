#include "sim-cluster/events.h"

#include "target/base/log.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MAX = 16 << 20 };

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
    if (events->file >= 0)
        close(events->file);
    free(events->path);
    *events = (struct events){.file = -1};
}

static void lose(struct events *events)
{
    if (!events->lost++)
        log_line(LOG_WARNING, "%s: events are not recorded: %s", events->path, strerror(errno));
}

static void append_line(struct events *events, const char *line, size_t length)
{
    ssize_t written = write(events->file, line, length);

    if (written == (ssize_t)length) {
        events->size += written;
        events->lost = 0;
        return;
    }
    if (written > 0 && ftruncate(events->file, events->size))
        events->size += written;
    lose(events);
}

void events_append(struct events *events, const json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT);
    char *line = memory_format("%s\n", text);
    size_t length = strlen(line);

    if (events->file >= 0 && events->size + (int64_t)length > RECORD_MAX) {
        close(events->file);
        events->file = -1;
        if (begin_record(events))
            lose(events);
    }
    if (events->file >= 0)
        append_line(events, line, length);
    free(text);
    free(line);
}
