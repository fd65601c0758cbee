/* PDUs of a faulty connection that are kept back, in and out: in order, until they are due. */
#include "target/base/event.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/iscsi/faulty_pdu.h"

#include <stdlib.h>
#include <string.h>

#define OVERTAKE_SECONDS 1.0 /* nothing came to overtake it */

bool faulty_conn_is_idle(const struct faulty_conn *faulty)
{
    return list_is_empty(&faulty->queues[FAULTY_IN]) && list_is_empty(&faulty->queues[FAULTY_OUT]);
}

const char *faulty_conn_deliver(struct faulty_conn *faulty, struct pdu *pdu)
{
    struct conn *conn = faulty->conn;
    const struct stream_user *user = &conn_user(conn)->stream;
    void *owner = conn_owner(conn);
    const char *why;

    loop_now(conn_pool_loop(conn_pool_of(conn))); /* which may sleep, and be asked for its time */
    why = user->on_begin(owner, pdu);

    if (!why && pdu->data_length)
        why = user->on_data(owner, pdu, pdu->data, pdu->data_length);
    return why ? why : user->on_end(owner, pdu);
}

static void wait_for_first(struct faulty_conn *faulty, enum faulty_direction direction)
{
    struct list *first = list_first(&faulty->queues[direction]);
    ev_timer *timer = &faulty->timers[direction];
    struct ev_loop *loop = faulty->host->faults->loop;
    double left;

    ev_timer_stop(loop, timer);
    if (faulty_conn_is_idle(faulty))
        faults_let_go(faulty->host->faults, FAULT_LOGIN | FAULT_PDU);
    if (!first)
        return;
    left = container_of(first, struct faulty_item, link)->due - event_now();
    ev_now_update(loop);
    ev_timer_set(timer, left > 0 ? left : 0, 0);
    loop_start_timer(loop, timer);
}

static struct faulty_item *take_due(struct faulty_conn *faulty, enum faulty_direction direction)
{
    struct list *first = list_first(&faulty->queues[direction]);
    struct faulty_item *item = first ? container_of(first, struct faulty_item, link) : NULL;

    if (!item || item->due > event_now() + 0.0005)
        return NULL;
    list_remove(first);
    return item;
}

static void on_in_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, timers[FAULTY_IN]);
    const char *why = NULL;
    struct faulty_item *item;

    while (!why && !faulty->doomed && (item = take_due(faulty, FAULTY_IN))) {
        why = faulty_conn_deliver(faulty, &item->pdu);
        free(item);
    }
    if (why)
        conn_close(faulty->conn, why); /* frees it: always the last statement */
    else
        wait_for_first(faulty, FAULTY_IN);
}

/* One a turn where a PDU was cut, so that its pieces leave one by one. */
static void on_out_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_conn *faulty = container_of(timer, struct faulty_conn, timers[FAULTY_OUT]);
    struct faulty_item *item;

    while (!faulty->doomed && (item = take_due(faulty, FAULTY_OUT))) {
        conn_put(faulty->conn, item->bytes, item->length);
        conn_expect_output(faulty->conn, -(int64_t)item->length);
        free(item);
    }
    wait_for_first(faulty, FAULTY_OUT);
}

struct faulty_item *faulty_item_new(const uint8_t *bytes, uint32_t length)
{
    struct faulty_item *item = memory_new(sizeof(*item) + length);

    item->length = length;
    memcpy(item->bytes, bytes, length);
    return item;
}

void faulty_conn_keep(struct faulty_conn *faulty, enum faulty_direction direction,
                      struct faulty_item *item, const struct faulty_verdict *verdict)
{
    struct list *queue = &faulty->queues[direction];
    struct faulty_item *last =
        list_is_empty(queue) ? NULL : container_of(queue->previous, struct faulty_item, link);
    double now = event_now();

    item->due = now + verdict->delay;
    if (verdict->rate) {
        double start = faulty->free_at[direction] > now ? faulty->free_at[direction] : now;

        faulty->free_at[direction] = start + item->length / (double)verdict->rate;
        item->due += faulty->free_at[direction] - now;
    }
    if (direction == FAULTY_OUT)
        conn_expect_output(faulty->conn, item->length);
    if (last && last->is_overtaken) {
        last->is_overtaken = false;
        last->due = item->due;
        list_append(&last->link, &item->link); /* in front of it */
    } else {
        if (last && last->due > item->due)
            item->due = last->due;
        list_append(queue, &item->link);
        item->is_overtaken = verdict->is_overtaken;
        item->due += verdict->is_overtaken ? OVERTAKE_SECONDS : 0;
    }
    wait_for_first(faulty, direction);
}

bool faulty_conn_is_at_once(const struct faulty_conn *faulty, enum faulty_direction direction,
                            const struct faulty_verdict *verdict)
{
    return verdict->delay == 0 && !verdict->rate && !verdict->piece && !verdict->is_overtaken &&
           list_is_empty(&faulty->queues[direction]);
}

void faulty_queues_init(struct faulty_conn *faulty)
{
    list_init(&faulty->queues[FAULTY_IN]);
    list_init(&faulty->queues[FAULTY_OUT]);
    ev_init(&faulty->timers[FAULTY_IN], on_in_due);
    ev_init(&faulty->timers[FAULTY_OUT], on_out_due);
}

void faulty_queues_free(struct faulty_conn *faulty)
{
    struct ev_loop *loop = faulty->host->faults->loop;

    for (int direction = 0; direction < FAULTY_DIRECTIONS; direction++) {
        ev_timer_stop(loop, &faulty->timers[direction]);
        LIST_FOR_EACH_SAFE (node, &faulty->queues[direction]) {
            list_remove(node);
            free(container_of(node, struct faulty_item, link));
        }
    }
}
