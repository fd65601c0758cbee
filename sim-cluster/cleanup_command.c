/* "cleanup": what a cluster that was not ended properly has left in the system. */
#include "sim-cluster/belongings.h"
#include "sim-cluster/commands.h"
#include "sim-cluster/state_directory.h"
#include "target/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_removed(void *owner, const char *what)
{
    json_array_append_new(owner, json_string(what));
}

static void print_removed(const struct options *options, const json_t *report)
{
    const json_t *removed = json_object_get(report, "removed"), *entry;
    size_t i;

    if (options->is_json) {
        json_dumpf(report, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    json_array_foreach (removed, i, entry)
        printf("removed %s\n", json_string_value(entry));
    if (!json_array_size(removed))
        puts("nothing was left behind");
}

static int clean(const struct options *options, const char *directory)
{
    struct state_directory state = {.lock = -1};
    json_t *report = json_pack("{s:[]}", "removed");
    char *wrong = NULL;

    if (!access(directory, F_OK)) {
        wrong = state_directory_open(&state, directory);
        if (!wrong)
            wrong = belongings_remove(state.path, on_removed, json_object_get(report, "removed"));
        state_directory_close(&state);
    }
    if (!wrong)
        print_removed(options, report);
    json_decref(report);
    return wrong ? command_fail(wrong) : EXIT_DONE;
}

int command_cleanup(const struct options *options)
{
    char *directory = state_directory_default(options->state);
    int code;

    if (options->count)
        code = command_refuse("cleanup takes no %s", options->arguments[0]);
    else if (!directory)
        code = command_fail(memory_copy_text("there is no $HOME: name a state directory with "
                                             "--state"));
    else
        code = clean(options, directory);
    free(directory);
    return code;
}
