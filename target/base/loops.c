#include "target/base/loops.h"

#include "target/base/list.h"
#include "target/base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What a loop that is not alone carries along (ev_userdata). */
struct member {
    struct loops *loops; /* parent: outlives us */
    struct ev_loop *loop;
    pthread_t thread;
    ev_async wake;
    unsigned number;
};

struct loops {
    pthread_mutex_t lock;
    struct member members[];
};

static struct member *member_of(struct ev_loop *loop)
{
    return ev_userdata(loop);
}

bool loop_is_alone(struct ev_loop *loop)
{
    return !member_of(loop);
}

void loop_leave(struct ev_loop *loop)
{
    struct member *member = member_of(loop);

    if (member)
        pthread_mutex_unlock(&member->loops->lock);
}

void loop_enter(struct ev_loop *loop)
{
    struct member *member = member_of(loop);

    if (member)
        pthread_mutex_lock(&member->loops->lock);
}

bool loop_is_own(struct ev_loop *loop)
{
    const struct member *member = member_of(loop);

    return !member || pthread_equal(pthread_self(), member->thread);
}

void loop_wake(struct ev_loop *loop)
{
    if (!loop_is_own(loop))
        ev_async_send(loop, &member_of(loop)->wake);
}

double loop_now(struct ev_loop *loop)
{
    if (!loop_is_own(loop))
        ev_now_update(loop);
    return ev_now(loop);
}

void loop_start_timer(struct ev_loop *loop, ev_timer *timer)
{
    loop_now(loop);
    ev_timer_start(loop, timer);
    loop_wake(loop);
}

void loop_start_io(struct ev_loop *loop, ev_io *watcher)
{
    if (ev_is_active(watcher))
        return;
    ev_io_start(loop, watcher);
    loop_wake(loop);
}

static void on_wake(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
}

static void join(struct loops *loops, unsigned number, struct ev_loop *loop)
{
    struct member *member = &loops->members[number];

    *member = (struct member){.loops = loops, .loop = loop, .number = number};
    ev_async_init(&member->wake, on_wake);
    ev_async_start(loop, &member->wake);
    ev_set_userdata(loop, member);
    ev_set_loop_release_cb(loop, loop_leave, loop_enter);
}

static void *run(void *argument)
{
    struct member *member = argument;
    char name[16];

    snprintf(name, sizeof(name), "loop %u", member->number);
    pthread_setname_np(pthread_self(), name);
    loop_enter(member->loop);
    ev_run(member->loop, 0);
    loop_leave(member->loop);
    return NULL;
}

static bool start_thread(struct loops *loops, unsigned number)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

    if (!loop)
        return false;
    join(loops, number, loop);
    return pthread_create(&loops->members[number].thread, NULL, run, &loops->members[number]) == 0;
}

struct loops *loops_new(struct ev_loop *first, unsigned more)
{
    struct loops *loops = memory_new(sizeof(*loops) + (more + 1) * sizeof(*loops->members));
    pthread_mutexattr_t spins;
    sigset_t all, before;
    bool is_good = true;

    pthread_mutexattr_init(&spins);
    pthread_mutexattr_settype(&spins, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&loops->lock, &spins);
    pthread_mutexattr_destroy(&spins);
    join(loops, 0, first);
    loops->members[0].thread = pthread_self();
    loop_enter(first);
    sigfillset(&all); /* signals are the first loop's, but for what a thread does itself */
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned number = 1; number <= more && is_good; number++)
        is_good = start_thread(loops, number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_good ? loops : NULL;
}

struct ev_loop *loops_get(const struct loops *loops, unsigned number)
{
    return loops->members[number].loop;
}
