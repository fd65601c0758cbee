/* Fault rules as text and as JSON: parsed, checked against the tables, and written again. */
#include "target/base/fault.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64, ID_MAX = 64 };

static bool parse_integer(const char *text, const char **end, int64_t *number)
{
    char *stop;

    errno = 0;
    *number = strtoll(text, &stop, 0);
    *end = stop;
    return stop != text && !errno && !isspace((unsigned char)*text);
}

struct unit {
    const char *name;
    double factor;
};

static bool parse_with_unit(const char *text, const char **end, const struct unit *units,
                            int64_t *number)
{
    char *stop;
    double value = strtod(text, &stop);
    size_t length = strcspn(stop, "-");

    *end = stop + length;
    if (stop == text || !(value >= 0))
        return false;
    for (; units->name; units++) {
        if (strlen(units->name) == length && !strncasecmp(units->name, stop, length)) {
            value *= units->factor;
            *number = (int64_t)value;
            return value < 9e18;
        }
    }
    return false;
}

static bool parse_duration(const char *text, const char **end, int64_t *ms)
{
    static const struct unit units[] = {{"ms", 1},    {"s", 1000},   {"m", 60000},
                                        {"h", 3.6e6}, {"d", 8.64e7}, {NULL, 0}};

    return parse_with_unit(text, end, units, ms);
}

static bool parse_size(const char *text, const char **end, int64_t *bytes)
{
    static const struct unit units[] = {{"", 1},        {"k", 1024},          {"M", 1 << 20},
                                        {"G", 1 << 30}, {"T", 1099511627776}, {NULL, 0}};

    return parse_with_unit(text, end, units, bytes);
}

typedef bool parse_number(const char *text, const char **end, int64_t *number);

static bool parse_range(const char *text, const char **end, parse_number *parse, int64_t *first,
                        int64_t *last)
{
    if (!parse(text, end, first))
        return false;
    *last = *first;
    if (**end != '-')
        return true;
    return parse(*end + 1, end, last) && *last >= *first;
}

static bool parse_choice(const char *text, const char *choices, int64_t *number)
{
    size_t length = strlen(text);

    *number = 0;
    for (const char *word = choices; *word; word += word[strcspn(word, " ")] ? 1 : 0) {
        size_t size = strcspn(word, " ");

        if (size == length && !strncasecmp(word, text, length))
            return true;
        word += size;
        ++*number;
    }
    return false;
}

/* A name of the table, or a number. */
static bool parse_name(const char *text, const char **end, const struct fault_name *names,
                       int64_t *number)
{
    *end = "";
    *number = fault_number_of(names, text);
    return *number >= 0 || (parse_integer(text, end, number) && *number >= 0);
}

static bool parse_command(const char *text, const char **end, int64_t *number)
{
    if (!parse_name(text, end, fault_commands, number))
        return false;
    if (fault_number_of(fault_commands, text) < 0 && *number <= 0xff)
        *number |= FAULT_ANY_ACTION << 8;
    return true;
}

static bool parse_chance(const char *text, const char **end, int64_t *number)
{
    char *stop;
    double value = strtod(text, &stop);

    *end = stop;
    *number = (int64_t)lround(value * 1e6);
    return stop != text && value >= 0 && value <= 1;
}

static bool parse_value(const struct fault_key *key, const char *text, struct fault_value *value)
{
    const char *end = "";
    bool is_good = false;

    switch (key->type) {
    case FAULT_NUMBER:
        is_good = parse_integer(text, &end, &value->number);
        break;
    case FAULT_DURATION:
        is_good = parse_duration(text, &end, &value->number);
        break;
    case FAULT_SIZE:
        is_good = parse_size(text, &end, &value->number);
        break;
    case FAULT_RANGE:
        is_good = parse_range(text, &end, parse_integer, &value->number, &value->last);
        break;
    case FAULT_SIZES:
        is_good = parse_range(text, &end, parse_size, &value->number, &value->last);
        break;
    case FAULT_CHANCE:
        is_good = parse_chance(text, &end, &value->number);
        break;
    case FAULT_CHOICE:
        return parse_choice(text, key->choices, &value->number);
    case FAULT_TEXT:
        return *text != '\0';
    case FAULT_PDU_NAME:
        return parse_name(text, &end, fault_pdus, &value->number) && !*end && value->number < 64;
    case FAULT_COMMAND_NAME:
        return parse_command(text, &end, &value->number) && !*end && value->number <= 0xffff;
    case FAULT_SENSE:
        is_good = parse_name(text, &end, fault_senses, &value->number);
        break;
    case FAULT_STATUS:
        is_good = parse_name(text, &end, fault_statuses, &value->number);
        break;
    case FAULT_LOGIN_STATUS:
        is_good = parse_name(text, &end, fault_login_statuses, &value->number);
        break;
    }
    return is_good && !*end && value->number >= key->least && value->number <= key->most;
}

static char *join_names(const struct fault_name *names)
{
    char *all = memory_copy_text("");

    for (; names->name; names++) {
        char *longer = memory_format("%s%s%s", all, *all ? ", " : "", names->name);

        free(all);
        all = longer;
    }
    return all;
}

/* What would have been good. Owned by the caller. */
static char *describe(const struct fault_key *key)
{
    switch (key->type) {
    case FAULT_NUMBER:
        if (key->most == INT64_MAX)
            return memory_format("a number from %lld", (long long)key->least);
        return memory_format("a number from %lld to %lld", (long long)key->least,
                             (long long)key->most);
    case FAULT_DURATION:
        return memory_copy_text("a time such as 500ms, 5s, 2m");
    case FAULT_SIZE:
        return memory_copy_text("a size such as 512, 4k, 1M");
    case FAULT_RANGE:
        return memory_copy_text("a range A-B");
    case FAULT_SIZES:
        return memory_copy_text("a range of sizes such as 4k-64k");
    case FAULT_CHANCE:
        return memory_copy_text("a number from 0 to 1");
    case FAULT_CHOICE:
        return memory_format("one of %s", key->choices);
    case FAULT_PDU_NAME:
        return join_names(fault_pdus);
    case FAULT_COMMAND_NAME:
        return memory_copy_text("the name of a command such as READ(10), or its opcode");
    case FAULT_SENSE:
        return join_names(fault_senses);
    case FAULT_STATUS:
        return join_names(fault_statuses);
    case FAULT_LOGIN_STATUS:
        return join_names(fault_login_statuses);
    default:
        return memory_copy_text("a text");
    }
}

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
    if (!parse_value(key, text, value)) {
        good = describe(key);
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
    for (int i = 0; i < FAULT_PARAMETERS && kind->parameters[i].name; i++) {
        const char *fallback = kind->parameters[i].fallback;
        struct fault_value *value = &rule->values[FAULT_KEYS + i];

        if (!fallback || fallback == FAULT_REQUIRED)
            continue;
        parse_value(&kind->parameters[i], fallback, value);
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
    if (pdu->is_given && direction->is_given &&
        (pdu->number >= (int64_t)outgoing_only) != direction->number)
        return memory_format("pdu=%s with direction=%s can never match", pdu->text,
                             direction->text);
    if (values[FAULT_KEY_SEED].is_given)
        rule->random = (uint64_t)values[FAULT_KEY_SEED].number;
    else
        rule->random = hash(rule->id ? rule->id : rule->kind->name);
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

struct fault_rule *fault_decode(const json_t *object, char **error)
{
    static const char *const apart = " kind enabled since hits seen ";
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
    rule->hits = (uint64_t)json_integer_value(json_object_get(object, "hits"));
    rule->seen = (uint64_t)json_integer_value(json_object_get(object, "seen"));
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
