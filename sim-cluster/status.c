#include "sim-cluster/status.h"

#include "sim-cluster/map.h"
#include "target/base/event_line.h"

#include <stdlib.h>
#include <string.h>

static json_t *nodes(const struct cluster *cluster)
{
    int targets[CLUSTER_NODE_NUMBER_MAX + 1] = {0}; /* published on each; 0: on none */
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->target_count; i++)
        targets[cluster_published_controller(&cluster->targets[i])]++;
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        int number = node->config->number;

        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:i, s:i}", "node", number, "state",
                                        node_state_names[node->state], "targets", targets[number],
                                        "sessions", (int)node->session_count));
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

static json_t *pools(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->pool_count; i++)
        json_array_append_new(list, map_pool(&cluster->pools[i]));
    return list;
}

/* Without what there are thousands of. */
static json_t *head(const struct cluster *cluster)
{
    return json_pack("{s:s, s:I, s:o, s:o, s:o}", "cluster", cluster->config->name, "generation",
                     (json_int_t)cluster->generation, "nodes", nodes(cluster), "portal_groups",
                     portal_groups(cluster), "pools", pools(cluster));
}

/* Takes it. */
static void append_json(struct buffer *out, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    buffer_append_text(out, text);
    free(text);
    json_decref(json);
}

static struct event_field node_field(const char *name, int node)
{
    return node ? number(name, node) : text(name, NULL);
}

static void write_target(struct buffer *out, const struct cluster *cluster, size_t index)
{
    const struct cluster_target *target = &cluster->targets[index];
    const struct volume_config *volume = target->config;
    const struct event_field fields[] = {
        text("name", volume->target),
        text("volume", volume->name),
        number("size", (int64_t)target->size),
        number("block_size", volume->block_size),
        flag("read_only", volume->is_read_only),
        flag("thin", volume->is_thin),
        flag("removable", volume->is_removable),
        text("pool", volume->pool),
        node_field("controller", cluster_published_controller(target)),
        text("problem", target->problem),
        {0},
    };

    event_line_write(out, fields);
}

static void write_export(struct buffer *out, const struct cluster *cluster, size_t index)
{
    const struct cluster_export *export = &cluster->exports[index];
    const struct event_field fields[] = {
        text("initiator", export->initiator),
        text("portal_group", cluster->groups[export->group].config->name),
        text("target", cluster->targets[export->target].config->target),
        {0},
    };

    event_line_write(out, fields);
}

static void write_list(struct buffer *out, const struct cluster *cluster, size_t count,
                       void (*write)(struct buffer *out, const struct cluster *cluster,
                                     size_t index))
{
    for (size_t i = 0; i < count; i++) {
        buffer_append(out, i ? "," : "[", 1);
        write(out, cluster, i);
    }
    buffer_append_text(out, count ? "]" : "[]");
}

/* Lines are made elements. */
static void write_sessions(struct buffer *out, const struct cluster *cluster)
{
    const char *separator = "[";

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct buffer *lines = &cluster->nodes[i].sessions;
        size_t at = out->length + 1;

        if (!lines->length)
            continue;
        buffer_append(out, separator, 1);
        buffer_append(out, buffer_content(lines), lines->length - 1);
        for (char *end; (end = memchr(buffer_content(out) + at, '\n', out->length - at));
             at = (size_t)(end - buffer_content(out)))
            *end = ',';
        separator = ",";
    }
    buffer_append_text(out, *separator == '[' ? "[]" : "]");
}

void status_write(struct buffer *out, const struct cluster *cluster)
{
    append_json(out, head(cluster));
    out->length--; /* more members follow */
    buffer_append_text(out, ",\"targets\":");
    write_list(out, cluster, cluster->target_count, write_target);
    buffer_append_text(out, ",\"initiators\":");
    append_json(out, initiators(cluster->config));
    buffer_append_text(out, ",\"exports\":");
    write_list(out, cluster, cluster->export_count, write_export);
    buffer_append_text(out, ",\"sessions\":");
    write_sessions(out, cluster);
    buffer_append_text(out, "}");
}

void status_write_head(struct buffer *out, const struct cluster *cluster)
{
    json_t *json = head(cluster);
    size_t sessions = 0;

    for (size_t i = 0; i < cluster->node_count; i++)
        sessions += cluster->nodes[i].session_count;
    json_object_set_new(json, "targets", json_integer((json_int_t)cluster->target_count));
    json_object_set_new(json, "sessions", json_integer((json_int_t)sessions));
    append_json(out, json);
}

/* What the table has of it. */
static void write_target_row(struct buffer *out, const struct cluster_target *target)
{
    const struct event_field fields[] = {
        text("name", target->config->target),
        text("volume", target->config->name),
        number("size", (int64_t)target->size),
        node_field("controller", cluster_published_controller(target)),
        text("problem", target->problem),
        {0},
    };

    event_line_write(out, fields);
    buffer_append(out, "\n", 1);
}

void status_write_rows(struct buffer *out, const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++)
        write_target_row(out, &cluster->targets[i]);
    for (size_t i = 0; i < cluster->node_count; i++)
        buffer_append(out, buffer_content(&cluster->nodes[i].sessions),
                      cluster->nodes[i].sessions.length);
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
