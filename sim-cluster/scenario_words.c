#include "sim-cluster/scenario_words.h"

#include "target/base/memory.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- @words ---- */

static json_t *find_by(const json_t *array, const char *key, const char *value)
{
    size_t i;
    json_t *entry;

    json_array_foreach (array, i, entry) {
        const char *text = json_string_value(json_object_get(entry, key));

        if (!*value || (text && !strcmp(text, value)))
            return entry;
    }
    return NULL;
}

static json_t *find_target(const json_t *places, const char *volume)
{
    return find_by(json_object_get(json_object_get(places, "status"), "targets"), "volume", volume);
}

static json_t *find_floating(const json_t *places, const char *address)
{
    size_t i;
    json_t *group;

    json_array_foreach (json_object_get(json_object_get(places, "status"), "portal_groups"), i,
                        group) {
        json_t *found = find_by(json_object_get(group, "floating_ips"), "address", address);

        if (found)
            return found;
    }
    return NULL;
}

static json_t *find_spare(const json_t *places)
{
    json_t *serving = json_object_get(find_target(places, ""), "controller");
    json_t *holding = json_object_get(find_floating(places, ""), "node");
    size_t i;
    json_t *entry;

    json_array_foreach (json_object_get(json_object_get(places, "status"), "nodes"), i, entry) {
        json_t *node = json_object_get(entry, "node");

        if (!json_equal(node, serving) && !json_equal(node, holding) &&
            !strcmp(json_string_value(json_object_get(entry, "state")), "up"))
            return node;
    }
    return NULL;
}

static size_t common_length(const char *a, const char *b)
{
    size_t length = 0;

    while (a[length] && a[length] == b[length])
        length++;
    return length;
}

/* Of the portals of the node that serves, the one that is nearest to the floating IP. */
static json_t *find_portal(const json_t *places)
{
    json_t *serving = json_object_get(find_target(places, ""), "controller"), *nearest = NULL;
    json_t *floating = json_object_get(find_floating(places, ""), "address"), *group, *portal;
    const char *near = json_is_string(floating) ? json_string_value(floating) : "";
    size_t i, j, longest = 0;

    json_array_foreach (json_object_get(json_object_get(places, "status"), "portal_groups"), i,
                        group)
        json_array_foreach (json_object_get(group, "portals"), j, portal) {
            json_t *address = json_object_get(portal, "address");
            size_t length = common_length(json_string_value(address), near);

            if (json_equal(json_object_get(portal, "node"), serving) && length > longest) {
                longest = length;
                nearest = address;
            }
        }
    return nearest;
}

/* Borrowed. NULL: it stands for nothing now. */
static json_t *find_word(json_t *places, const char *word, const char *of)
{
    const struct {
        const char *word;
        json_t *value;
        bool is_node;
    } words[] = {
        {"serving", json_object_get(find_target(places, of), "controller"), true},
        {"holding", json_object_get(find_floating(places, of), "node"), true},
        {"spare", find_spare(places), true},
        {"last", json_object_get(places, "last"), true},
        {"volume", json_object_get(find_target(places, ""), "volume"), false},
        {"target", json_object_get(find_target(places, of), "name"), false},
        {"address", json_object_get(find_floating(places, ""), "address"), false},
        {"portal", find_portal(places), false},
        {"seed", json_object_get(places, "seed"), false},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcmp(words[i].word, word))
            continue;
        if (words[i].is_node && json_is_integer(words[i].value))
            json_object_set(places, "last", words[i].value);
        return json_is_null(words[i].value) ? NULL : words[i].value;
    }
    return NULL;
}

static char *as_text(const json_t *value)
{
    return json_is_string(value) ? memory_copy_text(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY);
}

static size_t word_length(const char *text)
{
    size_t length = 0;

    while (isalnum((unsigned char)text[length]) || (text[length] && strchr("_.:", text[length])))
        length++;
    return length;
}

/* Behind the '@'. */
static char *resolve_word(const char *text, size_t length, json_t *places)
{
    char *word = memory_format("%.*s", (int)length, text), *colon = strchr(word, ':');
    json_t *value;

    if (colon)
        *colon++ = '\0';
    value = find_word(places, word, colon ? colon : "");
    free(word);
    return value ? as_text(value) : NULL;
}

char *scenario_resolve(const char *text, json_t *places, char **why)
{
    char *whole = memory_copy_text("");

    while (*text) {
        size_t plain = strcspn(text, "@"), length = text[plain] ? word_length(text + plain + 1) : 0;
        char *word = length ? resolve_word(text + plain + 1, length, places) : memory_copy_text("");
        char *longer = memory_format("%s%.*s%s", whole, (int)plain, text, word ? word : "");

        free(whole);
        whole = longer;
        if (!word) {
            *why = memory_format("@%.*s stands for nothing now", (int)length, text + plain + 1);
            free(whole);
            return NULL;
        }
        free(word);
        text += plain + (text[plain] ? 1 + length : 0);
    }
    return whole;
}

/* ---- patterns ---- */

static bool field_matches(const char *field, const json_t *event)
{
    size_t length = strcspn(field, "=");
    char *name = memory_format("%.*s", (int)length, field);
    const json_t *value = json_object_get(event, name);
    char *text = value ? as_text(value) : NULL;
    bool matches = text && field[length] == '=' && !fnmatch(field + length + 1, text, 0);

    free(name);
    free(text);
    return matches;
}

bool scenario_matches(const char *pattern, const json_t *event)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    char *words = memory_copy_text(pattern), *rest = words, *word = strsep(&rest, " \t");
    bool matches = kind && !fnmatch(word, kind, 0);

    while (matches && (word = strsep(&rest, " \t")))
        matches = !*word || field_matches(word, event);
    free(words);
    return matches;
}
