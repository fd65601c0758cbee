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

static int decode_target(struct map *map, json_t *json, void *element)
{
    (void)map;
    struct map_target *target = element;

    target->name = copy_of(json, "name");
    target->volume = copy_of(json, "volume");
    target->size = number_of(json, "size");
    target->block_size = (uint32_t)number_of(json, "block_size");
    target->physical_block_size = (uint32_t)number_of(json, "physical_block_size");
    target->controller = (int)number_of(json, "controller");
    target->former = (int)number_of(json, "former");
    target->moved = json_number_value(json_object_get(json, "moved"));
    target->is_read_only = json_is_true(json_object_get(json, "read_only"));
    target->is_thick = json_is_false(json_object_get(json, "thin"));
    target->is_removable = json_is_true(json_object_get(json, "removable"));
    target->pool = copy_of(json, "pool");
    return target->name && target->volume && target->size && target->block_size ? 0 : -1;
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

static int decode_export(struct map *map, json_t *json, void *element)
{
    struct map_export *export = element;
    const char *target = text_of(json, "target"), *group = text_of(json, "portal_group");
    ptrdiff_t index = target ? name_index_find(&map->target_names, target) : -1;

    export->group = group ? map_find_group(map, group) : NULL;
    if (index < 0 || !export->group)
        return -1;
    export->target = &map->targets[index];
    export->next = map->targets[index].exports;
    map->targets[index].exports = export;
    return decode_array(map, json_object_get(json, "initiators"), sizeof(*export->initiators),
                        (void **)&export->initiators, &export->initiator_count, decode_name);
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
    return decode_array(map, json, sizeof(*map->exports), (void **)&map->exports,
                        &map->export_count, decode_export);
}

struct map *map_decode(json_t *json, const char **error)
{
    struct map *map = memory_new(sizeof(*map));

    map->target_names.ignores_case = map->initiator_names.ignores_case = true;
    map->generation = number_of(json, "generation");
    if (decode_array(map, json_object_get(json, "portal_groups"), sizeof(*map->groups),
                     (void **)&map->groups, &map->group_count, decode_group))
        *error = "the map has a malformed portal group";
    else if (decode_array(map, json_object_get(json, "targets"), sizeof(*map->targets),
                          (void **)&map->targets, &map->target_count, decode_target))
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
    for (size_t i = 0; i < map->export_count; i++) {
        for (size_t j = 0; j < map->exports[i].initiator_count; j++)
            free(map->exports[i].initiators[j]);
        free(map->exports[i].initiators);
    }
    name_index_free(&map->target_names);
    name_index_free(&map->initiator_names);
    free(map->groups);
    free(map->targets);
    free(map->pools);
    free(map->initiators);
    free(map->exports);
    free(map);
}

const struct map_portal_group *map_find_group(const struct map *map, const char *name)
{
    for (size_t i = 0; i < map->group_count; i++)
        if (!strcmp(map->groups[i].name, name))
            return &map->groups[i];
    return NULL;
}

const struct map_target *map_find_target(const struct map *map, const char *name)
{
    ptrdiff_t index = name_index_find(&map->target_names, name);

    return index < 0 ? NULL : &map->targets[index];
}

const struct map_initiator *map_find_initiator(const struct map *map, const char *name)
{
    ptrdiff_t index = name_index_find(&map->initiator_names, name);

    if (index < 0)
        index = name_index_find(&map->initiator_names, "*");
    return index < 0 ? NULL : &map->initiators[index];
}

bool map_initiator_may_come_from(const struct map_initiator *initiator, const struct address *peer)
{
    for (size_t i = 0; i < initiator->net_count; i++)
        if (subnet_contains(&initiator->nets[i], peer))
            return true;
    return !initiator->net_count;
}

static bool names_initiator(const struct map_export *export, const char *initiator)
{
    for (size_t i = 0; i < export->initiator_count; i++)
        if (!strcmp(export->initiators[i], "*") || !strcasecmp(export->initiators[i], initiator))
            return true;
    return false;
}

bool map_is_exported_at_all(const struct map_portal_group *group, const struct map_target *target)
{
    for (const struct map_export *export = target->exports; export; export = export->next)
        if (export->group == group)
            return true;
    return false;
}

bool map_is_exported(const struct map_portal_group *group, const struct map_target *target,
                     const char *initiator)
{
    for (const struct map_export *export = target->exports; export; export = export->next)
        if (export->group == group && names_initiator(export, initiator))
            return true;
    return false;
}

struct chap_account map_account(const struct map_initiator *initiator)
{
    return (struct chap_account){initiator->user, initiator->secret};
}

struct chap_account map_mutual_account(const struct map_initiator *initiator)
{
    return (struct chap_account){initiator->mutual_user, initiator->mutual_secret};
}
