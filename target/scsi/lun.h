/* A logical unit, the I_T nexuses that reach it, and task management. */
#pragma once

#include "target/disk/disk.h"
#include "target/scsi/peers.h"
#include "target/scsi/store.h"
#include "target/scsi/task.h"

struct scsi_lun;
struct scsi_nexus;

/* Sense data of a unit attention, as it arises, for a nexus whose hosts asked for that (UAAERP of
 * SPC-2 8.3.4): RFC 7143 11.9 has a message for it. `owner` is that of the nexus. */
typedef void scsi_reported(void *owner, const uint8_t *sense, size_t length);

struct scsi_lun_config {
    const char *volume, *serial, *naa;        /* copied; naa: 32 hex digits, the first one 6 */
    uint64_t size;                            /* bytes, a multiple of block_size */
    uint32_t block_size, physical_block_size; /* bytes */
    bool is_read_only, is_thick, is_removable;
    uint64_t threshold;    /* bytes available below which hosts are told, unless they choose another
                              one; 0: none */
    scsi_reported *report; /* NULL: nobody listens */
    struct scsi_store *store; /* taken over; NULL: no state outlives this process */
    json_t *state;            /* borrowed during the call; what the store kept, or NULL */
    const char *run;          /* copied; another one than with `state`: the power was lost since.
                                 NULL: not known */
    struct scsi_peers *peers; /* borrowed: outlives the logical unit; NULL: copies stay inside it */
    json_t *tokens; /* borrowed during the call; texts of ROD tokens that are kept, or NULL */
};

/* A target port group that reaches the logical unit: by one port, whose relative identifier is
 * `id`.
 */
enum scsi_alua_mode { SCSI_ALUA_OFF, SCSI_ALUA_IMPLICIT, SCSI_ALUA_EXPLICIT };
enum scsi_access_state {
    SCSI_OPTIMIZED = 0,
    SCSI_NON_OPTIMIZED = 1,
    SCSI_STANDBY = 2,
    SCSI_UNAVAILABLE = 3,
    SCSI_TRANSITIONING = 15,
};
struct scsi_port_group {
    uint16_t id;
    const char *port_name; /* copied; as the target port's name of a nexus */
    enum scsi_alua_mode mode;
    enum scsi_access_state state;
};

/* `disk` is taken over. */
struct scsi_lun *scsi_lun_new(struct ev_loop *loop, const struct scsi_lun_config *config,
                              struct disk *disk);

/* Puts another disk in the place of the one there is, which is returned: the caller's. Requests
 * under way end at the old one. */
struct disk *scsi_lun_swap_disk(struct scsi_lun *lun, struct disk *disk);

/* No task and no nexus may be left. Flushes, closes the disk, frees the logical unit, then calls
 * done with 0 or -errno (of the flush), from the loop or from within this call. */
typedef void scsi_lun_closed(void *owner, int error);
void scsi_lun_close(struct scsi_lun *lun, scsi_lun_closed *done, void *owner);

/* What changes while it is there; hosts are told by unit attentions. */
/* The file has the new size already: bytes, a multiple of the block size. 2A/09. */
void scsi_lun_resize(struct scsi_lun *lun, uint64_t size);
/* In ascending order of id. A state that differs from the one given before is in force from now on;
 * otherwise the one stays that a host has set. 2A/06, or 3F/03 with another mode. */
void scsi_lun_set_port_groups(struct scsi_lun *lun, const struct scsi_port_group *groups,
                              size_t count);
/* Logical units came or went. 3F/0E. */
void scsi_lun_inventory_changed(struct scsi_lun *lun);

/* Whether a LUN is that of the only logical unit of a target: single-level LUN 0, by peripheral or
 * by flat space addressing, SAM-5 4.7.7. */
static inline bool scsi_lun_is_there(uint64_t lun)
{
    return lun == 0 || lun == 0x4000000000000000;
}

/* One I_T nexus at the logical unit. Port names as SPC names them: "iqn...,i,0x400001370000" and
 * "iqn...,t,0x0001"; copied. What is registered, reserved and pending for an I_T nexus belongs to
 * these names and outlives the session. `owner` is borrowed and not used. */
struct scsi_nexus *scsi_nexus_new(struct scsi_lun *lun, const char *initiator_port,
                                  const char *target_port, uint16_t relative_port, void *owner);

/* I_T nexus loss: its tasks must have been ended; its SPC-2 reservation is released. NULL is fine.
 */
void scsi_nexus_free(struct scsi_nexus *nexus);
void *scsi_nexus_owner(const struct scsi_nexus *nexus);

/* Task management, SAM-5 7. Every affected task of any nexus ends with on_aborted; unit attentions
 * tell the other nexuses (TAS=0: 2F/00 for the tasks another one cleared, 29/03 after a reset);
 * resets drop the SPC-2 reservation. done follows when all affected tasks have really ended, from
 * within this call or from the loop; is_done is false when `referenced` (only for SCSI_ABORT_TASK)
 * is NULL: there is no such task. */
enum scsi_function {
    SCSI_ABORT_TASK,
    SCSI_ABORT_TASK_SET,
    SCSI_CLEAR_TASK_SET,
    SCSI_LUN_RESET,
    SCSI_TARGET_RESET,
};
typedef void scsi_managed(void *owner, bool is_done);
void scsi_manage(struct scsi_nexus *nexus, enum scsi_function function,
                 struct scsi_task *referenced, scsi_managed *done, void *owner);
