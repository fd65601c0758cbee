#include "sim-cluster/status.h"

#include "sim-cluster/map.h"

#include <string.h>

static json_t *nodes(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        int targets = 0;

        for (size_t j = 0; j < cluster->target_count; j++)
            targets += cluster_published_controller(&cluster->targets[j]) == node->config->number;
        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:i, s:i}", "node", node->config->number,
                                        "state", node_state_names[node->state], "targets", targets,
                                        "sessions", (int)json_array_size(node->sessions)));
    }
    return list;
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
        const struct address *address = &floating->config->subnet.address;

        if (floating->group == group)
            json_array_append_new(list, json_pack("{s:o, s:i, s:o}", "address", host(address),
                                                  "port", address->port, "node",
                                                  map_node(cluster_published_holder(floating))));
    }
    return list;
}

static json_t *portals(const struct cluster *cluster, const char *group)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct node_config *node = cluster->nodes[i].config;

        for (size_t j = 0; j < node->portal_count; j++)
            if (!strcmp(node->portals[j].group, group))
                json_array_append_new(
                    list, json_pack("{s:o, s:i, s:i}", "address", host(&node->portals[j].address),
                                    "port", node->portals[j].address.port, "node", node->number));
    }
    return list;
}

static json_t *portal_groups(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->portal_group_count; i++) {
        const struct portal_group_config *group = &cluster->config->portal_groups[i];

        json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s, s:o, s:o}", "name", group->name,
                                              "tpgt", group->tpgt, "alua", alua_names[group->alua],
                                              "alua_state",
                                              alua_state_names[cluster->groups[i].alua_state],
                                              "floating_ips", floating_ips(cluster, (int)i),
                                              "portals", portals(cluster, group->name)));
    }
    return list;
}

static json_t *targets(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        const struct volume_config *volume = target->config;

        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:i, s:b, s:b, s:b, s:s?, s:o, s:s?}", "name",
                      volume->target, "volume", volume->name, "size", (json_int_t)target->size,
                      "block_size", volume->block_size, "read_only", volume->is_read_only, "thin",
                      volume->is_thin, "removable", volume->is_removable, "pool", volume->pool,
                      "controller", map_node(cluster_published_controller(target)), "problem",
                      target->problem));
    }
    return list;
}

static json_t *initiators(const struct cluster_config *config)
{
    json_t *list = json_array();

    for (size_t i = 0; i < config->initiator_count; i++) {
        const struct initiator_config *initiator = &config->initiators[i];
        json_t *nets = json_array();

        for (size_t j = 0; j < initiator->net_count; j++) {
            char text[ADDRESS_TEXT_SIZE];

            json_array_append_new(
                nets, json_sprintf("%s/%d", address_format_host(&initiator->nets[j].address, text),
                                   initiator->nets[j].prefix));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:b, s:b}", "name", initiator->name, "nets",
                                        nets, "chap", initiator->chap.secret != NULL, "mutual_chap",
                                        initiator->mutual_chap.secret != NULL));
    }
    return list;
}

static json_t *exports(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->export_count; i++) {
        const struct cluster_export *export = &cluster->exports[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s}", "initiator", export->initiator,
                                        "portal_group", cluster->groups[export->group].config->name,
                                        "target", cluster->targets[export->target].config->target));
    }
    return list;
}

static json_t *pools(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->pool_count; i++)
        json_array_append_new(list, map_pool(&cluster->pools[i]));
    return list;
}

static json_t *sessions(const struct cluster *cluster)
{
    static const char *const fields[] = {"initiator", "isid",  "target",   "node",     "portal",
                                         "peer",      "since", "commands", "bytes_in", "bytes_out"};
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        size_t index;
        json_t *known;

        json_array_foreach (node->sessions, index, known) {
            json_t *session = json_object();

            json_object_set_new(known, "node", json_integer(node->config->number));
            for (size_t j = 0; j < sizeof(fields) / sizeof(*fields); j++)
                json_object_set(session, fields[j], json_object_get(known, fields[j]));
            json_array_append_new(list, session);
        }
    }
    return list;
}

json_t *status_build(const struct cluster *cluster)
{
    return json_pack(
        "{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cluster", cluster->config->name,
        "generation", (json_int_t)cluster->generation, "nodes", nodes(cluster), "portal_groups",
        portal_groups(cluster), "pools", pools(cluster), "targets", targets(cluster), "initiators",
        initiators(cluster->config), "exports", exports(cluster), "sessions", sessions(cluster));
}

static const struct initiator_config *find_initiator(const struct cluster_config *config,
                                                     const char *name)
{
    const struct initiator_config *any = NULL;

    for (size_t i = 0; i < config->initiator_count; i++) {
        if (!strcmp(config->initiators[i].name, name))
            return &config->initiators[i];
        if (!strcmp(config->initiators[i].name, "*"))
            any = &config->initiators[i];
    }
    return any;
}

static void set_chap(json_t *reply, const char *key, const struct chap_config *chap)
{
    if (chap->secret)
        json_object_set_new(reply, key,
                            json_pack("{s:s, s:s}", "user", chap->user, "secret", chap->secret));
}

json_t *status_probe_defaults(const struct cluster *cluster, const char *name)
{
    const struct cluster_config *config = cluster->config;
    const struct initiator_config *initiator = find_initiator(config, name);
    const struct cluster_export *export = cluster->exports;
    char portal[ADDRESS_TEXT_SIZE];
    json_t *reply;

    if (!cluster->export_count)
        return json_pack("{s:s}", "error", "no volume is exported: there is nothing to probe");
    address_format(&config->portal_groups[export->group].floating_ips[0].subnet.address, portal);
    reply = json_pack("{s:b, s:s, s:s}", "ok", 1, "portal", portal, "target",
                      config->volumes[export->target].target);
    if (initiator) {
        set_chap(reply, "chap", &initiator->chap);
        set_chap(reply, "mutual_chap", &initiator->mutual_chap);
    }
    return reply;
}
