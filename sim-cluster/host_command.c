/* The verb `hosts`: what the wire tells of the initiators, for people. */
#include "sim-cluster/commands.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "-";
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_paths(const json_t *host)
{
    json_t *paths = json_object_get(host, "paths"), *path;
    size_t i;

    if (json_array_size(paths))
        printf("  %-16s  %-12s  %-10s  %-21s  %-21s  %-21s  %6s  %6s\n", "PATH TO", "ISID", "STATE",
               "FLOATING IP", "PORTAL", "FROM", "LOGINS", "LOSSES");
    json_array_foreach (paths, i, path) {
        const char *volume = text_of(path, "volume");

        printf("  %-16s  %-12s  %-10s  %-21s  %-21s  %-21s  %6lld  %6lld\n",
               *volume == '-' ? text_of(path, "target") : volume, text_of(path, "isid"),
               text_of(path, "state"), text_of(path, "floating_ip"), text_of(path, "portal"),
               text_of(path, "peer"), number_of(path, "logins"), number_of(path, "losses"));
    }
}

/* "5.0 s", "24 ms", or "not known" */
static const char *format_ms(char text[static 32], const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        return "not known";
    if (json_integer_value(value) < 1000)
        snprintf(text, 32, "%lld ms", (long long)json_integer_value(value));
    else
        snprintf(text, 32, "%.1f s", (double)json_integer_value(value) / 1000);
    return text;
}

static void print_functions(const json_t *host)
{
    json_t *functions = json_object_get(host, "task_management"), *count;
    const char *name, *separator = "";

    printf("  task management: ");
    json_object_foreach (functions, name, count) {
        printf("%s%s %lld", separator, name, (long long)json_integer_value(count));
        separator = ", ";
    }
    puts(*separator ? "" : "none");
}

static void print_keys(const json_t *host)
{
    json_t *keys = json_object_get(host, "keys"), *key;
    const char *separator = "";
    size_t i;

    if (!json_array_size(keys))
        return;
    printf("  keys offered otherwise than by Windows: ");
    json_array_foreach (keys, i, key) {
        const char *offered = text_of(key, "offered");

        if (!strcmp(offered, text_of(key, "windows_default")))
            continue;
        printf("%s%s=%s (%s)", separator, text_of(key, "key"), offered,
               text_of(key, "windows_default"));
        separator = ", ";
    }
    puts(*separator ? "" : "none");
}

static void print_facts(const json_t *host)
{
    char period[32], cadence[32], longest[32];

    printf("  %s; %lld logins, %lld redirects, %lld refusals, %lld discoveries\n",
           json_is_true(json_object_get(host, "mpio")) ? "MPIO" : "no MPIO",
           number_of(host, "logins"), number_of(host, "redirects"), number_of(host, "refusals"),
           number_of(host, "discoveries"));
    printf("  NOP-Outs: %lld, period %s\n", number_of(host, "nop_outs"),
           format_ms(period, host, "nop_out_period_ms"));
    printf("  losses: %lld, longest way back %s, between two logins %s\n",
           number_of(host, "losses"), format_ms(longest, host, "longest_return_ms"),
           format_ms(cadence, host, "reconnect_ms"));
    print_functions(host);
    print_keys(host);
}

static void print_judgement(const json_t *host)
{
    json_t *rows = json_object_get(host, "recommended"), *row;
    size_t i;

    if (json_array_size(rows))
        printf("  %-22s  %-29s  %-24s  %s\n", "VALUE", "STORPOOL RECOMMENDS", "THIS HOST",
               "EVIDENCE");
    json_array_foreach (rows, i, row)
        printf("  %-22s  %-29s  %-24s  %s\n", text_of(row, "name"), text_of(row, "recommended"),
               text_of(row, "verdict"), text_of(row, "evidence"));
}

static void print_hosts(const json_t *hosts)
{
    json_t *host;
    size_t i;

    if (!json_array_size(hosts))
        puts("No initiator has logged in yet.");
    json_array_foreach ((json_t *)hosts, i, host) {
        printf("%s%s%s\n", i ? "\n" : "", text_of(host, "initiator"),
               json_is_true(json_object_get(host, "windows")) ? " (Windows)" : "");
        print_paths(host);
        print_facts(host);
        print_judgement(host);
    }
}

int command_hosts(const struct options *options)
{
    json_t *reply, *hosts;

    if (options->count)
        return command_refuse("hosts takes no %s", options->arguments[0]);
    reply = command_ask(options, json_pack("{s:s}", "request", "hosts"));
    if (!reply)
        return EXIT_FAILED;
    hosts = json_object_get(reply, "hosts");
    if (options->is_json)
        command_print_json(hosts);
    else
        print_hosts(hosts);
    json_decref(reply);
    return EXIT_DONE;
}
