/* A transport and a volume for the tests of the device server: runs one command to its end on a
 * loop of its own. */
#pragma once

#include "target/base/bytes.h"
#include "target/disk/file.h"
#include "target/scsi/command.h"
#include "target/scsi/lun.h"
#include "target/scsi/result.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct held_disk;

struct fixture {
    struct ev_loop *loop;
    struct workers *workers;
    struct disk *disk;
    struct scsi_lun *lun;
    struct held_disk *held; /* the disk */
    struct scsi_nexus *nexus, *other;
    struct scsi_store *store; /* set before the volume is opened, like the next two; or NULL */
    json_t *state;
    const char *run;
    char path[32];
    struct scsi_peers *peers; /* set before open_volume, or NULL */
};

/* A task of the test with what the transport heard of it. */
struct exchange {
    struct scsi_task task;
    uint8_t cdb[32];
    uint8_t data[4 * 1024 * 1024]; /* data-out to send, data-in that came */
    size_t cut;                    /* length of a piece of data */
    enum scsi_next next;
    bool has_next, has_put, has_got, is_aborted, is_closed;
};

static void on_next(struct scsi_task *task, enum scsi_next next)
{
    struct exchange *exchange = container_of(task, struct exchange, task);

    exchange->next = next;
    exchange->has_next = true;
}

static void on_put(struct scsi_task *task, size_t length)
{
    (void)length;
    container_of(task, struct exchange, task)->has_put = true;
}

static void on_got(struct scsi_task *task)
{
    container_of(task, struct exchange, task)->has_got = true;
}

static void on_aborted(struct scsi_task *task)
{
    container_of(task, struct exchange, task)->is_aborted = true;
}

static const struct scsi_transport transport = {on_next, on_put, on_got, on_aborted};

static inline void wait_for(struct fixture *fixture, const bool *flag)
{
    while (!*flag)
        ck_assert(ev_run(fixture->loop, EVRUN_ONCE) || *flag);
}

/* A disk around another one: holds requests back and lets them fail. */
struct held_disk {
    struct disk disk, *inner;
    struct list held; /* of struct disk_io, by work.link */
    bool is_holding;
    int error;
    unsigned flushes, forced;
};

static bool held_attempt(struct disk *disk, struct disk_io *io)
{
    struct held_disk *held = container_of(disk, struct held_disk, disk);

    if (held->is_holding)
        return false;
    io->error = held->error;
    return held->error || disk_attempt(held->inner, io);
}

static void held_start(struct disk *disk, struct disk_io *io)
{
    struct held_disk *held = container_of(disk, struct held_disk, disk);

    held->flushes += io->operation == DISK_FLUSH;
    held->forced += io->is_forced;
    if (held->is_holding)
        list_append(&held->held, &io->work.link);
    else
        disk_start(held->inner, io);
}

static bool held_span(struct disk *disk, uint64_t offset, uint64_t length, struct span *span)
{
    return disk_span(container_of(disk, struct held_disk, disk)->inner, offset, length, span);
}

static struct disk_space held_space(struct disk *disk)
{
    return disk_space(container_of(disk, struct held_disk, disk)->inner);
}

static void held_close(struct disk *disk)
{
    struct held_disk *held = container_of(disk, struct held_disk, disk);

    disk_close(held->inner);
    free(held);
}

static const struct disk_operations held_operations = {held_attempt, held_start, held_span,
                                                       held_space, held_close};

static inline struct disk *hold_disk(struct disk *inner)
{
    struct held_disk *held = calloc(1, sizeof *held);

    held->disk.operations = &held_operations;
    held->inner = inner;
    list_init(&held->held);
    return &held->disk;
}

/* Lets the oldest request that is held go on; with an error it only fails. */
static inline void release_one(struct held_disk *held, int error)
{
    struct list *link = list_first(&held->held);
    struct disk_io *io;

    ck_assert_ptr_nonnull(link);
    io = container_of(link, struct disk_io, work.link);
    list_remove(link);
    io->error = error;
    if (error || disk_attempt(held->inner, io))
        io->done(io);
    else
        disk_start(held->inner, io);
}

