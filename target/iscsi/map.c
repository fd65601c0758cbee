#include "target/iscsi/map.h"

#include "target/base/memory.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* One decoder a kind of element: 0, or -1 when the element is not as it should be. */
typedef int decode_element(struct map *map, json_t *json, void *element);

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static uint64_t number_of(json_t *json, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(json, key));

    return value > 0 ? (uint64_t)value : 0;
}

static char *copy_of(json_t *json, const char *key)
{
    const char *value = text_of(json, key);

    return value ? memory_copy_text(value) : NULL;
}

/* Fills a new array, which is owned by the caller also when an element fails. */
static int decode_array(struct map *map, json_t *array, size_t size, void **elements, size_t *count,
                        decode_element *decode)
{
    size_t length = json_array_size(array);
    char *element = *elements = memory_new(length * size);

    for (*count = 0; *count < length; element += size)
        if (decode(map, json_array_get(array, (*count)++), element))
            return -1;
    return 0;
}

static int decode_floating_ip(struct map *map, json_t *json, void *element)
{
    (void)map;
    struct map_floating_ip *floating_ip = element;
    const char *address = text_of(json, "address");
    uint64_t prefix = number_of(json, "prefix"), port = number_of(json, "port");

    floating_ip->node = (int)number_of(json, "node");
    floating_ip->subnet.prefix = (uint8_t)prefix;
    if (!address || !prefix || prefix > 128 || port > UINT16_MAX)
        return -1;
    if (!address_parse(&floating_ip->subnet.address, address, port ? (uint16_t)port : ISCSI_PORT))
        return -1;
    return prefix <= (floating_ip->subnet.address.is_ipv6 ? 128 : 32) ? 0 : -1;
}

static int decode_portal(struct map *map, json_t *json, void *element)
{
    (void)map;
    struct map_portal *portal = element;
    const char *address = text_of(json, "address");
    uint64_t port = number_of(json, "port");

    portal->node = (int)number_of(json, "node");
    if (!address || port > UINT16_MAX)
        return -1;
    return address_parse(&portal->address, address, port ? (uint16_t)port : ISCSI_PORT) ? 0 : -1;
}

static bool is_word(json_t *json, const char *key, const char *word)
{
    const char *value = text_of(json, key);

    return value && !strcmp(value, word);
}

/* *value is the word's place among `words`; a key that is absent leaves it alone. */
static int decode_word(const json_t *json, const char *key, const char *const *words,
                       unsigned *value)
{
    const char *word = text_of(json, key);

    for (unsigned i = 0; word && words[i]; i++) {
        if (!strcmp(word, words[i])) {
            *value = i;
            return 0;
        }
    }
    return json_object_get(json, key) ? -1 : 0;
}

int map_decode_alua(const json_t *json, struct map_portal_group *group)
{
    static const char *const modes[] = {"off", "implicit", "explicit", NULL};
    static const char *const states[] = {"optimized",   "non_optimized", "standby",
                                         "unavailable", "transitioning", NULL};
    unsigned mode = MAP_ALUA_OFF, state = MAP_OPTIMIZED;

    if (decode_word(json, "alua", modes, &mode) || decode_word(json, "alua_state", states, &state))
        return -1;
    group->alua = mode;
    group->alua_state = state;
    return 0;
}

static int decode_group(struct map *map, json_t *json, void *element)
{
    struct map_portal_group *group = element;

    group->name = copy_of(json, "name");
    group->tpgt = (uint16_t)number_of(json, "tpgt");
    group->redirects_before_auth = is_word(json, "redirect", "before_auth");
    group->redirects_for_good = is_word(json, "redirect_status", "permanent");
    group->discovery_needs_chap = is_word(json, "discovery_chap", "required");
    if (!group->name || map_decode_alua(json, group) ||
        decode_array(map, json_object_get(json, "floating_ips"), sizeof(*group->floating_ips),
                     (void **)&group->floating_ips, &group->floating_ip_count, decode_floating_ip))
        return -1;
    return decode_array(map, json_object_get(json, "portals"), sizeof(*group->portals),
                        (void **)&group->portals, &group->portal_count, decode_portal);
}

/* Without one it is the volume's behind the base name. */
static char *name_of(const struct map *map, const json_t *name, const char *volume)
{
    size_t base = map->base_name ? strlen(map->base_name) : 0, rest = strlen(volume) + 1;
    char *behind;

    if (json_is_string(name))
        return memory_copy_text(json_string_value(name));
    behind = memory_new(base + 1 + rest);
    memcpy(behind, map->base_name, base);
    behind[base] = ':';
    memcpy(behind + base + 1, volume, rest);
    return behind;
}

