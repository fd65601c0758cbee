#include "sim-cluster/commands.h"

#include "sim-cluster/client.h"
#include "sim-cluster/console.h"
#include "sim-cluster/state_directory.h"
#include "sim-cluster/tables.h"
#include "target/base/config.h"
#include "target/base/event.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { DOWN_TRIES = 200, DOWN_NAP_MS = 50 };

int command_refuse(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("sim-cluster: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EXIT_USAGE;
}

int command_fail(char *sentence)
{
    fprintf(stderr, "sim-cluster: %s\n", sentence);
    free(sentence);
    return EXIT_FAILED;
}

static char *explain(const char *directory, int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED)
        return memory_format("no cluster runs on %s; \"sim-cluster up\" starts one, --state DIR "
                             "names another place",
                             directory);
    return memory_format("%s/control.sock: %s", directory, strerror(-error));
}

/* NULL after a sentence: connected to nobody. Owned otherwise: the state directory. */
static char *reach(struct connection *connection, const struct options *options)
{
    char *directory = state_directory_default(options->state);
    int error;

    if (!directory) {
        command_fail(memory_copy_text("there is no $HOME: name a state directory with --state"));
        return NULL;
    }
    error = client_connect(connection, directory);
    if (!error)
        return directory;
    command_fail(explain(directory, error));
    free(directory);
    return NULL;
}

/* NULL after a sentence; an owned reply otherwise. */
static json_t *ask_there(struct connection *connection, json_t *request, int timeout_ms)
{
    json_t *reply = client_ask(connection, request, timeout_ms);
    const char *error = json_string_value(json_object_get(reply, "error"));

    if (reply && !error)
        return reply;
    command_fail(memory_copy_text(error ? error : "the cluster went away, or does not answer"));
    json_decref(reply);
    return NULL;
}

/* The same for one question. */
static json_t *ask(const struct options *options, json_t *request, int timeout_ms)
{
    struct connection connection;
    char *directory = reach(&connection, options);
    json_t *reply;

    if (!directory) {
        json_decref(request);
        return NULL;
    }
    reply = ask_there(&connection, request, timeout_ms);
    client_close(&connection);
    free(directory);
    return reply;
}

void command_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

json_t *command_ask(const struct options *options, json_t *request)
{
    return ask(options, request, CLIENT_PATIENCE_MS);
}

static int print_status_json(const struct options *options)
{
    json_t *reply = ask(options, json_pack("{s:s}", "request", "status"), CLIENT_PATIENCE_MS);

    if (!reply)
        return EXIT_FAILED;
    command_print_json(json_object_get(reply, "status"));
    json_decref(reply);
    return EXIT_DONE;
}

static char *next_row(void *owner)
{
    return client_read_line(owner, CLIENT_PATIENCE_MS);
}

static int print_status(const struct options *options)
{
    struct connection connection;
    char *directory = reach(&connection, options);
    json_t *reply;
    bool is_whole;

    if (!directory)
        return EXIT_FAILED;
    reply = ask_there(&connection, json_pack("{s:s, s:s}", "request", "status", "as", "rows"),
                      CLIENT_PATIENCE_MS);
    is_whole = reply &&
               tables_print_status(stdout, json_object_get(reply, "status"), next_row, &connection);
    if (reply && !is_whole)
        command_fail(memory_copy_text("the cluster went away before it had told all"));
    client_close(&connection);
    json_decref(reply);
    free(directory);
    return is_whole ? EXIT_DONE : EXIT_FAILED;
}

int command_status(const struct options *options)
{
    if (options->count)
        return command_refuse("status takes no %s", options->arguments[0]);
    return options->is_json ? print_status_json(options) : print_status(options);
}

int command_change(const struct options *options, json_t *request, const char *what)
{
    json_t *reply = ask(options, request, -1);

    if (!reply)
        return EXIT_FAILED;
    if (options->is_json)
        command_print_json(reply);
    else
        printf("%s: done in %lld ms\n", what,
               (long long)json_integer_value(json_object_get(reply, "duration_ms")));
    json_decref(reply);
    return EXIT_DONE;
}

/* 0: not a node's number. */
static int parse_node(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    return *end || number < 1 || number > 4095 ? 0 : (int)number;
}

static bool is_verb(const char *verb)
{
    static const char *const verbs[] = {"kill",        "freeze",  "thaw",
                                        "power-off",   "isolate", "isolate in",
                                        "isolate out", "drain",   "start"};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (!strcmp(verbs[i], verb))
            return true;
    return false;
}

int command_node(const struct options *options)
{
    char **words = options->arguments, verb[32], what[64];
    int number;

    if (options->count != 2 && options->count != 3)
        return command_refuse("say which node and what: node N "
                              "kill|freeze|thaw|power-off|isolate [in|out]|drain|start");
    number = parse_node(words[0]);
    if (!number)
        return command_refuse("%s is not a node's number", words[0]);
    snprintf(verb, sizeof(verb), "%s%s%s", words[1], options->count == 3 ? " " : "",
             options->count == 3 ? words[2] : "");
    if (!is_verb(verb))
        return command_refuse("a node cannot %s; it can kill, freeze, thaw, power-off, isolate, "
                              "isolate in, isolate out, drain and start",
                              verb);
    snprintf(what, sizeof(what), "node %d %s", number, verb);
    return command_change(
        options, json_pack("{s:s, s:i, s:s}", "request", "node", "node", number, "verb", verb),
        what);
}

