#include "target/volume.h"

#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/disk/file.h"
#include "target/volume_store.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *read_identity(const char *directory, const char *volume, char **error)
{
    char *path = memory_format("%s/%s.json", directory, volume);
    json_error_t about;
    json_t *identity = json_load_file(path, 0, &about);

    if (!identity)
        *error = memory_format("cannot read the identity of volume %s from %s: %s", volume, path,
                               about.text);
    free(path);
    return identity;
}

static struct disk *open_disk(struct workers *workers, const char *directory,
                              const struct map_target *target, char **error)
{
    char *path = memory_format("%s/%s.img", directory, target->volume);
    int failure = 0;
    struct disk *disk = file_disk_open(workers, path, target->size, target->is_read_only, &failure);

    if (!disk)
        *error = memory_format("cannot open volume %s: %s: %s", target->volume, path,
                               strerror(-failure));
    free(path);
    return disk;
}

static struct scsi_lun *open_lun(const struct volume_surroundings *around,
                                 const struct map_target *target, json_t *identity,
                                 struct disk *disk, struct scsi_store *store, char **error)
{
    const struct scsi_lun_config config = {
        .volume = target->volume,
        .serial = json_string_value(json_object_get(identity, "serial")),
        .naa = json_string_value(json_object_get(identity, "naa")),
        .size = target->size,
        .block_size = target->block_size,
        .physical_block_size = target->physical_block_size ? target->physical_block_size : 4096,
        .is_read_only = target->is_read_only,
        .store = store,
        .state = volume_store_state(identity),
        .run = around->run,
        .peers = around->peers,
    };

    if (config.serial && config.naa && strlen(config.naa) == 32)
        return scsi_lun_new(around->loop, &config, disk);
    *error = memory_format("the identity of volume %s lacks its serial or NAA identifier",
                           target->volume);
    disk_close(disk);
    store->close(store);
    return NULL;
}

struct volume *volume_open(const struct volume_surroundings *around,
                           const struct map_target *target, char **error)
{
    json_t *identity = read_identity(around->directory, target->volume, error);
    struct disk *disk =
        identity ? open_disk(around->workers, around->directory, target, error) : NULL;
    struct scsi_lun *lun = NULL;
    struct volume *volume;

    if (disk)
        lun = open_lun(
            around, target, identity, disk,
            volume_store_new(around->workers, around->directory, target->volume, identity), error);
    json_decref(identity);
    if (!lun)
        return NULL;
    volume = memory_new(sizeof(*volume));
    volume->target = memory_copy_text(target->name);
    volume->lun = lun;
    list_init(&volume->link);
    event(EVENT_VOLUME_OPENED, text("target", target->name), text("volume", target->volume));
    return volume;
}

void volume_set_ports(struct volume *volume, const struct map *map)
{
    uint16_t *ports = memory_new((map->export_count + 1) * sizeof(*ports));
    size_t count = 0;

    for (size_t i = 0; i < map->export_count; i++) {
        bool is_new = strcasecmp(map->exports[i].target->name, volume->target) == 0;

        for (size_t j = 0; j < count; j++)
            is_new = is_new && ports[j] != map->exports[i].group->tpgt;
        if (is_new)
            ports[count++] = map->exports[i].group->tpgt;
    }
    scsi_lun_set_ports(volume->lun, ports, count);
    free(ports);
}

void volume_close(struct volume *volume, scsi_lun_closed *done, void *owner)
{
    struct scsi_lun *lun = volume->lun;

    event(EVENT_VOLUME_CLOSED, text("target", volume->target));
    list_remove(&volume->link);
    free(volume->target);
    free(volume);
    scsi_lun_close(lun, done, owner);
}
