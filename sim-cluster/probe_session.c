/* The life of a session: attempts, redirects, losses, and the clock that notices silence. */
#include "sim-cluster/probe_session.h"

#include <assert.h>
#include <errno.h>
#include <iscsi/iscsi.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim-cluster/probe_command.h"
#include "sim-cluster/probe_login.h"

#define LIBISCSI_PREFIX "iscsi_service: " /* of sentences that need none */
#define TICK_S 0.01
#define HOPS_MAX 8
#define LOGOUT_TIMEOUT_US 1000000

static void attempt(struct probe_session *session, const char *portal);

uint64_t probe_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void probe_session_decide(struct probe_session *session, enum session_next next, const char *why)
{
    if (session->next > NEXT_READY)
        return; /* the first reason is the true one */
    session->next = next;
    if (why && !strncmp(why, LIBISCSI_PREFIX, sizeof LIBISCSI_PREFIX - 1))
        why += sizeof LIBISCSI_PREFIX - 1;
    if (why)
        snprintf(session->why, sizeof session->why, "%s", why);
}

static void destroy_context(struct probe_session *session)
{
    ev_io_stop(session->loop, &session->socket);
    if (session->iscsi)
        iscsi_destroy_context(session->iscsi);
    session->iscsi = NULL;
    probe_command_free_task(&session->sizing);
    session->ping_us = 0;
}

static void finish_outstanding(struct probe_session *session)
{
    struct list *node;

    while ((node = list_first(&session->outstanding))) {
        struct probe_io *io = container_of(node, struct probe_io, link);

        list_remove(node);
        probe_command_free_task(&io->task);
        io->done(io, OUTCOME_LOST, NULL);
    }
}

static void fail(struct probe_session *session)
{
    session->state = SESSION_STOPPED;
    destroy_context(session);
    finish_outstanding(session);
    session->owner->failed(session->owner, session->why);
}

static void lose(struct probe_session *session)
{
    bool was_ready = session->state == SESSION_READY;
    uint64_t patience_us = (uint64_t)session->options->give_up_ms * 1000;

    if (!session->disk_bytes && probe_now_us() - session->born_us > patience_us) {
        fail(session);
        return;
    }
    session->state = SESSION_WAITING;
    destroy_context(session);
    if (was_ready)
        session->owner->stage(session->owner, STAGE_LOST, session->why);
    finish_outstanding(session);
    ev_timer_set(&session->retry, was_ready ? 0. : session->options->retry_ms / 1000., 0.);
    ev_timer_start(session->loop, &session->retry);
}

static void leave(struct probe_session *session)
{
    session->state = SESSION_STOPPED;
    destroy_context(session);
    finish_outstanding(session);
    ev_prepare_stop(session->loop, &session->prepare);
    ev_timer_stop(session->loop, &session->tick);
    ev_timer_stop(session->loop, &session->retry);
    session->owner->stopped(session->owner);
}

static void follow_redirect(struct probe_session *session)
{
    if (session->hops >= HOPS_MAX) {
        snprintf(session->why, sizeof session->why, "redirected %d times in a row", HOPS_MAX);
        lose(session);
        return;
    }
    session->hops++;
    session->redirects++;
    session->owner->stage(session->owner, STAGE_REDIRECTED, NULL);
    attempt(session, session->redirected);
}

/* Carries out what was decided inside a callback. */
static void act(struct probe_session *session)
{
    enum session_next next = session->next;

    session->next = NEXT_NOTHING;
    if (session->state == SESSION_LEAVING) {
        if (next != NEXT_NOTHING)
            leave(session);
    } else if (next == NEXT_REDIRECT) {
        follow_redirect(session);
    } else if (next == NEXT_READY) {
        session->state = SESSION_READY;
        session->owner->ready(session->owner);
    } else if (next == NEXT_LOSE) {
        lose(session);
    } else if (next == NEXT_FAIL) {
        fail(session);
    }
}

static int events_wanted(struct probe_session *session)
{
    int wanted = iscsi_which_events(session->iscsi);

    return (wanted & POLLIN ? EV_READ : 0) | (wanted & POLLOUT ? EV_WRITE : 0);
}

/* One try at one portal: the floating IP, or where that one sent us. */
static void attempt(struct probe_session *session, const char *portal)
{
    destroy_context(session);
    session->state = SESSION_CONNECTING;
    session->next = NEXT_NOTHING;
    session->deadline_us = probe_now_us() + (uint64_t)session->options->timeout_ms * 1000;
    snprintf(session->served_by, sizeof session->served_by, "%s", portal);
    if (!probe_login_begin(session, portal)) {
        probe_session_decide(session, NEXT_LOSE, iscsi_get_error(session->iscsi));
        act(session);
        return;
    }
    ev_io_set(&session->socket, iscsi_get_fd(session->iscsi), events_wanted(session));
    ev_io_start(session->loop, &session->socket);
}

static void on_retry(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)events;
    struct probe_session *session = container_of(watcher, struct probe_session, retry);

    session->hops = 0;
    attempt(session, session->portal);
}

