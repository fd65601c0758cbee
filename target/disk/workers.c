#include "target/disk/workers.h"

#include "target/base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct workers {
    struct ev_loop *loop; /* borrowed */
    int descriptor;       /* an eventfd that a worker writes to when the first work has finished */
    ev_io finish;
    unsigned
        under_way; /* added and not told yet; while there is one, the loop has a reason to go on */
    pthread_mutex_t lock;
    pthread_cond_t is_wanted;
    struct list queue, finished; /* of struct work, under the lock, like the next one */
    bool is_stopping;
    unsigned count;
    pthread_t threads[];
};

/* Under the lock. */
static void add_finished(struct workers *workers, struct list *link)
{
    bool is_first = list_is_empty(&workers->finished);

    list_append(&workers->finished, link);
    if (is_first)
        eventfd_write(workers->descriptor, 1);
}

static void *work_until_stopped(void *argument)
{
    struct workers *workers = argument;

    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct list *link = list_first(&workers->queue);

        if (link) {
            struct work *work = container_of(link, struct work, link);

            list_remove(link);
            pthread_mutex_unlock(&workers->lock);
            work->run(work);
            pthread_mutex_lock(&workers->lock);
            add_finished(workers, link);
        } else if (workers->is_stopping) {
            break;
        } else {
            pthread_cond_wait(&workers->is_wanted, &workers->lock);
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static struct work *take_finished(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    struct list *link = list_first(&workers->finished);
    if (link)
        list_remove(link);
    pthread_mutex_unlock(&workers->lock);
    return link ? container_of(link, struct work, link) : NULL;
}

static void tell_finished(struct workers *workers)
{
    struct work *work;

    while ((work = take_finished(workers))) {
        if (--workers->under_way == 0)
            ev_unref(workers->loop);
        work->done(work);
    }
}

static void on_finish(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct workers *workers = container_of(watcher, struct workers, finish);
    eventfd_t count;

    (void)loop, (void)events;
    eventfd_read(workers->descriptor, &count);
    tell_finished(workers);
}

struct workers *workers_new(struct ev_loop *loop, unsigned count)
{
    struct workers *workers = memory_new(sizeof *workers + count * sizeof workers->threads[0]);
    sigset_t all, before;

    workers->loop = loop;
    workers->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (workers->descriptor < 0) {
        free(workers);
        return NULL;
    }
    list_init(&workers->queue);
    list_init(&workers->finished);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->is_wanted, NULL);
    ev_io_init(&workers->finish, on_finish, workers->descriptor, EV_READ);
    ev_io_start(loop, &workers->finish);
    ev_unref(loop);

    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->count < count && pthread_create(&workers->threads[workers->count], NULL,
                                                    work_until_stopped, workers) == 0)
        workers->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    if (workers->count == 0) {
        workers_free(workers);
        return NULL;
    }
    return workers;
}

void workers_add(struct workers *workers, struct work *work)
{
    if (workers->under_way++ == 0)
        ev_ref(workers->loop);
    pthread_mutex_lock(&workers->lock);
    list_append(&workers->queue, &work->link);
    pthread_cond_signal(&workers->is_wanted);
    pthread_mutex_unlock(&workers->lock);
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->is_wanted);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);

    tell_finished(workers);
    ev_ref(workers->loop);
    ev_io_stop(workers->loop, &workers->finish);
    close(workers->descriptor);
    pthread_cond_destroy(&workers->is_wanted);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
