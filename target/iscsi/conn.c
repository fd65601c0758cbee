#include "target/iscsi/conn.h"

#include "target/base/memory.h"
#include "target/iscsi/conn_pool.h"
#include "target/iscsi/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FINISH_SECONDS 2.0

struct conn {
    struct conn_pool *pool;    /* borrowed */
    struct list dirty, ending; /* in the pool's lists, or in none */
    unsigned begun;            /* turn of the loop */
    ev_io readable, writable;
    ev_timer finish;
    struct address local, peer;
    struct stream stream;
    struct output output;
    const struct conn_user *user;
    void *owner; /* borrowed */
    const struct conn_way *way;
    void *way_owner;      /* borrowed */
    uint64_t expected;    /* bytes of output that are still to come by the way */
    const char *finished; /* why it ends once the output has left */
    bool is_held, is_mute, wants_room;
    uint64_t bytes_in, bytes_out;
};

static void update_reading(struct conn *conn)
{
    bool reads = !conn->is_mute &&
                 (conn->finished || (!conn->is_held && conn_queued(conn) < CONN_OUTPUT_HIGH));

    if (reads)
        ev_io_start(conn->pool->loop, &conn->readable);
    else
        ev_io_stop(conn->pool->loop, &conn->readable);
}

/* The peer is to end it, too. Of a connection that began in this very turn the loop does not know
 * yet, and need not: the pool looks after it. */
static void end_stream(struct conn *conn)
{
    shutdown(conn->readable.fd, SHUT_WR);
    if (conn->is_mute || conn->begun != ev_iteration(conn->pool->loop))
        return;
    ev_io_stop(conn->pool->loop, &conn->readable);
    conn_pool_look_later(conn->pool, &conn->ending);
}

/* NULL, or why the connection must end. */
static const char *flush(struct conn *conn)
{
    uint64_t before = conn->output.queued;
    int error = output_send(&conn->output, conn->readable.fd, conn->finished && !conn->expected);

    conn->bytes_out += before - conn->output.queued;
    if (error == -EAGAIN)
        ev_io_start(conn->pool->loop, &conn->writable);
    else
        ev_io_stop(conn->pool->loop, &conn->writable);
    if (error && error != -EAGAIN)
        return error == -EPIPE || error == -ECONNRESET ? "connection reset by the peer"
                                                       : "cannot send";
    update_reading(conn);
    if (!conn_queued(conn) && conn->finished)
        end_stream(conn);
    return NULL;
}

static void flush_and_tell(struct conn *conn)
{
    const char *why = flush(conn);

    if (why) {
        conn_close(conn, why);
    } else if (conn->wants_room && conn_queued(conn) < CONN_OUTPUT_LOW && conn->user->on_room) {
        conn->wants_room = false;
        conn->user->on_room(conn->owner);
    }
}

static void mark_dirty(struct conn *conn)
{
    if (list_is_empty(&conn->dirty))
        list_append(&conn->pool->dirty, &conn->dirty);
    conn->wants_room |= conn_queued(conn) >= CONN_OUTPUT_LOW;
}

static void commit_straight(struct conn *conn, uint32_t size)
{
    output_commit(&conn->output, size);
    mark_dirty(conn);
}

static void send_straight(struct conn *conn, struct conn_chunk *chunk, const uint8_t *bytes,
                          uint32_t length)
{
    output_add_chunk(&conn->output, chunk, (uint32_t)(bytes - chunk->bytes), length);
    mark_dirty(conn);
}

static void send_span_straight(struct conn *conn, struct span *span)
{
    output_add_span(&conn->output, span);
    mark_dirty(conn);
}

static void follow_user_straight(struct conn *conn)
{
    conn->stream.user = &conn->user->stream;
    conn->stream.owner = conn->owner;
}

static void leave_straight(struct conn *conn)
{
    (void)conn;
}

static const struct conn_way straight = {commit_straight, send_straight, send_span_straight,
                                         follow_user_straight, leave_straight};

void conn_set_way(struct conn *conn, const struct conn_way *way, void *owner)
{
    conn->way = way ? way : &straight;
    conn->way_owner = owner;
    conn->way->follow_user(conn);
}

void *conn_way_owner(const struct conn *conn)
{
    return conn->way_owner;
}

void conn_put(struct conn *conn, const uint8_t *bytes, uint32_t length)
{
    while (length) {
        uint32_t piece = length < CONN_CHUNK_SIZE ? length : CONN_CHUNK_SIZE;

        memcpy(output_reserve(&conn->output, piece), bytes, piece);
        output_commit(&conn->output, piece);
        bytes += piece;
        length -= piece;
    }
    mark_dirty(conn);
}

void conn_expect_output(struct conn *conn, int64_t change)
{
    conn->expected += (uint64_t)change;
    conn->wants_room |= change < 0;
    mark_dirty(conn);
}

const struct conn_user *conn_user(const struct conn *conn)
{
    return conn->user;
}

void *conn_owner(const struct conn *conn)
{
    return conn->owner;
}

int conn_descriptor(const struct conn *conn)
{
    return conn->readable.fd;
}

