#include "sim-cluster/scenario_batch.h"

#include "sim-cluster/scenario.h"
#include "sim-cluster/scenario_process.h"
#include "sim-cluster/scenario_report.h"
#include "target/base/config.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TURN_MS = 20, JOBS_MAX = 64 };

struct batch_entry {
    char *path, *record_path; /* owned */
    struct scenario_process process;
    double begun; /* Unix time; 0: it has not */
    bool has_ended, is_twin;
};

struct batch {
    const struct options *options; /* borrowed */
    struct batch_entry *entries;   /* owned */
    size_t count;
    int jobs, passed, failed;
    json_t *records; /* owned: in the order of their end */
};

/* An interrupted batch ends those that run, which clean up, and starts no more. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

/* ---- which ---- */

static bool is_directory(const char *path)
{
    struct stat status;

    return !stat(path, &status) && S_ISDIR(status.st_mode);
}

bool scenario_batch_is_meant(const struct options *options)
{
    return options->has_twins || options->count > 1 || is_directory(options->arguments[0]);
}

/* Takes the path. */
static void add(struct batch *batch, char *path)
{
    for (int twin = 0; twin <= batch->options->has_twins; twin++) {
        struct batch_entry *entry =
            config_append(&batch->entries, &batch->count, sizeof(*batch->entries));

        *entry = (struct batch_entry){
            .path = memory_copy_text(path), .process = {.output = -1}, .is_twin = twin};
    }
    free(path);
}

static bool is_named_ini(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && !strcmp(name + length - 4, ".ini");
}

static int is_scenario(const struct dirent *entry)
{
    return is_named_ini(entry->d_name);
}

/* NULL, or an owned sentence. */
static char *add_directory(struct batch *batch, const char *path)
{
    struct dirent **found = NULL;
    int count = scandir(path, &found, is_scenario, alphasort);

    if (count < 0)
        return memory_format("%s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        add(batch, memory_format("%s/%s", path, found[i]->d_name));
        free(found[i]);
    }
    free(found);
    return count ? NULL : memory_format("%s: there is no scenario (*.ini) in it", path);
}

/* ---- what can be run side by side ---- */

static char *check_one(const struct batch *batch, const char *path)
{
    struct scenario scenario;
    char *wrong = scenario_read(&scenario, path);

    if (!wrong && scenario.cluster && batch->jobs > 1)
        wrong = memory_format("%s: with cluster = it shares its addresses with others: run it "
                              "alone, or with --jobs 1",
                              path);
    scenario_free(&scenario);
    return wrong;
}

static char *parse_jobs(struct batch *batch)
{
    static const struct config_key key = {.least = 1, .most = JOBS_MAX};
    const char *text = batch->options->jobs;
    char *wrong, *sentence;

    batch->jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    wrong = text ? config_parse_number(&batch->jobs, text, &key, 0) : NULL;
    sentence = wrong ? memory_format("--jobs %s: %s", text, wrong) : NULL;
    free(wrong);
    if (!sentence && batch->options->state && batch->jobs > 1)
        sentence = memory_copy_text("--state is for one scenario at a time: add --jobs 1");
    return sentence;
}

/* NULL, or an owned sentence. */
static char *prepare(struct batch *batch)
{
    const struct options *options = batch->options;
    char *wrong = parse_jobs(batch);

    for (int i = 0; i < options->count && !wrong; i++) {
        if (is_directory(options->arguments[i]))
            wrong = add_directory(batch, options->arguments[i]);
        else
            add(batch, memory_copy_text(options->arguments[i]));
    }
    for (size_t i = 0; i < batch->count && !wrong; i++)
        wrong = check_one(batch, batch->entries[i].path);
    if (!wrong && options->report && mkdir(options->report, 0777) && errno != EEXIST)
        wrong = memory_format("%s: %s", options->report, strerror(errno));
    return wrong;
}

/* ---- one ---- */

/* "node-killed" of "configs/scenarios/node-killed.ini"; owned. */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), end = is_named_ini(name) ? 4 : 0;

    return memory_format("%.*s", (int)(length - end), name);
}

static void start(struct batch *batch, struct batch_entry *entry)
{
    const struct options *options = batch->options;
    char *stem = stem_of(entry->path), record[] = "/tmp/sim-cluster-record-XXXXXX";
    char *report = options->report && !entry->is_twin
                       ? memory_format("%s/%s.html", options->report, stem)
                       : NULL;
    const char *arguments[16] = {"sim-cluster", "run", entry->path, "--json", record};
    int count = 5, file = mkstemp(record);
    const struct {
        const char *name, *value;
    } optional[] = {{"--report", report}, {"--seed", options->seed}, {"--state", options->state}};

    for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
        if (optional[i].value) {
            arguments[count++] = optional[i].name;
            arguments[count++] = optional[i].value;
        }
    if (entry->is_twin)
        arguments[count++] = "--without-steps";
    if (file >= 0)
        close(file);
    entry->record_path = memory_copy_text(record);
    entry->begun = event_now();
    scenario_process_start(&entry->process, NULL, arguments, false);
    free(report);
    free(stem);
}

/* What a twin has shown takes the place of its expectations: one of them did not hold, and that
 * alone. */
