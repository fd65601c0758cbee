#include "target/copy_source.h"

#include "target/base/memory.h"
#include "target/disk/file.h"
#include "target/token_store.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct copy_source {
    struct scsi_peers peers;
    struct service *service; /* borrowed */
    struct workers *workers; /* borrowed */
    char *directory;         /* owned */
    json_t *identifiers;     /* owned; of volumes, as their files say: they never change */
};

/* NULL: its file cannot be read. Borrowed. */
static const char *identifier_of(struct copy_source *source, const char *volume)
{
    const char *known = json_string_value(json_object_get(source->identifiers, volume));
    char *path;
    json_t *identity;

    if (known)
        return known;
    path = memory_format("%s/%s.json", source->directory, volume);
    identity = json_load_file(path, 0, NULL);
    free(path);
    json_object_set(source->identifiers, volume, json_object_get(identity, "naa"));
    json_decref(identity);
    return json_string_value(json_object_get(source->identifiers, volume));
}

static bool is_identifier(const char *text, const uint8_t naa[static SCSI_NAA_SIZE])
{
    char digits[2 * SCSI_NAA_SIZE + 1];

    for (size_t i = 0; i < SCSI_NAA_SIZE; i++)
        snprintf(digits + 2 * i, 3, "%02x", naa[i]);
    return text && !strcasecmp(text, digits);
}

static bool is_exported(const struct map *map, const struct map_target *target,
                        const char *initiator)
{
    for (size_t i = 0; i < map->group_count; i++)
        if (map_is_exported(&map->groups[i], target, initiator))
            return true;
    return false;
}

/* The initiator's name is its port's name up to ",i,". */
static bool may_see(const struct map *map, const struct map_target *target,
                    const char *initiator_port)
{
    if (!initiator_port)
        return true;
    const char *end = strstr(initiator_port, ",i,");
    size_t length = end ? (size_t)(end - initiator_port) : strlen(initiator_port);
    char *initiator = memory_format("%.*s", (int)length, initiator_port);
    bool is = is_exported(map, target, initiator);

    free(initiator);
    return is;
}

static bool open_file(struct copy_source *source, const struct map_target *target,
                      struct scsi_peer *peer)
{
    char *path = memory_format("%s/%s.img", source->directory, target->volume);
    int error;

    *peer = (struct scsi_peer){
        .disk = file_disk_open(&(struct disk_setting){source->workers, NULL, NULL}, path,
                               target->size, true, &error),
        .size = target->size,
        .block_size = target->block_size,
    };
    free(path);
    return peer->disk;
}

static const struct map_target *find_target(struct copy_source *source,
                                            const uint8_t naa[static SCSI_NAA_SIZE])
{
    const struct map *map = source->service->map;

    for (size_t i = 0; i < map->target_count; i++)
        if (is_identifier(identifier_of(source, map->targets[i].volume), naa))
            return &map->targets[i];
    return NULL;
}

static bool find(struct scsi_peers *peers, const uint8_t naa[static SCSI_NAA_SIZE],
                 const char *initiator_port, struct scsi_peer *peer)
{
    struct copy_source *source = container_of(peers, struct copy_source, peers);
    const struct map_target *target = find_target(source, naa);
    struct volume *volume;

    if (!target || !may_see(source->service->map, target, initiator_port))
        return false;
    volume = service_find_volume(source->service, target->name);
    if (volume) {
        *peer = (struct scsi_peer){.lun = volume->lun};
        return true;
    }
    return target->controller != source->service->node && open_file(source, target, peer);
}

static void keep_token(struct scsi_peers *peers, struct token_request *request)
{
    struct copy_source *source = container_of(peers, struct copy_source, peers);
    const struct map_target *target = find_target(source, request->naa);

    /* Of a volume that is not there nobody kept a token: no volume has this name. */
    token_store_do(source->workers, source->directory, target ? target->volume : "", request);
}

struct scsi_peers *copy_source_new(struct service *service, struct workers *workers,
                                   const char *directory)
{
    struct copy_source *source = memory_new(sizeof *source);

    source->peers.find = find;
    source->peers.keep_token = keep_token;
    source->service = service;
    source->workers = workers;
    source->directory = memory_copy_text(directory);
    source->identifiers = json_object();
    return &source->peers;
}