void conn_take_turn(struct list *dirty)
{
    struct conn *conn = container_of(dirty, struct conn, dirty);

    if (!conn->is_mute && !ev_is_active(&conn->writable))
        flush_and_tell(conn);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    flush_and_tell(container_of(watcher, struct conn, writable));
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct conn *conn = container_of(watcher, struct conn, readable);
    ssize_t got = recv(watcher->fd, conn->pool->receive, RECEIVE_SIZE, 0);
    const char *why = NULL;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        conn_close(conn, conn->finished ? conn->finished
                         : got          ? "connection reset by the peer"
                                        : "closed by the peer");
        return;
    }
    conn->bytes_in += (uint64_t)got;
    conn->pool->input_at = ev_now(loop);
    if (!conn->finished)
        why = stream_feed(&conn->stream, conn->pool->receive, (size_t)got);
    if (why && !conn->finished)
        conn_close(conn, why); /* frees conn: always the last statement */
    else
        update_reading(conn);
}

void conn_receive(struct conn *conn)
{
    on_readable(conn->pool->loop, &conn->readable, EV_READ);
}

void conn_look(struct list *ending)
{
    struct conn *conn = container_of(ending, struct conn, ending);

    update_reading(conn);
    if (!conn->is_mute)
        conn_receive(conn);
}

static void on_finish_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct conn *conn = container_of(timer, struct conn, finish);

    conn_close(conn, conn->finished);
}

struct conn *conn_new(struct conn_pool *pool, int fd, const struct address *local,
                      const struct address *peer)
{
    struct conn *conn = memory_new(sizeof(*conn));

    conn->pool = pool;
    conn->way = &straight;
    conn->local = *local;
    conn->peer = *peer;
    conn->begun = ev_iteration(pool->loop);
    list_init(&conn->dirty);
    list_init(&conn->ending);
    output_init(&conn->output, pool);
    ev_io_init(&conn->readable, on_readable, fd, EV_READ);
    ev_io_init(&conn->writable, on_writable, fd, EV_WRITE);
    ev_timer_init(&conn->finish, on_finish_timeout, FINISH_SECONDS, 0);
    ev_io_start(pool->loop, &conn->readable);
    return conn;
}

void conn_set_user(struct conn *conn, const struct conn_user *user, void *owner)
{
    conn->user = user;
    conn->owner = owner;
    if (!conn->stream.user)
        stream_init(&conn->stream, &user->stream, owner);
    conn->way->follow_user(conn);
}

void conn_close(struct conn *conn, const char *why)
{
    conn->way->leave(conn);
    list_remove(&conn->dirty);
    list_remove(&conn->ending);
    ev_io_stop(conn->pool->loop, &conn->readable);
    ev_io_stop(conn->pool->loop, &conn->writable);
    ev_timer_stop(conn->pool->loop, &conn->finish);
    close(conn->readable.fd);
    output_free(&conn->output);
    stream_free(&conn->stream);
    if (conn->user)
        conn->user->on_closed(conn->owner, why);
    free(conn);
}

void conn_finish(struct conn *conn, const char *why)
{
    if (conn->finished)
        return;
    conn->finished = why;
    mark_dirty(conn);
    if (!conn->is_mute)
        ev_timer_start(conn->pool->loop, &conn->finish);
}

void conn_mute(struct conn *conn)
{
    conn->is_mute = true;
    ev_timer_stop(conn->pool->loop, &conn->finish);
    ev_io_stop(conn->pool->loop, &conn->writable);
    update_reading(conn);
}

void conn_hold_input(struct conn *conn, bool is_held)
{
    conn->is_held = is_held;
    update_reading(conn);
}

uint8_t *conn_reserve(struct conn *conn, uint32_t size)
{
    return output_reserve(&conn->output, size);
}

void conn_commit(struct conn *conn, uint32_t size)
{
    conn->way->commit(conn, size);
}

struct conn_chunk *conn_detach(struct conn *conn, uint32_t size)
{
    return output_detach(&conn->output, size);
}

void conn_send_detached(struct conn_pool *pool, struct conn *conn, struct conn_chunk *chunk,
                        const uint8_t *bytes, uint32_t length)
{
    if (conn && length)
        conn->way->send(conn, chunk, bytes, length);
    if (!--chunk->users)
        conn_chunk_free(pool, chunk);
}

void conn_send_span(struct conn *conn, struct span *span)
{
    conn->way->send_span(conn, span);
}

uint64_t conn_queued(const struct conn *conn)
{
    return conn->output.queued + conn->expected;
}

struct stream *conn_stream(struct conn *conn)
{
    return &conn->stream;
}

const struct address *conn_local(const struct conn *conn)
{
    return &conn->local;
}

const struct address *conn_peer(const struct conn *conn)
{
    return &conn->peer;
}

struct conn_pool *conn_pool_of(const struct conn *conn)
{
    return conn->pool;
}

uint64_t conn_bytes_in(const struct conn *conn)
{
    return conn->bytes_in;
}

uint64_t conn_bytes_out(const struct conn *conn)
{
    return conn->bytes_out;
}