static bool judge_twin(json_t *record)
{
    const json_t *verdicts = json_object_get(record, "expectations"), *trouble, *caught = NULL;
    const char *title = json_string_value(json_object_get(record, "title")), *evidence;
    char *named = memory_format("%s, without its steps", title);
    bool passed;

    for (size_t i = 0; i < json_array_size(verdicts) && !caught; i++)
        if (!json_is_true(json_object_get(json_array_get(verdicts, i), "passed")))
            caught = json_object_get(json_array_get(verdicts, i), "what");
    trouble = json_object_get(record, "trouble");
    passed = caught && !json_array_size(trouble);
    evidence = caught ? json_string_value(caught) : "every expectation held";
    json_object_set_new(record, "expectations",
                        json_pack("[{s:s, s:b, s:s}]", "what", "it must fail", "passed", passed,
                                  "evidence", evidence));
    json_object_set_new(record, "passed", json_boolean(passed));
    json_object_set_new(record, "title", json_string(named));
    free(named);
    return passed;
}

static void print_indented(const char *said)
{
    while (*said) {
        int length = (int)strcspn(said, "\n");

        printf("    %.*s\n", length, said);
        said += length + (said[length] == '\n');
    }
}

/* Of one that did not get as far as to leave a record. */
static json_t *record_of_failure(const struct batch_entry *entry, const char *stem,
                                 const char *said)
{
    const char *sentence = strstr(said, "sim-cluster: ");
    char begun[EVENT_TIME_SIZE], ended[EVENT_TIME_SIZE];
    char *why = sentence ? memory_format("%.*s", (int)strcspn(sentence, "\n"), sentence)
                         : memory_format("it ended with %d", entry->process.code);
    json_t *record;

    event_format_time(begun, entry->begun);
    event_format_time(ended, event_now());
    record = json_pack("{s:s, s:s, s:s, s:s, s:i, s:[], s:[s], s:b}", "scenario", entry->path,
                       "title", stem, "begun", begun, "ended", ended, "seed", 0, "expectations",
                       "trouble", why, "passed", 0);
    free(why);
    return record;
}

static void note_end(struct batch *batch, struct batch_entry *entry)
{
    json_t *record = json_load_file(entry->record_path, 0, NULL);
    char *stem = stem_of(entry->path), *said = scenario_process_said(&entry->process);
    bool passed;

    if (!record)
        record = record_of_failure(entry, stem, said);
    passed = entry->is_twin ? judge_twin(record) : !entry->process.code;
    printf("%s  %-34s %6.1f s  %s\n", passed ? "passed" : "FAILED", stem,
           event_now() - entry->begun, json_string_value(json_object_get(record, "title")));
    if (!passed)
        print_indented(said);
    fflush(stdout);
    batch->passed += passed;
    batch->failed += !passed;
    json_array_append_new(batch->records, record);
    unlink(entry->record_path);
    entry->has_ended = true;
    scenario_process_free(&entry->process);
    free(said);
    free(stem);
}

/* ---- all ---- */

/* Notes what has ended, starts what there is room for. How many run. */
static int turn(struct batch *batch)
{
    int running = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct batch_entry *entry = &batch->entries[i];

        if (entry->begun && !entry->has_ended && scenario_process_is_ended(&entry->process, false))
            note_end(batch, entry);
        running += entry->begun && !entry->has_ended;
    }
    for (size_t i = 0; i < batch->count && running < batch->jobs && !is_interrupted; i++)
        if (!batch->entries[i].begun) {
            start(batch, &batch->entries[i]);
            running++;
        }
    return running;
}

static void end_running(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->entries[i].process.pid)
            kill(batch->entries[i].process.pid, SIGTERM);
}

static int write_files(const struct batch *batch)
{
    const struct {
        const char *path;
        scenario_writer *write;
    } files[] = {
        {batch->options->junit, scenario_write_junit_of_all},
        {batch->options->json_file, scenario_write_json},
    };
    int code = EXIT_DONE;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        char *wrong = files[i].path
                          ? scenario_write_file(files[i].path, batch->records, files[i].write)
                          : NULL;

        if (wrong)
            code = command_fail(wrong);
    }
    return code;
}

static int run_all(struct batch *batch)
{
    double begun = event_now();
    bool is_told = false;

    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    while (turn(batch)) {
        if (is_interrupted && !is_told)
            end_running(batch);
        is_told = is_interrupted;
        poll(NULL, 0, TURN_MS);
    }
    printf("%d passed, %d failed", batch->passed, batch->failed);
    if (is_interrupted)
        printf(", %zu not run", batch->count - (size_t)(batch->passed + batch->failed));
    printf(", %.0f s, %d at a time\n", event_now() - begun, batch->jobs);
    if (write_files(batch))
        return EXIT_FAILED;
    return batch->failed || is_interrupted ? EXIT_FAILED : EXIT_DONE;
}

static void release(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->entries[i].path);
        free(batch->entries[i].record_path);
    }
    free(batch->entries);
    json_decref(batch->records);
}

int scenario_batch_run(const struct options *options)
{
    struct batch batch = {.options = options, .records = json_array()};
    char *wrong = prepare(&batch);
    int code = EXIT_USAGE;

    if (wrong)
        command_fail(wrong);
    else
        code = run_all(&batch);
    release(&batch);
    return code;
}
