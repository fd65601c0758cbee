/* The inside of a logical unit, for the device server's own modules. */
#pragma once

#include "target/base/hash.h"
#include "target/scsi/alua.h"
#include "target/scsi/attention.h"
#include "target/scsi/command.h"
#include "target/scsi/gate.h"
#include "target/scsi/identify.h"
#include "target/scsi/log.h"
#include "target/scsi/lun.h"
#include "target/scsi/medium.h"
#include "target/scsi/mode.h"
#include "target/scsi/reservation.h"
#include "target/scsi/sanitize.h"
#include "target/scsi/token_guard.h"

struct nexus_record;

struct scsi_lun {
    struct ev_loop *loop;  /* borrowed */
    struct order order;    /* its disk is owned */
    char *volume, *serial; /* owned */
    uint8_t naa[8 * 2];
    uint64_t blocks;
    uint32_t block_size, physical_block_size; /* bytes */
    bool is_read_only, is_thin;
    struct command_index commands;
    struct mode mode, mode_before; /* before the one that is being saved */
    struct medium medium;
    struct sanitize sanitize;
    struct gate gate;
    struct log log;
    struct identity identity;
    struct alua alua;
    struct space space;
    uint64_t threshold;    /* bytes; as in struct scsi_lun_config */
    scsi_reported *report; /* or NULL */
    ev_timer queue_error;  /* the tasks that QERR condemned are to be aborted */

    struct list nexuses;       /* of struct scsi_nexus */
    struct hash records;       /* of struct nexus_record (attention.c) */
    struct list present, past; /* the same: with a session, and without */
    size_t past_count;
    struct scsi_nexus *reserved_by;            /* SPC-2 RESERVE, or NULL */
    struct reservations *reservations;         /* owned */
    struct reservations *changed_reservations; /* owned; being saved, or NULL */
    uint16_t *ports;                           /* owned; relative target port identifiers */
    size_t port_count;
    struct list ending;   /* of struct scsi_task: aborted, with something under way */
    uint64_t last_ending; /* serial number of the last one that joined it */
    struct list managed;  /* of struct managed (manage.c): wait for those that end */

    struct scsi_store *store; /* owned; NULL: nothing is kept */
    char *run;                /* owned; kept with the state */
    struct list changes;      /* of struct change (store.c) */
    bool is_saving, is_change_saved, is_touched;

    struct scsi_peers *peers; /* borrowed; NULL: no other volume is known */
    struct token_guard guard; /* the tokens of its data */
    unsigned borrowers;       /* copies that this logical unit takes part in */

    struct unused_block *unused_blocks; /* owned; data.c */
    unsigned unused_block_count;

    struct disk_io flush;    /* of scsi_lun_close */
    scsi_lun_closed *closed; /* NULL: it is open */
    void *closed_owner;
};

struct scsi_nexus {
    struct scsi_lun *lun;               /* parent: outlives us */
    char *initiator_port, *target_port; /* owned */
    uint16_t relative_port;
    void *owner;                   /* borrowed */
    struct list tasks;             /* of struct scsi_task: the task set's part of this nexus */
    struct nexus_record *record;   /* the logical unit's: its unit attentions */
    bool is_registered, is_holder; /* as the reservations in force say */
    struct list copies;            /* of struct copy_record */
    bool prevents_removal;
    struct list link;
};

/* A copy that takes part in the life of a logical unit: closing waits for its return. */
void lun_borrow(struct scsi_lun *lun);
void lun_return(struct scsi_lun *lun);
bool lun_is_closing(const struct scsi_lun *lun);

/* Whether a reservation of another nexus forbids the command: SPC-2 5.5.1, SPC-4 5.13.1. */
bool reserve_is_conflict(const struct scsi_task *task);
/* Whether reservations forbid what a copy does at another logical unit for the initiator that has
 * this port here; there it may have others. */
bool reserve_forbids_copy(const struct scsi_lun *lun, const char *initiator_port, bool writes);
void reserve_drop(struct scsi_lun *lun);
void reserve_forget(struct scsi_nexus *nexus);
/* The reservations in force have changed, or the nexus is new. */
void reserve_refresh(struct scsi_nexus *nexus);
void reserve_refresh_all(struct scsi_lun *lun);

/* The part of the state that the store keeps: what is being saved, else what is in force. */
json_t *reserve_encode(const struct scsi_lun *lun);
void reserve_decode(struct scsi_lun *lun, json_t *json, bool is_same_run);

/* Ends the tasks of the nexus but `except`. */
void manage_abort_tasks(struct scsi_nexus *nexus, const struct scsi_task *except);
/* A step: goes on when all tasks that were aborted so far have ended. */
uint32_t manage_wait(struct scsi_task *task);

/* The task ends with CHECK CONDITION and QERR is not zero: others are aborted soon. */
void queue_error_begin(struct scsi_task *failed);
void queue_error_stop(struct scsi_lun *lun);

/* The end of scsi_lun_close, once nothing is being saved and no copy takes part any more. */
void lun_close_if_idle(struct scsi_lun *lun);

/* A task that was parked goes on; told by gate.c. */
void task_start(struct scsi_task *task);

/* A task that was aborted with something under way has ended; told by task.c. */
void manage_end(struct scsi_task *task);