/* Of a run of them, all but the names. */
static struct map_target decode_common(json_t *json)
{
    return (struct map_target){
        .size = number_of(json, "size"),
        .block_size = (uint32_t)number_of(json, "block_size"),
        .physical_block_size = (uint32_t)number_of(json, "physical_block_size"),
        .controller = (int)number_of(json, "controller"),
        .former = (int)number_of(json, "former"),
        .moved = json_number_value(json_object_get(json, "moved")),
        .is_read_only = json_is_true(json_object_get(json, "read_only")),
        .is_thick = json_is_false(json_object_get(json, "thin")),
        .is_removable = json_is_true(json_object_get(json, "removable")),
    };
}

static int decode_run_of_targets(struct map *map, json_t *json)
{
    json_t *names = json_object_get(json, "names"), *volume;
    const struct map_target common = decode_common(json);
    size_t i;

    if (!common.size || !common.block_size || !(names || map->base_name))
        return -1;
    json_array_foreach (json_object_get(json, "volumes"), i, volume) {
        struct map_target *target = &map->targets[map->target_count];

        if (!json_is_string(volume) || (names && !json_is_string(json_array_get(names, i))))
            return -1;
        *target = common;
        target->volume = memory_copy_text(json_string_value(volume));
        target->name = name_of(map, json_array_get(names, i), target->volume);
        target->pool = copy_of(json, "pool");
        map->target_count++;
    }
    return 0;
}

static int decode_targets(struct map *map, json_t *runs)
{
    size_t count = 0, i;
    int error = 0;
    json_t *run;

    json_array_foreach (runs, i, run)
        count += json_array_size(json_object_get(run, "volumes"));
    map->targets = memory_new(count * sizeof(*map->targets));
    json_array_foreach (runs, i, run)
        error |=
            json_array_size(json_object_get(run, "volumes")) ? decode_run_of_targets(map, run) : -1;
    return error;
}

static int decode_pool(struct map *map, json_t *json, void *element)
{
    struct map_pool *pool = element;

    (void)map;
    pool->name = copy_of(json, "name");
    pool->size = number_of(json, "size");
    return pool->name ? 0 : -1;
}

static int decode_net(struct map *map, json_t *json, void *element)
{
    (void)map;
    return json_is_string(json) && subnet_parse(element, json_string_value(json)) ? 0 : -1;
}

static int decode_initiator(struct map *map, json_t *json, void *element)
{
    struct map_initiator *initiator = element;
    json_t *chap = json_object_get(json, "chap"), *mutual = json_object_get(json, "mutual_chap");

    initiator->name = copy_of(json, "name");
    initiator->user = copy_of(chap, "user");
    initiator->secret = copy_of(chap, "secret");
    initiator->mutual_user = copy_of(mutual, "user");
    initiator->mutual_secret = copy_of(mutual, "secret");
    if (!initiator->name || (chap && !(initiator->user && initiator->secret)) ||
        (mutual && !(initiator->mutual_user && initiator->mutual_secret)))
        return -1;
    return decode_array(map, json_object_get(json, "nets"), sizeof(*initiator->nets),
                        (void **)&initiator->nets, &initiator->net_count, decode_net);
}

static int decode_name(struct map *map, json_t *json, void *element)
{
    (void)map;
    if (!json_is_string(json))
        return -1;
    *(char **)element = memory_copy_text(json_string_value(json));
    return 0;
}

static int decode_run(struct map *map, json_t *json, void *element)
{
    json_int_t first = json_integer_value(json_array_get(json, 0));
    json_int_t count = json_integer_value(json_array_get(json, 1));
    struct map_run *run = element;

    if (json_array_size(json) != 2 || first < 0 || count < 1 || (size_t)first >= map->target_count)
        return -1;
    *run = (struct map_run){(size_t)first, (size_t)count};
    return run->count <= map->target_count - run->first ? 0 : -1;
}

