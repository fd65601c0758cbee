/* Fault rules as text and as JSON: parsed, checked against the tables, and written again. */
#include "target/base/fault.h"
#include "target/base/fault_value.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64, ID_MAX = 64 };

static const struct fault_key *key_at(const struct fault_kind *kind, int index)
{
    return index < FAULT_KEYS ? &fault_keys[index] : &kind->parameters[index - FAULT_KEYS];
}

/* -1: there is no such key. The kind's own come first. */
static int find_key(const struct fault_kind *kind, const char *name)
{
    for (int i = 0; i < FAULT_PARAMETERS && kind->parameters[i].name; i++)
        if (!strcmp(kind->parameters[i].name, name))
            return FAULT_KEYS + i;
    for (int i = 0; i < FAULT_KEYS; i++)
        if (!strcmp(fault_keys[i].name, name))
            return i;
    return -1;
}

static char *list_keys(const struct fault_kind *kind)
{
    char *all = memory_copy_text("id");

    for (int i = 0; i < FAULT_KEYS + FAULT_PARAMETERS; i++) {
        const struct fault_key *key = key_at(kind, i);
        char *longer;

        if (!key->name || (i < FAULT_KEYS && !(key->where & kind->where)))
            continue;
        longer = memory_format("%s, %s", all, key->name);
        free(all);
        all = longer;
    }
    return all;
}

static char *set_id(struct fault_rule *rule, const char *id)
{
    size_t length = strlen(id);

    if (!length || length > ID_MAX ||
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != length ||
        !strcmp(id, "all"))
        return memory_format("id=%s: letters, digits, . _ - up to %d, and not all", id, ID_MAX);
    free(rule->id);
    rule->id = memory_copy_text(id);
    return NULL;
}

/* NULL, or what is wrong: owned by the caller. */
static char *set(struct fault_rule *rule, const char *name, const char *text)
{
    const struct fault_kind *kind = rule->kind;
    const struct fault_key *key;
    struct fault_value *value;
    char *good, *error;
    int index;

    if (!strcmp(name, "id"))
        return set_id(rule, text);
    index = find_key(kind, name);
    if (index < 0) {
        good = list_keys(kind);
        error = memory_format("%s has no key %s; it has %s", kind->name, name, good);
        free(good);
        return error;
    }
    key = key_at(kind, index);
    value = &rule->values[index];
    if (index < FAULT_KEYS && !(key->where & kind->where))
        return memory_format("%s with %s can never match: it is not known there", kind->name, name);
    if (value->is_given)
        return memory_format("%s is given twice", name);
    if (!fault_parse_value(key, text, value)) {
        good = fault_describe_value(key);
        error = memory_format("%s=%s: must be %s", name, text, good);
        free(good);
        return error;
    }
    free(value->text);
    value->text = memory_copy_text(text);
    value->is_given = true;
    return NULL;
}

static struct fault_rule *rule_new(const char *name, char **error)
{
    const struct fault_kind *kind = name ? fault_find_kind(name) : NULL;
    struct fault_rule *rule;

    if (!kind) {
        *error = memory_format("there is no fault %s; `sim-cluster fault kinds` lists them",
                               name ? name : "without a kind");
        return NULL;
    }
    rule = memory_new(sizeof(*rule));
    rule->kind = kind;
    rule->is_enabled = true;
    rule->counts = &rule->own;
    for (int i = 0; i < FAULT_PARAMETERS && kind->parameters[i].name; i++) {
        const char *fallback = kind->parameters[i].fallback;
        struct fault_value *value = &rule->values[FAULT_KEYS + i];

        if (!fallback || fallback == FAULT_REQUIRED)
            continue;
        fault_parse_value(&kind->parameters[i], fallback, value);
        value->text = memory_copy_text(fallback);
    }
    return rule;
}

static uint64_t hash(const char *text)
{
    uint64_t sum = 0xcbf29ce484222325; /* FNV-1a */

    for (; *text; text++)
        sum = (sum ^ (uint8_t)*text) * 0x100000001b3;
    return sum;
}

/* What can only be said when all keys are there; NULL, or what is wrong. */
static char *check(struct fault_rule *rule)
{
    static const uint64_t outgoing_only = 0x20;
    const struct fault_value *values = rule->values, *pdu = &values[FAULT_KEY_PDU],
                             *direction = &values[FAULT_KEY_DIRECTION];
    const struct fault_key *parameters = rule->kind->parameters;

    for (int i = 0; i < FAULT_PARAMETERS && parameters[i].name; i++)
        if (parameters[i].fallback == FAULT_REQUIRED && !values[FAULT_KEYS + i].is_given)
            return memory_format("%s needs %s: %s", rule->kind->name, parameters[i].name,
                                 parameters[i].help);
    if (!strcmp(rule->kind->name, "disk.stuck_bits") && !values[FAULT_KEY_LBA].is_given)
        return memory_copy_text("disk.stuck_bits needs lba: the block they are in");
    if (!strncmp(rule->kind->name, "node.", strlen("node.")) && !values[FAULT_KEY_NODE].is_given)
        return memory_format("%s needs node: which one", rule->kind->name);
    if (pdu->is_given && direction->is_given &&
        (pdu->number >= (int64_t)outgoing_only) != direction->number)
        return memory_format("pdu=%s with direction=%s can never match", pdu->text,
                             direction->text);
    if (values[FAULT_KEY_SEED].is_given)
        rule->seed = (uint64_t)values[FAULT_KEY_SEED].number;
    else
        rule->seed = hash(rule->id ? rule->id : rule->kind->name);
    if (values[FAULT_KEY_AFTER].is_given && rule->id &&
        !strcmp(values[FAULT_KEY_AFTER].text, rule->id))
        return memory_format("after=%s can never match: that is the rule itself", rule->id);
    return NULL;
}

