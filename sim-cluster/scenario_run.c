#include "sim-cluster/scenario_run.h"

#include "sim-cluster/scenario_judge.h"
#include "sim-cluster/scenario_steps.h"
#include "sim-cluster/scenario_words.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_LONGEST "1000000"

enum { LOOK_MS = 200, PROBE_OPTIONS_MAX = 32, STEPS_PATIENCE_MS = 30000, LOAD_PATIENCE_MS = 60000 };

struct running {
    const struct scenario *scenario;
    struct scenario_cluster *cluster;
    struct scenario_process load;
    struct scenario_steps steps;
    bool is_stepping;
    json_t *record, *events; /* owned; borrowed from it */
};

/* An interrupted run goes straight to its end, and still cleans up. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static void note_trouble(struct running *running, char *sentence)
{
    json_array_append_new(json_object_get(running->record, "trouble"), json_string(sentence));
    free(sentence);
}

static void note_time(struct running *running, const char *key)
{
    char stamp[EVENT_TIME_SIZE];

    event_format_time(stamp, event_now());
    json_object_set_new(running->record, key, json_string(stamp));
}

/* ---- time ---- */

/* Takes what happens for up to so long; true: one event more. */
static bool take_event(struct running *running, int timeout_ms)
{
    json_t *event = client_read(&running->cluster->events, timeout_ms);

    if (!event)
        return false;
    if (running->is_stepping)
        scenario_steps_event(&running->steps, event, event_now());
    json_array_append_new(running->events, event);
    return true;
}

/* One turn that ends at `end` (Unix time) at the latest. */
static void turn(struct running *running, double end)
{
    int left_ms = (int)((end - event_now()) * 1000) + 1;
    int next_ms = running->is_stepping ? scenario_steps_turn(&running->steps, event_now()) : 20;

    take_event(running, next_ms < left_ms ? next_ms : left_ms);
}

static void pass(struct running *running, int duration_ms)
{
    double end = event_now() + duration_ms / 1000.0;

    while (event_now() < end && !is_interrupted)
        turn(running, end);
}

/* ---- the load ---- */

static void start_probe(struct running *running, int seed)
{
    const char *arguments[PROBE_OPTIONS_MAX + 16] = {
        "sim-cluster", "--state",   running->cluster->state,
        "probe",       "--seconds", PROBE_LONGEST,
        "--json",      "--stall",   "20",
        "--seed"};
    char number[16], *options = NULL, *rest, *word;
    int count = 10;

    snprintf(number, sizeof(number), "%d", seed);
    arguments[count++] = number;
    if (running->scenario->probe)
        options = memory_copy_text(running->scenario->probe);
    rest = options;
    while (count < PROBE_OPTIONS_MAX + 15 && rest && (word = strsep(&rest, " \t")))
        if (*word)
            arguments[count++] = word;
    scenario_process_start(&running->load, NULL, arguments, true);
    free(options);
}

static void start_load(struct running *running, int seed)
{
    const char *const shell[] = {"sh", "-c", running->scenario->exec, NULL};
    char number[16];

    snprintf(number, sizeof(number), "%d", seed);
    setenv("SIM_CLUSTER_STATE", running->cluster->state, 1);
    setenv("SIM_CLUSTER_SEED", number, 1);
    running->load = (struct scenario_process){.output = -1};
    if (running->scenario->load == LOAD_PROBE)
        start_probe(running, seed);
    else if (running->scenario->load == LOAD_EXEC)
        scenario_process_start(&running->load, "/bin/sh", shell, true);
}

static bool is_load_running(struct running *running)
{
    return running->load.pid && !scenario_process_is_ended(&running->load, false);
}

