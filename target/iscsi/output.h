/* The output queue of a connection: pieces of chunks and spans of files, in order, sent with as few
 * system calls as possible. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conn_chunk;
struct span;
struct conn_pool;

struct output_piece {
    struct conn_chunk *chunk; /* NULL: a span */
    struct span *span;        /* owned */
    uint32_t start;           /* in the chunk */
    uint32_t length;
};

struct output {
    struct conn_pool *pool;    /* borrowed */
    struct output_piece *ring; /* owned, a power of two */
    uint32_t capacity, first, count;
    struct conn_chunk
        *open; /* the chunk that output_reserve fills; owned as long as no piece lies in it */
    uint64_t queued, sent; /* bytes; sent: in all */
};

void output_init(struct output *output, struct conn_pool *pool);
void output_free(struct output *output);

uint8_t *output_reserve(struct output *output, uint32_t size);
void output_commit(struct output *output, uint32_t size);
void output_add_chunk(struct output *output, struct conn_chunk *chunk, uint32_t start,
                      uint32_t length);
/* Takes the last output_reserve of `size` bytes out of the queue; the caller is a user of the
 * chunk. */
struct conn_chunk *output_detach(struct output *output, uint32_t size);
/* Takes the span, which is begun. */
void output_add_span(struct output *output, struct span *span);

/* One system call, without the lock. 0: something has left, or there is nothing; -EAGAIN: the
 * socket is full; else the connection is broken. `is_last`: the end of the stream follows at once,
 * and leaves with the last bytes. */
int output_send(struct output *output, int socket, bool is_last);
