#include "sim-cluster/tables.h"

#include "target/base/address.h"
#include "target/base/event_line.h"
#include "target/base/memory.h"
#include "target/base/name_index.h"

#include <stdlib.h>
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

/* The rows that follow the head, and what they have told. */
struct reader {
    tables_next *next;
    void *owner;               /* borrowed */
    struct name_index targets; /* numbers of volumes */
    char **volumes;            /* owned */
    size_t volume_count;
};

static bool read_row(const struct reader *reader,
                     struct event_field fields[static EVENT_FIELDS_MAX + 1])
{
    char *line = reader->next(reader->owner);

    return line && event_line_read(line, fields);
}

static const char *field(const struct event_field *fields, const char *name)
{
    const char *value = event_line_text(fields, name);

    return value ? value : "-";
}

static void print_target(FILE *file, const struct event_field *target)
{
    const char *problem = event_line_text(target, "problem");
    int64_t controller = event_line_number(target, "controller");
    char size[16], node[24] = "none";

    tables_format_bytes(size, event_line_number(target, "size"));
    if (controller)
        snprintf(node, sizeof(node), "node %lld", (long long)controller);
    fprintf(file, "%-16s  %7s  %-8s  %s\n", field(target, "volume"), size, node,
            field(target, "name"));
    if (problem)
        fprintf(file, "%-16s  %s\n", "", problem);
}

static bool print_targets(FILE *file, struct reader *reader, size_t count)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];

    reader->volumes = memory_new(count * sizeof(*reader->volumes));
    fprintf(file, "\n%-16s  %7s  %-8s  %s\n", "VOLUME", "SIZE", "ON", "TARGET");
    for (size_t i = 0; i < count; i++) {
        if (!read_row(reader, fields))
            return false;
        print_target(file, fields);
        name_index_add(&reader->targets, field(fields, "name"), i);
        reader->volumes[reader->volume_count++] = memory_copy_text(field(fields, "volume"));
    }
    return true;
}

static const char *volume_of(const struct reader *reader, const struct event_field *session)
{
    ptrdiff_t index = name_index_find(&reader->targets, field(session, "target"));

    return index < 0 ? "discovery" : reader->volumes[index];
}

static void print_session(FILE *file, const struct reader *reader,
                          const struct event_field *session)
{
    char in[16], out[16];

    tables_format_bytes(in, event_line_number(session, "bytes_in"));
    tables_format_bytes(out, event_line_number(session, "bytes_out"));
    fprintf(file, "%-40s  %-12s  %-4lld  %-20s  %-20s  %8lld  %7s  %7s\n",
            field(session, "initiator"), volume_of(reader, session),
            (long long)event_line_number(session, "node"), field(session, "portal"),
            field(session, "peer"), (long long)event_line_number(session, "commands"), in, out);
}

static bool print_sessions(FILE *file, const struct reader *reader, size_t count)
{
    struct event_field fields[EVENT_FIELDS_MAX + 1];

    if (!count) {
        fprintf(file, "\nNo sessions.\n");
        return true;
    }
    fprintf(file, "\n%-40s  %-12s  %-4s  %-20s  %-20s  %8s  %7s  %7s\n", "SESSION OF", "VOLUME",
            "NODE", "PORTAL", "PEER", "COMMANDS", "WRITTEN", "READ");
    for (size_t i = 0; i < count; i++) {
        if (!read_row(reader, fields))
            return false;
        print_session(file, reader, fields);
    }
    return true;
}

bool tables_print_status(FILE *file, const json_t *status, tables_next *next, void *owner)
{
    struct reader reader = {.next = next, .owner = owner};
    bool is_whole;

    fprintf(file, "Cluster %s, map generation %lld\n", text_of(status, "cluster"),
            number_of(status, "generation"));
    print_nodes(file, status);
    print_floating_ips(file, status);
    is_whole = print_targets(file, &reader, (size_t)number_of(status, "targets")) &&
               print_sessions(file, &reader, (size_t)number_of(status, "sessions"));
    name_index_free(&reader.targets);
    for (size_t i = 0; i < reader.volume_count; i++)
        free(reader.volumes[i]);
    free(reader.volumes);
    return is_whole;
}
