/* Loads a target from one thread: sessions times depth of one kind of command, over raw PDUs and
 * cheap enough not to be what limits. Prints what it measured after the warm-up as JSON. */
#include "tests/bench/load.h"
#include "tests/bench/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 64, DRAIN_MS = 10000 };

/* A moment of the run. */
struct moment {
    uint64_t at, commands;
    double server, client;
};

struct run {
    struct load load;
    struct tally tally;
    struct load_session *sessions; /* owned */
    int epoll;
    uint64_t left; /* commands that may still begin */
    struct moment begin, end;
};

static struct moment take_moment(const struct run *run)
{
    return (struct moment){now_ns(), run->tally.commands, cpu_of(run->load.pids), cpu_of_this()};
}

static void watch(struct run *run, struct load_session *session, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (session->wants_room ? EPOLLOUT : 0),
        .data.ptr = session,
    };

    if (epoll_ctl(run->epoll, operation, session->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void send_and_watch(struct run *run, struct load_session *session)
{
    bool wanted_room = session->wants_room;

    load_session_send(session);
    if (wanted_room != session->wants_room)
        watch(run, session, EPOLL_CTL_MOD);
}

/* Handles what there is; waits for 100 ms at most. */
static void turn(struct run *run)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(run->epoll, events, EVENTS, 100);
    uint64_t now = now_ns();

    for (int i = 0; i < count; i++) {
        struct load_session *session = events[i].data.ptr;

        if (events[i].events & ~(uint32_t)EPOLLOUT)
            load_session_receive(session, now);
        load_session_fill(session, now, &run->left);
        if (session->count)
            send_and_watch(run, session);
    }
}

static bool is_idle(const struct run *run)
{
    for (uint64_t i = 0; i < run->load.sessions; i++)
        if (!load_session_is_idle(&run->sessions[i]))
            return false;
    return true;
}

static void open_all(struct run *run)
{
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->sessions = calloc(run->load.sessions, sizeof(*run->sessions));
    if (run->epoll < 0 || !run->sessions)
        die("no epoll or no memory");
    for (uint32_t i = 0; i < run->load.sessions; i++) {
        load_session_open(&run->sessions[i], &run->load, &run->tally, i + 1);
        watch(run, &run->sessions[i], EPOLL_CTL_ADD);
    }
}

static void start_all(struct run *run)
{
    for (uint64_t i = 0; i < run->load.sessions; i++) {
        load_session_fill(&run->sessions[i], now_ns(), &run->left);
        send_and_watch(run, &run->sessions[i]);
    }
}

static void close_all(struct run *run)
{
    uint64_t until = now_ns() + DRAIN_MS * 1000000ull;

    run->left = 0;
    while (!is_idle(run))
        if (now_ns() < until)
            turn(run);
        else
            die("commands that were never answered");
    for (uint64_t i = 0; i < run->load.sessions; i++)
        load_session_close(&run->sessions[i]);
    free(run->sessions);
}

static void run_for_time(struct run *run)
{
    uint64_t started = now_ns(), warm = started + run->load.warm_ms * 1000000;

    while (now_ns() < warm)
        turn(run);
    memset(&run->tally, 0, sizeof(run->tally));
    run->begin = take_moment(run);
    uint64_t until = run->begin.at + run->load.seconds_ms * 1000000;
    while (now_ns() < until)
        turn(run);
    run->end = take_moment(run);
}

static void run_for_count(struct run *run)
{
    run->begin = take_moment(run);
    while (run->left || !is_idle(run))
        turn(run);
    run->end = take_moment(run);
}

/* Microseconds below which this share of the commands was. */
static uint64_t quantile(const struct tally *tally, double share)
{
    uint64_t wanted = (uint64_t)((double)tally->commands * share), sum = 0;

    for (uint64_t i = 0; i < HISTOGRAM; i++)
        if ((sum += tally->histogram[i]) > wanted)
            return i;
    return HISTOGRAM;
}

static void print(const struct run *run)
{
    const struct tally *tally = &run->tally;
    double seconds = (double)(run->end.at - run->begin.at) / 1e9;
    uint64_t commands = run->end.commands - run->begin.commands;

    if (!commands)
        die("no command was answered");
    printf("{\"seconds\": %.6f, \"commands\": %llu, \"bytes\": %llu, \"server_cpu\": %.3f, "
           "\"client_cpu\": %.3f, \"mean_us\": %.2f, \"p50_us\": %llu, \"p99_us\": %llu, "
           "\"max_us\": %llu, \"max_send_data\": %u, \"first_burst\": %u}\n",
           seconds, (unsigned long long)commands, (unsigned long long)(commands * run->load.block),
           run->end.server - run->begin.server, run->end.client - run->begin.client,
           (double)tally->waited_ns / 1e3 / (double)tally->commands,
           (unsigned long long)quantile(tally, 0.5), (unsigned long long)quantile(tally, 0.99),
           (unsigned long long)(tally->longest_ns / 1000), run->sessions[0].params.max_send_data,
           run->sessions[0].params.first_burst);
}

int main(int count, char **words)
{
    struct run run = {.load = {.block = 4096,
                               .depth = 32,
                               .sessions = 1,
                               .region = 256 << 20,
                               .seconds_ms = 1000,
                               .warm_ms = 200}};
    struct load *load = &run.load;
    const struct option_row rows[] = {
        {"--portal", NULL, &load->portal},
        {"--target", NULL, &load->target},
        {"--lun", &load->lun, NULL},
        {"--pids", NULL, &load->pids},
        {"--block", &load->block, NULL},
        {"--depth", &load->depth, NULL},
        {"--sessions", &load->sessions, NULL},
        {"--writes", &load->writes_percent, NULL},
        {"--sequential", &load->is_sequential, NULL},
        {"--lockstep", &load->is_lockstep, NULL},
        {"--digests", &load->wants_digests, NULL},
        {"--region", &load->region, NULL},
        {"--milliseconds", &load->seconds_ms, NULL},
        {"--warm", &load->warm_ms, NULL},
        {"--count", &load->count, NULL},
    };

    (void)count;
    options_read(rows, sizeof(rows) / sizeof(rows[0]), words + 1);
    if (load->block > BURST || load->block % 512 || !load->block || load->region < load->block ||
        !load->sessions || !load->depth || load->depth > QUEUE_MAX / 2)
        die("that makes no sense");
    raise_descriptor_limit();
    run.left = load->count ? load->count : UINT64_MAX;
    open_all(&run);
    start_all(&run);
    if (load->count)
        run_for_count(&run);
    else
        run_for_time(&run);
    print(&run);
    close_all(&run);
    return 0;
}