static void end_load(struct running *running)
{
    double end = event_now() + LOAD_PATIENCE_MS / 1000.0;
    char *said;

    if (is_load_running(running))
        kill(running->load.pid, running->scenario->load == LOAD_PROBE ? SIGINT : SIGTERM);
    while (is_load_running(running) && event_now() < end)
        turn(running, end);
    if (running->load.pid)
        note_trouble(running, memory_copy_text("the load did not end when it was told to"));
    said = scenario_process_said(&running->load);
    if (running->scenario->load == LOAD_PROBE)
        json_object_set_new(running->record, "probe", json_loads(said, 0, NULL));
    scenario_process_free(&running->load);
    json_object_set_new(running->record, "load_code", json_integer(running->load.code));
    free(said);
}

/* ---- the steady state ---- */

/* Sessions with a target; owned. */
static json_t *sessions_of(struct running *running)
{
    json_t *status = scenario_cluster_status(running->cluster), *sessions = json_array(), *session;
    size_t i;

    json_array_foreach (json_object_get(status, "sessions"), i, session)
        if (json_is_string(json_object_get(session, "target")))
            json_array_append(sessions, session);
    json_decref(status);
    return sessions;
}

static bool has_session(struct running *running)
{
    json_t *sessions = sessions_of(running);
    bool has = json_array_size(sessions) > 0;

    json_decref(sessions);
    return has;
}

static void await_initiator(struct running *running)
{
    double end = event_now() + running->scenario->wait_ms / 1000.0;

    if (running->scenario->load == LOAD_EXEC)
        return;
    if (running->scenario->load == LOAD_NONE)
        puts("waiting for an initiator");
    while (!has_session(running) && event_now() < end && !is_interrupted) {
        if (running->scenario->load == LOAD_PROBE && !is_load_running(running))
            break;
        turn(running, end);
    }
    if (!has_session(running))
        note_trouble(running, memory_copy_text("no steady state: no initiator logged in in time"));
}

static void check_steady(struct running *running, size_t first)
{
    static const char *const unsteady[] = {"node.failed", "session.closed target=*", "target.moved",
                                           "login.refused"};

    for (size_t i = first; i < json_array_size(running->events); i++)
        for (size_t j = 0; j < sizeof(unsteady) / sizeof(*unsteady); j++)
            if (scenario_matches(unsteady[j], json_array_get(running->events, i))) {
                note_trouble(running, memory_format("no steady state: %s", unsteady[j]));
                return;
            }
}

static void reach_steady_state(struct running *running, int seed)
{
    json_t *status, *places;
    size_t first;

    await_initiator(running);
    while (take_event(running, 0))
        ;
    first = json_array_size(running->events);
    pass(running, running->scenario->steady_ms);
    check_steady(running, first);
    status = scenario_cluster_status(running->cluster);
    places = json_pack("{s:i, s:o?}", "seed", seed, "status", status);
    json_object_set_new(running->record, "places", places);
    json_object_set_new(running->record, "now", json_copy(places));
    note_time(running, "steady");
}

/* ---- the end ---- */

static void heal(struct running *running)
{
    const char *const arguments[] = {"sim-cluster", "--state", running->cluster->state, "heal",
                                     NULL};
    struct scenario_process process;
    char *said;

    scenario_process_start(&process, NULL, arguments, false);
    while (!scenario_process_is_ended(&process, false))
        turn(running, event_now() + 0.02);
    said = scenario_process_said(&process);
    if (process.code)
        note_trouble(running, memory_format("heal: %.*s", (int)strcspn(said, "\n"), said));
    free(said);
    scenario_process_free(&process);
}

/* How many sessions the initiator of this one has with its target. */
static int count_alike(const json_t *session, const json_t *sessions)
{
    int count = 0;
    size_t i;
    json_t *other;

    json_array_foreach (sessions, i, other)
        count += json_equal(json_object_get(session, "initiator"),
                            json_object_get(other, "initiator")) &&
                 json_equal(json_object_get(session, "target"), json_object_get(other, "target"));
    return count;
}

/* Who had more sessions with a target than now; NULL: nobody. Borrowed from `before`. */
static const char *find_missing(struct running *running, const json_t *before)
{
    json_t *now = sessions_of(running), *session;
    const char *missing = NULL;
    size_t i;

    json_array_foreach (before, i, session)
        if (json_is_string(json_object_get(session, "target")) &&
            count_alike(session, now) < count_alike(session, before))
            missing = json_string_value(json_object_get(session, "initiator"));
    json_decref(now);
    return missing;
}

