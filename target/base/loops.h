/* Several loops in one process, each run by a thread of its own, that share one lock. Whoever runs
 * a callback holds the lock; it is free while a loop sleeps, and while a thread is away in a system
 * call (loop_leave, loop_enter). So what a callback sees stays as it is until it leaves or returns,
 * whatever loop things belong to. On a loop that is alone in its process all of this costs nothing
 * and changes nothing. */
#pragma once

#include <ev.h>
#include <stdbool.h>

struct loops;

/* `first` is run by the caller, who is on it; for each of the `more` others a thread is started.
 * They live as long as the process. NULL: the system gives no thread. */
struct loops *loops_new(struct ev_loop *first, unsigned more);
/* The one with this number from 1 to `more`. */
struct ev_loop *loops_get(const struct loops *loops, unsigned number);

/* Fixed once loops_new has been called, or not. */
bool loop_is_alone(struct ev_loop *loop);

/* Whether it is the caller's. */
bool loop_is_own(struct ev_loop *loop);

/* By the thread of `loop`: it does without the lock until loop_enter. What others may have changed
 * meanwhile is to be looked at again. */
void loop_leave(struct ev_loop *loop);
void loop_enter(struct ev_loop *loop);

/* Something was started on, or is to be looked at by `loop`, by whatever thread. */
void loop_wake(struct ev_loop *loop);

/* As their namesakes of libev, by whatever thread: the loop hears of it, and the time of a loop
 * that sleeps does not stand still. */
double loop_now(struct ev_loop *loop);
void loop_start_timer(struct ev_loop *loop, ev_timer *timer);
void loop_start_io(struct ev_loop *loop, ev_io *watcher);
