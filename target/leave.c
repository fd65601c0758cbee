#include "target/leave.h"

#include "target/base/memory.h"
#include "target/portal.h"

#include <stdlib.h>
#include <string.h>

#define LEAVE_SECONDS 0.5 /* for the last words to the initiators when the node stops */

/* A target on its way to another node. */
struct release {
    struct list link;
    struct node *node;
    char *target; /* owned */
    int64_t request;
    unsigned asked, dropped;
    ev_timer timeout;
};

void leave_answer_map(struct node *node)
{
    if (!node->map_request)
        return;
    child_reply(node->child, node->map_request,
                node->map_failed ? json_pack("{s:o}", "failed", node->map_failed) : NULL);
    node->map_request = 0;
    node->map_failed = NULL;
}

void leave_answer_if_done(struct node *node)
{
    if (node->closing)
        return;
    leave_answer_map(node);
    if (node->stop_request && list_is_empty(&node->service.host.registry.sessions) &&
        list_is_empty(&node->service.volumes)) {
        landing_free(node->landing);
        child_reply(node->child, node->stop_request, NULL);
        child_exit(node->child);
    }
}

static void on_volume_closed(void *owner, int error)
{
    struct node *node = owner;

    (void)
        error; /* the flush failed: every write that asked for stable storage was told so already */
    node->closing--;
    leave_answer_if_done(node);
}

static struct release *find_release(struct node *node, const char *target)
{
    LIST_FOR_EACH (element, &node->releases) {
        struct release *release = container_of(element, struct release, link);

        if (!strcmp(release->target, target))
            return release;
    }
    return NULL;
}

static void on_released(void *owner, int error)
{
    struct release *release = owner;
    struct node *node = release->node;

    if (error)
        child_refuse(node->child, release->request, "cannot flush %s: %s", release->target,
                     strerror(-error));
    else
        child_reply(node->child, release->request,
                    json_pack("{s:i, s:i, s:i}", "sessions", release->asked, "logged_out",
                              release->asked - release->dropped, "dropped", release->dropped));
    list_remove(&release->link);
    free(release->target);
    free(release);
    node->closing--;
    leave_answer_if_done(node);
}

/* The volume has no session: if it is leaving, now it can. */
static void close_if_leaving(struct node *node, struct volume *volume)
{
    struct release *release;

    if (!volume->is_leaving || volume->sessions)
        return;
    release = find_release(node, volume->target);
    node->closing++;
    service_remove_volume(&node->service, volume);
    if (!release) {
        volume_close(volume, on_volume_closed, node);
        return;
    }
    ev_timer_stop(node->loop, &release->timeout);
    volume_close(volume, on_released, release);
}

void leave_on_idle(void *owner, struct volume *volume)
{
    close_if_leaving(owner, volume);
}

static void end_moved(struct session *session)
{
    session_end(session, "target moved to another node");
}

static void leave_volume(struct node *node, struct volume *volume)
{
    if (volume->is_leaving)
        return;
    volume->is_leaving = true;
    if (!volume->sessions)
        close_if_leaving(node, volume);
    else
        service_each_session(&node->service, volume->target, end_moved);
}

void leave_moved(struct node *node)
{
    LIST_FOR_EACH_SAFE (element, &node->service.volumes) {
        struct volume *volume = container_of(element, struct volume, link);
        const struct map_target *target = map_find_target(node->service.map, volume->target);

        if (!target || target->controller != node->service.node)
            leave_volume(node, volume);
    }
}

static void on_release_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct release *release = container_of(timer, struct release, timeout);
    struct node *node = release->node;
    char *target =
        memory_copy_text(release->target); /* the release may end with its last session */

    release->dropped = service_find_volume(&node->service, target)->sessions;
    service_each_session(&node->service, target, end_moved);
    free(target);
}

static void ask_to_leave(struct session *session)
{
    session_request_logout(session, 1);
}

void leave_take_release(void *owner, int64_t id, json_t *request)
{
    struct node *node = owner;
    const char *target = json_string_value(json_object_get(request, "target"));
    json_t *timeout = json_object_get(request, "timeout_ms");
    struct volume *volume =
        target && node->is_started ? service_find_volume(&node->service, target) : NULL;
    struct release *release;

    if (!volume || volume->is_leaving) {
        child_refuse(node->child, id, "%s is not served here",
                     target ? target : "a target without a name");
        return;
    }
    release = memory_new(sizeof(*release));
    release->node = node;
    release->target = memory_copy_text(target);
    release->request = id;
    list_append(&node->releases, &release->link);
    ev_timer_init(&release->timeout, on_release_timeout,
                  json_is_integer(timeout) ? (double)json_integer_value(timeout) / 1000 : 5, 0);
    volume->is_leaving = true; /* first the way back is closed, then the sessions are asked */
    release->asked = service_each_session(&node->service, target, ask_to_leave);
    if (volume->sessions)
        ev_timer_start(node->loop, &release->timeout);
    else
        close_if_leaving(node, volume);
}

static void on_leave(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct node *node = container_of(timer, struct node, leave);

    host_end(&node->service.host, "node stopped");
    leave_answer_if_done(node);
}

/* RFC 7143 11.9.1, event 2: the target is about to drop the connection. */
static void tell_drop(struct session *session)
{
    const uint16_t parameters[3] = {session->cid, (uint16_t)session->params.time2wait,
                                    (uint16_t)session->params.time2retain};

    if (session->is_over)
        return;
    session_send_async(session, ASYNC_CONNECTION_DROP, parameters, NULL, 0);
    session->is_over = true;
    conn_finish(session->conn, "node stopped");
}

void leave_take_stop(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;

    if (!node->is_started) {
        child_reply(node->child, id, NULL);
        child_exit(node->child);
    }
    node->stop_request = id;
    portals_close(&node->portals);
    LIST_FOR_EACH_SAFE (element, &node->service.volumes) {
        struct volume *volume = container_of(element, struct volume, link);

        volume->is_leaving = true;
        service_each_session(&node->service, volume->target, tell_drop);
        close_if_leaving(node, volume);
    }
    ev_timer_init(&node->leave, on_leave, LEAVE_SECONDS, 0);
    ev_timer_start(node->loop, &node->leave);
    leave_answer_if_done(node);
}
