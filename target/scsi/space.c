#include "target/scsi/space.h"

#include "target/scsi/result.h"
#include "target/scsi/unit.h"

enum { SET_SIZE = 1 << 20 };

unsigned space_exponent(const struct scsi_lun *lun)
{
    return (unsigned)__builtin_ctz(SET_SIZE / lun->block_size);
}

static uint32_t limited(uint64_t sets)
{
    return sets < UINT32_MAX ? (uint32_t)sets : UINT32_MAX;
}

uint32_t space_sets(const struct scsi_lun *lun, uint64_t bytes)
{
    return limited(bytes / ((uint64_t)lun->block_size << space_exponent(lun)));
}

uint32_t space_used_sets(const struct scsi_lun *lun, const struct disk_space *space)
{
    uint64_t set = (uint64_t)lun->block_size << space_exponent(lun);

    return limited((space->used + set - 1) / set);
}

uint32_t space_available_sets(const struct scsi_lun *lun, const struct disk_space *space)
{
    return space_sets(lun, space->available);
}

/* SITUA: only the nexus whose command crossed it is told, SBC-3 6.5.7. */
static void tell(const struct scsi_task *task)
{
    if (task->nexus->lun->mode.tells_one_nexus)
        attention_add(task->nexus, SCSI_THRESHOLD_REACHED);
    else
        attention_add_all(task->nexus->lun, SCSI_THRESHOLD_REACHED);
}

void space_check(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;
    const struct mode_threshold *thresholds = lun->mode.thresholds;
    struct disk_space space = disk_space(lun->order.disk);
    const bool is_reached[SPACE_THRESHOLDS] = {
        [SPACE_AVAILABLE] = thresholds[SPACE_AVAILABLE].is_enabled &&
                            space_available_sets(lun, &space) <= thresholds[SPACE_AVAILABLE].sets,
        [SPACE_USED] = thresholds[SPACE_USED].is_enabled &&
                       space_used_sets(lun, &space) >= thresholds[SPACE_USED].sets,
    };

    for (int i = 0; i < SPACE_THRESHOLDS; i++) {
        if (is_reached[i] && !lun->space.is_reached[i])
            tell(task);
        lun->space.is_reached[i] = is_reached[i];
    }
}
