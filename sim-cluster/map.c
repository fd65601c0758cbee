#include "sim-cluster/map.h"

#include "sim-cluster/map_exports.h"
#include "target/base/event_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void append_json(struct buffer *out, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    buffer_append_text(out, text);
    free(text);
    json_decref(json);
}

/* Goes on with the object that was written last. */
static void append_moved(struct buffer *out, double moved_at)
{
    char text[48];

    if (moved_at <= 0)
        return;
    out->length--;
    snprintf(text, sizeof(text), ",\"moved\":%.6f}", moved_at);
    buffer_append_text(out, text);
}

/* Of a change; what is not said is none. */
static void write_view(struct buffer *out, const struct cluster_target *target,
                       enum map_reader reader)
{
    struct target_view view = view_of(target, reader);
    const struct event_field fields[] = {
        text("name", target->config->target),
        number("size", (int64_t)view.size),
        number("controller", view.controller),
        number("former", view.former),
        {0},
    };

    event_line_write(out, fields);
    append_moved(out, view.moved_at);
}

static bool is_named_as_volume(const struct cluster *cluster, const struct volume_config *volume)
{
    size_t length = strlen(cluster->config->base_name);

    return !strncmp(volume->target, cluster->config->base_name, length) &&
           volume->target[length] == ':' && !strcmp(volume->target + length + 1, volume->name);
}

static bool is_same_pool(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool is_same_volume(const struct volume_config *a, const struct volume_config *b)
{
    return a->block_size == b->block_size && a->is_read_only == b->is_read_only &&
           a->is_thin == b->is_thin && a->is_removable == b->is_removable &&
           is_same_pool(a->pool, b->pool);
}

static bool is_same_view(const struct target_view *a, const struct target_view *b)
{
    return a->size == b->size && a->controller == b->controller && a->former == b->former &&
           a->moved_at == b->moved_at;
}

/* The end of the targets from `first` on that differ by name only. */
static size_t end_of_run(const struct cluster *cluster, size_t first, enum map_reader reader)
{
    struct target_view view = view_of(&cluster->targets[first], reader);
    const struct volume_config *volume = cluster->targets[first].config;
    bool is_named = is_named_as_volume(cluster, volume);
    size_t end = first + 1;

    for (; end < cluster->target_count; end++) {
        struct target_view next = view_of(&cluster->targets[end], reader);
        const struct volume_config *other = cluster->targets[end].config;

        if (!is_same_view(&view, &next) || !is_same_volume(volume, other) ||
            is_named_as_volume(cluster, other) != is_named)
            break;
    }
    return end;
}

static void write_names(struct buffer *out, const struct cluster *cluster, size_t first, size_t end,
                        bool of_volumes)
{
    buffer_append_text(out, of_volumes ? ",\"volumes\":" : ",\"names\":");
    for (size_t i = first; i < end; i++) {
        const struct volume_config *volume = cluster->targets[i].config;

        buffer_append(out, i == first ? "[" : ",", 1);
        event_line_write_text(out, of_volumes ? volume->name : volume->target);
    }
    buffer_append_text(out, "]");
}

/* What they have in common, and their names: every process reads those of thousands. */
static void write_run(struct buffer *out, const struct cluster *cluster, size_t first, size_t end,
                      enum map_reader reader)
{
    const struct volume_config *volume = cluster->targets[first].config;
    struct target_view view = view_of(&cluster->targets[first], reader);
    const struct event_field fields[] = {
        number("size", (int64_t)view.size),
        number("block_size", volume->block_size),
        number("controller", view.controller),
        number("former", view.former),
        flag("read_only", volume->is_read_only),
        flag("thin", volume->is_thin),
        flag("removable", volume->is_removable),
        text("pool", volume->pool),
        {0},
    };

    event_line_write(out, fields);
    append_moved(out, view.moved_at);
    out->length--; /* more members follow */
    write_names(out, cluster, first, end, true);
    if (!is_named_as_volume(cluster, volume))
        write_names(out, cluster, first, end, false);
    buffer_append_text(out, "}");
}

static void write_targets(struct buffer *out, const struct cluster *cluster, enum map_reader reader)
{
    for (size_t i = 0, end; i < cluster->target_count; i = end) {
        end = end_of_run(cluster, i, reader);
        if (i)
            buffer_append_text(out, ",");
        write_run(out, cluster, i, end, reader);
    }
}

static uint64_t bit_of(const struct cluster *cluster, const struct cluster_node *node)
{
    return node ? UINT64_C(1) << (node - cluster->nodes) : 0;
}

/* Which node has a volume open is nothing to the others. */
static bool is_news(const struct target_view *view, const struct map_recipient *to, uint64_t node)
{
    if (view->changed <= to->since)
        return false;
    return to->reader == MAP_FOR_PORTALGROUP || view->resized > to->since ||
           (view->controllers & node);
}

static void write_changed_targets(struct buffer *out, const struct cluster *cluster,
                                  const struct map_recipient *to)
{
    uint64_t node = bit_of(cluster, to->node);
    const char *separator = "";

    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];

        if (!is_news(&target->views[to->reader], to, node))
            continue;
        buffer_append_text(out, separator);
        write_view(out, target, to->reader);
        separator = ",";
    }
}

static void stamp(struct cluster *cluster, struct cluster_target *target, enum map_reader reader)
{
    struct target_view *last = &target->views[reader], view = view_of(target, reader);

    if (is_same_view(&view, last))
        return;
    view.changed = cluster->generation;
    view.resized = view.size == last->size ? last->resized : cluster->generation;
    view.controllers =
        last->controllers | bit_of(cluster, cluster_find_node(cluster, view.controller));
    *last = view;
}

void map_stamp(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++)
        for (enum map_reader reader = MAP_FOR_TARGET; reader <= MAP_FOR_PORTALGROUP; reader++)
            stamp(cluster, &cluster->targets[i], reader);
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

static json_t *pools(const struct cluster *cluster)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster->config->pool_count; i++)
        json_array_append_new(list, map_pool(&cluster->pools[i]));
    return list;
}

void map_write(struct buffer *out, const struct cluster *cluster, enum map_reader reader)
{
    append_json(out, json_pack("{s:s, s:I, s:s, s:o, s:o, s:o}", "request", "map", "generation",
                               (json_int_t)cluster->generation, "base_name",
                               cluster->config->base_name, "pools", pools(cluster), "portal_groups",
                               portal_groups(cluster), "initiators", initiators(cluster)));
    out->length--; /* more members follow */
    buffer_append_text(out, ",\"targets\":[");
    write_targets(out, cluster, reader);
    buffer_append_text(out, "],\"exports\":[");
    map_write_exports(out, cluster);
    buffer_append_text(out, "]}");
}

int64_t map_base(const struct cluster *cluster, int64_t generation)
{
    return generation < cluster->exports_changed ? 0 : generation;
}

void map_write_change(struct buffer *out, const struct cluster *cluster,
                      const struct map_recipient *to)
{
    if (!map_base(cluster, to->since)) {
        map_write(out, cluster, to->reader);
        return;
    }
    append_json(out, json_pack("{s:s, s:I, s:I, s:o, s:o}", "request", "map", "generation",
                               (json_int_t)cluster->generation, "base", (json_int_t)to->since,
                               "pools", pools(cluster), "portal_groups", changed_groups(cluster)));
    out->length--;
    buffer_append_text(out, ",\"targets\":[");
    write_changed_targets(out, cluster, to);
    buffer_append_text(out, "]}");
}
