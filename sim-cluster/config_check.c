#include "sim-cluster/config_check.h"

#include "sim-cluster/cluster_config.h"
#include "sim-cluster/config_networks.h"
#include "target/base/config.h"
#include "target/base/memory.h"
#include "target/base/name_index.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *config_wrong(const struct cluster_config *config, int line, const char *format, ...)
{
    char phrase[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(phrase, sizeof(phrase), format, arguments);
    va_end(arguments);
    return memory_format("%s:%d: %s", config->path, line, phrase);
}

static char *check_parts(struct cluster_config *config)
{
    if (!config->base_name)
        return config_wrong(config, config->line, "[cluster] needs a base_name");
    if (!config->node_count)
        return config_wrong(config, config->line, "there is no [node N]");
    if (!config->portal_group_count)
        return config_wrong(config, config->line, "there is no [portal_group NAME]");
    return NULL;
}

static char *check_groups(struct cluster_config *config)
{
    for (size_t i = 0; i < config->portal_group_count; i++) {
        struct portal_group_config *group = &config->portal_groups[i];

        if (!group->floating_ip_count)
            return config_wrong(config, group->line, "portal group %s needs a floating_ip",
                                group->name);
        group->tpgt = group->tpgt ? group->tpgt : (int)i + 1;
        for (size_t other = 0; other < i; other++)
            if (config->portal_groups[other].tpgt == group->tpgt)
                return config_wrong(config, group->line,
                                    "portal groups %s and %s have the same tpgt %d",
                                    config->portal_groups[other].name, group->name, group->tpgt);
    }
    return NULL;
}

struct used {
    struct address address;
    int line;
};

struct used_list {
    struct used *used;
    size_t count;
};

static char *use(const struct cluster_config *config, struct used_list *list,
                 const struct address *address, int line)
{
    char text[ADDRESS_TEXT_SIZE];
    struct used *slot;

    for (size_t i = 0; i < list->count; i++)
        if (address_is_same(&list->used[i].address, address))
            return config_wrong(config, line, "address %s is used already in line %d",
                                address_format(address, text), list->used[i].line);
    slot = config_append(&list->used, &list->count, sizeof(*slot));
    *slot = (struct used){*address, line};
    return NULL;
}

static char *check_portals(const struct cluster_config *config, const struct node_config *node,
                           struct used_list *used)
{
    char *phrase = NULL;

    if (!node->portal_count)
        return config_wrong(config, node->line, "node %d needs a portal", node->number);
    for (size_t i = 0; i < node->portal_count && !phrase; i++) {
        const struct portal_config *portal = &node->portals[i];

        if (cluster_config_find_group(config, portal->group) < 0)
            phrase =
                config_wrong(config, portal->line, "there is no portal group %s", portal->group);
        else
            phrase = use(config, used, &portal->address, portal->line);
    }
    return phrase;
}

static char *check_addresses(struct cluster_config *config)
{
    struct used_list used = {0};
    char *phrase = NULL;

    for (size_t i = 0; i < config->portal_group_count; i++) {
        const struct portal_group_config *group = &config->portal_groups[i];

        for (size_t j = 0; j < group->floating_ip_count && !phrase; j++)
            phrase = use(config, &used, &group->floating_ips[j].subnet.address,
                         group->floating_ips[j].line);
    }
    for (size_t i = 0; i < config->node_count && !phrase; i++)
        phrase = check_portals(config, &config->nodes[i], &used);
    free(used.used);
    return phrase;
}

static bool has_portal(const struct node_config *node, const char *group)
{
    for (size_t i = 0; i < node->portal_count; i++)
        if (!strcmp(node->portals[i].group, group))
            return true;
    return false;
}

static char *check_group_portals(struct cluster_config *config)
{
    for (size_t i = 0; i < config->portal_group_count; i++) {
        const struct portal_group_config *group = &config->portal_groups[i];
        bool found = false;

        for (size_t j = 0; j < config->node_count; j++)
            found |= has_portal(&config->nodes[j], group->name);
        if (!found)
            return config_wrong(config, group->line, "no node has a portal in portal group %s",
                                group->name);
    }
    return NULL;
}

static char *name_target(struct cluster_config *config, size_t index, struct name_index *targets)
{
    struct volume_config *volume = &config->volumes[index];

    volume->target = cluster_config_target_name(config->base_name, volume->name);
    if (strlen(volume->target) > CLUSTER_ISCSI_NAME_MAX)
        return config_wrong(config, volume->line, "the target's name %s is longer than %d bytes",
                            volume->target, CLUSTER_ISCSI_NAME_MAX);
    if (name_index_add(targets, volume->target, index))
        return NULL;
    return config_wrong(config, volume->line, "volumes %s and %s would both be target %s",
                        config->volumes[name_index_find(targets, volume->target)].name,
                        volume->name, volume->target);
}

static char *check_volume(const struct cluster_config *config, const struct volume_config *volume)
{
    if (!volume->size)
        return config_wrong(config, volume->line, "volume %s needs a size", volume->name);
    if (volume->size % (uint64_t)volume->block_size)
        return config_wrong(config, volume->line, "the size of volume %s is not a multiple of %d",
                            volume->name, volume->block_size);
    if (volume->pool && cluster_config_find_pool(config, volume->pool) < 0)
        return config_wrong(config, volume->line, "there is no pool %s", volume->pool);
    return NULL;
}

static char *check_volumes(struct cluster_config *config)
{
    struct name_index targets = {0};
    char *phrase = NULL;

    for (size_t i = 0; i < config->volume_count && !phrase; i++) {
        phrase = check_volume(config, &config->volumes[i]);
        if (!phrase)
            phrase = name_target(config, i, &targets);
    }
    name_index_free(&targets);
    return phrase;
}

static char *check_pools(struct cluster_config *config)
{
    for (size_t i = 0; i < config->pool_count; i++)
        if (!config->pools[i].size)
            return config_wrong(config, config->pools[i].line, "pool %s needs a size",
                                config->pools[i].name);
    return NULL;
}

/* RFC 7143 12.1.3: a secret that proves one side must not prove the other. */
static char *check_initiators(struct cluster_config *config)
{
    for (size_t i = 0; i < config->initiator_count; i++) {
        const struct initiator_config *initiator = &config->initiators[i];
        const struct chap_config *chap = &initiator->chap, *mutual = &initiator->mutual_chap;

        if (mutual->secret && !chap->secret)
            return config_wrong(config, initiator->line,
                                "initiator %s has mutual_chap without chap", initiator->name);
        if (mutual->secret && !strcmp(mutual->secret, chap->secret))
            return config_wrong(config, initiator->line,
                                "initiator %s: chap and mutual_chap must have different secrets",
                                initiator->name);
    }
    return NULL;
}

/* What exports may name. */
struct names {
    struct name_index volumes, initiators;
};

static char *check_export_names(const struct cluster_config *config, const struct names *names,
                                const struct export_config *export)
{
    if (name_index_find(&names->volumes, export->volume) < 0)
        return config_wrong(config, export->line, "there is no volume %s", export->volume);
    if (!export->portal_group_count)
        return config_wrong(config, export->line, "the export of %s needs a portal_group",
                            export->volume);
    for (size_t i = 0; i < export->portal_group_count; i++)
        if (cluster_config_find_group(config, export->portal_groups[i].name) < 0)
            return config_wrong(config, export->portal_groups[i].line,
                                "there is no portal group %s", export->portal_groups[i].name);
    for (size_t i = 0; i < export->initiator_count; i++)
        if (name_index_find(&names->initiators, export->initiators[i].name) < 0)
            return config_wrong(config, export->initiators[i].line, "there is no initiator %s",
                                export->initiators[i].name);
    return NULL;
}

static bool has_all_groups(const struct node_config *node, const struct export_config *export)
{
    for (size_t i = 0; i < export->portal_group_count; i++)
        if (!has_portal(node, export->portal_groups[i].name))
            return false;
    return true;
}

static char *check_export(const struct cluster_config *config, const struct names *names,
                          const struct export_config *export)
{
    char *phrase = check_export_names(config, names, export);

    if (phrase)
        return phrase;
    for (size_t i = 0; i < config->node_count; i++)
        if (has_all_groups(&config->nodes[i], export))
            return NULL;
    return config_wrong(config, export->line,
                        "no node has a portal in every portal group that %s is exported in",
                        export->volume);
}

static char *check_exports(struct cluster_config *config)
{
    struct names names = {0};
    char *phrase = NULL;

    for (size_t i = 0; i < config->volume_count; i++)
        name_index_add(&names.volumes, config->volumes[i].name, i);
    name_index_add(&names.initiators, "*", 0);
    for (size_t i = 0; i < config->initiator_count; i++)
        name_index_add(&names.initiators, config->initiators[i].name, i);
    for (size_t i = 0; i < config->export_count && !phrase; i++)
        phrase = check_export(config, &names, &config->exports[i]);
    name_index_free(&names.volumes);
    name_index_free(&names.initiators);
    return phrase;
}

/* What may be left out: a file without initiators means any; an export without them, too. */
static void complete(struct cluster_config *config)
{
    if (!config->initiator_count) {
        struct initiator_config *any =
            config_append(&config->initiators, &config->initiator_count, sizeof(*any));

        any->name = memory_copy_text("*");
    }
    for (size_t i = 0; i < config->export_count; i++) {
        struct export_config *export = &config->exports[i];

        if (!export->initiator_count) {
            struct name_config *any =
                config_append(&export->initiators, &export->initiator_count, sizeof(*any));

            any->name = memory_copy_text("*");
        }
    }
}

typedef char *check(struct cluster_config *config);

char *config_check(struct cluster_config *config)
{
    static check *const checks[] = {check_parts,           check_groups,        check_addresses,
                                    config_check_networks, check_group_portals, check_pools,
                                    check_volumes,         check_initiators,    check_exports};

    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        char *phrase = checks[i](config);

        if (phrase)
            return phrase;
    }
    complete(config);
    return NULL;
}
