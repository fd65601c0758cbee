#include "target/iscsi/output.h"

#include "target/base/memory.h"
#include "target/iscsi/conn_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PIECES_PER_CALL = 128 };

void output_init(struct output *output, struct conn_pool *pool)
{
    *output = (struct output){.pool = pool};
}

static struct output_piece *piece_at(struct output *output, uint32_t index)
{
    return &output->ring[(output->first + index) & (output->capacity - 1)];
}

static void release(struct output *output, struct conn_chunk *chunk)
{
    if (!--chunk->users && chunk != output->open)
        conn_chunk_free(output->pool, chunk);
}

static void drop(struct output *output, const struct output_piece *piece)
{
    if (piece->chunk) {
        release(output, piece->chunk);
    } else {
        span_end(piece->span);
        conn_span_free(output->pool, piece->span);
    }
}

void output_free(struct output *output)
{
    for (uint32_t i = 0; i < output->count; i++)
        drop(output, piece_at(output, i));
    if (output->open)
        conn_chunk_free(output->pool, output->open);
    free(output->ring);
    *output = (struct output){0};
}

static void grow(struct output *output)
{
    uint32_t capacity = output->capacity ? output->capacity * 2 : 8;
    struct output_piece *ring = memory_new(capacity * sizeof(*ring));

    for (uint32_t i = 0; i < output->count; i++)
        ring[i] = *piece_at(output, i);
    free(output->ring);
    output->ring = ring;
    output->capacity = capacity;
    output->first = 0;
}

static void append(struct output *output, struct output_piece piece)
{
    struct output_piece *last = output->count ? piece_at(output, output->count - 1) : NULL;

    output->queued += piece.length;
    if (last && piece.chunk && last->chunk == piece.chunk &&
        last->start + last->length == piece.start) {
        last->length += piece.length;
        return;
    }
    if (output->count == output->capacity)
        grow(output);
    *piece_at(output, output->count++) = piece;
    if (piece.chunk)
        piece.chunk->users++;
}

uint8_t *output_reserve(struct output *output, uint32_t size)
{
    struct conn_chunk *open = output->open;

    assert(size <= CONN_CHUNK_SIZE);
    if (open && open->used + size > CONN_CHUNK_SIZE) {
        output->open = NULL;
        if (!open->users)
            conn_chunk_free(output->pool, open);
    }
    if (!output->open)
        output->open = conn_chunk_new(output->pool);
    return output->open->bytes + output->open->used;
}

void output_commit(struct output *output, uint32_t size)
{
    struct conn_chunk *open = output->open;

    append(output, (struct output_piece){open, NULL, open->used, size});
    open->used += size;
}

void output_add_chunk(struct output *output, struct conn_chunk *chunk, uint32_t start,
                      uint32_t length)
{
    append(output, (struct output_piece){chunk, NULL, start, length});
}

struct conn_chunk *output_detach(struct output *output, uint32_t size)
{
    struct conn_chunk *chunk = output->open;

    chunk->used += size;
    chunk->users++;
    output->open = NULL;
    return chunk;
}

void output_add_span(struct output *output, struct span *span)
{
    append(output, (struct output_piece){NULL, span, 0, span->length});
}

/* The first `length` bytes of the queue have left. */
static void sent(struct output *output, uint64_t length)
{
    output->queued -= length;
    output->sent += length;
    while (length) {
        struct output_piece *piece = piece_at(output, 0);

        if (length < piece->length) {
            piece->start += (uint32_t)length;
            piece->length -= (uint32_t)length;
            if (!piece->chunk)
                span_advance(piece->span, (uint32_t)length);
            return;
        }
        length -= piece->length;
        drop(output, piece);
        output->first = (output->first + 1) & (output->capacity - 1);
        output->count--;
    }
}

/* While others have the lock, what is queued may become more. */
static ssize_t send_without_lock(struct conn_pool *pool, int socket, const struct msghdr *message,
                                 int flags)
{
    ssize_t length;
    int error;

    atomic_store(&pool->is_sending, true);
    conn_pool_leave(pool);
    length = sendmsg(socket, message, flags);
    error = errno;
    atomic_store(&pool->is_sending, false);
    conn_pool_enter(pool);
    errno = error;
    return length;
}

static ssize_t send_pieces(struct output *output, int socket, bool is_last)
{
    struct iovec parts[PIECES_PER_CALL];
    struct msghdr message = {.msg_iov = parts};

    while (message.msg_iovlen < output->count && message.msg_iovlen < PIECES_PER_CALL) {
        struct output_piece *piece = piece_at(output, (uint32_t)message.msg_iovlen);
        const uint8_t *bytes =
            piece->chunk ? piece->chunk->bytes + piece->start : piece->span->bytes;

        parts[message.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)bytes, piece->length};
    }
    bool has_more = is_last || message.msg_iovlen < output->count;

    return send_without_lock(output->pool, socket, &message,
                             MSG_NOSIGNAL | (has_more ? MSG_MORE : 0));
}

/* After EFAULT: whether a file that lies in the next pieces cannot be read, in another way either.
 */
static bool is_lost(struct output *output)
{
    bool is_new = false;

    for (uint32_t i = 0; i < output->count && i < PIECES_PER_CALL; i++) {
        struct output_piece *piece = piece_at(output, i);

        if (piece->chunk)
            continue;
        is_new |= !piece->span->copy;
        if (!span_save(piece->span))
            return true;
    }
    return !is_new;
}

int output_send(struct output *output, int socket, bool is_last)
{
    ssize_t length = output->count ? send_pieces(output, socket, is_last) : 0;

    if (length >= 0)
        sent(output, (uint64_t)length);
    else if (errno != EINTR && (errno != EFAULT || is_lost(output)))
        return -errno;
    if (!output->count && output->open) { /* idle connections hold no memory */
        conn_chunk_free(output->pool, output->open);
        output->open = NULL;
    }
    return 0;
}