/* Everybody who was connected is back within the budget. */
static void check_liveness(struct running *running)
{
    const json_t *status = json_object_get(json_object_get(running->record, "places"), "status");
    const json_t *before = json_object_get(status, "sessions");
    double end = event_now() + running->scenario->back_within_ms / 1000.0;
    const char *missing = find_missing(running, before);

    while (missing && event_now() < end && !is_interrupted) {
        turn(running, end);
        missing = find_missing(running, before);
    }
    if (missing)
        note_trouble(running, memory_format("%s is not back %d ms after everything was healed",
                                            missing, running->scenario->back_within_ms));
}

/* The same status again and again, until everybody is seen to move data or the time is over. */
static void look_later(struct running *running)
{
    int wait_ms = scenario_later_ms(running->scenario);
    double end = event_now() + wait_ms / 1000.0;
    bool is_going_on = !wait_ms;

    while (!is_going_on && event_now() < end && !is_interrupted) {
        pass(running, LOOK_MS);
        json_object_set_new(running->record, "later", scenario_cluster_status(running->cluster));
        free(scenario_judge_io_goes_on("", running->record, &is_going_on));
    }
}

static void go_through_steps(struct running *running, int seed)
{
    running->steps = (struct scenario_steps){.scenario = running->scenario,
                                             .cluster = running->cluster,
                                             .record = running->record,
                                             .seed = seed};
    scenario_steps_start(&running->steps, event_now());
    running->is_stepping = true;
    pass(running, running->scenario->duration_ms);
    for (double end = event_now() + STEPS_PATIENCE_MS / 1000.0;
         scenario_steps_are_running(&running->steps) && event_now() < end && !is_interrupted;)
        turn(running, end);
    running->is_stepping = false;
    note_time(running, "over");
    json_object_set_new(running->record, "final", scenario_cluster_status(running->cluster));
    look_later(running);
    scenario_steps_free(&running->steps);
}

static int compare_times(const void *left, const void *right)
{
    const json_t *const *a = left, *const *b = right;

    return strcmp(json_string_value(json_object_get(*a, "time")),
                  json_string_value(json_object_get(*b, "time")));
}

/* Several processes tell, and what is told later may have been earlier. */
static void sort_events(json_t *events)
{
    size_t count = json_array_size(events);
    json_t **sorted = memory_new(count * sizeof(json_t *) + 1);

    for (size_t i = 0; i < count; i++)
        sorted[i] = json_incref(json_array_get(events, i));
    qsort(sorted, count, sizeof(json_t *), compare_times);
    for (size_t i = 0; i < count; i++)
        json_array_set_new(events, i, sorted[i]);
    free(sorted);
}

static json_t *new_record(const struct scenario *scenario, int seed)
{
    return json_pack("{s:s, s:s, s:i, s:[], s:[], s:[], s:n}", "scenario", scenario->path, "title",
                     scenario->title, "seed", seed, "events", "steps", "trouble", "probe");
}

json_t *scenario_run(const struct scenario *scenario, struct scenario_cluster *cluster, int seed)
{
    struct running running = {
        .scenario = scenario, .cluster = cluster, .record = new_record(scenario, seed)};

    running.events = json_object_get(running.record, "events");
    is_interrupted = 0;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    note_time(&running, "begun");
    start_load(&running, seed);
    reach_steady_state(&running, seed);
    if (!json_array_size(json_object_get(running.record, "trouble")))
        go_through_steps(&running, seed);
    heal(&running);
    check_liveness(&running);
    end_load(&running);
    if (is_interrupted)
        note_trouble(&running, memory_copy_text("it was interrupted"));
    while (take_event(&running, 0))
        ;
    sort_events(running.events);
    note_time(&running, "ended");
    return running.record;
}
