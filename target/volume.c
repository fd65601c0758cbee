#include "target/volume.h"

#include "target/base/event.h"
#include "target/base/json_file.h"
#include "target/base/memory.h"
#include "target/disk/segments.h"
#include "target/port.h"
#include "target/token_store.h"
#include "target/volume_store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *read_identity(const struct volume_surroundings *around, const char *volume,
                             char **error)
{
    char *path = memory_format("%s/%s.json", around->directory, volume);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    json_error_t about;
    json_t *identity = NULL;

    if (descriptor < 0)
        snprintf(about.text, sizeof(about.text), "%s", strerror(errno));
    else
        identity = json_file_read(descriptor, &about);
    if (!identity)
        *error = memory_format("cannot read the identity of volume %s from %s/%s.json: %s", volume,
                               around->place, volume, about.text);
    if (descriptor >= 0)
        close(descriptor);
    free(path);
    return identity;
}

static struct disk *open_disk(const struct volume_surroundings *around,
                              const struct map_target *target, char **error)
{
    char *path = memory_format("%s/%s.img", around->directory, target->volume);
    struct pool *pool = pools_find(around->pools, target->pool);
    int failure = 0;
    struct disk *disk =
        segments_open(&around->disks, path, target->size, target->is_read_only, &failure);

    if (!disk)
        *error = memory_format("cannot open volume %s: %s/%s.img: %s", target->volume,
                               around->place, target->volume, strerror(-failure));
    else if (pool && !target->is_thick)
        disk = pool_disk_new(pool, around->disks.workers, disk, path);
    free(path);
    return disk;
}

/* Hosts are told when less than this share of a pool is left. */
enum { POOL_WARNING_SHARE = 5 };

static struct scsi_lun *open_lun(const struct volume_surroundings *around,
                                 const struct map_target *target, json_t *identity,
                                 struct disk *disk, struct scsi_store *store, char **error)
{
    const struct pool *pool = pools_find(around->pools, target->pool);
    json_t *tokens = token_store_load(around->directory, target->volume);
    const struct scsi_lun_config config = {
        .volume = target->volume,
        .serial = json_string_value(json_object_get(identity, "serial")),
        .naa = json_string_value(json_object_get(identity, "naa")),
        .size = target->size,
        .block_size = target->block_size,
        .physical_block_size = target->physical_block_size ? target->physical_block_size : 4096,
        .is_read_only = target->is_read_only,
        .is_thick = target->is_thick,
        .is_removable = target->is_removable,
        .threshold = pool ? pool_size(pool) / POOL_WARNING_SHARE : 0,
        .report = port_report,
        .store = store,
        .state = volume_store_state(identity),
        .run = around->run,
        .peers = around->peers,
        .tokens = tokens,
    };
    bool is_good = config.serial && config.naa && strlen(config.naa) == 32;
    struct scsi_lun *lun = is_good ? scsi_lun_new(around->loop, &config, disk) : NULL;

    json_decref(tokens);
    if (lun)
        return lun;
    *error = memory_format("the identity of volume %s lacks its serial or NAA identifier",
                           target->volume);
    disk_close(disk);
    store->close(store);
    return NULL;
}

struct volume *volume_open(const struct volume_surroundings *around,
                           const struct map_target *target, char **error)
{
    json_t *identity = read_identity(around, target->volume, error);
    struct disk *disk = identity ? open_disk(around, target, error) : NULL;
    struct scsi_store *store = NULL;
    struct scsi_lun *lun = NULL;
    struct volume *volume;

    if (disk) {
        store =
            volume_store_new(around->disks.workers, around->directory, target->volume, identity);
        lun = open_lun(around, target, identity, disk, store, error);
    }
    json_decref(identity);
    if (!lun)
        return NULL;
    volume = memory_new(sizeof(*volume));
    volume->target = memory_copy_text(target->name);
    volume->name = memory_copy_text(target->volume);
    volume->directory = memory_copy_text(around->directory);
    volume->lun = lun;
    volume->store = store;
    list_init(&volume->link);
    event(EVENT_VOLUME_OPENED, text("target", target->name), text("volume", target->volume));
    return volume;
}

static struct scsi_port_group describe_group(const struct map_portal_group *group,
                                             const char *port_name)
{
    static const enum scsi_alua_mode modes[] = {
        [MAP_ALUA_OFF] = SCSI_ALUA_OFF,
        [MAP_ALUA_IMPLICIT] = SCSI_ALUA_IMPLICIT,
        [MAP_ALUA_EXPLICIT] = SCSI_ALUA_EXPLICIT,
    };
    static const enum scsi_access_state states[] = {
        [MAP_OPTIMIZED] = SCSI_OPTIMIZED,
        [MAP_NON_OPTIMIZED] = SCSI_NON_OPTIMIZED,
        [MAP_STANDBY] = SCSI_STANDBY,
        [MAP_UNAVAILABLE] = SCSI_UNAVAILABLE,
        [MAP_TRANSITIONING] = SCSI_TRANSITIONING,
    };

    return (struct scsi_port_group){group->tpgt, port_name, modes[group->alua],
                                    states[group->alua_state]};
}

static void follow_groups(struct volume *volume, const struct map *map)
{
    struct scsi_port_group *groups = memory_new(map->group_count * sizeof(*groups));
    char(*names)[PORT_NAME_SIZE] = memory_new(map->group_count * sizeof(*names));
    const struct map_target *target = map_find_target(map, volume->target);
    size_t count = 0;

    for (size_t i = 0; i < map->group_count && target; i++) {
        const struct map_portal_group *group = &map->groups[i];

        if (!map_is_exported_at_all(group, target))
            continue;
        port_format_target(names[count], volume->target, group->tpgt);
        groups[count] = describe_group(group, names[count]);
        count++;
    }
    scsi_lun_set_port_groups(volume->lun, groups, count);
    free(names);
    free(groups);
}

void volume_follow(struct volume *volume, const struct map *map,
                   const struct inventory_change *change)
{
    const struct map_target *target = map_find_target(map, volume->target);

    if (target && !volume->is_leaving) {
        scsi_lun_resize(volume->lun, target->size);
        if (volume_store_set_size(volume->store, target->size))
            store_touch(volume->lun);
    }
    follow_groups(volume, map);
    if (target && change && inventory_has_changed(change, target))
        scsi_lun_inventory_changed(volume->lun);
}

void volume_follow_faults(struct volume *volume, struct faults *faults)
{
    if (volume->faulty) {
        struct disk *inner = faulty_disk_follow(volume->faulty);

        if (!inner)
            return;
        scsi_lun_swap_disk(volume->lun, inner);
        volume->faulty = NULL;
    } else if (faults_need(faults, FAULT_DISK)) {
        char *ledger = memory_format("%s/%s.harm.jsonl", volume->directory, volume->name);

        volume->faulty = faulty_disk_new(faults, volume->name, ledger);
        faulty_disk_set_inner(volume->faulty,
                              scsi_lun_swap_disk(volume->lun, faulty_disk_of(volume->faulty)));
        free(ledger);
    }
}

void volume_close(struct volume *volume, scsi_lun_closed *done, void *owner)
{
    struct scsi_lun *lun = volume->lun;

    event(EVENT_VOLUME_CLOSED, text("target", volume->target));
    if (volume->faulty)
        faulty_disk_settle(volume->faulty);
    free(volume->target);
    free(volume->name);
    free(volume->directory);
    free(volume);
    scsi_lun_close(lun, done, owner);
}
