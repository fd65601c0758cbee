/* The demonstration: a cluster of its own, a probe that never stops, and three things that happen
 * to the nodes. It uses the program as anybody would: verbs as child processes, events from the
 * control socket. */
#include "sim-cluster/client.h"
#include "sim-cluster/commands.h"
#include "sim-cluster/console.h"
#include "sim-cluster/demo_table.h"
#include "sim-cluster/scenario_cluster.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VERB_ARGUMENTS_MAX = 8, PROBE_SECONDS = 50, STALL_SHOWN_MS = 20, REST_MS = 1500 };

struct demo {
    char state[64], config[80], report[80];
    struct connection events;
    pid_t probe; /* 0: not running */
    bool is_up;
    struct demo_step steps[DEMO_STEPS];
    int step_count;
};

/* An interrupted demonstration goes straight to its end, and still cleans up. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

/* ---- verbs ---- */

/* The child dies with us. `output` replaces its standard output; NULL: it stays. */
static pid_t spawn(const char *const arguments[], const char *output)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (output) {
        int file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        dup2(file, STDOUT_FILENO);
    }
    execv("/proc/self/exe", (char *const *)arguments);
    _exit(127);
}

static int end_of(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

/* Runs `sim-cluster --state STATE words...`; true: it went well. */
static bool run(struct demo *demo, const char *first, ...)
{
    const char *arguments[VERB_ARGUMENTS_MAX + 4] = {"sim-cluster", "--state", demo->state, first};
    char null[] = "/dev/null";
    va_list more;
    int count = 4;

    va_start(more, first);
    while (count < VERB_ARGUMENTS_MAX + 3 && (arguments[count] = va_arg(more, const char *)))
        count++;
    va_end(more);
    return end_of(spawn(arguments, null)) == EXIT_DONE;
}

/* ---- narration ---- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    bool is_coloured = isatty(STDOUT_FILENO);
    va_list arguments;

    va_start(arguments, format);
    fputs(is_coloured ? "\n\033[1m" : "\n", stdout);
    vprintf(format, arguments);
    fputs(is_coloured ? "\033[0m\n" : "\n", stdout);
    va_end(arguments);
    fflush(stdout);
}

/* Shows what happens for so long. */
static void watch(struct demo *demo, int duration_ms)
{
    double end = event_now() + duration_ms / 1000.0;

    for (double left = duration_ms / 1000.0; left > 0 && !is_interrupted;
         left = end - event_now()) {
        json_t *event = client_read(&demo->events, (int)(left * 1000) + 1);

        if (event)
            console_print_event(stdout, event, false);
        json_decref(event);
    }
}

/* ---- the cluster and the probe ---- */

static char *begin(struct demo *demo)
{
    char *wrong;

    snprintf(demo->state, sizeof(demo->state), "/tmp/sim-cluster-demo-XXXXXX");
    if (!mkdtemp(demo->state))
        return memory_format("/tmp: %s", strerror(errno));
    snprintf(demo->config, sizeof(demo->config), "%s/demo.ini", demo->state);
    snprintf(demo->report, sizeof(demo->report), "%s/probe.json", demo->state);
    wrong = scenario_config_write(demo->config, NULL);
    if (wrong)
        return wrong;
    say("A cluster of three nodes, two floating IPs and two volumes comes up.");
    if (!run(demo, "up", "-c", demo->config, "--detach", NULL))
        return memory_copy_text("the cluster did not come up");
    demo->is_up = true;
    if (client_connect(&demo->events, demo->state))
        return memory_copy_text("the cluster does not answer");
    json_decref(
        client_ask(&demo->events, json_pack("{s:s}", "request", "events"), CLIENT_PATIENCE_MS));
    return NULL;
}

static void start_probe(struct demo *demo)
{
    char seconds[16], stall[16];
    const char *const arguments[] = {"sim-cluster", "--state", demo->state, "probe",  "--seconds",
                                     seconds,       "--stall", stall,       "--json", NULL};

    snprintf(seconds, sizeof(seconds), "%d", PROBE_SECONDS);
    snprintf(stall, sizeof(stall), "%d", STALL_SHOWN_MS);
    say("A probe logs in at the floating IP, is redirected, and reads and writes without a pause.");
    demo->probe = spawn(arguments, demo->report);
}

/* Its report; NULL: there is none. */
static json_t *finish_probe(struct demo *demo, int *code)
{
    kill(demo->probe, SIGINT);
    *code = end_of(demo->probe);
    demo->probe = 0;
    return json_load_file(demo->report, 0, NULL);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void end(struct demo *demo)
{
    if (demo->probe) {
        kill(demo->probe, SIGKILL);
        end_of(demo->probe);
    }
    client_close(&demo->events);
    if (demo->is_up)
        run(demo, "down", NULL);
    if (*demo->state)
        nftw(demo->state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what happens ---- */

struct places {
    int serving, holding; /* nodes: of data1, of the first floating IP */
};

static struct places look(struct demo *demo)
{
    struct connection connection;
    struct places places = {0};

    if (client_connect(&connection, demo->state))
        return places;
    json_t *reply =
        client_ask(&connection, json_pack("{s:s}", "request", "status"), CLIENT_PATIENCE_MS);
    json_t *status = json_object_get(reply, "status");

    json_unpack(status, "{s:[{s:i}]}", "targets", "controller", &places.serving);
    json_unpack(status, "{s:[{s:[{s:i}]}]}", "portal_groups", "floating_ips", "node",
                &places.holding);
    json_decref(reply);
    client_close(&connection);
    return places;
}

static bool do_to(struct demo *demo, int node, const char *verb, const char *what, int watch_ms)
{
    struct demo_step *step = &demo->steps[demo->step_count++];
    char number[16];

    snprintf(number, sizeof(number), "%d", node);
    snprintf(step->what, sizeof(step->what), "node %d: %s (%s)", node, verb, what);
    step->begun = event_now();
    bool done = run(demo, "node", number, verb, NULL);

    watch(demo, watch_ms);
    step->ended = event_now();
    return done && !is_interrupted;
}

static bool bring_back(struct demo *demo, int node)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", node);
    say("Node %d joins again, empty.", node);
    bool done = run(demo, "node", number, "start", NULL);

    watch(demo, REST_MS);
    return done && !is_interrupted;
}

static bool break_things(struct demo *demo)
{
    struct places places;
    bool done;

    watch(demo, REST_MS);
    places = look(demo);
    say("1. The node that serves the probe, node %d, is killed.", places.serving);
    done = !is_interrupted && do_to(demo, places.serving, "kill", "it served data1", 2500) &&
           bring_back(demo, places.serving);
    if (!done)
        return false;
    places = look(demo);
    say("2. The node that holds the floating IP, node %d, freezes: it is connected, and silent.",
        places.holding);
    done = do_to(demo, places.holding, "freeze", "it held the floating IP", 4000) &&
           bring_back(demo, places.holding);
    if (!done)
        return false;
    places = look(demo);
    say("3. The node that serves the probe now, node %d, is drained: its targets move in an "
        "orderly way.",
        places.serving);
    return do_to(demo, places.serving, "drain", "it served data1", 2500);
}

static int show(struct demo *demo)
{
    json_t *report;
    bool done;
    int code;

    start_probe(demo);
    done = break_things(demo);
    say("The probe stops, and reads back every block that was acknowledged.");
    report = finish_probe(demo, &code);
    say("What happened");
    demo_table_print(demo->steps, demo->step_count, report);
    json_decref(report);
    if (!done)
        return command_fail(memory_copy_text("the demonstration did not get to its end"));
    return code;
}

int command_demo(const struct options *options)
{
    struct demo demo = {.events.fd = -1};
    char *wrong;
    int code;

    if (options->count)
        return command_refuse("demo takes no %s", options->arguments[0]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    wrong = begin(&demo);
    code = wrong ? command_fail(wrong) : show(&demo);
    end(&demo);
    return code;
}
