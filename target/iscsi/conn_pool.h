/* For conn.c and conn_pool.c: what the connections of a loop share. */
#pragma once

#include "target/base/loops.h"
#include "target/iscsi/conn.h"

struct conn_pool {
    struct ev_loop *loop;
    ev_prepare before_sleep;
    ev_idle not_yet; /* keeps the loop awake while output is left over or input may follow */
    bool is_alone;   /* the loop: asked often */
    unsigned connections;
    double spin;       /* seconds */
    double input_at;   /* loop time of the last input */
    struct list dirty; /* connections with output of this turn */
    struct list
        ending;    /* connections that the loop does not watch: the peer is about to end them */
    ev_timer look; /* whether it has */
    struct conn_chunk *unused;
    unsigned unused_count;
    struct list unused_spans;
    struct stream_memory segments;
    uint8_t *receive; /* CONN_RECEIVE_SIZE bytes, for the connection that is read right now */
    uint8_t *own;     /* owned: the same; NULL: it is part of other memory */
    struct guarded_memory *memory; /* borrowed: that; NULL: there is none, or it was lost */
    atomic_bool is_sending;        /* spans, without the lock */
};

/* Around a system call for one of its connections. */
static inline void conn_pool_leave(const struct conn_pool *pool)
{
    if (!pool->is_alone)
        loop_leave(pool->loop);
}

static inline void conn_pool_enter(const struct conn_pool *pool)
{
    if (!pool->is_alone)
        loop_enter(pool->loop);
}

/* Whether what has come in was lost just now. */
bool conn_pool_has_lost(struct conn_pool *pool);

/* The turn of a connection that was in `dirty`. */
void conn_take_turn(struct list *dirty);

/* In a moment it is the turn of this connection: conn_look. */
void conn_pool_look_later(struct conn_pool *pool, struct list *ending);
void conn_look(struct list *ending);
