#include "sim-cluster/tables.h"

#include "target/base/address.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "-";
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

void tables_format_bytes(char text[static 16], long long bytes)
{
    static const char units[] = " kMGTP";
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && units[unit + 1]; unit++)
        value /= 1024;
    if (!unit)
        snprintf(text, 16, "%lld", bytes);
    else
        snprintf(text, 16, value < 10 && value != (double)(long long)value ? "%.1f%c" : "%.0f%c",
                 value, units[unit]);
}

/* "node 2", or "none" */
static const char *format_node(char text[static 16], const json_t *number)
{
    if (!json_is_integer(number))
        return "none";
    snprintf(text, 16, "node %lld", (long long)json_integer_value(number));
    return text;
}

static const char *colour_of(FILE *file, const char *state)
{
    if (!isatty(fileno(file)))
        return "";
    return !strcmp(state, "up") ? "\033[32m" : !strcmp(state, "draining") ? "\033[33m" : "\033[31m";
}

static void print_addresses_of(FILE *file, const json_t *status, const char *list, long long node)
{
    size_t i, j;
    json_t *group, *entry;
    int count = 0;

    json_array_foreach (json_object_get(status, "portal_groups"), i, group) {
        json_array_foreach (json_object_get(group, list), j, entry) {
            json_t *holder = json_object_get(entry, "node");

            if (json_is_integer(holder) && json_integer_value(holder) == node)
                fprintf(file, "%s%s", count++ ? ", " : "", text_of(entry, "address"));
        }
    }
    if (!count)
        fputc('-', file);
}

static void print_nodes(FILE *file, const json_t *status)
{
    size_t i;
    json_t *node;

    fprintf(file, "\n%-6s  %-9s  %7s  %8s  %s\n", "NODE", "STATE", "TARGETS", "SESSIONS",
            "FLOATING IPS");
    json_array_foreach (json_object_get(status, "nodes"), i, node) {
        const char *state = text_of(node, "state"), *colour = colour_of(file, state);

        fprintf(file, "%-6lld  %s%-9s%s  %7lld  %8lld  ", number_of(node, "node"), colour, state,
                *colour ? "\033[0m" : "", number_of(node, "targets"), number_of(node, "sessions"));
        print_addresses_of(file, status, "floating_ips", number_of(node, "node"));
        fputc('\n', file);
    }
}

/* With its port when that is not the usual one. */
static const char *format_address(char text[static ADDRESS_TEXT_SIZE], const json_t *floating)
{
    struct address address;

    if (address_parse(&address, text_of(floating, "address"), 0))
        address.port = (uint16_t)number_of(floating, "port");
    return address.port == ISCSI_PORT ? address_format_host(&address, text)
                                      : address_format(&address, text);
}

static void print_floating_ips(FILE *file, const json_t *status)
{
    size_t i, j;
    json_t *group, *floating;
    char node[16], address[ADDRESS_TEXT_SIZE];

    fprintf(file, "\n%-22s  %-14s  %s\n", "FLOATING IP", "PORTAL GROUP", "ON");
    json_array_foreach (json_object_get(status, "portal_groups"), i, group)
        json_array_foreach (json_object_get(group, "floating_ips"), j, floating)
            fprintf(file, "%-22s  %-14s  %s\n", format_address(address, floating),
                    text_of(group, "name"), format_node(node, json_object_get(floating, "node")));
}

static void print_targets(FILE *file, const json_t *status)
{
    size_t i;
    json_t *target;
    char size[16], node[16];

    fprintf(file, "\n%-16s  %7s  %-8s  %s\n", "VOLUME", "SIZE", "ON", "TARGET");
    json_array_foreach (json_object_get(status, "targets"), i, target) {
        tables_format_bytes(size, number_of(target, "size"));
        fprintf(file, "%-16s  %7s  %-8s  %s\n", text_of(target, "volume"), size,
                format_node(node, json_object_get(target, "controller")), text_of(target, "name"));
        if (json_is_string(json_object_get(target, "problem")))
            fprintf(file, "%-16s  %s\n", "", text_of(target, "problem"));
    }
}

/* An owned object: the volume of each target. */
static json_t *volumes_by_target(const json_t *status)
{
    json_t *volumes = json_object(), *target;
    size_t i;

    json_array_foreach (json_object_get(status, "targets"), i, target)
        json_object_set(volumes, text_of(target, "name"), json_object_get(target, "volume"));
    return volumes;
}

static void print_sessions(FILE *file, const json_t *status)
{
    json_t *sessions = json_object_get(status, "sessions"), *session, *volumes;
    char in[16], out[16];
    size_t i;

    if (!json_array_size(sessions)) {
        fprintf(file, "\nNo sessions.\n");
        return;
    }
    fprintf(file, "\n%-40s  %-12s  %-4s  %-20s  %-20s  %8s  %7s  %7s\n", "SESSION OF", "VOLUME",
            "NODE", "PORTAL", "PEER", "COMMANDS", "WRITTEN", "READ");
    volumes = volumes_by_target(status);
    json_array_foreach (sessions, i, session) {
        json_t *volume = json_object_get(volumes, text_of(session, "target"));

        tables_format_bytes(in, number_of(session, "bytes_in"));
        tables_format_bytes(out, number_of(session, "bytes_out"));
        fprintf(file, "%-40s  %-12s  %-4lld  %-20s  %-20s  %8lld  %7s  %7s\n",
                text_of(session, "initiator"), volume ? json_string_value(volume) : "discovery",
                number_of(session, "node"), text_of(session, "portal"), text_of(session, "peer"),
                number_of(session, "commands"), in, out);
    }
    json_decref(volumes);
}

void tables_print_status(FILE *file, const json_t *status)
{
    fprintf(file, "Cluster %s, map generation %lld\n", text_of(status, "cluster"),
            number_of(status, "generation"));
    print_nodes(file, status);
    print_floating_ips(file, status);
    print_targets(file, status);
    print_sessions(file, status);
}
