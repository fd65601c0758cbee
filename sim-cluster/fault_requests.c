#include "sim-cluster/fault_requests.h"

#include "sim-cluster/fault_rules.h"
#include "sim-cluster/pending.h"
#include "sim-cluster/server.h"
#include "sim-cluster/supervisor.h"

#include <stdlib.h>
#include <string.h>

#define DEADLINE_S 5.0

static json_t *describe_all(struct supervisor *supervisor, const struct pending *pending)
{
    json_t *list = json_array(), *reply = pending_done(supervisor, pending);

    LIST_FOR_EACH (link, &supervisor->faults.entries)
        json_array_append_new(list,
                              fault_rules_describe(container_of(link, struct fault_entry, link)));
    json_object_set_new(reply, "faults", list);
    return reply;
}

/* All processes have answered: the rules as they are by now, or why there is one less. */
static json_t *check_answered(struct supervisor *supervisor, const struct pending *pending)
{
    char *refusal;
    json_t *reply;

    if (supervisor->faults.asked)
        return NULL;
    refusal = fault_rules_settle(&supervisor->faults, pending->rule);
    reply = refusal ? pending_error("%s", refusal) : describe_all(supervisor, pending);
    free(refusal);
    return reply;
}

/* NULL: done. */
static json_t *set(struct fault_rules *rules, const json_t *message, const char *id)
{
    const json_t *given = json_object_get(message, "words");
    size_t count = json_array_size(given);
    const char **words = calloc(count + 1, sizeof(*words));
    char *error = NULL;
    struct fault_rule *rule;
    json_t *refusal;

    (void)id;
    for (size_t i = 0; i < count; i++)
        words[i] = json_string_value(json_array_get(given, i));
    rule = fault_parse(count, words, &error);
    free(words);
    if (rule)
        error = fault_rules_set(rules, rule);
    refusal = error ? pending_error("%s", error) : NULL;
    free(error);
    if (!refusal)
        fault_rules_send(rules);
    return refusal;
}

static json_t *list(struct fault_rules *rules, const json_t *message, const char *id)
{
    (void)rules, (void)message, (void)id;
    return NULL; /* what there is is said with every answer */
}

static json_t *clear(struct fault_rules *rules, const json_t *message, const char *id)
{
    struct fault_entry *entry = fault_rules_find(rules, id);
    bool is_all = !strcmp(id, "all");

    (void)message;
    if (!entry && !is_all)
        return pending_error("there is no fault %s; \"fault list\" shows those that are set", id);
    LIST_FOR_EACH_SAFE (link, &rules->entries) {
        struct fault_entry *each = container_of(link, struct fault_entry, link);

        if (is_all || each == entry)
            fault_rules_clear(rules, each);
    }
    fault_rules_send(rules);
    return NULL;
}

static json_t *switch_on(struct fault_rules *rules, const char *id, bool is_enabled)
{
    struct fault_entry *entry = fault_rules_find(rules, id);

    if (!entry)
        return pending_error("there is no fault %s; \"fault list\" shows those that are set", id);
    fault_rules_enable(rules, entry, is_enabled);
    fault_rules_send(rules);
    return NULL;
}

static json_t *enable(struct fault_rules *rules, const json_t *message, const char *id)
{
    (void)message;
    return switch_on(rules, id, true);
}

static json_t *disable(struct fault_rules *rules, const json_t *message, const char *id)
{
    (void)message;
    return switch_on(rules, id, false);
}

json_t *fault_answer(struct client *client, json_t *message)
{
    static const struct {
        const char *verb;
        json_t *(*run)(struct fault_rules *rules, const json_t *message, const char *id);
    } verbs[] = {
        {"set", set}, {"list", list}, {"clear", clear}, {"enable", enable}, {"disable", disable}};
    struct supervisor *supervisor = client->server->supervisor;
    const char *verb = json_string_value(json_object_get(message, "verb"));
    const char *id = json_string_value(json_object_get(message, "id"));
    json_t *refusal = NULL;
    size_t i = 0, count = sizeof(verbs) / sizeof(*verbs);

    while (i < count && (!verb || strcmp(verbs[i].verb, verb)))
        i++;
    if (i == count)
        return pending_error("there is no verb %s for faults", verb ? verb : "without a name");
    refusal = verbs[i].run(&supervisor->faults, message, id ? id : "");
    if (!refusal)
        pending_add(supervisor,
                    &(struct pending){
                        .client = client->control,
                        .check = check_answered,
                        .rule = !strcmp(verb, "set") ? fault_rules_last(&supervisor->faults) : 0,
                    },
                    DEADLINE_S);
    return refusal;
}
