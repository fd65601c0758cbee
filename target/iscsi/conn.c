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
    bool is_away; /* its thread does without the lock */
    bool is_gone; /* closed meanwhile: the rest is done when it is back */
    uint64_t bytes_in;
};

static void update_reading(struct conn *conn)
{
    bool reads = !conn->is_mute &&
                 (conn->finished || (!conn->is_held && conn_queued(conn) < CONN_OUTPUT_HIGH));

    if (reads)
        loop_start_io(conn->pool->loop, &conn->readable);
    else
        ev_io_stop(conn->pool->loop, &conn->readable);
}

static void release(struct conn *conn)
{
    conn->pool->connections--;
    close(conn->readable.fd);
    output_free(&conn->output);
    stream_free(&conn->stream);
}

/* The peer is to end it, too. Of a connection that began in this very turn the loop does not know
 * yet, and need not: the pool looks after it. */
static void end_stream(struct conn *conn)
{
    shutdown(conn->readable.fd, SHUT_WR);
    if (conn->begun != ev_iteration(conn->pool->loop))
        return;
    ev_io_stop(conn->pool->loop, &conn->readable);
    conn_pool_look_later(conn->pool, &conn->ending);
}

/* Its thread is back. Whether the connection is still there. */
static bool is_still_there(struct conn *conn)
{
    conn->is_away = false;
    if (!conn->is_gone)
        return true;
    release(conn);
    free(conn);
    return false;
}

/* Sends what is queued, as far as the socket takes it. 0 or -errno; -ECANCELED: the connection is
 * gone. */
static int send_queue(struct conn *conn)
{
    int error = 0;

    while (conn->output.count && !error && !conn->is_mute) {
        conn->is_away = true;
        error = output_send(&conn->output, conn->readable.fd, conn->finished && !conn->expected);
        if (!is_still_there(conn))
            return -ECANCELED;
    }
    return error;
}

/* The queue has been sent as far as it goes. */
static void after_sending(struct conn *conn, bool is_full)
{
    if (conn->is_mute)
        return;
    if (is_full)
        ev_io_start(conn->pool->loop, &conn->writable);
    else
        ev_io_stop(conn->pool->loop, &conn->writable);
    update_reading(conn);
    if (!conn_queued(conn) && conn->finished)
        end_stream(conn);
    if (conn->wants_room && conn_queued(conn) < CONN_OUTPUT_LOW && conn->user->on_room) {
        conn->wants_room = false;
        conn->user->on_room(conn->owner);
    }
}

static void flush(struct conn *conn)
{
    int error = send_queue(conn);

    if (!error || error == -EAGAIN)
        after_sending(conn, error);
    else if (error != -ECANCELED)
        conn_close(conn, error == -EPIPE || error == -ECONNRESET ? "connection reset by the peer"
                                                                 : "cannot send");
}

static void mark_dirty(struct conn *conn)
{
    if (list_is_empty(&conn->dirty)) {
        list_append(&conn->pool->dirty, &conn->dirty);
        loop_wake(conn->pool->loop);
    }
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
        flush(conn);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    flush(container_of(watcher, struct conn, writable));
}

static ssize_t receive(struct conn *conn)
{
    struct conn_pool *pool = conn->pool;
    ssize_t got;
    int error;

    conn->is_away = true;
    conn_pool_leave(pool);
    got = recv(conn->readable.fd, pool->receive, CONN_RECEIVE_SIZE, 0);
    error = errno;
    conn_pool_enter(pool);
    errno = error;
    return got;
}

static const char cut_memory[] = "somebody has cut the file that its input lands in";

/* NULL, or why the connection must end. */
static const char *take(struct conn *conn, ssize_t got)
{
    const char *why;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return NULL;
    if (got < 0 && errno == EFAULT && conn->pool->memory)
        guarded_lose(conn->pool->memory);
    if (conn_pool_has_lost(conn->pool))
        return cut_memory;
    if (got <= 0)
        return conn->finished ? conn->finished
               : got          ? "connection reset by the peer"
                              : "closed by the peer";
    conn->bytes_in += (uint64_t)got;
    conn->pool->input_at = ev_now(conn->pool->loop);
    if (conn->finished)
        return NULL;
    why = stream_feed(&conn->stream, conn->pool->receive, (size_t)got);
    return conn_pool_has_lost(conn->pool) ? cut_memory : why;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct conn *conn = container_of(watcher, struct conn, readable);
    ssize_t got = receive(conn);
    const char *why;

    if (!is_still_there(conn) || conn->is_mute)
        return;
    why = take(conn, got);
    if (why && (!conn->finished || got <= 0))
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
    pool->connections++;
    loop_start_io(pool->loop, &conn->readable);
    return conn;
}

void conn_set_user(struct conn *conn, const struct conn_user *user, void *owner)
{
    conn->user = user;
    conn->owner = owner;
    if (!conn->stream.user)
        stream_init(&conn->stream, &user->stream, owner, &conn->pool->segments);
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
    if (conn->is_away)
        conn->is_gone = true;
    else
        release(conn);
    if (conn->user)
        conn->user->on_closed(conn->owner, why);
    if (!conn->is_gone)
        free(conn);
}

void conn_finish(struct conn *conn, const char *why)
{
    if (conn->finished)
        return;
    conn->finished = why;
    mark_dirty(conn);
    if (!conn->is_mute)
        loop_start_timer(conn->pool->loop, &conn->finish);
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
    return conn->output.sent;
}
