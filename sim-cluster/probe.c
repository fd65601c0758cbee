/* One run: the loop, the signals, what is printed when. */
#include "sim-cluster/probe.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "sim-cluster/probe_report.h"

#define PROGRESS_S 1.0
#define SENTENCES_MAX 20 /* about single blocks; the counts are complete */

struct run {
    struct probe_load_owner owner;
    struct probe_load load;
    struct ev_loop *loop;
    ev_signal interrupted, terminated;
    ev_timer progress;
    bool is_json, is_terminal;
    unsigned sentences;
};

/* What is printed whole must not begin behind the progress line. */
static void clear_line(const struct run *run)
{
    if (run->is_terminal && !run->is_json)
        fputs("\r\033[K", stdout);
}

static void on_progress(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)events;
    struct run *run = container_of(watcher, struct run, progress);

    clear_line(run);
    probe_print_progress(stdout, &run->load, PROGRESS_S);
    if (!run->is_terminal)
        fputc('\n', stdout);
    fflush(stdout);
}

static void on_stalled(struct probe_load_owner *owner, const struct probe_stall *stall)
{
    struct run *run = container_of(owner, struct run, owner);

    if (run->is_json)
        return;
    clear_line(run);
    probe_print_stall(stdout, stall);
    fflush(stdout);
}

static void on_wrong(struct probe_load_owner *owner, const char *sentence)
{
    struct run *run = container_of(owner, struct run, owner);

    if (run->sentences++ > SENTENCES_MAX)
        return;
    clear_line(run);
    fflush(stdout);
    fprintf(stderr, "probe: %s\n",
            run->sentences <= SENTENCES_MAX ? sentence : "and more of the kind");
}

static void on_finished(struct probe_load_owner *owner)
{
    ev_break(container_of(owner, struct run, owner)->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    probe_load_stop(watcher->data);
}

static void watch_signal(struct run *run, ev_signal *watcher, int number)
{
    ev_signal_init(watcher, on_signal, number);
    watcher->data = &run->load;
    ev_signal_start(run->loop, watcher);
}

static void print_result(struct run *run)
{
    clear_line(run);
    if (run->is_json) {
        json_t *report = probe_report(&run->load);

        json_dumpf(report, stdout, JSON_REAL_PRECISION(6));
        fputc('\n', stdout);
        json_decref(report);
    } else if (run->load.model) { /* without a session the sentence that says why is enough */
        probe_print_summary(stdout, &run->load);
    }
    fflush(stdout);
}

int probe_run(const struct probe_options *options)
{
    struct run run = {.is_json = options->json, .is_terminal = isatty(STDOUT_FILENO)};
    bool is_good;

    if (!options->portal || !options->target) {
        fprintf(stderr, "probe: no %s given: use --%s, or start a cluster with 'sim-cluster up'\n",
                options->portal ? "target" : "floating IP", options->portal ? "target" : "portal");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    run.owner = (struct probe_load_owner){on_stalled, on_wrong, on_finished};
    run.loop = ev_loop_new(EVFLAG_AUTO);
    watch_signal(&run, &run.interrupted, SIGINT);
    watch_signal(&run, &run.terminated, SIGTERM);
    ev_timer_init(&run.progress, on_progress, PROGRESS_S, PROGRESS_S);
    if (!run.is_json)
        ev_timer_start(run.loop, &run.progress);
    probe_load_start(&run.load, run.loop, options, &run.owner);
    ev_run(run.loop, 0);
    print_result(&run);
    is_good = probe_is_good(&run.load);
    ev_timer_stop(run.loop, &run.progress);
    ev_signal_stop(run.loop, &run.interrupted);
    ev_signal_stop(run.loop, &run.terminated);
    probe_load_free(&run.load);
    ev_loop_destroy(run.loop);
    return is_good ? 0 : 1;
}
