#include "target/scsi/lun.h"

#include "target/base/memory.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/unit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint8_t hex_value(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

/* Those that were made before this process served the volume. */
static void watch_tokens(struct scsi_lun *lun, json_t *tokens)
{
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const char *text = json_string_value(json_array_get(tokens, i));
        struct token token;

        if (text && token_decode(&token, text))
            token_guard_add(&lun->guard, &token);
    }
}

struct scsi_lun *scsi_lun_new(struct ev_loop *loop, const struct scsi_lun_config *config,
                              struct disk *disk)
{
    struct scsi_lun *lun = memory_new(sizeof *lun);

    assert(strlen(config->naa) == 2 * sizeof lun->naa);
    lun->loop = loop;
    order_init(&lun->order, disk);
    lun->volume = memory_copy_text(config->volume);
    lun->serial = memory_copy_text(config->serial);
    for (size_t i = 0; i < sizeof lun->naa; i++)
        lun->naa[i] =
            (uint8_t)(hex_value(config->naa[2 * i]) << 4 | hex_value(config->naa[2 * i + 1]));
    lun->blocks = config->size / config->block_size;
    lun->block_size = config->block_size;
    lun->physical_block_size = config->physical_block_size;
    lun->is_read_only = config->is_read_only;
    lun->peers = config->peers;
    token_guard_init(&lun->guard, lun);
    watch_tokens(lun, config->tokens);
    lun->is_thin = !config->is_thick;
    lun->medium.is_removable = config->is_removable;
    command_index_fill(&lun->commands, alua_missing(SCSI_ALUA_OFF) |
                                           (lun->is_thin ? NEEDS_THICK : NEEDS_THIN) |
                                           (config->is_removable ? NEEDS_FIXED : NEEDS_REMOVABLE));
    gate_open(&lun->gate);
    log_open(&lun->log, ev_now(loop));
    list_init(&lun->nexuses);
    list_init(&lun->ending);
    list_init(&lun->managed);
    list_init(&lun->changes);
    list_init(&lun->present);
    list_init(&lun->past);
    lun->store = config->store;
    lun->report = config->report;
    lun->threshold = config->threshold;
    store_load(lun, config->state, config->run);
    return lun;
}

struct disk *scsi_lun_swap_disk(struct scsi_lun *lun, struct disk *disk)
{
    struct disk *old = lun->order.disk;

    lun->order.disk = disk;
    return old;
}

static void on_flushed(struct disk_io *io)
{
    struct scsi_lun *lun = container_of(io, struct scsi_lun, flush);
    scsi_lun_closed *closed = lun->closed;
    void *owner = lun->closed_owner;
    int error = io->error;

    data_free_blocks(lun);
    token_guard_close(&lun->guard);
    disk_close(lun->order.disk);
    if (lun->store)
        lun->store->close(lun->store);
    attention_forget_all(lun);
    free(lun->reservations);
    free(lun->ports);
    free(lun->run);
    alua_free(&lun->alua);
    free(lun->volume);
    free(lun->serial);
    free(lun);
    closed(owner, error);
}

void lun_close_if_idle(struct scsi_lun *lun)
{
    if (!lun->closed || lun->is_saving || lun->borrowers || sanitize_is_stopping(lun))
        return;
    lun->flush = (struct disk_io){.operation = DISK_FLUSH, .done = on_flushed};
    if (disk_submit(lun->order.disk, &lun->flush))
        on_flushed(&lun->flush);
}

void scsi_lun_close(struct scsi_lun *lun, scsi_lun_closed *done, void *owner)
{
    assert(list_is_empty(&lun->nexuses) && list_is_empty(&lun->ending));
    lun->closed = done;
    lun->closed_owner = owner;
    queue_error_stop(lun);
    gate_close(lun);
    lun_close_if_idle(lun);
}

void lun_borrow(struct scsi_lun *lun)
{
    lun->borrowers++;
}

void lun_return(struct scsi_lun *lun)
{
    lun->borrowers--;
    lun_close_if_idle(lun);
}

bool lun_is_closing(const struct scsi_lun *lun)
{
    return lun->closed;
}

void scsi_lun_resize(struct scsi_lun *lun, uint64_t size)
{
    uint64_t blocks = size / lun->block_size;

    if (blocks == lun->blocks)
        return;
    lun->blocks = blocks;
    attention_add_all(lun, SCSI_CAPACITY_CHANGED);
}

void scsi_lun_inventory_changed(struct scsi_lun *lun)
{
    attention_add_all(lun, SCSI_LUNS_CHANGED);
}

struct scsi_nexus *scsi_nexus_new(struct scsi_lun *lun, const char *initiator_port,
                                  const char *target_port, uint16_t relative_port, void *owner)
{
    struct scsi_nexus *nexus = memory_new(sizeof *nexus);

    nexus->lun = lun;
    nexus->initiator_port = memory_copy_text(initiator_port);
    nexus->target_port = memory_copy_text(target_port);
    nexus->relative_port = relative_port;
    nexus->owner = owner;
    list_init(&nexus->tasks);
    list_init(&nexus->copies);
    list_append(&lun->nexuses, &nexus->link);
    attention_open(nexus);
    reserve_refresh(nexus);
    return nexus;
}

void scsi_nexus_free(struct scsi_nexus *nexus)
{
    if (!nexus)
        return;
    assert(list_is_empty(&nexus->tasks));
    reserve_forget(nexus);
    attention_close(nexus);
    copy_record_forget(nexus);
    list_remove(&nexus->link);
    free(nexus->initiator_port);
    free(nexus->target_port);
    free(nexus);
}

void *scsi_nexus_owner(const struct scsi_nexus *nexus)
{
    return nexus->owner;
}
