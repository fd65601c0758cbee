/* sim-cluster: the verbs of the command line, one row each. */
#include "sim-cluster/commands.h"
#include "sim-cluster/wire.h"

#include <stdio.h>
#include <string.h>

#define TAKES_STATE 1
#define TAKES_JSON 2
#define TAKES_UP 4
#define TAKES_FOLLOW 8
#define TAKES_FORCE 16
#define TAKES_EXPORT 32
#define TAKES_RUN 64
#define TAKES_CONFIG 128

/* clang-format off */
static const struct verb {
    const char *name;
    int takes;
    command_run *run;
    const char *usage, *what;
} verbs[] = {
    { "up",          TAKES_STATE | TAKES_CONFIG | TAKES_UP,   command_up,          "up [-c CONFIG] [--detach] [--verbose]", "start a cluster; in the foreground, Ctrl-C ends it" },
    { "down",        TAKES_STATE | TAKES_JSON,                command_down,        "down [--json]", "end it; volumes stay" },
    { "status",      TAKES_STATE | TAKES_JSON,                command_status,      "status [--json]", "nodes, floating IPs, targets, sessions" },
    { "hosts",       TAKES_STATE | TAKES_JSON,                command_hosts,       "hosts [--json]", "what the wire tells of each initiator, beside StorPool's recommended values" },
    { "node",        TAKES_STATE | TAKES_JSON,                command_node,        "node N kill|freeze|thaw|power-off|isolate [in|out]|drain|start", "do something to a node" },
    { "target",      TAKES_STATE | TAKES_JSON,                command_target,      "target VOLUME move N", "move a target to a node" },
    { "floating-ip", TAKES_STATE | TAKES_JSON,                command_floating_ip, "floating-ip ADDRESS move N", "move a floating IP to a node" },
    { "volume",      TAKES_STATE | TAKES_JSON | TAKES_FORCE,  command_volume,      "volume NAME resize SIZE [--force]", "give a volume another size" },
    { "pool",        TAKES_STATE | TAKES_JSON,                command_pool,        "pool NAME resize SIZE", "give a pool another size" },
    { "export",      TAKES_STATE | TAKES_JSON | TAKES_EXPORT, command_export,      "export add|remove VOLUME --portal-group G [--initiator I]", "change who may reach a volume" },
    { "alua",        TAKES_STATE | TAKES_JSON,                command_alua,        "alua GROUP STATE", "set a portal group's asymmetric access state" },
    { "fault",       TAKES_STATE | TAKES_JSON,                command_fault,       "fault set KIND [key=value ...] | list | show ID | clear ID|all | enable ID | disable ID | kinds | ledger", "rules that break things; \"fault kinds\" lists what there is" },
    { "heal",        TAKES_STATE | TAKES_JSON,                command_heal,        "heal [--json]", "bring everything back: no faults, all nodes up" },
    { "run",         TAKES_STATE | TAKES_RUN,                 command_run_scenario, "run FILE.ini|DIRECTORY ... [--jobs N] [--twins] [--junit FILE] [--json FILE] [--report FILE.html] [--seed N]", "run scenarios: steps, expectations, a verdict" },
    { "cleanup",     TAKES_STATE | TAKES_JSON,                command_cleanup,     "cleanup [--json]", "remove namespaces, links and addresses that a cluster which was killed has left behind" },
    { "doctor",      TAKES_STATE | TAKES_CONFIG | TAKES_JSON, command_doctor,      "doctor [-c CONFIG] [--json]", "what this machine lacks for a configuration, and the remedies" },
    { "events",      TAKES_STATE | TAKES_JSON | TAKES_FOLLOW, command_events,      "events [--follow] [--since TIME] [--json]", "what has happened, and what happens" },
    { "demo",        0,                                       command_demo,        "demo", "a cluster of its own, a load, and three failovers" },
};
/* clang-format on */

static const char PROBE_USAGE[] = "probe [...]";

enum { VERBS = sizeof(verbs) / sizeof(*verbs) };

static void print_row(const char *usage, const char *what)
{
    printf("  %-56s %s\n", usage, what);
}

static int print_help(void)
{
    puts("usage: sim-cluster [--state DIR] VERB ...\n");
    for (size_t i = 0; i < VERBS; i++)
        print_row(verbs[i].usage, verbs[i].what);
    print_row(PROBE_USAGE, "a verifying initiator; \"probe --help\" says more");
    puts("\nThe state (control socket, volumes, logs) is in --state DIR, else in\n"
         "$SIM_CLUSTER_STATE, else in ~/.local/state/sim-cluster.\n"
         "Exit code: 0 done, 1 failed, 2 wrong usage.");
    return EXIT_DONE;
}

