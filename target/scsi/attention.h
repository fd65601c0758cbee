/* Unit attention conditions, SAM-5 5.14: kept for each I_T nexus by the names of its ports, in the
 * order they came, also while its session is gone and, with the volume, when its node is. What a
 * session has when it starts: 29/00 (power on) when this process has not seen the I_T nexus yet,
 * else 29/07 (I_T nexus loss), before what it was not told. */
#pragma once

#include "target/scsi/lun.h"
#include "target/scsi/reservation.h"

/* A condition that is there already is not added again. */
void attention_add(struct scsi_nexus *nexus, uint32_t result);
/* To every I_T nexus that is known, with a session or without. */
void attention_add_all(struct scsi_lun *lun, uint32_t result);
/* To all others of them. */
void attention_add_others(struct scsi_nexus *nexus, uint32_t result);
/* To each I_T nexus its notice. The nexuses are made known before: then the notices are kept along
 * with the change that they are about. */
void attention_know(struct scsi_lun *lun, const struct reservations *reservations);
void attention_add_notices(struct scsi_lun *lun, const struct reservations *reservations);
/* Takes the oldest one; SCSI_GOOD: there is none. */
uint32_t attention_take(struct scsi_nexus *nexus);

/* The I_T nexus has a session, and has it no more. */
void attention_open(struct scsi_nexus *nexus);
void attention_close(struct scsi_nexus *nexus);
void attention_forget_all(struct scsi_lun *lun);

/* The part of the state that the store keeps: what is pending, and the notices of a change of the
 * reservations that is being saved. NULL: nothing. */
json_t *attention_encode(const struct scsi_lun *lun);
void attention_decode(struct scsi_lun *lun, json_t *json, bool is_same_run);