/* What the logical unit has reported to nexuses by itself. */
static struct {
    unsigned count;
    uint8_t sense[SENSE_MAXIMUM_SIZE]; /* the last one */
} reported;

static inline void on_report(void *owner, const uint8_t *sense, size_t length)
{
    (void)owner;
    reported.count++;
    memcpy(reported.sense, sense, length);
}

struct volume_kind {
    bool is_read_only, is_thick, is_removable;
    uint64_t threshold;
};

static inline void open_volume_of(struct fixture *fixture, uint64_t size, uint32_t block_size,
                                  struct volume_kind kind)
{
    struct scsi_lun_config config = {.volume = "data1",
                                     .serial = "12345",
                                     .naa = "6012345678abcdef0123456789abcdef",
                                     .size = size,
                                     .block_size = block_size,
                                     .physical_block_size = 4096,
                                     .is_read_only = kind.is_read_only,
                                     .is_thick = kind.is_thick,
                                     .is_removable = kind.is_removable,
                                     .threshold = kind.threshold,
                                     .report = on_report,
                                     .store = fixture->store,
                                     .state = fixture->state,
                                     .run = fixture->run,
                                     .peers = fixture->peers};
    int error, descriptor;

    strncpy(fixture->path, "/tmp/scsi-volume-XXXXXX", sizeof fixture->path);
    descriptor = mkstemp(fixture->path);
    ck_assert_int_eq(ftruncate(descriptor, (off_t)size), 0);
    close(descriptor);
    fixture->loop = ev_loop_new(0);
    fixture->workers = workers_new(fixture->loop, 2);
    fixture->disk = file_disk_open(&(struct disk_setting){fixture->workers, NULL, NULL},
                                   fixture->path, size, kind.is_read_only, &error);
    ck_assert_ptr_nonnull(fixture->disk);
    fixture->disk = hold_disk(fixture->disk);
    fixture->held = container_of(fixture->disk, struct held_disk, disk);
    fixture->lun = scsi_lun_new(fixture->loop, &config, fixture->disk);
    fixture->nexus = scsi_nexus_new(fixture->lun, "iqn.host:a,i,0x400001370000",
                                    "iqn.array:data1,t,0x0001", 1, NULL);
    fixture->other = scsi_nexus_new(fixture->lun, "iqn.host:b,i,0x400001370001",
                                    "iqn.array:data1,t,0x0002", 2, NULL);
}

static inline void open_volume(struct fixture *fixture, uint64_t size, uint32_t block_size,
                               bool is_read_only)
{
    open_volume_of(fixture, size, block_size, (struct volume_kind){.is_read_only = is_read_only});
}

/* Whether the volumes that open_volume makes, thin and not removable, have the command. */
static inline bool is_common(const struct scsi_command *command)
{
    return !(command->flags & (NEEDS_THICK | NEEDS_REMOVABLE));
}

/* Access is asymmetric, and hosts may set it: the logical unit has every command of the table. */
static inline void make_access_explicit(struct fixture *fixture)
{
    static const struct scsi_port_group groups[] = {
        {1, "iqn.array:data1,t,0x0001", SCSI_ALUA_EXPLICIT, SCSI_OPTIMIZED},
        {2, "iqn.array:data1,t,0x0002", SCSI_ALUA_EXPLICIT, SCSI_OPTIMIZED},
    };

    scsi_lun_set_port_groups(fixture->lun, groups, 2);
}

static inline void on_closed(void *owner, int error)
{
    ck_assert_int_eq(error, 0);
    *(bool *)owner = true;
}

