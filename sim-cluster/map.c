#include "sim-cluster/map.h"

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

/* What may change of them. */
static json_t *changed_groups(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->portal_group_count; i++) {
        const struct portal_group_config *group = &cluster->config->portal_groups[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", group->name, "alua",
                                              alua_names[group->alua], "alua_state",
                                              alua_state_names[cluster->groups[i].alua_state],
                                              "floating_ips", floating_ips(cluster, (int)i)));
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

static struct target_view view_of(const struct cluster_target *target, enum map_reader reader)
{
    bool redirects = reader == MAP_FOR_PORTALGROUP;

    return (struct target_view){
        .size = target->size,
        .controller = controller_for(target, reader),
        .former = redirects ? target->former : 0,
        .moved_at = redirects ? target->moved_at : 0,
    };
}

/* Of a change; what is not said is none. */
static json_t *describe_view(const struct cluster_target *target, enum map_reader reader)
{
    struct target_view view = view_of(target, reader);
    json_t *json = json_pack("{s:s, s:I, s:o}", "name", target->config->target, "size",
                             (json_int_t)view.size, "controller", map_node(view.controller));

    if (view.former)
        json_object_set_new(json, "former", map_node(view.former));
    if (view.moved_at > 0)
        json_object_set_new(json, "moved", json_real(view.moved_at));
    return json;
}

static json_t *describe_target(const struct cluster_target *target, enum map_reader reader)
{
    const struct volume_config *volume = target->config;
    json_t *json = describe_view(target, reader);

    json_object_set_new(json, "volume", json_string(volume->name));
    json_object_set_new(json, "block_size", json_integer(volume->block_size));
    if (volume->is_read_only)
        json_object_set_new(json, "read_only", json_true());
    if (!volume->is_thin)
        json_object_set_new(json, "thin", json_false());
    if (volume->is_removable)
        json_object_set_new(json, "removable", json_true());
    if (volume->pool)
        json_object_set_new(json, "pool", json_string(volume->pool));
    return json;
}

static json_t *targets(const struct cluster *cluster, enum map_reader reader)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++)
        json_array_append_new(list, describe_target(&cluster->targets[i], reader));
    return list;
}

static json_t *changed_targets(const struct cluster *cluster, enum map_reader reader, int64_t since)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].views[reader].changed > since)
            json_array_append_new(list, describe_view(&cluster->targets[i], reader));
    return list;
}

static bool is_same_view(const struct target_view *a, const struct target_view *b)
{
    return a->size == b->size && a->controller == b->controller && a->former == b->former &&
           a->moved_at == b->moved_at;
}

void map_stamp(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        struct cluster_target *target = &cluster->targets[i];

        for (enum map_reader reader = MAP_FOR_TARGET; reader <= MAP_FOR_PORTALGROUP; reader++) {
            struct target_view view = view_of(target, reader);

            if (is_same_view(&view, &target->views[reader]))
                continue;
            view.changed = cluster->generation;
            target->views[reader] = view;
        }
    }
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

json_t *map_build_change(const struct cluster *cluster, enum map_reader reader, int64_t since)
{
    if (!since || since < cluster->exports_changed)
        return map_build(cluster, reader);
    return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "request", "map", "generation",
                     (json_int_t)cluster->generation, "base", (json_int_t)since, "pools",
                     pools(cluster), "portal_groups", changed_groups(cluster), "targets",
                     changed_targets(cluster, reader, since));
}
