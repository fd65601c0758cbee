/* Thin provisioning thresholds, SBC-3 4.7.3.7 and 4.7.3.8: counted in sets of 2^exponent logical
 * blocks, set by mode page 1C/02, told by log page 0C and by 38/07. */
#pragma once

#include "target/disk/disk.h"

#include <stdbool.h>
#include <stdint.h>

struct scsi_lun;
struct scsi_task;

enum space_threshold { SPACE_AVAILABLE, SPACE_USED, SPACE_THRESHOLDS };

struct space {
    bool is_reached[SPACE_THRESHOLDS]; /* and told */
};

/* What VPD page B2 calls the threshold exponent: a set is 1 MiB. */
unsigned space_exponent(const struct scsi_lun *lun);
/* Bytes as whole threshold sets, rounded down. */
uint32_t space_sets(const struct scsi_lun *lun, uint64_t bytes);
/* Likewise; what is used rounded up. */
uint32_t space_used_sets(const struct scsi_lun *lun, const struct disk_space *space);
uint32_t space_available_sets(const struct scsi_lun *lun, const struct disk_space *space);

/* The task has written: tells of thresholds that are crossed now. */
void space_check(struct scsi_task *task);
