/* A volume that this node is the current controller of: its identity, its file and its logical
 * unit. */
#pragma once

#include "target/base/faults.h"
#include "target/base/hash.h"
#include "target/base/list.h"
#include "target/disk/faulty.h"
#include "target/inventory.h"
#include "target/iscsi/map.h"
#include "target/pools.h"
#include "target/scsi/lun.h"

struct volume {
    struct list link; /* the service's, as the next */
    struct hash_entry entry;
    char *target;               /* owned; the target's name */
    char *name;                 /* owned; of the volume */
    char *directory;            /* owned; where it lies */
    struct faulty_disk *faulty; /* in front of the disk of the logical unit, whose it is; or NULL */
    struct scsi_lun *lun;       /* owned; NULL while it is being closed */
    struct scsi_store *store;   /* borrowed: the logical unit's */
    uint32_t sessions;
    bool is_leaving; /* no new session: it moves to another node */
};

/* What the volumes of a node have in common; all borrowed. */
struct volume_surroundings {
    struct ev_loop *loop;
    struct disk_setting disks;
    const char *directory; /* where the files are */
    const char *place;     /* the same for people: the working directory has a name */
    const char *run;       /* as in struct scsi_lun_config, like the next */
    struct scsi_peers *peers;
    const struct pools *pools;
};

/* Opens volumes/NAME.img and .json below the directory. NULL: *error, owned by the caller, says
 * what is wrong. */
struct volume *volume_open(const struct volume_surroundings *around,
                           const struct map_target *target, char **error);
/* Size, portal groups that the target is exported in, and their access states are as the map says;
 * hosts are told what differs. `change`: from the map that was in force, or NULL. */
void volume_follow(struct volume *volume, const struct map *map,
                   const struct inventory_change *change);
/* Puts faults in front of the disk, or takes them away, as the rules need it. */
void volume_follow_faults(struct volume *volume, struct faults *faults);
/* No session may be left, nor may the service know it. Flushes, closes, frees; then calls done,
 * maybe from within. */
void volume_close(struct volume *volume, scsi_lun_closed *done, void *owner);
