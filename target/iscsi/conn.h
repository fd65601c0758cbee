/* One TCP connection: bytes in are cut into PDUs by its stream, bytes out are queued and leave
 * together. Owns the descriptor, the watchers and the output queue. Who gets the PDUs is its user:
 * first a login, then a session.
 *
 * Output of one turn of the loop leaves in as few system calls as possible, just before the loop
 * sleeps. While more than CONN_OUTPUT_HIGH bytes wait for a slow reader, nothing is read from it
 * either, so that memory stays bounded.
 *
 * Where several loops share a lock (target/base/loops.h) a connection belongs to one of them, and
 * its thread does without the lock while the kernel moves bytes. Its functions may be called by any
 * thread. */
#pragma once

#include "target/base/address.h"
#include "target/base/guarded.h"
#include "target/base/span.h"
#include "target/iscsi/stream.h"

#include <ev.h>

enum {
    CONN_CHUNK_SIZE =
        (64 << 10) + 128,        /* a data segment of 64 KiB with its header, digests and padding */
    CONN_OUTPUT_LOW = 512 << 10, /* room for more data-in below this */
    CONN_OUTPUT_HIGH = 1 << 20,
    CONN_RECEIVE_SIZE = 512 << 10, /* the most that is taken in at once */
};

/* What the connections of one loop share: the receive buffer, unused output chunks and spans. */
struct conn_pool;
/* For `spin` seconds after input the loop looks for more of it before it sleeps. */
struct conn_pool *conn_pool_new(struct ev_loop *loop, double spin);
void conn_pool_free(struct conn_pool *pool);
/* Input lands at `place`, CONN_RECEIVE_SIZE bytes of the memory, which is borrowed. A connection
 * ends whose input was lost with it. */
void conn_pool_receive_into(struct conn_pool *pool, struct guarded_memory *memory, uint8_t *place);
struct ev_loop *conn_pool_loop(const struct conn_pool *pool);
unsigned conn_pool_count(const struct conn_pool *pool); /* of its connections */

/* Memory for output. */
struct conn_chunk {
    struct conn_chunk *next; /* unused ones */
    uint32_t users;          /* pieces of queues that lie in it, and whoever detached a part */
    uint32_t used;
    uint8_t bytes[CONN_CHUNK_SIZE];
};
struct conn_chunk *conn_chunk_new(struct conn_pool *pool);
void conn_chunk_free(struct conn_pool *pool, struct conn_chunk *chunk);

/* For conn_send_span. Not begun, or ended, when it is freed. */
struct span *conn_span_new(struct conn_pool *pool);
void conn_span_free(struct conn_pool *pool, struct span *span);

struct conn;

/* Beside the PDUs (stream_user): */
struct conn_user {
    struct stream_user stream;
    void (*on_room)(void *owner); /* output fell below CONN_OUTPUT_LOW; may be NULL */
    void (*on_closed)(void *owner,
                      const char *why); /* the connection is gone, last call; never from within a
                                           conn_ function but conn_close */
};

/* How PDUs pass between the user and the queue: straight, or by way of somebody who looks at each
 * of them (faulty_conn.c). */
struct conn_way {
    void (*commit)(struct conn *conn, uint32_t size);
    /* What conn_send_detached is to send; the chunk stays the caller's. */
    void (*send)(struct conn *conn, struct conn_chunk *chunk, const uint8_t *bytes,
                 uint32_t length);
    void (*send_span)(struct conn *conn, struct span *span);
    void (*follow_user)(struct conn *conn); /* there is another user */
    void (*leave)(struct conn *conn);       /* the connection is about to be closed */
};
/* NULL: straight. `owner` is borrowed. */
void conn_set_way(struct conn *conn, const struct conn_way *way, void *owner);
void *conn_way_owner(const struct conn *conn);
/* Bytes straight into the queue. */
void conn_put(struct conn *conn, const uint8_t *bytes, uint32_t length);
/* So many more bytes (or fewer) are to come by conn_put: conn_queued counts them. */
void conn_expect_output(struct conn *conn, int64_t change);
const struct conn_user *conn_user(const struct conn *conn);
void *conn_owner(const struct conn *conn);
int conn_descriptor(const struct conn *conn); /* borrowed */

/* Takes `fd`, which is non-blocking. */
struct conn *conn_new(struct conn_pool *pool, int fd, const struct address *local,
                      const struct address *peer);
void conn_set_user(struct conn *conn, const struct conn_user *user, void *owner);
/* Takes what has come by now, before the loop tells of it; by the thread of its loop. May free it.
 */
void conn_receive(struct conn *conn);
struct stream *conn_stream(struct conn *conn);
const struct address *conn_local(const struct conn *conn);
const struct address *conn_peer(const struct conn *conn);
struct conn_pool *conn_pool_of(const struct conn *conn);

/* Ends it now and tells the user. Not from within the user's own stream callbacks: those return why
 * instead. */
void conn_close(struct conn *conn, const char *why);
/* Sends what is queued, then ends the stream and waits a moment for the peer to do the same; input
 * is thrown away. The last words of a login or logout really reach the peer. */
void conn_finish(struct conn *conn, const char *why);
/* No more input or output, the socket stays open and silent. */
void conn_mute(struct conn *conn);
/* Input rests while `is_held`. */
void conn_hold_input(struct conn *conn, bool is_held);

/* Room for `size` contiguous bytes (at most CONN_CHUNK_SIZE) at the end of the queue, to be filled
 * before conn_commit. */
uint8_t *conn_reserve(struct conn *conn, uint32_t size);
void conn_commit(struct conn *conn, uint32_t size);
/* Instead of conn_commit, when the `size` reserved bytes are filled later: they stay where they
 * are, and go to the end of the queue by conn_send_detached (`conn` NULL: the connection is gone)
 * or are given up by the same call with length 0. */
struct conn_chunk *conn_detach(struct conn *conn, uint32_t size);
void conn_send_detached(struct conn_pool *pool, struct conn *conn, struct conn_chunk *chunk,
                        const uint8_t *bytes, uint32_t length);
/* Takes the span, which is begun, to the end of the queue. */
void conn_send_span(struct conn *conn, struct span *span);
uint64_t conn_queued(const struct conn *conn);

uint64_t conn_bytes_in(const struct conn *conn);
uint64_t conn_bytes_out(const struct conn *conn);
