/* The verb fault. */
#include "sim-cluster/commands.h"
#include "sim-cluster/state_directory.h"
#include "target/base/fault.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is ---- */

static void print_key(const struct fault_key *key)
{
    printf("    %-14s %s%s%s%s%s%s\n", key->name, key->help, key->choices ? ": " : "",
           key->choices ? key->choices : "", key->fallback == FAULT_REQUIRED ? " (required)" : "",
           key->fallback && *key->fallback ? "; default " : "",
           key->fallback && *key->fallback ? key->fallback : "");
}

static int print_kinds(void)
{
    puts("Keys that rules share (where they are known):");
    for (int i = 0; i < FAULT_KEYS; i++)
        print_key(&fault_keys[i]);
    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++) {
        printf("\n%s: %s\n  %s\n", kind->name, kind->help, kind->example);
        for (int i = 0; i < FAULT_PARAMETERS && kind->parameters[i].name; i++)
            print_key(&kind->parameters[i]);
    }
    return EXIT_DONE;
}

static int list_kinds(const struct options *options)
{
    json_t *list;

    if (!options->is_json)
        return print_kinds();
    list = json_array();
    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "kind", kind->name, "help",
                                              kind->help, "example", kind->example));
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
    return EXIT_DONE;
}

/* ---- what the disks have suffered ---- */

static void print_harms(const char *path, const char *volume, json_t *all)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;

    while (file && getline(&line, &capacity, file) > 0) {
        json_t *harm = json_loads(line, 0, NULL);

        if (!harm)
            continue;
        json_object_set_new(harm, "volume", json_string(volume));
        json_array_append_new(all, harm);
    }
    free(line);
    if (file)
        fclose(file);
}

static int print_ledger(const struct options *options)
{
    static const char END[] = ".harm.jsonl";
    char *directory = state_directory_default(options->state);
    char *volumes = memory_format("%s/volumes", directory ? directory : "");
    DIR *entries = opendir(volumes);
    json_t *all = json_array(), *harm;
    size_t i;

    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        size_t length = strlen(entry->d_name), end = sizeof(END) - 1;
        char *path = memory_format("%s/%s", volumes, entry->d_name);
        char *volume = memory_format("%.*s", (int)(length > end ? length - end : 0), entry->d_name);

        if (length > end && !strcmp(entry->d_name + length - end, END))
            print_harms(path, volume, all);
        free(path);
        free(volume);
    }
    if (options->is_json)
        json_dumpf(all, stdout, JSON_INDENT(2));
    else
        json_array_foreach (all, i, harm) {
            json_dumpf(harm, stdout, JSON_COMPACT);
            putchar('\n');
        }
    if (options->is_json)
        putchar('\n');
    if (entries)
        closedir(entries);
    json_decref(all);
    free(volumes);
    free(directory);
    return EXIT_DONE;
}

/* ---- what is set ---- */

static void print_rules(const json_t *rules)
{
    size_t i;
    json_t *rule;

    printf("%-12s %-9s %8s %8s  %-15s  %s\n", "ID", "STATE", "HITS", "LEFT", "LAST HIT", "RULE");
    json_array_foreach (rules, i, rule) {
        const char *last = json_string_value(json_object_get(rule, "last_hit"));
        const json_t *left = json_object_get(rule, "left");
        const char *state = !json_is_true(json_object_get(rule, "enabled")) ? "disabled"
                            : json_is_true(json_object_get(rule, "over"))   ? "over"
                                                                            : "in force";
        char count[24] = "-";

        if (json_is_integer(left))
            snprintf(count, sizeof(count), "%lld", (long long)json_integer_value(left));
        printf("%-12s %-9s %8lld %8s  %-15.15s  %s\n",
               json_string_value(json_object_get(rule, "id")), state,
               (long long)json_integer_value(json_object_get(rule, "hits")), count,
               last ? last + 11 : "-", json_string_value(json_object_get(rule, "rule")));
    }
}

static json_t *find_rule(const json_t *rules, const char *id)
{
    size_t i;
    json_t *rule;

    json_array_foreach (rules, i, rule)
        if (!strcmp(json_string_value(json_object_get(rule, "id")), id))
            return rule;
    return NULL;
}

/* Of the answer: all rules, one of them, or the one that was set: the last. */
static int print_answer(const struct options *options, const char *verb, const char *id,
                        const json_t *reply)
{
    const json_t *rules = json_object_get(reply, "faults");
    const json_t *one = NULL;

    if (!strcmp(verb, "set"))
        one = json_array_get(rules, json_array_size(rules) - 1);
    else if (!strcmp(verb, "show"))
        one = find_rule(rules, id);
    if (!strcmp(verb, "show") && !one)
        return command_fail(memory_format("there is no fault %s", id));
    if (options->is_json) {
        json_dumpf(one ? one : rules, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (!strcmp(verb, "list") || !strcmp(verb, "show")) {
        json_t *list = one ? json_pack("[O]", one) : json_incref((json_t *)rules);

        print_rules(list);
        json_decref(list);
    } else {
        printf("fault %s: %s\n", one ? json_string_value(json_object_get(one, "id")) : id, verb);
    }
    return EXIT_DONE;
}

static int ask(const struct options *options, const char *verb)
{
    bool is_show = !strcmp(verb, "show");
    const char *id = options->count > 1 ? options->arguments[1] : "";
    json_t *words = json_array(), *reply;
    int code;

    for (int i = 1; i < options->count; i++)
        json_array_append_new(words, json_string(options->arguments[i]));
    reply = command_ask(options, json_pack("{s:s, s:s, s:s, s:o}", "request", "fault", "verb",
                                           is_show ? "list" : verb, "id", id, "words", words));
    if (!reply)
        return EXIT_FAILED;
    code = print_answer(options, verb, id, reply);
    json_decref(reply);
    return code;
}

int command_fault(const struct options *options)
{
    static const struct {
        const char *verb;
        int least, most; /* words behind it */
    } verbs[] = {{"set", 1, 64},   {"list", 0, 0},    {"show", 1, 1},  {"clear", 1, 1},
                 {"enable", 1, 1}, {"disable", 1, 1}, {"kinds", 0, 0}, {"ledger", 0, 0}};
    const char *verb = options->count ? options->arguments[0] : "";
    int count = options->count - 1;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verbs[i].verb, verb) || count < verbs[i].least || count > verbs[i].most)
            continue;
        if (!strcmp(verb, "kinds"))
            return list_kinds(options);
        return !strcmp(verb, "ledger") ? print_ledger(options) : ask(options, verb);
    }
    return command_refuse("say what to do: fault set KIND [key=value ...] | list | show ID | "
                          "clear ID|all | enable ID | disable ID | kinds | ledger");
}
