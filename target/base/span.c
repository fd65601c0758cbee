#include "target/base/span.h"

#include "target/base/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

void span_source_init(struct span_source *source, int descriptor)
{
    *source = (struct span_source){.descriptor = descriptor};
    list_init(&source->spans);
}

static void wait_until_left(const struct span *span)
{
    while (span->is_leaving && atomic_load(span->is_leaving))
        sched_yield();
}

void span_source_change(struct span_source *source, uint64_t offset, uint64_t length)
{
    LIST_FOR_EACH_SAFE (link, &source->spans) {
        struct span *span = container_of(link, struct span, link);

        if (span->offset < offset + length && offset < span->offset + span->length) {
            wait_until_left(span);
            span_save(span);
        }
    }
}

void span_begin(struct span *span)
{
    span->copy = NULL;
    list_append(&span->source->spans, &span->link);
}

void span_advance(struct span *span, uint32_t length)
{
    span->bytes += length;
    span->offset += length;
    span->length -= length;
}

void span_end(struct span *span)
{
    list_remove(&span->link);
    free(span->copy);
}

static bool read_all(const struct span *span)
{
    uint32_t length = 0;

    while (length < span->length) {
        ssize_t count = pread(span->source->descriptor, span->copy + length, span->length - length,
                              (off_t)(span->offset + length));

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        length += (uint32_t)count;
    }
    return true;
}

bool span_save(struct span *span)
{
    if (span->copy)
        return span->bytes;
    list_remove(&span->link);
    span->copy = memory_new(span->length);
    span->bytes = read_all(span) ? span->copy : NULL;
    if (!span->bytes)
        span->source->has_failed = true;
    return span->bytes;
}
