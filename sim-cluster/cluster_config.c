#include "sim-cluster/cluster_config.h"

#include "sim-cluster/config_check.h"
#include "sim-cluster/config_keys.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void set_defaults(struct cluster_config *config, const char *path)
{
    *config = (struct cluster_config){
        .path = memory_copy_text(path),
        .name = memory_copy_text("demo"),
        .line = 1,
        .node_timeout_ms = 1000,
        .drain_timeout_ms = 5000,
        .login_timeout_s = 15,
        .nop_interval_s = 30,
        .nop_timeout_s = 10,
        .queue_depth = 128,
        .io_threads = 1,
        .has_zero_copy = 1,
        .has_sandbox = true,
    };
}

char *cluster_config_read(struct cluster_config *config, const char *path)
{
    char *wrong;

    set_defaults(config, path);
    wrong = config_read(path, &config_keys, config);
    return wrong ? wrong : config_check(config);
}

int cluster_config_find_group(const struct cluster_config *config, const char *name)
{
    for (size_t i = 0; i < config->portal_group_count; i++)
        if (!strcmp(config->portal_groups[i].name, name))
            return (int)i;
    return -1;
}

int cluster_config_find_pool(const struct cluster_config *config, const char *name)
{
    for (size_t i = 0; i < config->pool_count; i++)
        if (!strcmp(config->pools[i].name, name))
            return (int)i;
    return -1;
}

char *cluster_config_target_name(const char *base_name, const char *volume)
{
    char *name = memory_format("%s:%s", base_name, volume);

    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
    return name;
}

static void free_chap(struct chap_config *chap)
{
    free(chap->user);
    free(chap->secret);
}

static void free_names(struct name_config *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i].name);
    free(names);
}

static void free_node(struct node_config *node)
{
    for (size_t i = 0; i < node->portal_count; i++)
        free(node->portals[i].group);
    free(node->portals);
}

static void free_access(struct cluster_config *config)
{
    for (size_t i = 0; i < config->initiator_count; i++) {
        free(config->initiators[i].name);
        free(config->initiators[i].nets);
        free_chap(&config->initiators[i].chap);
        free_chap(&config->initiators[i].mutual_chap);
    }
    for (size_t i = 0; i < config->export_count; i++) {
        free(config->exports[i].volume);
        free_names(config->exports[i].portal_groups, config->exports[i].portal_group_count);
        free_names(config->exports[i].initiators, config->exports[i].initiator_count);
    }
    free(config->initiators);
    free(config->exports);
}

static void free_networks(struct cluster_config *config)
{
    for (size_t i = 0; i < config->network_count; i++) {
        free(config->networks[i].name);
        free(config->networks[i].device);
        free(config->networks[i].addresses);
        free(config->networks[i].subnets);
    }
    free(config->networks);
    free(config->interface);
}

void cluster_config_free(struct cluster_config *config)
{
    free_access(config);
    free_networks(config);
    for (size_t i = 0; i < config->portal_group_count; i++) {
        free(config->portal_groups[i].name);
        free(config->portal_groups[i].floating_ips);
    }
    for (size_t i = 0; i < config->node_count; i++)
        free_node(&config->nodes[i]);
    for (size_t i = 0; i < config->volume_count; i++) {
        free(config->volumes[i].name);
        free(config->volumes[i].target);
        free(config->volumes[i].pool);
    }
    for (size_t i = 0; i < config->pool_count; i++)
        free(config->pools[i].name);
    for (size_t i = 0; i < config->fault_count; i++)
        free(config->faults[i].rule);
    free(config->faults);
    free(config->pools);
    free(config->portal_groups);
    free(config->nodes);
    free(config->volumes);
    free(config->path);
    free(config->name);
    free(config->base_name);
    free(config->user);
}
