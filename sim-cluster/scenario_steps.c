#include "sim-cluster/scenario_steps.h"

#include "sim-cluster/scenario_cluster.h"
#include "sim-cluster/scenario_words.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 40, TURN_MS = 20 };

static void note_trouble(struct scenario_steps *steps, char *sentence)
{
    json_array_append_new(json_object_get(steps->record, "trouble"), json_string(sentence));
    free(sentence);
}

/* ---- doing ---- */

/* `sim-cluster --state STATE words...`, the words cut at blanks. */
static void start_command(struct scenario_steps *steps, struct scenario_process *process,
                          const char *command)
{
    const char *arguments[WORDS_MAX + 4] = {"sim-cluster", "--state", steps->cluster->state};
    char *words = memory_copy_text(command), *rest = words, *word;
    int count = 3;

    while (count < WORDS_MAX + 3 && (word = strsep(&rest, " \t")))
        if (*word)
            arguments[count++] = word;
    scenario_process_start(process, NULL, arguments, false);
    free(words);
}

static void begin(struct scenario_steps *steps, size_t index, double now)
{
    const struct scenario_step *step = &steps->scenario->steps[index];
    struct scenario_step_run *run = &steps->runs[index];
    json_t *places = json_object_get(steps->record, "now");
    json_t *status = scenario_cluster_status(steps->cluster);

    if (status)
        json_object_set_new(places, "status", status);
    run->has_begun = true;
    run->due = now;
    for (size_t i = 0; i < step->command_count; i++) {
        char *why = NULL;

        run->commands[i] = scenario_resolve(step->commands[i].text, places, &why);
        if (run->commands[i]) {
            start_command(steps, &run->processes[i], run->commands[i]);
            printf("%7.2f s  %s: %s\n", now - steps->steady, step->name, run->commands[i]);
            continue;
        }
        run->processes[i] = (struct scenario_process){.output = -1};
        note_trouble(steps, memory_format("step %s: %s", step->name, why));
        free(why);
    }
    fflush(stdout);
}

static void note_command(struct scenario_steps *steps, size_t index, size_t number)
{
    const struct scenario_step *step = &steps->scenario->steps[index];
    struct scenario_step_run *run = &steps->runs[index];
    const struct scenario_process *process = &run->processes[number];
    char *said = scenario_process_said(process), stamp[EVENT_TIME_SIZE];

    event_format_time(stamp, run->due);
    json_array_append_new(json_object_get(steps->record, "steps"),
                          json_pack("{s:s, s:s, s:s?, s:i, s:s}", "name", step->name, "at", stamp,
                                    "did", run->commands[number], "code", process->code, "said",
                                    said));
    if (process->code && !step->may_fail)
        note_trouble(steps, memory_format("step %s: %s: %.*s", step->name, run->commands[number],
                                          (int)strcspn(said, "\n"), said));
    free(said);
}

static void note_end(struct scenario_steps *steps, size_t index)
{
    const struct scenario_step *step = &steps->scenario->steps[index];
    struct scenario_step_run *run = &steps->runs[index];

    for (size_t i = 0; i < step->command_count; i++)
        if (!scenario_process_is_ended(&run->processes[i], false))
            return;
    run->has_ended = true;
    for (size_t i = 0; i < step->command_count; i++)
        note_command(steps, index, i);
}

/* ---- when ---- */

/* Behind the step before, or at the start. */
static bool is_next(const struct scenario_steps *steps, size_t index)
{
    return !index || steps->runs[index - 1].has_ended;
}

int scenario_steps_turn(struct scenario_steps *steps, double now)
{
    double next = now + TURN_MS / 1000.0;

    for (size_t i = 0; i < steps->scenario->step_count; i++) {
        const struct scenario_step *step = &steps->scenario->steps[i];
        struct scenario_step_run *run = &steps->runs[i];

        if (!run->due && !step->when && step->at_ms < 0 && is_next(steps, i))
            run->due = now + step->after_ms / 1000.0;
        if (!run->has_begun && run->due && run->due <= now)
            begin(steps, i, now);
        else if (!run->has_begun && run->due && run->due < next)
            next = run->due;
        if (run->has_begun && !run->has_ended)
            note_end(steps, i);
    }
    return (int)((next - now) * 1000) + 1;
}

void scenario_steps_event(struct scenario_steps *steps, const json_t *event, double now)
{
    for (size_t i = 0; i < steps->scenario->step_count; i++) {
        const struct scenario_step *step = &steps->scenario->steps[i];
        char *why = NULL, *pattern;

        if (!step->when || steps->runs[i].due)
            continue;
        pattern = scenario_resolve(step->when, json_object_get(steps->record, "places"), &why);
        if (pattern && scenario_matches(pattern, event))
            steps->runs[i].due = now + step->after_ms / 1000.0;
        free(pattern);
        free(why);
    }
}

bool scenario_steps_are_running(const struct scenario_steps *steps)
{
    for (size_t i = 0; i < steps->scenario->step_count; i++)
        if (steps->runs[i].has_begun && !steps->runs[i].has_ended)
            return true;
    return false;
}

/* ---- start and end ---- */

void scenario_steps_start(struct scenario_steps *steps, double now)
{
    const struct scenario *scenario = steps->scenario;

    steps->steady = now;
    steps->runs = memory_new(scenario->step_count * sizeof(*steps->runs) + 1);
    for (size_t i = 0; i < scenario->step_count; i++) {
        struct scenario_step_run *run = &steps->runs[i];

        run->processes = memory_new(scenario->steps[i].command_count * sizeof(*run->processes));
        run->commands = memory_new(scenario->steps[i].command_count * sizeof(*run->commands));
        if (scenario->steps[i].at_ms >= 0)
            run->due = now + scenario->steps[i].at_ms / 1000.0;
    }
}

static void free_run(struct scenario_steps *steps, size_t index)
{
    const struct scenario_step *step = &steps->scenario->steps[index];
    struct scenario_step_run *run = &steps->runs[index];

    if (!run->has_begun)
        note_trouble(steps,
                     memory_format("step %s never came%s%s", step->name,
                                   step->when ? ": no event " : "", step->when ? step->when : ""));
    else if (!run->has_ended)
        note_trouble(steps, memory_format("step %s has not ended", step->name));
    for (size_t i = 0; i < step->command_count; i++) {
        if (run->has_begun)
            scenario_process_free(&run->processes[i]);
        free(run->commands[i]);
    }
    free(run->processes);
    free(run->commands);
}

void scenario_steps_free(struct scenario_steps *steps)
{
    for (size_t i = 0; i < steps->scenario->step_count; i++)
        free_run(steps, i);
    free(steps->runs);
}
