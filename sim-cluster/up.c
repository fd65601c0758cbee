#include "sim-cluster/cluster_config.h"
#include "sim-cluster/commands.h"
#include "sim-cluster/console.h"
#include "sim-cluster/events.h"
#include "sim-cluster/installation.h"
#include "sim-cluster/network.h"
#include "sim-cluster/network_plan.h"
#include "sim-cluster/server.h"
#include "sim-cluster/state_directory.h"
#include "sim-cluster/supervisor.h"
#include "sim-cluster/volumes.h"
#include "target/base/event.h"
#include "target/base/log.h"
#include "target/base/memory.h"
#include "target/base/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* One run of a cluster, from the configuration to the end. */
struct run {
    const struct options *options;
    struct cluster_config config;
    struct state_directory state;
    struct events events;
    struct server server;
    struct supervisor supervisor;
    ev_prepare flush; /* fed, never started: after all else of a turn its events are recorded */
    ev_signal interrupted, terminated, hung_up;
    int ready; /* the pipe to the waiting parent of --detach; -1: in the foreground */
    bool is_open, has_started, is_urgent;
};

/* ---- events ---- */

/* A terminal that is held, or a pipe that nobody reads, costs lines; the cluster does not wait. */
static bool can_print(void)
{
    struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&ready, 1, 0) == 1;
}

static void print_event(const struct run *run, const char *line, size_t length)
{
    json_t *event = json_loadb(line, length, 0, NULL);

    console_print_event(stdout, event, run->options->is_verbose);
    json_decref(event);
}

static void on_event(void *owner, const char *line, size_t length)
{
    struct run *run = owner;

    hosts_note(&run->supervisor.hosts, line, length);
    events_append(&run->events, line, length);
    ev_feed_event(run->supervisor.loop, &run->flush, EV_PREPARE);
    server_publish(&run->server, line, length);
    if (run->ready < 0 && can_print())
        print_event(run, line, length);
}

static void flush_events(void *owner)
{
    struct run *run = owner;

    events_flush(&run->events);
    run->supervisor.recorded = run->events.size;
}

static void on_flush(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop, (void)events;
    flush_events(watcher->data);
}

/* ---- start and end ---- */

/* Where hosts and virtual machines are to be connected. */
static void print_networks(const struct cluster_config *config)
{
    char host[ADDRESS_TEXT_SIZE];

    if (config->network != NETWORK_NETNS)
        return;
    puts("on");
    for (size_t i = 0; i < config->network_count; i++) {
        const struct network_config *network = &config->networks[i];
        char *own = network_plan_own(config, i);

        printf("  network %s, %s %s", network->name,
               network->uplink == UPLINK_MACVLAN ? "by macvlan on" : "bridge",
               network->uplink == UPLINK_MACVLAN ? network->device : own);
        for (size_t j = 0; j < network->address_count; j++)
            printf("%s%s", j ? ", " : "; this machine is ",
                   address_format_host(&network->addresses[j].address, host));
        putchar('\n');
        free(own);
    }
}

static void print_banner(const struct run *run)
{
    const struct cluster_config *config = &run->config;
    char text[ADDRESS_TEXT_SIZE];

    puts("\nPoint an initiator at");
    for (size_t i = 0; i < config->portal_group_count; i++) {
        const struct portal_group_config *group = &config->portal_groups[i];

        for (size_t j = 0; j < group->floating_ip_count; j++)
            printf("  %s\n", address_format(&group->floating_ips[j].subnet.address, text));
    }
    puts("for");
    for (size_t i = 0; i < config->volume_count; i++)
        printf("  %s\n", config->volumes[i].target);
    print_networks(config);
    printf("From another terminal: sim-cluster --state %s status\n", run->state.path);
    puts(run->ready < 0 ? "Ctrl-C ends the cluster.\n" : "\"sim-cluster down\" ends it.\n");
    fflush(stdout);
}

/* The parent of --detach waits for the end of the pipe. */
static void end_wait(struct run *run)
{
    close(run->ready);
    run->ready = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* Who has started us says it: the parent, or we ourselves. */
static int fail(struct run *run, const char *error)
{
    if (run->ready < 0)
        return command_fail(memory_copy_text(error));
    if (write(run->ready, error, strlen(error)) < 0)
        log_line(LOG_ERROR, "%s", error);
    end_wait(run);
    return EXIT_FAILED;
}

static void on_started(void *owner, const char *error)
{
    struct run *run = owner;

    run->has_started = !error;
    if (!error && run->ready < 0)
        print_banner(run);
    else if (!error)
        end_wait(run);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)events;
    struct run *run = watcher->data;

    if (run->is_urgent || run->supervisor.phase == SUPERVISOR_STOPPING)
        ev_break(loop, EVBREAK_ALL); /* a second time: at once */
    run->is_urgent = true;
    if (run->ready < 0 && run->supervisor.phase != SUPERVISOR_STOPPING)
        puts("\ngoing down");
    supervisor_stop(&run->supervisor);
}

static void watch_signals(struct run *run, struct ev_loop *loop)
{
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&run->interrupted, on_signal, SIGINT);
    ev_signal_init(&run->terminated, on_signal, SIGTERM);
    ev_signal_init(&run->hung_up, on_signal, SIGHUP);
    run->interrupted.data = run->terminated.data = run->hung_up.data = run;
    ev_signal_start(loop, &run->interrupted);
    ev_signal_start(loop, &run->terminated);
    if (signal(SIGHUP, SIG_DFL) != SIG_IGN)
        ev_signal_start(loop, &run->hung_up);
    else
        signal(SIGHUP, SIG_IGN); /* nohup */
}