static inline void close_volume(struct fixture *fixture)
{
    bool is_closed = false;

    scsi_nexus_free(fixture->nexus);
    scsi_nexus_free(fixture->other);
    scsi_lun_close(fixture->lun, on_closed, &is_closed);
    wait_for(fixture, &is_closed);
    workers_free(fixture->workers);
    ev_loop_destroy(fixture->loop);
    unlink(fixture->path);
}

static inline struct exchange *new_exchange(struct scsi_nexus *nexus, const char *cdb,
                                            size_t length)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    memcpy(exchange->cdb, cdb, length);
    exchange->task = (struct scsi_task){.transport = &transport,
                                        .nexus = nexus,
                                        .cdb = exchange->cdb,
                                        .cdb_length = sizeof exchange->cdb,
                                        .expected_in = sizeof exchange->data,
                                        .expected_out = sizeof exchange->data};
    exchange->cut = 64 * 1024;
    return exchange;
}

static inline void send_data(struct fixture *fixture, struct exchange *exchange)
{
    struct scsi_task *task = &exchange->task;
    uint64_t length = task->transfer_length, piece;

    if (length > task->expected_out)
        length = task->expected_out;
    for (uint64_t offset = 0; offset < length; offset += piece) {
        uint8_t *bytes;

        piece = length - offset < exchange->cut ? length - offset : exchange->cut;
        bytes = malloc(piece); /* gone after the call, as a transport's receive buffer */
        memcpy(bytes, exchange->data + offset, piece);
        exchange->has_put = false;
        if (!scsi_put(task, offset, bytes, piece)) {
            memset(bytes, 0xee, piece);
            wait_for(fixture, &exchange->has_put);
        }
        free(bytes);
    }
}

static inline void fetch_data(struct fixture *fixture, struct exchange *exchange)
{
    struct scsi_task *task = &exchange->task;
    uint64_t length = task->transfer_length, piece;

    if (length > task->expected_in)
        length = task->expected_in;
    memset(exchange->data, 0xcc, sizeof exchange->data);
    for (uint64_t offset = 0; offset < length; offset += piece) {
        piece = length - offset < exchange->cut ? length - offset : exchange->cut;
        exchange->has_got = false;
        if (!scsi_get(task, offset, exchange->data + offset, piece))
            wait_for(fixture, &exchange->has_got);
        if (scsi_has_failed(task))
            break;
    }
}

/* Goes on after `next` until the status is there. */
static inline void complete(struct fixture *fixture, struct exchange *exchange, enum scsi_next next)
{
    while (next != SCSI_STATUS) {
        if (next == SCSI_WAIT) {
            wait_for(fixture, &exchange->has_next);
            exchange->has_next = false;
            next = exchange->next;
            continue;
        }
        if (next == SCSI_DATA_OUT)
            send_data(fixture, exchange);
        else
            fetch_data(fixture, exchange);
        exchange->has_next = false;
        next = scsi_finish(&exchange->task);
    }
}

/* Status, key, code and qualifier of a command that ended, as enum scsi_result has them. */
static inline uint32_t result_of(const struct scsi_task *task)
{
    if (task->sense_length == 0)
        return (uint32_t)task->status << 24;
    return (uint32_t)task->status << 24 | (uint32_t)(task->sense[2] & 0x0f) << 16 |
           get_be16(task->sense + 12);
}

static inline uint32_t execute(struct fixture *fixture, struct exchange *exchange)
{
    complete(fixture, exchange, scsi_begin(&exchange->task));
    return result_of(&exchange->task);
}

/* A command whose data does not matter. */
static inline uint32_t execute_cdb(struct fixture *fixture, struct scsi_nexus *nexus,
                                   const char *cdb, size_t length)
{
    struct exchange *exchange = new_exchange(nexus, cdb, length);
    uint32_t result = execute(fixture, exchange);

    free(exchange);
    return result;
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
/* A CDB and its length: two arguments or two columns. */
#define CDB(bytes) "" bytes, sizeof(bytes) - 1

/* Runs the suite; what main returns. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
