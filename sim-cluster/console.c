#include "sim-cluster/console.h"

#include "target/base/event.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum tone { PLAIN, GOOD, BAD, NOTABLE };

/* clang-format off */
static const struct {
    const char *name;
    enum tone tone;
    bool is_detail;
    const char *sentence; /* {field} stands for its value, {field:words} for the words without one;
                             * [what {field} says] is left out without one */
} lines[] = {
    { "cluster.up",         GOOD,    false, "cluster {cluster} is up: {nodes} nodes, {targets} targets" },
    { "cluster.down",       PLAIN,   false, "cluster {cluster} is down" },
    { "map.applied",        PLAIN,   true,  "map generation {generation} applied everywhere" },
    { "process.started",    PLAIN,   true,  "node {node}: {name} started, process {pid}" },
    { "process.sandboxed",  PLAIN,   true,  "node {node}: {process} runs as user {uid}, in its sandbox[, which lacks {missing}]" },
    { "process.ended",      PLAIN,   true,  "node {node}: {name}, process {pid}, {how}" },
    { "node.state",         NOTABLE, false, "node {node} is {state}, was {was}" },
    { "node.failed",        BAD,     false, "node {node} has failed: {reason}" },
    { "node.fenced",        NOTABLE, false, "node {node} is fenced, after {duration_ms} ms" },
    { "target.moved",       GOOD,    false, "target {volume} is on node {to}[, was on {from}, {duration_ms} ms away]" },
    { "floating_ip.up",     GOOD,    false, "floating IP {address} is up on node {node}[, was on {from}, {duration_ms} ms away]" },
    { "floating_ip.down",   NOTABLE, false, "floating IP {address} is down on node {node}: {reason}" },
    { "connections.muted",  NOTABLE, false, "node {node}: {connections} connections kept open and mute" },
    { "portal.up",          PLAIN,   true,  "node {node}: portal {portal} listens" },
    { "portal.down",        PLAIN,   true,  "node {node}: portal {portal} is closed" },
    { "volume.opened",      PLAIN,   true,  "node {node}: volume {volume} opened" },
    { "volume.failed",      BAD,     false, "node {node} cannot open volume {volume}: {reason}" },
    { "volume.damaged",     BAD,     false, "volume {volume} has lost {length} bytes at {offset} that were acknowledged: {reason}" },
    { "volume.resized",     NOTABLE, false, "volume {volume} has {size} bytes, was {was}" },
    { "pool.resized",       NOTABLE, false, "pool {pool} has {size} bytes, was {was}" },
    { "export.added",       GOOD,    false, "{volume} is exported to {initiator} in portal group {portal_group}" },
    { "export.removed",     NOTABLE, false, "{volume} is no longer exported to {initiator:anybody} in portal group {portal_group}" },
    { "network.link",       NOTABLE, false, "network {network}: the link of {interface} is {state}, was {was}" },
    { "alua.changed",       NOTABLE, false, "portal group {portal_group} is {state}, was {was}" },
    { "volume.closed",      PLAIN,   true,  "node {node}: target {target} closed" },
    { "login.redirected",   PLAIN,   false, "node {node}: {initiator} is redirected from {portal} to {to}" },
    { "login.refused",      BAD,     false, "node {node}: {initiator:an initiator} is refused at {portal}: {reason}" },
    { "session.opened",     GOOD,    false, "node {node}: session of {initiator} for {target:discovery}" },
    { "session.closed",     PLAIN,   false, "node {node}: session of {initiator} for {target:discovery} is over: {reason}" },
    { "connection.closed",  PLAIN,   true,  "node {node}: connection from {peer} closed: {reason}" },
    { "fault.set",          NOTABLE, false, "fault {fault} is set: {rule}" },
    { "fault.cleared",      GOOD,    false, "fault {fault} has ended after {hits} hits: {reason}" },
    { "fault.hit",          BAD,     true,  "fault {fault}, {kind}, strikes[ at {initiator}][, {command}][, {pdu}][, {volume}]" },
    { "task_management",    NOTABLE, false, "node {node}: {initiator} asks for {function} on {target}" },
    { "nop_out",            PLAIN,   true,  "node {node}: {initiator} pings" },
};
/* clang-format on */

