#include "sim-cluster/map.h"

enum { PHYSICAL_BLOCK_SIZE = 4096 };

json_t *map_node(int number)
{
    return number ? json_integer(number) : json_null();
}

json_t *map_pool(const struct cluster_pool *pool)
{
    return json_pack("{s:s, s:I}", "name", pool->config->name, "size", (json_int_t)pool->size);
}

static json_t *host(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    return json_string(address_format_host(address, text));
}

static json_t *floating_ips(const struct cluster *cluster, int group)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        const struct cluster_floating_ip *floating = &cluster->floating_ips[i];
        const struct subnet *subnet = &floating->config->subnet;

        if (floating->group == group)
            json_array_append_new(list, json_pack("{s:o, s:i, s:i, s:o}", "address",
                                                  host(&subnet->address), "prefix", subnet->prefix,
                                                  "port", subnet->address.port, "node",
                                                  map_node(floating->node)));
    }
    return list;
}

static json_t *portals(const struct cluster *cluster, int group)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct node_config *node = cluster->nodes[i].config;

        for (size_t j = 0; j < node->portal_count; j++)
            if (cluster_config_find_group(cluster->config, node->portals[j].group) == group)
                json_array_append_new(list, json_pack("{s:i, s:o, s:i}", "node", node->number,
                                                      "address", host(&node->portals[j].address),
                                                      "port", node->portals[j].address.port));
    }
    return list;
}

static json_t *portal_groups(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->portal_group_count; i++) {
        const struct portal_group_config *group = &cluster->config->portal_groups[i];

        json_array_append_new(
            list, json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", group->name,
                            "tpgt", group->tpgt, "redirect", redirect_when_names[group->redirect],
                            "redirect_status", redirect_status_names[group->redirect_status],
                            "discovery_chap", discovery_chap_names[group->discovery_chap], "alua",
                            alua_names[group->alua], "alua_state",
                            alua_state_names[cluster->groups[i].alua_state], "floating_ips",
                            floating_ips(cluster, (int)i), "portals", portals(cluster, (int)i)));
    }
    return list;
}

/* A target that is being released names nobody, or a map that crosses the answer on its way would
 * open the volume again. */
static int controller_for(const struct cluster_target *target, enum map_reader reader)
{
    bool is_assigned = target->phase == TARGET_OPENING || target->phase == TARGET_SERVING;

    if (reader == MAP_FOR_PORTALGROUP)
        return cluster_published_controller(target);
    return is_assigned ? target->controller : 0;
}

static json_t *targets(const struct cluster *cluster, enum map_reader reader)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        const struct volume_config *volume = target->config;
        int controller = controller_for(target, reader);

        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:i, s:i, s:o, s:b, s:b, s:b, s:s*, s:o, s:f}", "name",
                      volume->target, "volume", volume->name, "size", (json_int_t)target->size,
                      "block_size", volume->block_size, "physical_block_size", PHYSICAL_BLOCK_SIZE,
                      "controller", map_node(controller), "read_only", volume->is_read_only, "thin",
                      volume->is_thin, "removable", volume->is_removable, "pool", volume->pool,
                      "former", map_node(target->former), "moved", target->moved_at));
    }
    return list;
}

static void set_chap(json_t *initiator, const char *key, const struct chap_config *chap)
{
    if (chap->secret)
        json_object_set_new(initiator, key,
                            json_pack("{s:s, s:s}", "user", chap->user, "secret", chap->secret));
}

static json_t *initiators(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->initiator_count; i++) {
        const struct initiator_config *config = &cluster->config->initiators[i];
        json_t *nets = json_array();

        for (size_t j = 0; j < config->net_count; j++) {
            char text[ADDRESS_TEXT_SIZE];

            json_array_append_new(
                nets, json_sprintf("%s/%d", address_format_host(&config->nets[j].address, text),
                                   config->nets[j].prefix));
        }
        json_t *initiator = json_pack("{s:s, s:o}", "name", config->name, "nets", nets);

        set_chap(initiator, "chap", &config->chap);
        set_chap(initiator, "mutual_chap", &config->mutual_chap);
        json_array_append_new(list, initiator);
    }
    return list;
}

static json_t *export_of(const struct cluster *cluster, const struct cluster_target *target,
                         int group)
{
    json_t *names = json_array();

    for (int i = target->last_export; i >= 0; i = cluster->exports[i].next)
        if (cluster->exports[i].group == group)
            json_array_insert_new(names, 0, json_string(cluster->exports[i].initiator));
    return json_pack("{s:s, s:s, s:o}", "target", target->config->target, "portal_group",
                     cluster->groups[group].config->name, "initiators", names);
}

/* One for each target and portal group, with all its initiators. */
static json_t *exports(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++)
        for (size_t j = 0; j < cluster->config->portal_group_count; j++)
            if (cluster->targets[i].groups & UINT64_C(1) << j)
                json_array_append_new(list, export_of(cluster, &cluster->targets[i], (int)j));
    return list;
}

static json_t *pools(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->pool_count; i++)
        json_array_append_new(list, map_pool(&cluster->pools[i]));
    return list;
}

json_t *map_build(const struct cluster *cluster, enum map_reader reader)
{
    return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "request", "map", "generation",
                     (json_int_t)cluster->generation, "base_name", cluster->config->base_name,
                     "pools", pools(cluster), "portal_groups", portal_groups(cluster), "targets",
                     targets(cluster, reader), "initiators", initiators(cluster), "exports",
                     exports(cluster));
}