static int print_verb_help(const struct verb *verb)
{
    printf("usage: sim-cluster %s%s\n\n%s\n", verb->takes & TAKES_STATE ? "[--state DIR] " : "",
           verb->usage, verb->what);
    if (verb->takes & TAKES_CONFIG)
        puts("\n  -c CONFIG   an INI file; without it the demonstration's");
    if (verb->takes & TAKES_UP)
        puts("  --detach    return when the cluster is up, and leave it running\n"
             "  --verbose   also show maps, processes, portals and volumes as they come and go");
    if (verb->takes & TAKES_FORCE)
        puts("\n  SIZE        bytes, or k, M, G, T\n"
             "  --force     also a smaller one: what is beyond it is lost");
    if (verb->takes & TAKES_EXPORT)
        puts("\n  --portal-group NAME  where\n"
             "  --initiator NAME     to whom; without it: add to any, remove from all");
    if (verb->takes & TAKES_FOLLOW)
        puts("\n  --follow      go on until the cluster is down\n"
             "  --since TIME  from then on: RFC 3339, or how long ago: 30s, 5m");
    if (verb->takes & TAKES_RUN)
        puts("\n  --jobs N            so many of several at a time; without it as many as there "
             "are cores\n"
             "  --twins             each a second time without its steps: that one must fail\n"
             "  --without-steps     nothing is done, so that what is expected should not hold\n"
             "  --junit FILE        the verdict for a build server\n"
             "  --json FILE         the whole record; of several: an array of them\n"
             "  --report FILE.html  the same as one page to look at; of several: a directory\n"
             "  --seed N            the one that an earlier run has printed");
    return EXIT_DONE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

/* The flag of an option without a value. NULL: this verb has no such option. */
static bool *find_flag(struct options *options, int takes, const char *name)
{
    const struct {
        const char *name;
        int taken_by;
        bool *flag;
    } flags[] = {
        {"--json", TAKES_JSON, &options->is_json},
        {"--detach", TAKES_UP, &options->is_detached},
        {"--verbose", TAKES_UP, &options->is_verbose},
        {"--follow", TAKES_FOLLOW, &options->is_following},
        {"--force", TAKES_FORCE, &options->is_forced},
        {"--twins", TAKES_RUN, &options->has_twins},
        {"--without-steps", TAKES_RUN, &options->is_without_steps},
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        if (takes & flags[i].taken_by && !strcmp(flags[i].name, name))
            return flags[i].flag;
    return NULL;
}

/* The value of an option that has one. NULL: this verb has no such option. */
static const char **find_text(struct options *options, int takes, const char *name)
{
    const struct {
        const char *name;
        int taken_by;
        const char **text;
    } texts[] = {
        {"--state", TAKES_STATE, &options->state},
        {"-c", TAKES_CONFIG, &options->config},
        {"--config", TAKES_CONFIG, &options->config},
        {"--portal-group", TAKES_EXPORT, &options->portal_group},
        {"--initiator", TAKES_EXPORT, &options->initiator},
        {"--since", TAKES_FOLLOW, &options->since},
        {"--junit", TAKES_RUN, &options->junit},
        {"--json", TAKES_RUN, &options->json_file},
        {"--report", TAKES_RUN, &options->report},
        {"--seed", TAKES_RUN, &options->seed},
        {"--jobs", TAKES_RUN, &options->jobs},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (takes & texts[i].taken_by && !strcmp(texts[i].name, name))
            return texts[i].text;
    return NULL;
}

static int run_verb(const struct verb *verb, struct options *options, int argc, char **argv)
{
    options->arguments = argv;
    for (int i = 0; i < argc; i++) {
        const char **text = find_text(options, verb->takes, argv[i]);
        bool *flag = find_flag(options, verb->takes, argv[i]);

        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return print_verb_help(verb);
        if (text && i + 1 == argc)
            return command_refuse("%s needs a value", argv[i]);
        if (text)
            *text = argv[++i];
        else if (flag)
            *flag = true;
        else if (*argv[i] == '-')
            return command_refuse("%s takes no %s; \"sim-cluster %s --help\" says more", verb->name,
                                  argv[i], verb->name);
        else
            options->arguments[options->count++] = argv[i];
    }
    return verb->run(options);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    const struct verb *verb;
    int first = 1;

    if (argc > 2 && !strcmp(argv[1], "--state")) {
        options.state = argv[2];
        first = 3;
    }
    if (first >= argc)
        return command_refuse("say what to do; \"sim-cluster --help\" lists it");
    if (!strcmp(argv[first], "--help") || !strcmp(argv[first], "-h") ||
        !strcmp(argv[first], "help"))
        return print_help();
    if (!strcmp(argv[first], "wire"))
        return wire_main();
    if (!strcmp(argv[first], "probe"))
        return command_probe(options.state, argc - first, argv + first);
    verb = find_verb(argv[first]);
    if (!verb)
        return command_refuse("there is no verb %s; \"sim-cluster --help\" lists them",
                              argv[first]);
    return run_verb(verb, &options, argc - first - 1, argv + first + 1);
}