/* Many connections need many descriptors, in the children too. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static char *check_programs(const char *programs)
{
    static const char *const names[] = {"target", "portalgroup"};
    char *wrong = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !wrong; i++) {
        char *path = memory_format("%s/%s", programs, names[i]);

        if (access(path, X_OK))
            wrong = memory_format("%s: %s; it must be where sim-cluster is", path, strerror(errno));
        free(path);
    }
    return wrong;
}

/* Everything that can go wrong before a process is started. NULL, or an owned sentence. */
static char *prepare(struct run *run, const char *directory)
{
    char *wrong = check_programs(run->supervisor.programs);

    if (!wrong)
        wrong = state_directory_open(&run->state, directory);
    if (!wrong)
        wrong = network_open(&run->supervisor.network, run->supervisor.loop, &run->config,
                             run->state.path);
    if (!wrong)
        wrong = volumes_prepare(&run->config, run->state.path);
    if (!wrong)
        wrong = confinement_prepare(&run->supervisor.confinement, &run->config, run->state.path);
    if (!wrong)
        wrong = events_open(&run->events, run->state.path);
    if (!wrong)
        wrong = server_open(&run->server, run->supervisor.loop, run->state.path, &run->supervisor);
    return wrong;
}

/* Of a detached supervisor: its words go to a log. */
static void leave_terminal(const char *directory)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char *path = state_directory_file(directory, "log/supervisor.log");
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    setsid();
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(log >= 0 ? log : null, STDERR_FILENO);
    free(path);
    close(null);
    if (log >= 0)
        close(log);
}

static int serve(struct run *run)
{
    struct ev_loop *loop = run->supervisor.loop;
    int code = EXIT_DONE;

    if (run->ready >= 0)
        leave_terminal(run->state.path);
    raise_descriptor_limit();
    if (run->config.has_sandbox)
        rights_forbid_core_dumps();
    event_start("sim-cluster", 0, on_event, run);
    watch_signals(run, loop);
    ev_now_update(loop); /* the preparations may have taken long */
    supervisor_start(&run->supervisor);
    ev_run(loop, 0);
    if (!run->has_started)
        code = fail(run, run->supervisor.error ? run->supervisor.error
                                               : "it was stopped before the cluster was up");
    supervisor_free(&run->supervisor);
    return code;
}

static int start_and_serve(struct run *run, const char *directory)
{
    char *wrong;
    int code;

    run->state.lock = run->events.file = run->server.acceptable.fd = -1;
    run->supervisor.loop = ev_loop_new(EVFLAG_AUTO);
    run->supervisor.config = &run->config;
    run->supervisor.programs = installation_programs();
    run->supervisor.on_started = on_started;
    run->supervisor.on_event = on_event;
    run->supervisor.flush_events = flush_events;
    ev_prepare_init(&run->flush, on_flush);
    ev_set_priority(&run->flush, EV_MINPRI);
    run->flush.data = run;
    run->supervisor.owner = run;
    wrong = prepare(run, directory);
    if (!wrong) {
        run->supervisor.directory = run->state.path;
        run->supervisor.lock = run->state.lock;
        code = serve(run);
    } else {
        code = fail(run, wrong);
        free(run->supervisor.programs);
        free(wrong);
    }
    network_close(&run->supervisor.network);
    if (run->server.path)
        server_close(&run->server);
    events_close(&run->events);
    state_directory_close(&run->state);
    ev_loop_destroy(run->supervisor.loop);
    return code;
}

/* ---- --detach ---- */

/* In the parent: 0 when the pipe ends without a word. */
static int await_start(int pipe)
{
    char sentence[1024];
    size_t length = 0;
    ssize_t got;

    while ((got = read(pipe, sentence + length, sizeof(sentence) - 1 - length)) > 0)
        length += (size_t)got;
    sentence[length] = '\0';
    return length ? command_fail(memory_copy_text(sentence)) : EXIT_DONE;
}

static int detach(struct run *run, const char *directory)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return command_fail(memory_format("cannot detach: %s", strerror(errno)));
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        return command_fail(memory_format("cannot detach: %s", strerror(errno)));
    if (!pid) {
        close(ends[0]);
        run->ready = ends[1];
        return start_and_serve(run, directory);
    }
    close(ends[1]);
    return await_start(ends[0]);
}

int command_up(const struct options *options)
{
    struct run *run = memory_new(sizeof(*run));
    char *path = options->config ? memory_copy_text(options->config) : installation_config();
    char *directory = state_directory_default(options->state), *wrong;
    int code;

    run->options = options;
    run->ready = -1;
    if (options->count)
        return command_refuse("up takes no %s", options->arguments[0]);
    wrong = cluster_config_read(&run->config, path);
    if (!wrong)
        wrong = network_check(&run->config);
    if (wrong) {
        command_fail(wrong);
        code = EXIT_USAGE;
    } else if (!directory) {
        code = command_fail(memory_copy_text("there is no $HOME: name a state directory with "
                                             "--state"));
    } else {
        code = options->is_detached ? detach(run, directory) : start_and_serve(run, directory);
    }
    cluster_config_free(&run->config);
    free(run);
    free(path);
    free(directory);
    return code;
}