/* libiscsi keeps a broken connection to itself when it has no command to cancel. */
static bool is_closed_by_peer(const struct probe_session *session)
{
    char byte;
    ssize_t got = recv(iscsi_get_fd(session->iscsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    struct probe_session *session = container_of(watcher, struct probe_session, socket);
    bool was_logged_in = iscsi_is_logged_in(session->iscsi);
    uint64_t heard_us = session->heard_us;
    int polled = (events & EV_READ ? POLLIN : 0) | (events & EV_WRITE ? POLLOUT : 0);

    if (iscsi_service(session->iscsi, polled) != 0)
        probe_session_decide(session, NEXT_LOSE, iscsi_get_error(session->iscsi));
    else if (was_logged_in && !iscsi_is_logged_in(session->iscsi))
        probe_session_decide(session, NEXT_LOSE, "the target asked to log out");
    else if (was_logged_in && events & EV_READ && session->heard_us == heard_us &&
             is_closed_by_peer(session))
        probe_session_decide(session, NEXT_LOSE, "the target closed the connection");
    act(session);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)events;
    struct probe_session *session = container_of(watcher, struct probe_session, prepare);
    int wanted = session->iscsi ? events_wanted(session) : 0;

    if (!session->iscsi || !ev_is_active(&session->socket) ||
        wanted == (session->socket.events & (EV_READ | EV_WRITE)))
        return;
    ev_io_stop(loop, &session->socket);
    ev_io_set(&session->socket, session->socket.fd, wanted);
    ev_io_start(loop, &session->socket);
}

static void on_pong(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    struct probe_session *session = owner;

    (void)iscsi, (void)data;
    if (status == SCSI_STATUS_GOOD)
        session->heard_us = probe_now_us();
    session->ping_us = 0;
}

static bool is_ping_due(const struct probe_session *session, bool is_idle, uint64_t now_us)
{
    uint64_t period_us = (uint64_t)session->options->ping_ms * 1000;
    uint64_t limit_us = (uint64_t)session->options->timeout_ms * 1000;

    if (session->ping_us)
        return false;
    return (period_us && now_us - session->pinged_us >= period_us) ||
           (is_idle && now_us - session->heard_us > limit_us / 2);
}

/* The oldest thing that waits for an answer is too old, or a ping is due. */
static void check_silence(struct probe_session *session, uint64_t now_us)
{
    uint64_t limit_us = (uint64_t)session->options->timeout_ms * 1000;
    struct list *oldest = list_first(&session->outstanding);
    uint64_t sent_us = oldest ? container_of(oldest, struct probe_io, link)->sent_us : 0;
    char why[PROBE_WHY_SIZE];

    if ((sent_us && now_us - sent_us > limit_us) ||
        (session->ping_us && now_us - session->ping_us > limit_us)) {
        snprintf(why, sizeof why, "no answer to a %s within %u ms", oldest ? "command" : "ping",
                 session->options->timeout_ms);
        probe_session_decide(session, NEXT_LOSE, why);
    } else if (is_ping_due(session, !oldest, now_us)) {
        session->ping_us = session->pinged_us = now_us;
        iscsi_nop_out_async(session->iscsi, on_pong, NULL, 0, session);
    }
}

static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)events;
    struct probe_session *session = container_of(watcher, struct probe_session, tick);
    uint64_t now_us = probe_now_us();

    if (session->state == SESSION_READY)
        check_silence(session, now_us);
    else if (session->state >= SESSION_CONNECTING && now_us > session->deadline_us)
        probe_session_decide(session, NEXT_LOSE,
                             session->state == SESSION_CONNECTING
                                 ? "no answer to the connection in time"
                                 : "no answer to the login in time");
    act(session);
}

void probe_session_start(struct probe_session *session, struct ev_loop *loop,
                         const struct probe_options *options, struct probe_session_owner *owner)
{
    uint64_t now_us = probe_now_us();

    *session = (struct probe_session){.loop = loop, .owner = owner, .options = options};
    session->born_us = session->heard_us = now_us;
    session->isid = (uint32_t)(now_us * 2654435761u) & 0xffffff;
    snprintf(session->portal, sizeof session->portal, "%s", options->portal);
    list_init(&session->outstanding);
    ev_init(&session->socket, on_socket);
    ev_prepare_init(&session->prepare, on_prepare);
    ev_timer_init(&session->tick, on_tick, TICK_S, TICK_S);
    ev_set_priority(&session->tick, EV_MINPRI); /* what has arrived is not late */
    ev_timer_init(&session->retry, on_retry, 0., 0.);
    ev_prepare_start(loop, &session->prepare);
    ev_timer_start(loop, &session->tick);
    ev_timer_start(loop, &session->retry);
    session->state = SESSION_WAITING;
}

static void on_logged_out(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    (void)iscsi, (void)status, (void)data;
    probe_session_decide(owner, NEXT_LOSE, "logged out");
}

void probe_session_stop(struct probe_session *session)
{
    bool can_log_out = session->state == SESSION_READY && list_is_empty(&session->outstanding);

    session->state = SESSION_LEAVING;
    session->deadline_us = probe_now_us() + LOGOUT_TIMEOUT_US;
    ev_timer_stop(session->loop, &session->retry);
    if (can_log_out && iscsi_logout_async(session->iscsi, on_logged_out, session) == 0)
        return;
    ev_io_stop(session->loop, &session->socket);
    probe_session_decide(session, NEXT_LOSE, "stopped"); /* at the next tick */
}

void probe_session_send(struct probe_session *session, struct probe_io *io)
{
    assert(session->state == SESSION_READY);
    io->session = session;
    io->sent_us = probe_now_us();
    list_append(&session->outstanding, &io->link);
    if (!probe_command_send(session, io))
        probe_session_decide(session, NEXT_LOSE,
                             iscsi_get_error(session->iscsi)); /* at the next tick */
}