static void print_value(FILE *file, const json_t *value, const char *without)
{
    if (json_is_string(value))
        fputs(json_string_value(value), file);
    else if (json_is_integer(value))
        fprintf(file, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", file);
    else
        fputs(without, file);
}

/* Prints what {field} or {field:words} stands for; returns what follows it. */
static const char *print_field(FILE *file, const char *field, const json_t *event)
{
    size_t length = strcspn(field, "}") - 1;
    char name[48], *without;

    snprintf(name, sizeof(name), "%.*s", (int)length, field + 1);
    without = name + strcspn(name, ":");
    if (*without)
        *without++ = '\0';
    print_value(file, json_object_get(event, name), without);
    return field + length + 2;
}

/* Does the first field of "[what {field} says]" have a value? */
static bool is_told(const char *optional, const json_t *event)
{
    const char *field = optional + strcspn(optional, "{") + 1;
    char name[48];
    const json_t *value;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(field, "}"), field);
    value = json_object_get(event, name);
    return value && !json_is_null(value);
}

static void print_sentence(FILE *file, const char *sentence, const json_t *event)
{
    while (*sentence) {
        size_t plain = strcspn(sentence, "{[]");

        fwrite(sentence, 1, plain, file);
        sentence += plain;
        if (*sentence == '{')
            sentence = print_field(file, sentence, event);
        else if (*sentence == '[' && !is_told(sentence, event))
            sentence += strcspn(sentence, "]");
        else if (*sentence)
            sentence++;
    }
}

/* A kind without a sentence: its name and fields. */
static void print_fields(FILE *file, const char *name, const json_t *event)
{
    const char *key;
    json_t *value;

    fputs(name, file);
    json_object_foreach ((json_t *)event, key, value) {
        if (!strcmp(key, "time") || !strcmp(key, "event") || !strcmp(key, "process"))
            continue;
        fprintf(file, " %s=", key);
        print_value(file, value, "none");
    }
}

/* The time of day here, with milliseconds. */
static void print_time(FILE *file, const json_t *event)
{
    const char *stamp = json_string_value(json_object_get(event, "time"));
    const char *fraction = stamp ? strchr(stamp, '.') : NULL;
    struct tm when = {0};
    char clock[16];
    time_t seconds;

    if (!fraction || !strptime(stamp, "%Y-%m-%dT%H:%M:%S", &when))
        return;
    seconds = timegm(&when);
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &when));
    fprintf(file, "%s%.4s  ", clock, fraction);
}

enum { ROWS = sizeof(lines) / sizeof(*lines) };

/* ROWS: a kind without one. */
static size_t row_of(const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    size_t row = 0;

    while (row < ROWS && (!name || strcmp(lines[row].name, name)))
        row++;
    return row;
}

static void print_words(FILE *file, const json_t *event)
{
    size_t row = row_of(event);

    if (row < ROWS)
        print_sentence(file, lines[row].sentence, event);
    else
        print_fields(file, json_string_value(json_object_get(event, "event")), event);
}

void console_print_event(FILE *file, const json_t *event, bool is_verbose)
{
    static const char *const colours[] = {"", "\033[32m", "\033[31m", "\033[33m"};
    const char *colour = "";
    size_t row = row_of(event);

    if (!json_is_string(json_object_get(event, "event")) ||
        (console_is_detail(event) && !is_verbose))
        return;
    if (row < ROWS && isatty(fileno(file)))
        colour = colours[lines[row].tone];
    print_time(file, event);
    fputs(colour, file);
    print_words(file, event);
    fputs(*colour ? "\033[0m\n" : "\n", file);
    fflush(file);
}

bool console_is_detail(const json_t *event)
{
    size_t row = row_of(event);

    return row < ROWS && lines[row].is_detail;
}

const char *console_tone(const json_t *event)
{
    static const char *const tones[] = {"plain", "good", "bad", "notable"};
    size_t row = row_of(event);

    return row < ROWS ? tones[lines[row].tone] : tones[PLAIN];
}

char *console_sentence(const json_t *event)
{
    char *words = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&words, &size);

    if (!memory)
        return memory_copy_text("");
    print_words(memory, event);
    fclose(memory);
    return words;
}
