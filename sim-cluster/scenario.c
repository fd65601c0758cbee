#include "sim-cluster/scenario.h"

#include "sim-cluster/scenario_judge.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define IN(type, field) offsetof(struct type, field)

enum { HOUR_MS = 3600000, IDLE_MS = 100 };

static const char *const load_names[] = {"probe", "none", "exec", NULL};

static char *append_text(struct scenario_text **texts, size_t *count, const char *value, int line)
{
    struct scenario_text *text = config_append(texts, count, sizeof(*text));

    *text = (struct scenario_text){memory_copy_text(value), line};
    return NULL;
}

static char *parse_setting(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key;
    struct scenario *scenario = field;

    return append_text(&scenario->settings, &scenario->setting_count, value, line);
}

static char *parse_group_setting(void *field, const char *value, const struct config_key *key,
                                 int line)
{
    (void)key;
    struct scenario *scenario = field;

    return append_text(&scenario->group_settings, &scenario->group_setting_count, value, line);
}

static char *parse_volume_setting(void *field, const char *value, const struct config_key *key,
                                  int line)
{
    (void)key;
    struct scenario *scenario = field;

    return append_text(&scenario->volume_settings, &scenario->volume_setting_count, value, line);
}

static char *parse_initiator_setting(void *field, const char *value, const struct config_key *key,
                                     int line)
{
    (void)key;
    struct scenario *scenario = field;

    return append_text(&scenario->initiator_settings, &scenario->initiator_setting_count, value,
                       line);
}

static char *parse_command(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key;
    struct scenario_step *step = field;

    return append_text(&step->commands, &step->command_count, value, line);
}

static char *parse_claim(void *field, const char *value, const struct config_key *key, int line)
{
    struct scenario *scenario = field;
    struct scenario_claim *claim =
        config_append(&scenario->claims, &scenario->claim_count, sizeof(*claim));

    claim->expectation = scenario_find_expectation(key->key);
    claim->value = memory_copy_text(value);
    claim->line = line;
    return scenario_check_claim(claim);
}

static char *begin_whole(void *owner, const char *name, int line, void **object)
{
    (void)name, (void)line;
    *object = owner;
    return NULL;
}

static char *begin_step(void *owner, const char *name, int line, void **object)
{
    struct scenario *scenario = owner;
    struct scenario_step *step =
        config_append(&scenario->steps, &scenario->step_count, sizeof(*step));

    *step = (struct scenario_step){.name = memory_copy_text(name), .line = line, .at_ms = -1};
    *object = step;
    return NULL;
}

static const struct config_section sections[] = {
    {"scenario", false, begin_whole},
    {"step", true, begin_step},
    {"expect", false, begin_whole},
    {0},
};

/* clang-format off */
static const struct config_key keys[] = {
    { "scenario", "title",                config_parse_text,       IN(scenario, title), .repeats = false },
    { "scenario", "cluster",              config_parse_text,       IN(scenario, cluster), .repeats = false },
    { "scenario", "setting",              parse_setting,           0, .repeats = true },
    { "scenario", "portal_group_setting", parse_group_setting,     0, .repeats = true },
    { "scenario", "volume_setting",       parse_volume_setting,    0, .repeats = true },
    { "scenario", "initiator_setting",    parse_initiator_setting, 0, .repeats = true },
    { "scenario", "load",                 config_parse_choice,     IN(scenario, load), .words = load_names },
    { "scenario", "probe",                config_parse_text,       IN(scenario, probe), .repeats = false },
    { "scenario", "exec",                 config_parse_text,       IN(scenario, exec), .repeats = false },
    { "scenario", "wait",                 config_parse_duration,   IN(scenario, wait_ms), .least = 0, .most = 24 * HOUR_MS },
    { "scenario", "steady",               config_parse_duration,   IN(scenario, steady_ms), .least = 0, .most = HOUR_MS },
    { "scenario", "duration",             config_parse_duration,   IN(scenario, duration_ms), .least = 0, .most = 24 * HOUR_MS },
    { "scenario", "back_within",          config_parse_duration,   IN(scenario, back_within_ms), .least = 0, .most = HOUR_MS },
    { "scenario", "seed",                 config_parse_number,     IN(scenario, seed), .least = 1, .most = INT_MAX },
    { "step",     "at",                   config_parse_duration,   IN(scenario_step, at_ms), .least = 0, .most = 24 * HOUR_MS },
    { "step",     "when",                 config_parse_text,       IN(scenario_step, when), .repeats = false },
    { "step",     "after",                config_parse_duration,   IN(scenario_step, after_ms), .least = 0, .most = HOUR_MS },
    { "step",     "may_fail",             config_parse_flag,       IN(scenario_step, may_fail), .repeats = false },
    { "step",     "do",                   parse_command,           0, .repeats = true },
    { "expect",   "stall_below",          parse_claim,             0, .repeats = false },
    { "expect",   "stall_above",          parse_claim,             0, .repeats = false },
    { "expect",   "intact",               parse_claim,             0, .repeats = false },
    { "expect",   "errors",               parse_claim,             0, .repeats = false },
    { "expect",   "redirects",            parse_claim,             0, .repeats = false },
    { "expect",   "reconnects",           parse_claim,             0, .repeats = false },
    { "expect",   "relogin_within",       parse_claim,             0, .repeats = false },
    { "expect",   "session_on",           parse_claim,             0, .repeats = true },
    { "expect",   "no_session_on",        parse_claim,             0, .repeats = true },
    { "expect",   "nop_out",              parse_claim,             0, .repeats = false },
    { "expect",   "io_goes_on",           parse_claim,             0, .repeats = false },
    { "expect",   "event",                parse_claim,             0, .repeats = true },
    { "expect",   "never",                parse_claim,             0, .repeats = true },
    { "expect",   "load_exit",            parse_claim,             0, .repeats = false },
    { 0 },
};
/* clang-format on */

