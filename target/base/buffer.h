/* Bytes that are appended at the end and taken from the front; grows as needed. */
#pragma once

#include <stddef.h>

struct buffer {
    char *bytes; /* owned; the content is bytes[start .. start + length) */
    size_t start, length, capacity;
};

/* Room for `length` more bytes at the end; they count only after buffer_added. */
char *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_added(struct buffer *buffer, size_t length);
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_take(struct buffer *buffer, size_t length);
void buffer_free(struct buffer *buffer);

static inline char *buffer_content(const struct buffer *buffer)
{
    return buffer->bytes + buffer->start;
}