static struct fault_rule *finish(struct fault_rule *rule, char *wrong, char **error)
{
    if (!wrong)
        wrong = check(rule);
    if (!wrong)
        return rule;
    *error = wrong;
    fault_free(rule);
    return NULL;
}

struct fault_rule *fault_parse(size_t count, const char *const words[], char **error)
{
    struct fault_rule *rule = rule_new(count ? words[0] : NULL, error);
    char *wrong = NULL;

    if (!rule)
        return NULL;
    for (size_t i = 1; i < count && !wrong; i++) {
        const char *equals = strchr(words[i], '=');
        char *name = equals ? strndup(words[i], (size_t)(equals - words[i])) : NULL;

        wrong =
            name ? set(rule, name, equals + 1) : memory_format("%s: must be key=value", words[i]);
        free(name);
    }
    return finish(rule, wrong, error);
}

/* Cuts the text into words in place; 0: too many of them, or a quote without end. */
static size_t split(char *text, const char *words[static WORDS_MAX])
{
    size_t count = 0;
    char *out = text;

    for (;;) {
        bool is_quoted = false;

        text += strspn(text, " \t");
        if (!*text)
            return count;
        if (count == WORDS_MAX)
            return 0;
        words[count++] = out;
        for (; *text && (is_quoted || (*text != ' ' && *text != '\t')); text++) {
            if (*text == '"')
                is_quoted = !is_quoted;
            else
                *out++ = *text;
        }
        if (is_quoted)
            return 0;
        text += *text ? 1 : 0;
        *out++ = '\0';
    }
}

struct fault_rule *fault_parse_text(const char *text, char **error)
{
    const char *words[WORDS_MAX];
    char *copy = memory_copy_text(text);
    size_t count = split(copy, words);
    struct fault_rule *rule = NULL;

    if (count)
        rule = fault_parse(count, words, error);
    else
        *error = memory_copy_text("a rule is KIND key=value ..., a quote must end");
    free(copy);
    return rule;
}

/* Owned by the caller; NULL: neither text nor number. */
static char *text_of(const json_t *value)
{
    if (json_is_string(value))
        return memory_copy_text(json_string_value(value));
    if (json_is_integer(value))
        return memory_format("%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return memory_format("%.9g", json_real_value(value));
    return NULL;
}

/* 0: none, or none that there is. */
static int slot_of(const json_t *object, const char *name)
{
    json_int_t slot = json_integer_value(json_object_get(object, name));

    return slot > 0 && slot < FAULT_BOARD_SLOTS ? (int)slot : 0;
}

struct fault_rule *fault_decode(const json_t *object, char **error)
{
    static const char *const apart = " kind enabled since slot after_slot ";
    struct fault_rule *rule = rule_new(json_string_value(json_object_get(object, "kind")), error);
    const char *name;
    json_t *value;
    char *wrong = NULL;

    if (!rule)
        return NULL;
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        char *marked = memory_format(" %s ", name), *text = text_of(value);

        if (!wrong && !strstr(apart, marked))
            wrong = text ? set(rule, name, text) : memory_format("%s: must be a text", name);
        free(marked);
        free(text);
    }
    if (json_is_false(json_object_get(object, "enabled")))
        rule->is_enabled = false;
    rule->since = json_number_value(json_object_get(object, "since"));
    rule->slot = slot_of(object, "slot");
    rule->after_slot = slot_of(object, "after_slot");
    return finish(rule, wrong, error);
}

json_t *fault_encode(const struct fault_rule *rule)
{
    json_t *object = json_pack("{s:s*, s:s, s:b}", "id", rule->id, "kind", rule->kind->name,
                               "enabled", rule->is_enabled);

    for (int i = 0; i < FAULT_KEYS + FAULT_PARAMETERS; i++)
        if (rule->values[i].is_given)
            json_object_set_new(object, key_at(rule->kind, i)->name,
                                json_string(rule->values[i].text));
    return object;
}

char *fault_format(const struct fault_rule *rule)
{
    char *all = memory_copy_text(rule->kind->name);

    for (int i = 0; i < FAULT_KEYS + FAULT_PARAMETERS; i++) {
        const struct fault_value *value = &rule->values[i];
        const char *quote = value->text && strchr(value->text, ' ') ? "\"" : "";
        char *longer;

        if (!value->is_given)
            continue;
        longer = memory_format("%s %s=%s%s%s", all, key_at(rule->kind, i)->name, quote, value->text,
                               quote);
        free(all);
        all = longer;
    }
    return all;
}
