/* The verb run: reads a scenario, runs it, writes what came of it; several are a batch. */
#include "sim-cluster/commands.h"
#include "sim-cluster/scenario_batch.h"
#include "sim-cluster/scenario_judge.h"
#include "sim-cluster/scenario_report.h"
#include "sim-cluster/scenario_run.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int choose_seed(void)
{
    unsigned seed = 0;

    (void)!getrandom(&seed, sizeof(seed), 0);
    return (int)(seed % 1000000) + 1;
}

/* NULL, or an owned sentence. */
static char *parse_seed(const char *text, int *seed)
{
    static const struct config_key key = {.least = 1, .most = INT_MAX};
    char *wrong = text ? config_parse_number(seed, text, &key, 0) : NULL;
    char *sentence = wrong ? memory_format("--seed %s: %s", text, wrong) : NULL;

    free(wrong);
    if (!*seed)
        *seed = choose_seed();
    return sentence;
}

static void print_verdict(const json_t *record)
{
    bool passed = json_is_true(json_object_get(record, "passed"));
    size_t i;
    json_t *entry;

    json_array_foreach (json_object_get(record, "expectations"), i, entry)
        printf("%s  %-32s %s\n",
               json_is_true(json_object_get(entry, "passed")) ? "ok    " : "FAILED",
               json_string_value(json_object_get(entry, "what")),
               json_string_value(json_object_get(entry, "evidence")));
    json_array_foreach (json_object_get(record, "trouble"), i, entry)
        printf("FAILED  %s\n", json_string_value(entry));
    printf("%s, seed %lld\n", passed ? "passed" : "failed",
           (long long)json_integer_value(json_object_get(record, "seed")));
}

static bool write_files(const struct options *options, const char *kept, const json_t *record)
{
    const struct {
        const char *path;
        scenario_writer *write;
    } files[] = {
        {options->junit, scenario_write_junit},
        {options->report, scenario_write_html},
        {options->json_file, scenario_write_json},
        {kept, scenario_write_json},
    };
    bool is_written = true;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        char *wrong =
            files[i].path ? scenario_write_file(files[i].path, record, files[i].write) : NULL;

        if (wrong)
            command_fail(wrong);
        is_written &= !wrong;
    }
    return is_written;
}

static int run(const struct options *options, const struct scenario *scenario, int seed)
{
    struct scenario_cluster cluster;
    char *wrong, *kept;
    json_t *record;
    bool passed, keeps;

    printf("%s, seed %d\n", scenario->title, seed);
    wrong = scenario_cluster_open(&cluster, scenario, options->state);
    if (wrong) {
        scenario_cluster_close(&cluster, false);
        return command_fail(wrong);
    }
    record = scenario_run(scenario, &cluster, seed);
    scenario_judge(scenario, record);
    passed = json_is_true(json_object_get(record, "passed"));
    print_verdict(record);
    kept = memory_format("%s/scenario.json", cluster.state);
    keeps = !passed && !options->is_without_steps;
    if (keeps && cluster.is_temporary)
        printf("the record, the logs and the volumes are in %s\n", cluster.state);
    passed &= write_files(options, kept, record);
    scenario_cluster_close(&cluster, keeps);
    json_decref(record);
    free(kept);
    return passed ? EXIT_DONE : EXIT_FAILED;
}

int command_run_scenario(const struct options *options)
{
    struct scenario scenario;
    char *wrong;
    int code = EXIT_USAGE, seed;

    if (!options->count)
        return command_refuse("say which scenario: run FILE.ini");
    if (scenario_batch_is_meant(options))
        return scenario_batch_run(options);
    wrong = scenario_read(&scenario, options->arguments[0]);
    seed = scenario.seed;
    if (!wrong)
        wrong = parse_seed(options->seed, &seed);
    if (options->is_without_steps)
        scenario_drop_steps(&scenario);
    if (wrong)
        command_fail(wrong);
    else
        code = run(options, &scenario, seed);
    scenario_free(&scenario);
    return code;
}
