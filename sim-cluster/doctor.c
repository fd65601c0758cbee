/* The verb doctor: what this machine has of what a configuration needs, and the remedy for each
 * thing that is missing. */
#include "sim-cluster/doctor.h"

#include "sim-cluster/client.h"
#include "sim-cluster/commands.h"
#include "sim-cluster/installation.h"
#include "sim-cluster/state_directory.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    doctor_check *run;
} checks[] = {
    {"programs", doctor_programs},
    {"privileges", doctor_privileges},
    {"user of nodes", doctor_user},
    {"system calls", doctor_system_calls},
    {"Landlock", doctor_landlock},
    {"power-off", doctor_silence},
    {"network namespaces", doctor_namespaces},
    {"links", doctor_links},
    {"interfaces", doctor_interfaces},
    {"addresses", doctor_addresses},
    {"ports", doctor_ports},
    {"ports below 1024", doctor_low_ports},
    {"firewall", doctor_firewall},
    {"leftovers", doctor_leftovers},
    {"state directory", doctor_directory},
    {"files with holes", doctor_holes},
    {"file size", doctor_file_size},
    {"space", doctor_space},
    {"descriptors", doctor_descriptors},
    {"processes", doctor_processes},
    {"backlog", doctor_backlog},
    {"clock", doctor_clock},
    {"/dev/net/tun", doctor_tun},
    {"/dev/kvm", doctor_kvm},
    {"QEMU", doctor_qemu},
};

static const char *const states[] = {"ok", "warning", "missing"};

struct finding finding_ok(char *what)
{
    return (struct finding){FINDING_OK, what, NULL};
}

struct finding finding_bad(enum finding_state state, char *what, char *remedy)
{
    return (struct finding){state, what, remedy};
}

int doctor_try(int (*attempt)(void))
{
    int status = 0;
    pid_t child = fork();

    if (!child)
        _exit(-attempt());
    if (child < 0)
        return -errno;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

char *doctor_visit_addresses(const struct cluster_config *config, doctor_visit *visit,
                             const void *owner)
{
    char *found = NULL;

    for (size_t i = 0; i < config->node_count && !found; i++)
        for (size_t j = 0; j < config->nodes[i].portal_count && !found; j++)
            found = visit(&config->nodes[i].portals[j].address, config->nodes[i].portals[j].line,
                          owner);
    for (size_t i = 0; i < config->portal_group_count && !found; i++)
        for (size_t j = 0; j < config->portal_groups[i].floating_ip_count && !found; j++)
            found = visit(&config->portal_groups[i].floating_ips[j].subnet.address,
                          config->portal_groups[i].floating_ips[j].line, owner);
    return found;
}

/* ---- the report ---- */

static const char *colour_of(enum finding_state state)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};

    return isatty(STDOUT_FILENO) ? colours[state] : "";
}

static void print_finding(const char *name, const struct finding *finding)
{
    const char *colour = colour_of(finding->state);

    printf("%-20s%s%-9s%s%s\n", name, colour, states[finding->state], *colour ? "\033[0m" : "",
           finding->what);
    if (finding->remedy)
        printf("%-29s%s\n", "", finding->remedy);
}

static json_t *build_finding(const char *name, const struct finding *finding)
{
    return json_pack("{s:s, s:s, s:s, s:s?}", "check", name, "state", states[finding->state],
                     "what", finding->what, "remedy", finding->remedy);
}

static int run_checks(const struct options *options, const struct doctor *doctor)
{
    json_t *findings = json_array();
    bool is_fit = true;

    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        struct finding finding = checks[i].run(doctor);

        is_fit &= finding.state != FINDING_MISSING;
        if (!options->is_json)
            print_finding(checks[i].name, &finding);
        json_array_append_new(findings, build_finding(checks[i].name, &finding));
        free(finding.what);
        free(finding.remedy);
    }
    if (options->is_json) {
        json_t *report = json_pack("{s:b, s:s, s:O}", "ok", is_fit, "config", doctor->config->path,
                                   "checks", findings);

        command_print_json(report);
        json_decref(report);
    } else {
        printf("\n%s %s\n", doctor->config->path,
               is_fit ? "can run on this machine" : "cannot run here: see what is missing");
    }
    json_decref(findings);
    return is_fit ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the verb ---- */

/* Owned: the path itself, or the nearest above it that is there. */
static char *nearest(const char *path)
{
    char *place = memory_copy_text(path), *slash;

    while (access(place, F_OK) && (slash = strrchr(place, '/')) && slash != place)
        *slash = '\0';
    if (access(place, F_OK)) {
        free(place);
        place = memory_copy_text(*path == '/' ? "/" : ".");
    }
    return place;
}

static int examine(const struct options *options, const struct cluster_config *config,
                   const char *directory)
{
    char *inner = state_directory_file(directory, "volumes");
    char *place = nearest(directory), *volumes = nearest(inner),
         *programs = installation_programs();
    struct connection connection;
    struct doctor doctor = {
        .config = config,
        .directory = directory,
        .place = place,
        .volumes = volumes,
        .programs = programs,
        .is_running = !client_connect(&connection, directory),
    };
    int code = run_checks(options, &doctor);

    client_close(&connection);
    free(inner);
    free(place);
    free(volumes);
    free(programs);
    return code;
}

int command_doctor(const struct options *options)
{
    char *path = options->config ? memory_copy_text(options->config) : installation_config();
    char *directory = state_directory_default(options->state), *wrong;
    struct cluster_config config = {0};
    int code;

    wrong = options->count ? NULL : cluster_config_read(&config, path);
    if (options->count) {
        code = command_refuse("doctor takes no %s", options->arguments[0]);
    } else if (wrong) {
        command_fail(wrong);
        code = EXIT_USAGE;
    } else if (!directory) {
        code = command_fail(memory_copy_text("there is no $HOME: name a state directory with "
                                             "--state"));
    } else {
        code = examine(options, &config, directory);
    }
    cluster_config_free(&config);
    free(path);
    free(directory);
    return code;
}
