#include "target/iscsi/conn_pool.h"

#include "target/base/memory.h"

#include <stdlib.h>

#define LOOK_SECONDS 0.003

enum { UNUSED_CHUNKS = 64 };

/* One pass: a connection that queues more from on_room has its turn after the others' input. */
static void on_before_sleep(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)events;
    struct conn_pool *pool = container_of(watcher, struct conn_pool, before_sleep);
    struct list *last = pool->dirty.previous, *node;

    while ((node = list_first(&pool->dirty))) {
        list_remove(node);
        conn_take_turn(node);
        if (node == last)
            break;
    }
    if (!list_is_empty(&pool->dirty) || ev_now(loop) - pool->input_at < pool->spin)
        ev_idle_start(loop, &pool->not_yet);
    else
        ev_idle_stop(loop, &pool->not_yet);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct conn_pool *pool = container_of(timer, struct conn_pool, look);
    struct list *node;

    while ((node = list_first(&pool->ending))) {
        list_remove(node);
        conn_look(node);
    }
}

void conn_pool_look_later(struct conn_pool *pool, struct list *ending)
{
    list_remove(ending);
    list_append(&pool->ending, ending);
    if (ev_is_active(&pool->look))
        return;
    ev_timer_set(&pool->look, LOOK_SECONDS, 0);
    ev_timer_start(pool->loop, &pool->look);
}

static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
}

struct conn_pool *conn_pool_new(struct ev_loop *loop, double spin)
{
    struct conn_pool *pool = memory_new(sizeof(*pool));

    pool->loop = loop;
    pool->is_alone = loop_is_alone(loop);
    pool->spin = spin;
    pool->receive = pool->own = memory_new(CONN_RECEIVE_SIZE);
    list_init(&pool->dirty);
    list_init(&pool->ending);
    ev_init(&pool->look, on_look);
    list_init(&pool->unused_spans);
    ev_prepare_init(&pool->before_sleep, on_before_sleep);
    ev_prepare_start(loop, &pool->before_sleep);
    ev_idle_init(&pool->not_yet, on_idle);
    return pool;
}

void conn_pool_free(struct conn_pool *pool)
{
    ev_prepare_stop(pool->loop, &pool->before_sleep);
    ev_idle_stop(pool->loop, &pool->not_yet);
    ev_timer_stop(pool->loop, &pool->look);
    while (pool->unused) {
        struct conn_chunk *next = pool->unused->next;

        free(pool->unused);
        pool->unused = next;
    }
    LIST_FOR_EACH_SAFE (node, &pool->unused_spans) {
        free(container_of(node, struct span, link));
    }
    stream_memory_free(&pool->segments);
    free(pool->own);
    free(pool);
}

void conn_pool_receive_into(struct conn_pool *pool, struct guarded_memory *memory, uint8_t *place)
{
    free(pool->own);
    pool->own = NULL;
    pool->memory = memory;
    pool->receive = place;
}

bool conn_pool_has_lost(struct conn_pool *pool)
{
    if (!pool->memory || !pool->memory->is_lost)
        return false;
    pool->memory = NULL;
    return true;
}

struct ev_loop *conn_pool_loop(const struct conn_pool *pool)
{
    return pool->loop;
}

unsigned conn_pool_count(const struct conn_pool *pool)
{
    return pool->connections;
}

struct conn_chunk *conn_chunk_new(struct conn_pool *pool)
{
    struct conn_chunk *chunk = pool->unused;

    if (!chunk)
        return memory_new(sizeof(*chunk));
    pool->unused = chunk->next;
    pool->unused_count--;
    chunk->users = chunk->used = 0;
    return chunk;
}

void conn_chunk_free(struct conn_pool *pool, struct conn_chunk *chunk)
{
    if (pool->unused_count >= UNUSED_CHUNKS) {
        free(chunk);
        return;
    }
    chunk->next = pool->unused;
    pool->unused = chunk;
    pool->unused_count++;
}

struct span *conn_span_new(struct conn_pool *pool)
{
    struct list *node = list_first(&pool->unused_spans);
    struct span *span;

    if (!node) {
        span = memory_new(sizeof(*span));
        span->is_leaving = &pool->is_sending;
        return span;
    }
    list_remove(node);
    return container_of(node, struct span, link);
}

void conn_span_free(struct conn_pool *pool, struct span *span)
{
    list_append(&pool->unused_spans, &span->link);
}
