#include "sim-cluster/client.h"
#include "sim-cluster/commands.h"
#include "sim-cluster/probe.h"
#include "sim-cluster/state_directory.h"

#include <stdlib.h>
#include <string.h>

/* An owned answer of the cluster; NULL: there is none, or it has nothing to probe. */
static json_t *ask_cluster(const char *state, const char *initiator)
{
    char *directory = state_directory_default(state);
    struct connection connection;
    json_t *reply = NULL;

    if (directory && !client_connect(&connection, directory)) {
        reply =
            client_ask(&connection,
                       json_pack("{s:s, s:s}", "request", "probe-defaults", "initiator", initiator),
                       CLIENT_PATIENCE_MS);
        client_close(&connection);
    }
    free(directory);
    return reply;
}

static void fill_text(const char **field, const json_t *object, const char *key)
{
    if (!*field)
        *field = json_string_value(json_object_get(object, key));
}

static void fill_in(struct probe_options *options, const json_t *answer)
{
    const json_t *chap = json_object_get(answer, "chap");
    const json_t *mutual = json_object_get(answer, "mutual_chap");

    fill_text(&options->portal, answer, "portal");
    fill_text(&options->target, answer, "target");
    if (options->chap_user)
        return;
    fill_text(&options->chap_user, chap, "user");
    fill_text(&options->chap_secret, chap, "secret");
    fill_text(&options->mutual_user, mutual, "user");
    fill_text(&options->mutual_secret, mutual, "secret");
}

int command_probe(const char *state, int argc, char **argv)
{
    struct probe_options options;
    int code = probe_parse(argc, argv, &options);
    json_t *answer;

    if (code)
        return code == PROBE_HELP ? EXIT_DONE : code;
    answer = ask_cluster(state, options.initiator ? options.initiator : PROBE_INITIATOR);
    fill_in(&options, answer);
    if (!options.portal || !options.target)
        code = command_refuse("no cluster tells what to probe: name --portal and --target");
    else
        code = probe_run(&options);
    json_decref(answer);
    return code;
}
