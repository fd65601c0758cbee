/* The verbs that change what the configuration says, while the cluster runs: volume, pool, export,
 * alua. */
#include "sim-cluster/cluster_config.h"
#include "sim-cluster/commands.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* "NAME resize SIZE" */
static int resize(const struct options *options, const char *request)
{
    uint64_t size;
    char *wrong, *what;
    int code;

    if (options->count != 3 || strcmp(options->arguments[1], "resize"))
        return command_refuse("say which %s and how large: %s NAME resize SIZE", request, request);
    wrong = config_parse_size(&size, options->arguments[2], NULL, 0);
    if (wrong) {
        command_refuse("SIZE %s", wrong);
        free(wrong);
        return EXIT_USAGE;
    }
    what = memory_format("%s %s has %s", request, options->arguments[0], options->arguments[2]);
    code = command_change(options,
                          json_pack("{s:s, s:s, s:I, s:b}", "request", request, request,
                                    options->arguments[0], "size", (json_int_t)size, "force",
                                    options->is_forced),
                          what);
    free(what);
    return code;
}

int command_volume(const struct options *options)
{
    return resize(options, "volume");
}

int command_pool(const struct options *options)
{
    return resize(options, "pool");
}

int command_export(const struct options *options)
{
    const char *verb = options->count ? options->arguments[0] : "";
    bool is_added = !strcmp(verb, "add");
    char *what;
    int code;

    if (options->count != 2 || (!is_added && strcmp(verb, "remove")) || !options->portal_group)
        return command_refuse("say what and where: export add|remove VOLUME --portal-group GROUP "
                              "[--initiator NAME]");
    what = memory_format("%s is %s portal group %s", options->arguments[1],
                         is_added ? "exported in" : "no longer exported in", options->portal_group);
    code = command_change(options,
                          json_pack("{s:s, s:s, s:s, s:s, s:s?}", "request", "export", "verb", verb,
                                    "volume", options->arguments[1], "portal_group",
                                    options->portal_group, "initiator", options->initiator),
                          what);
    free(what);
    return code;
}

int command_alua(const struct options *options)
{
    char *what;
    int code;

    if (options->count != 2)
        return command_refuse("say which portal group and its state: alua GROUP "
                              "optimized|non_optimized|standby|unavailable|transitioning");
    what = memory_format("portal group %s is %s", options->arguments[0], options->arguments[1]);
    code = command_change(options,
                          json_pack("{s:s, s:s, s:s}", "request", "alua", "portal_group",
                                    options->arguments[0], "state", options->arguments[1]),
                          what);
    free(what);
    return code;
}
