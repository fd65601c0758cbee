#include "sim-cluster/exports.h"

#include "target/base/config.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

static void find_groups(struct cluster *cluster, int target)
{
    uint64_t groups = 0;

    for (size_t i = 0; i < cluster->export_count; i++)
        if (cluster->exports[i].target == target)
            groups |= UINT64_C(1) << cluster->exports[i].group;
    cluster->targets[target].groups = groups;
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

    for (size_t i = 0; i < cluster->export_count; i++)
        if (is_row(&cluster->exports[i], target, group, initiator))
            return false;
    export = config_append(&cluster->exports, &cluster->export_count, sizeof(*export));
    *export = (struct cluster_export){target, group, memory_copy_text(initiator)};
    find_groups(cluster, target);
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
    find_groups(cluster, target);
    return before - kept;
}

void exports_init(struct cluster *cluster)
{
    const struct cluster_config *config = cluster->config;

    for (size_t i = 0; i < config->export_count; i++) {
        const struct export_config *export = &config->exports[i];
        int target = cluster_config_find_volume(config, export->volume);

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