static int decode_audience(struct map *map, json_t *json, void *element)
{
    struct map_audience *audience = element;
    const char *group = text_of(json, "portal_group");

    audience->group = group ? map_find_group(map, group) : NULL;
    if (!audience->group ||
        decode_array(map, json_object_get(json, "targets"), sizeof(*audience->runs),
                     (void **)&audience->runs, &audience->run_count, decode_run))
        return -1;
    return decode_array(map, json_object_get(json, "initiators"), sizeof(*audience->initiators),
                        (void **)&audience->initiators, &audience->initiator_count, decode_name);
}

static void add_export(struct map *map, const struct map_audience *to, struct map_target *target)
{
    struct map_export *export = &map->exports[map->export_count++];

    *export = (struct map_export){target, to, target->exports};
    target->exports = export;
}

static void add_run(struct map *map, const struct map_audience *to, const struct map_run *run)
{
    for (size_t i = 0; i < run->count; i++)
        add_export(map, to, &map->targets[run->first + i]);
}

static void add_exports(struct map *map)
{
    size_t count = 0;

    for (size_t i = 0; i < map->audience_count; i++)
        for (size_t j = 0; j < map->audiences[i].run_count; j++)
            count += map->audiences[i].runs[j].count;
    map->exports = memory_new(count * sizeof(*map->exports));
    for (size_t i = 0; i < map->audience_count; i++)
        for (size_t j = 0; j < map->audiences[i].run_count; j++)
            add_run(map, &map->audiences[i], &map->audiences[i].runs[j]);
}

/* Of two with one name the first is found. */
static void index_names(struct map *map)
{
    for (size_t i = 0; i < map->target_count; i++)
        name_index_add(&map->target_names, map->targets[i].name, i);
    for (size_t i = 0; i < map->initiator_count; i++)
        name_index_add(&map->initiator_names, map->initiators[i].name, i);
}

static int decode_exports(struct map *map, json_t *json)
{
    index_names(map);
    if (decode_array(map, json, sizeof(*map->audiences), (void **)&map->audiences,
                     &map->audience_count, decode_audience))
        return -1;
    add_exports(map);
    return 0;
}

struct map *map_decode(json_t *json, const char **error)
{
    struct map *map = memory_new(sizeof(*map));

    map->target_names.ignores_case = map->initiator_names.ignores_case = true;
    map->generation = number_of(json, "generation");
    map->base_name = copy_of(json, "base_name");
    if (decode_array(map, json_object_get(json, "portal_groups"), sizeof(*map->groups),
                     (void **)&map->groups, &map->group_count, decode_group))
        *error = "the map has a malformed portal group";
    else if (decode_targets(map, json_object_get(json, "targets")))
        *error = "the map has a malformed target";
    else if (decode_array(map, json_object_get(json, "pools"), sizeof(*map->pools),
                          (void **)&map->pools, &map->pool_count, decode_pool))
        *error = "the map has a malformed pool";
    else if (decode_array(map, json_object_get(json, "initiators"), sizeof(*map->initiators),
                          (void **)&map->initiators, &map->initiator_count, decode_initiator))
        *error = "the map has a malformed initiator";
    else if (decode_exports(map, json_object_get(json, "exports")))
        *error = "the map has an export of a target or portal group that it lacks";
    else
        return map;
    map_free(map);
    return NULL;
}

static void free_secret(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

static void free_initiator(struct map_initiator *initiator)
{
    free(initiator->name);
    free(initiator->nets);
    free(initiator->user);
    free(initiator->mutual_user);
    free_secret(initiator->secret);
    free_secret(initiator->mutual_secret);
}

void map_free(struct map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->group_count; i++) {
        free(map->groups[i].name);
        free(map->groups[i].floating_ips);
        free(map->groups[i].portals);
    }
    for (size_t i = 0; i < map->target_count; i++) {
        free(map->targets[i].name);
        free(map->targets[i].volume);
        free(map->targets[i].pool);
    }
    for (size_t i = 0; i < map->pool_count; i++)
        free(map->pools[i].name);
    for (size_t i = 0; i < map->initiator_count; i++)
        free_initiator(&map->initiators[i]);
    for (size_t i = 0; i < map->audience_count; i++) {
        for (size_t j = 0; j < map->audiences[i].initiator_count; j++)
            free(map->audiences[i].initiators[j]);
        free(map->audiences[i].initiators);
        free(map->audiences[i].runs);
    }
    free(map->base_name);
    name_index_free(&map->target_names);
    name_index_free(&map->initiator_names);
    free(map->groups);
    free(map->targets);
    free(map->pools);
    free(map->initiators);
    free(map->audiences);
    free(map->exports);
    free(map);
}
