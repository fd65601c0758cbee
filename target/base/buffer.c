#include "target/base/buffer.h"

#include "target/base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    size_t wanted = buffer->length + length;

    if (buffer->start + wanted > buffer->capacity && buffer->start) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->length);
        buffer->start = 0;
    }
    if (wanted > buffer->capacity) {
        buffer->capacity = wanted < 256 ? 256 : wanted + wanted / 2;
        buffer->bytes = memory_resize(buffer->bytes, buffer->capacity);
    }
    return buffer->bytes + buffer->start + buffer->length;
}

void buffer_added(struct buffer *buffer, size_t length)
{
    assert(buffer->start + buffer->length + length <= buffer->capacity);
    buffer->length += length;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length)
        memcpy(buffer_reserve(buffer, length), bytes, length);
    buffer->length += length;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_take(struct buffer *buffer, size_t length)
{
    assert(length <= buffer->length);
    buffer->start += length;
    buffer->length -= length;
    if (!buffer->length)
        buffer->start = 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
