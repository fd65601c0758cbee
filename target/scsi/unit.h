/* The inside of a logical unit, for the device server's own modules. */
#pragma once

#include "target/scsi/command.h"
#include "target/scsi/identify.h"
#include "target/scsi/log.h"
#include "target/scsi/lun.h"
#include "target/scsi/mode.h"

enum { ATTENTIONS_MAXIMUM = 8 };

struct scsi_lun {
    struct ev_loop *loop;  /* borrowed */
    struct order order;    /* its disk is owned */
    char *volume, *serial; /* owned */
    uint8_t naa[8 * 2];
    uint64_t blocks;
    uint32_t block_size, physical_block_size; /* bytes */
    bool is_read_only;
    struct command_index commands;
    struct mode mode;
    struct log log;
    struct identity identity;

    struct list nexuses;            /* of struct scsi_nexus */
    struct scsi_nexus *reserved_by; /* SPC-2 RESERVE, or NULL */
    struct list ending;             /* of struct scsi_task: aborted, with something under way */
    uint64_t last_ending;           /* serial number of the last one that joined it */
    struct list managed;            /* of struct managed (manage.c): wait for those that end */

    struct scsi_store *store; /* owned; NULL: nothing is kept */
    char *run;                /* owned; kept with the state */
    struct list changes;      /* of struct change (store.c) */
    bool is_saving, is_change_saved, is_touched;

    struct disk_io flush; /* of scsi_lun_close */
    scsi_lun_closed *closed;
    void *closed_owner;
};

struct scsi_nexus {
    struct scsi_lun *lun;               /* parent: outlives us */
    char *initiator_port, *target_port; /* owned */
    uint16_t relative_port;
    void *owner;       /* borrowed */
    struct list tasks; /* of struct scsi_task: the task set's part of this nexus */
    uint32_t attentions[ATTENTIONS_MAXIMUM]; /* enum scsi_result, oldest first */
    unsigned attention_count;
    struct list link;
};

/* Unit attention conditions, SAM-5 5.14. A condition that is there already is not added again; when
 * there is no room the newest one gives way. */
void attention_add(struct scsi_nexus *nexus, uint32_t result);
void attention_add_others(struct scsi_nexus *nexus, uint32_t result);
/* Takes the oldest one; SCSI_GOOD: there is none. */
uint32_t attention_take(struct scsi_nexus *nexus);

/* SPC-2 5.5.1: whether the reservation of another nexus forbids the command. */
bool reserve_is_conflict(const struct scsi_nexus *nexus, const struct scsi_command *command);
void reserve_drop(struct scsi_lun *lun);
void reserve_forget(struct scsi_nexus *nexus);

/* The end of scsi_lun_close, once nothing is being saved. */
void lun_flush_and_free(struct scsi_lun *lun);

/* A task that was aborted with something under way has ended; told by task.c. */
void manage_end(struct scsi_task *task);