/* "NAME move N" */
static int move(const struct options *options, const char *request, const char *key,
                const char *thing)
{
    int number;
    char *what;

    if (options->count != 3 || strcmp(options->arguments[1], "move"))
        return command_refuse("say which %s and where to: %s %s move N", thing, request, thing);
    number = parse_node(options->arguments[2]);
    if (!number)
        return command_refuse("%s is not a node's number", options->arguments[2]);
    what = memory_format("%s is on node %d", options->arguments[0], number);
    int code = command_change(options,
                              json_pack("{s:s, s:s, s:i}", "request", request, key,
                                        options->arguments[0], "node", number),
                              what);

    free(what);
    return code;
}

int command_target(const struct options *options)
{
    return move(options, "target", "volume", "VOLUME");
}

int command_floating_ip(const struct options *options)
{
    return move(options, "floating-ip", "address", "ADDRESS");
}

int command_heal(const struct options *options)
{
    if (options->count)
        return command_refuse("heal takes no %s", options->arguments[0]);
    return command_change(options, json_pack("{s:s}", "request", "heal"), "everything is back");
}

/* The lock is free when the supervisor and with it all its children are gone. */
static bool wait_for_lock(const char *directory)
{
    char *path = state_directory_file(directory, "lock");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_free = fd < 0;

    for (int i = 0; !is_free && i < DOWN_TRIES; i++) {
        is_free = !flock(fd, LOCK_EX | LOCK_NB);
        if (!is_free)
            nanosleep(&(struct timespec){.tv_nsec = DOWN_NAP_MS * 1000000L}, NULL);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return is_free;
}

int command_down(const struct options *options)
{
    struct connection connection;
    char *directory;

    if (options->count)
        return command_refuse("down takes no %s", options->arguments[0]);
    directory = reach(&connection, options);
    if (!directory)
        return EXIT_FAILED;
    json_decref(client_ask(&connection, json_pack("{s:s}", "request", "down"), -1));
    client_close(&connection);
    if (!wait_for_lock(directory))
        return command_fail(memory_format("the supervisor on %s has not ended", directory));
    if (options->is_json)
        puts("{\"ok\": true}");
    else
        puts("the cluster is down; its volumes stay");
    free(directory);
    return EXIT_DONE;
}

/* ---- events ---- */

static void print_event(const struct options *options, const json_t *event)
{
    if (!options->is_json) {
        console_print_event(stdout, event, true);
        return;
    }
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

/* Begins with what RFC 3339 begins with; or a duration before now. */
static bool parse_since(const char *text, char stamp[static EVENT_TIME_SIZE])
{
    static const struct config_key key = {.least = 0, .most = INT_MAX};
    struct tm when;
    int ms = 0;

    if (strptime(text, "%Y-%m-%dT%H:%M:%S", &when)) {
        snprintf(stamp, EVENT_TIME_SIZE, "%s", text);
        return true;
    }
    char *wrong = config_parse_duration(&ms, text, &key, 0);
    bool is_good = !wrong;

    free(wrong);
    event_format_time(stamp, event_now() - ms / 1000.0);
    return is_good;
}

static bool is_wanted(const struct options *options, const json_t *event)
{
    const char *time = json_string_value(json_object_get(event, "time"));

    return !options->since || (time && strcmp(time, options->since) >= 0);
}

/* Prints the lines of a record that begin before `limit`, or all when it is negative. false: there
 * is no record. */
static bool print_record(const struct options *options, const char *directory, const char *name,
                         long limit)
{
    char *path = state_directory_file(directory, name), *line = NULL;
    FILE *file = fopen(path, "re");
    size_t capacity = 0;

    free(path);
    if (!file)
        return false;
    while ((limit < 0 || ftell(file) < limit) && getline(&line, &capacity, file) > 0) {
        json_t *event = json_loads(line, 0, NULL);

        if (event && is_wanted(options, event))
            print_event(options, event);
        json_decref(event);
    }
    free(line);
    fclose(file);
    return true;
}

static int follow(const struct options *options)
{
    struct connection connection;
    char *directory = reach(&connection, options);
    json_t *message;

    if (!directory)
        return EXIT_FAILED;
    message = client_ask(&connection, json_pack("{s:s}", "request", "events"), CLIENT_PATIENCE_MS);
    print_record(options, directory, "events.jsonl",
                 (long)json_integer_value(json_object_get(message, "recorded")));
    free(directory);
    json_decref(message);
    while ((message = client_read(&connection, -1))) {
        print_event(options, message);
        json_decref(message);
    }
    client_close(&connection);
    return EXIT_DONE;
}

/* With --since as a time. */
static int show_events(const struct options *options)
{
    char *directory;

    if (options->is_following)
        return follow(options);
    directory = state_directory_default(options->state);
    if (!directory)
        return command_fail(memory_copy_text("there is no $HOME: name a state directory with "
                                             "--state"));
    if (options->since)
        print_record(options, directory, "events.jsonl.1", -1);
    bool has_record = print_record(options, directory, "events.jsonl", -1);
    int code = has_record ? EXIT_DONE : command_fail(explain(directory, -ENOENT));

    free(directory);
    return code;
}

int command_events(const struct options *options)
{
    struct options resolved = *options;
    char since[EVENT_TIME_SIZE];

    if (options->count)
        return command_refuse("events takes no %s", options->arguments[0]);
    if (options->since && !parse_since(options->since, since))
        return command_refuse("--since takes a time such as 2026-01-31T12:00:00Z, or 30s, 5m, 2h");
    if (options->since)
        resolved.since = since;
    return show_events(&resolved);
}
