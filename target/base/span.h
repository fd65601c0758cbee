/* Bytes of a file on their way to a reader, straight from a mapping of the file. Only system calls
 * may touch them there, which fail with EFAULT where somebody has cut the file, and what is guarded
 * (guarded.h): anything else would end the process. What the reader gets is the file as it was when
 * the span was made: before the file changes, what has not left yet is copied aside. */
#pragma once

#include "target/base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The file. Whoever changes it calls span_source_change before. */
struct span_source {
    struct list spans; /* under way, of struct span, not copied aside */
    int descriptor;    /* borrowed */
    bool has_failed;   /* the file could not be read: it gives no spans any more */
};

struct span {
    struct span_source *source; /* borrowed; not looked at any more once there is a copy */
    const uint8_t *bytes;
    uint64_t offset; /* in the file */
    uint32_t length;
    struct list link; /* in source.spans, or nowhere */
    uint8_t *copy;    /* owned; NULL: none */
    /* Whether a thread that does without the lock sends spans right now, perhaps this one. */
    const atomic_bool *is_leaving; /* borrowed; NULL: none does */
};

void span_source_init(struct span_source *source, int descriptor);
/* Range in bytes of the file; all of it is read by pread where a span lies in it. Waits for a
 * system call of another thread that is just sending such a span; these do not wait themselves. */
void span_source_change(struct span_source *source, uint64_t offset, uint64_t length);

/* `span` (source, bytes, offset and length are set) is under way from now on and must stay where it
 * is until span_end. */
void span_begin(struct span *span);
/* The first `length` bytes have left. */
void span_advance(struct span *span, uint32_t length);
void span_end(struct span *span);

/* Copies aside what has not left: from now on its bytes are the process's own. false: the file
 * cannot be read there; `bytes` is NULL. */
bool span_save(struct span *span);
