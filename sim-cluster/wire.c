#include "sim-cluster/wire.h"

#include "sim-cluster/wire_frame.h"
#include "target/base/child.h"
#include "target/base/faults.h"
#include "target/base/list.h"
#include "target/base/memory.h"
#include "target/base/sandbox.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    NODE_END = 6,
    BRIDGE_END = 7,
    FRAME_SIZE = 128 << 10, /* a segment of TCP that is cut later, with its header */
    FRAMES_A_TURN = 64,
    HELD_MAXIMUM = 32 << 20, /* bytes; what comes beyond that is lost */
};

enum direction { DIRECTION_IN, DIRECTION_OUT }; /* as the node sees it */

/* A frame with the header that says what is left to do to it: both sockets speak of it alike. */
struct held {
    struct list link;
    double due; /* loop time */
    size_t length;
    uint8_t bytes[];
};

struct way {
    struct wire *wire;
    enum direction direction;
    ev_io readable;
    int to;
    struct list held; /* in the order of their time */
    ev_timer next;
};

struct wire {
    struct ev_loop *loop;
    struct child *child;
    struct faults faults;
    char *network; /* owned; NULL: not started */
    struct way ways[2];
    size_t held; /* bytes */
    uint8_t frame[FRAME_SIZE];
};

struct verdict {
    bool is_lost;
    int copies;
    double delay; /* seconds */
};

static void judge(struct verdict *verdict, struct fault_rule *rule)
{
    if (fault_is_kind(rule, "network.delay"))
        verdict->delay += fault_delay_ms(rule) / 1000;
    else if (fault_is_kind(rule, "network.duplicate"))
        verdict->copies++;
    else
        verdict->is_lost = true;
}

static struct verdict judge_frame(struct wire *wire, enum direction direction, size_t length)
{
    const uint8_t *frame = wire->frame + sizeof(struct virtio_net_hdr);
    struct address from, to;
    struct fault_point point = {
        .where = FAULT_NETWORK,
        .node = wire->faults.node,
        .network = wire->network,
        .direction = direction,
        .pdu = -1,
        .command = -1,
        .lba = -1,
        .size = (int64_t)length,
    };
    struct verdict verdict = {.copies = 1};
    struct fault_rule *rule;

    if (wire_frame_decode(frame, length, &from, &to))
        point.peer = direction == DIRECTION_IN ? &from : &to;
    for (size_t i = 0; !verdict.is_lost && (rule = faults_strike(&wire->faults, &point, &i));)
        judge(&verdict, rule);
    return verdict;
}

/* A link that is full or down loses it, as links do. */
static void pass(const struct way *way, const uint8_t *bytes, size_t length)
{
    send(way->to, bytes, length, MSG_DONTWAIT);
}

static void release(struct way *way, struct held *held)
{
    pass(way, held->bytes, held->length);
    way->wire->held -= held->length;
    list_remove(&held->link);
    free(held);
}

static void plan(struct way *way)
{
    struct list *first = list_first(&way->held);
    double now = ev_now(way->wire->loop);

    ev_timer_stop(way->wire->loop, &way->next);
    if (!first)
        return;
    double left = container_of(first, struct held, link)->due - now;
    ev_timer_set(&way->next, left > 0 ? left : 0, 0);
    ev_timer_start(way->wire->loop, &way->next);
}

static void on_next(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct way *way = container_of(timer, struct way, next);

    LIST_FOR_EACH_SAFE (link, &way->held) {
        struct held *held = container_of(link, struct held, link);

        if (held->due > ev_now(loop))
            break;
        release(way, held);
    }
    plan(way);
}

/* Behind what waits already. */
static void hold(struct way *way, size_t length, double delay)
{
    struct held *last =
        list_is_empty(&way->held) ? NULL : container_of(way->held.previous, struct held, link);
    struct held *held;

    if (way->wire->held + length > HELD_MAXIMUM)
        return;
    held = memory_new(sizeof(*held) + length);
    held->due = ev_now(way->wire->loop) + delay;
    held->length = length;
    memcpy(held->bytes, way->wire->frame, length);
    if (last && last->due > held->due)
        held->due = last->due;
    list_append(&way->held, &held->link);
    way->wire->held += length;
    if (!last)
        plan(way);
}

static void take_frame(struct way *way, size_t length)
{
    struct verdict verdict =
        judge_frame(way->wire, way->direction, length - sizeof(struct virtio_net_hdr));

    for (int i = 0; i < verdict.copies && !verdict.is_lost; i++) {
        if (verdict.delay > 0 || !list_is_empty(&way->held))
            hold(way, length, verdict.delay);
        else
            pass(way, way->wire->frame, length);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct way *way = container_of(watcher, struct way, readable);

    for (int i = 0; i < FRAMES_A_TURN; i++) {
        ssize_t length = recv(watcher->fd, way->wire->frame, FRAME_SIZE, MSG_DONTWAIT);

        if (length < 0 && errno != ENETDOWN) /* a link that goes dark says so once */
            return;
        if (length > (ssize_t)sizeof(struct virtio_net_hdr))
            take_frame(way, (size_t)length);
    }
}

static void on_faults_changed(void *owner)
{
    (void)owner; /* every frame asks the rules */
}

static void begin(struct wire *wire, enum direction direction, int from, int to)
{
    struct way *way = &wire->ways[direction];

    way->wire = wire;
    way->direction = direction;
    way->to = to;
    list_init(&way->held);
    ev_timer_init(&way->next, on_next, 0, 0);
    ev_io_init(&way->readable, on_readable, from, EV_READ);
    ev_io_start(wire->loop, &way->readable);
}

/* ---- requests ---- */

static void take_start(void *owner, int64_t id, json_t *request)
{
    struct wire *wire = owner;
    const char *network = json_string_value(json_object_get(request, "network"));
    struct sandbox sandbox;

    if (wire->network || !network) {
        child_refuse(wire->child, id, "start needs the name of a network, once");
        return;
    }
    if (!sandbox_take(&sandbox, wire->child, id, request, NULL))
        return;
    wire->network = memory_copy_text(network);
    wire->faults.node = (int)json_integer_value(json_object_get(request, "node"));
    child_start_events(wire->child, "wire", wire->faults.node);
    sandbox_tell(&sandbox);
    begin(wire, DIRECTION_OUT, NODE_END, BRIDGE_END);
    begin(wire, DIRECTION_IN, BRIDGE_END, NODE_END);
    child_reply(wire->child, id, NULL);
}

static void take_faults(void *owner, int64_t id, json_t *request)
{
    struct wire *wire = owner;

    faults_take(&wire->faults, wire->child, id, request);
}

static const struct child_request requests[] = {
    {"start", take_start},
    {"faults", take_faults},
    {NULL, NULL},
};

int wire_main(void)
{
    struct wire *wire = memory_new(sizeof(*wire));

    wire->loop = ev_default_loop(EVFLAG_AUTO);
    faults_init(&wire->faults, wire->loop, on_faults_changed, wire);
    wire->child = child_new(wire->loop, requests, wire);
    if (!wire->child)
        return 2;
    ev_run(wire->loop, 0);
    return 0;
}