static const struct config_table table = {sections, keys};

static char *complaint(const struct scenario *scenario, int line, const char *phrase)
{
    return memory_format("%s:%d: %s", scenario->path, line, phrase);
}

static char *check_step(const struct scenario *scenario, const struct scenario_step *step)
{
    if (!step->command_count)
        return complaint(scenario, step->line, "a step needs do = VERB ...");
    if (step->at_ms >= 0 && step->when)
        return complaint(scenario, step->line, "a step has either at or when");
    if (step->at_ms > scenario->duration_ms)
        return complaint(scenario, step->line, "the step comes after the scenario's duration");
    return NULL;
}

static char *check(const struct scenario *scenario)
{
    char *wrong = NULL;

    if (!scenario->title)
        return complaint(scenario, 1, "[scenario] needs a title");
    if ((scenario->load == LOAD_EXEC) != (scenario->exec != NULL))
        return complaint(scenario, 1, "load = exec and exec = COMMAND come together");
    if (scenario->cluster && (scenario->setting_count || scenario->group_setting_count ||
                              scenario->volume_setting_count || scenario->initiator_setting_count))
        return complaint(scenario, 1, "settings are for a cluster of its own, without cluster =");
    for (size_t i = 0; i < scenario->step_count && !wrong; i++)
        wrong = check_step(scenario, &scenario->steps[i]);
    for (size_t i = 0; i < scenario->claim_count && !wrong; i++)
        if (scenario->load != LOAD_PROBE && scenario_needs_probe(&scenario->claims[i]))
            wrong = complaint(scenario, scenario->claims[i].line, "needs load = probe");
    return wrong;
}

char *scenario_read(struct scenario *scenario, const char *path)
{
    char *wrong;

    *scenario = (struct scenario){
        .path = memory_copy_text(path),
        .steady_ms = 500,
        .duration_ms = 5000,
        .wait_ms = 60000,
        .back_within_ms = 10000,
    };
    wrong = config_read(path, &table, scenario);
    return wrong ? wrong : check(scenario);
}

static void free_texts(struct scenario_text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i].text);
    free(texts);
}

static void free_steps(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->step_count; i++) {
        free(scenario->steps[i].name);
        free(scenario->steps[i].when);
        free_texts(scenario->steps[i].commands, scenario->steps[i].command_count);
    }
    free(scenario->steps);
}

void scenario_drop_steps(struct scenario *scenario)
{
    free_steps(scenario);
    scenario->steps = NULL;
    scenario->step_count = 0;
    scenario->duration_ms = IDLE_MS;
}

void scenario_free(struct scenario *scenario)
{
    free_steps(scenario);
    for (size_t i = 0; i < scenario->claim_count; i++)
        free(scenario->claims[i].value);
    free_texts(scenario->settings, scenario->setting_count);
    free_texts(scenario->group_settings, scenario->group_setting_count);
    free_texts(scenario->volume_settings, scenario->volume_setting_count);
    free_texts(scenario->initiator_settings, scenario->initiator_setting_count);
    free(scenario->claims);
    free(scenario->path);
    free(scenario->title);
    free(scenario->cluster);
    free(scenario->probe);
    free(scenario->exec);
}
