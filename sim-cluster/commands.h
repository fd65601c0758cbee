/* The verbs of the command line. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
    const char *state;  /* --state; NULL: not given. Borrowed, as all texts here. */
    const char *config; /* -c */
    const char *portal_group, *initiator;
    const char *since;                                    /* RFC 3339, or a duration */
    const char *junit, *json_file, *report, *seed, *jobs; /* of scenarios */
    bool is_json, is_detached, is_following, is_verbose, is_forced;
    bool has_twins, is_without_steps; /* of scenarios */
    char **arguments;                 /* what is no option */
    int count;
};

typedef int command_run(const struct options *options);

command_run command_up, command_down, command_cleanup, command_status, command_node, command_target,
    command_floating_ip, command_volume, command_pool, command_export, command_alua, command_events,
    command_demo, command_fault, command_heal, command_run_scenario, command_hosts, command_doctor;

/* The probe has options of its own; what it is not told it learns from the cluster. */
int command_probe(const char *state, int argc, char **argv);

/* An owned reply; NULL after a sentence. Takes the request. */
json_t *command_ask(const struct options *options, json_t *request);
/* Asks the cluster for a change, and says that it is done. Takes the request. `what` is for people.
 */
int command_change(const struct options *options, json_t *request, const char *what);

/* Indented, on stdout. */
void command_print_json(const json_t *value);

/* One sentence on stderr; returns EXIT_USAGE. */
int command_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same; takes the sentence; returns EXIT_FAILED. */
int command_fail(char *sentence);
