#include "sim-cluster/exports.h"

#include "target/base/config.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Puts the row into its target's chain. */
static void chain(struct cluster *cluster, size_t index)
{
    struct cluster_export *export = &cluster->exports[index];
    struct cluster_target *target = &cluster->targets[export->target];

    export->next = target->last_export;
    target->last_export = (int)index;
    target->groups |= UINT64_C(1) << export->group;
}

static void chain_all(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        cluster->targets[i].last_export = -1;
        cluster->targets[i].groups = 0;
    }
    for (size_t i = 0; i < cluster->export_count; i++)
        chain(cluster, i);
}

static bool is_row(const struct cluster_export *export, int target, int group,
                   const char *initiator)
{
    return export->target == target && export->group == group &&
           (!initiator || !strcmp(export->initiator, initiator));
}

bool exports_add(struct cluster *cluster, int target, int group, const char *initiator)
{
    struct cluster_export *export;

    for (int i = cluster->targets[target].last_export; i >= 0; i = cluster->exports[i].next)
        if (is_row(&cluster->exports[i], target, group, initiator))
            return false;
    export = config_append(&cluster->exports, &cluster->export_count, sizeof(*export));
    *export = (struct cluster_export){
        .target = target, .group = group, .initiator = memory_copy_text(initiator)};
    chain(cluster, cluster->export_count - 1);
    cluster->exports_changed = cluster->generation + 1;
    return true;
}

size_t exports_remove(struct cluster *cluster, int target, int group, const char *initiator)
{
    size_t before = cluster->export_count, kept = 0;

    for (size_t i = 0; i < before; i++) {
        if (is_row(&cluster->exports[i], target, group, initiator))
            free(cluster->exports[i].initiator);
        else
            cluster->exports[kept++] = cluster->exports[i];
    }
    cluster->export_count = kept;
    cluster->exports_changed = cluster->generation + 1;
    chain_all(cluster);
    return before - kept;
}

void exports_init(struct cluster *cluster)
{
    const struct cluster_config *config = cluster->config;

    for (size_t i = 0; i < config->export_count; i++) {
        const struct export_config *export = &config->exports[i];
        int target = cluster_find_volume(cluster, export->volume);

        for (size_t j = 0; j < export->portal_group_count; j++)
            for (size_t k = 0; k < export->initiator_count; k++)
                exports_add(cluster, target,
                            cluster_config_find_group(config, export->portal_groups[j].name),
                            export->initiators[k].name);
    }
}

void exports_free(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->export_count; i++)
        free(cluster->exports[i].initiator);
    free(cluster->exports);
}
