#include "sim-cluster/scenario_cluster.h"

#include "sim-cluster/scenario_process.h"
#include "sim-cluster/state_directory.h"
#include "target/base/memory.h"

#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { UP_TRIES = 4 };

/* ---- the configuration ---- */

static void write_settings(FILE *file, const struct scenario_text *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(settings[i].text, " \t=");

        fprintf(file, "%.*s = %s\n", (int)name, settings[i].text,
                settings[i].text + name + strspn(settings[i].text + name, " \t="));
    }
}

static bool has_setting(const struct scenario_text *settings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strncmp(settings[i].text, name, strlen(name)))
            return true;
    return false;
}

static void write_volume(FILE *file, const struct scenario *scenario, int number)
{
    fprintf(file, "[volume data%d]\n", number);
    if (!has_setting(scenario->volume_settings, scenario->volume_setting_count, "size"))
        fputs("size = 1G\n", file);
    write_settings(file, scenario->volume_settings, scenario->volume_setting_count);
    fprintf(file, "[export data%d]\nportal_group = poc\n", number);
}

/* 127.A.B.x and 127.A.C.x: addresses of its own, so that it disturbs no other cluster. */
static void write_addresses(FILE *file, const struct scenario *scenario)
{
    uint8_t random[2] = {0};

    (void)!getrandom(random, sizeof(random), 0);
    int a = 64 + random[0] % 128, b = random[1] | 1, c = b - 1;

    fprintf(file,
            "[portal_group poc]\nfloating_ip = 127.%d.%d.100/24\nfloating_ip = "
            "127.%d.%d.100/24\n",
            a, b, a, c);
    write_settings(file, scenario->group_settings, scenario->group_setting_count);
    for (int node = 1; node <= 3; node++)
        fprintf(file, "[node %d]\nportal = 127.%d.%d.%d poc\nportal = 127.%d.%d.%d poc\n", node, a,
                b, node, a, c, node);
}

char *scenario_config_write(const char *path, const struct scenario *scenario)
{
    static const struct scenario plain;
    FILE *file = fopen(path, "we");

    if (!file)
        return memory_format("%s: %s", path, strerror(errno));
    if (!scenario)
        scenario = &plain;
    fputs("[cluster]\nbase_name = iqn.2012-11.com.example:demo\n", file);
    write_settings(file, scenario->settings, scenario->setting_count);
    write_addresses(file, scenario);
    fputs("[initiator *]\n", file);
    write_settings(file, scenario->initiator_settings, scenario->initiator_setting_count);
    for (int number = 1; number <= 2; number++)
        write_volume(file, scenario, number);
    return fclose(file) ? memory_format("%s: %s", path, strerror(errno)) : NULL;
}

/* ---- up ---- */

static char *choose_state(struct scenario_cluster *cluster, const char *state)
{
    char directory[] = "/tmp/sim-cluster-XXXXXX";

    if (state || !cluster->is_ours) {
        cluster->state = state_directory_default(state);
        return cluster->state ? NULL
                              : memory_copy_text("there is no $HOME: name a state directory "
                                                 "with --state");
    }
    if (!mkdtemp(directory))
        return memory_format("/tmp: %s", strerror(errno));
    cluster->state = memory_copy_text(directory);
    cluster->is_temporary = true;
    return NULL;
}

/* A configuration's name is relative to the scenario. */
static char *find_config(const struct scenario *scenario)
{
    char *path = memory_copy_text(scenario->path), *config;

    config = *scenario->cluster == '/' ? memory_copy_text(scenario->cluster)
                                       : memory_format("%s/%s", dirname(path), scenario->cluster);
    free(path);
    return config;
}

static char *bring_up(struct scenario_cluster *cluster)
{
    const char *const arguments[] = {"sim-cluster", "--state",       cluster->state, "up",
                                     "-c",          cluster->config, "--detach",     NULL};
    struct scenario_process up;
    char *wrong = NULL;

    scenario_process_start(&up, NULL, arguments, false);
    scenario_process_is_ended(&up, true);
    cluster->is_up = !up.code;
    if (up.code) {
        char *said = scenario_process_said(&up);

        wrong = memory_format("the cluster did not come up: %.*s", (int)strcspn(said, "\n"), said);
        free(said);
    }
    scenario_process_free(&up);
    return wrong;
}

/* Somebody may have the addresses that chance gave us. */
static char *bring_up_own(struct scenario_cluster *cluster, const struct scenario *scenario)
{
    char *wrong = NULL;

    for (int i = 0; i < UP_TRIES && !cluster->is_up; i++) {
        free(wrong);
        wrong = scenario_config_write(cluster->config, scenario);
        if (wrong)
            return wrong;
        wrong = bring_up(cluster);
        if (wrong && !strstr(wrong, "in use"))
            return wrong;
    }
    return wrong;
}

static char *connect_to(struct scenario_cluster *cluster)
{
    int error = client_connect(&cluster->questions, cluster->state);

    if (!error)
        error = client_connect(&cluster->events, cluster->state);
    if (error)
        return memory_format("no cluster runs on %s: %s", cluster->state, strerror(-error));
    json_decref(
        client_ask(&cluster->events, json_pack("{s:s}", "request", "events"), CLIENT_PATIENCE_MS));
    return NULL;
}

char *scenario_cluster_open(struct scenario_cluster *cluster, const struct scenario *scenario,
                            const char *state)
{
    char *wrong;

    *cluster = (struct scenario_cluster){.events.fd = -1, .questions.fd = -1};
    cluster->is_ours = !scenario->cluster || strcmp(scenario->cluster, "running");
    wrong = choose_state(cluster, state);
    if (!wrong && cluster->is_ours && scenario->cluster) {
        cluster->config = find_config(scenario);
        wrong = bring_up(cluster);
    } else if (!wrong && cluster->is_ours) {
        cluster->config = memory_format("%s.ini", cluster->state);
        wrong = bring_up_own(cluster, scenario);
        unlink(cluster->config);
    }
    return wrong ? wrong : connect_to(cluster);
}

/* ---- down ---- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void bring_down(struct scenario_cluster *cluster)
{
    const char *const arguments[] = {"sim-cluster", "--state", cluster->state, "down", NULL};
    struct scenario_process down;

    scenario_process_start(&down, NULL, arguments, false);
    scenario_process_is_ended(&down, true);
    scenario_process_free(&down);
}

void scenario_cluster_close(struct scenario_cluster *cluster, bool keeps)
{
    client_close(&cluster->events);
    client_close(&cluster->questions);
    if (cluster->is_up)
        bring_down(cluster);
    if (cluster->is_temporary && !keeps)
        nftw(cluster->state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(cluster->state);
    free(cluster->config);
}

json_t *scenario_cluster_status(struct scenario_cluster *cluster)
{
    json_t *reply = client_ask(&cluster->questions, json_pack("{s:s}", "request", "status"),
                               CLIENT_PATIENCE_MS);
    json_t *status = json_incref(json_object_get(reply, "status"));

    json_decref(reply);
    return status;
}
