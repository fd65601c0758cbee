#include "target/scsi/store.h"

#include "target/base/memory.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>

/* A change that waits for its turn; the first one is being saved. */
struct change {
    struct list link;
    struct scsi_task *task;
    scsi_step *apply;
    store_settled *settled;
};

/* A member of the state each. `decode` gets NULL when there is none; `is_same_run` false: the power
 * was lost since. */
static const struct {
    const char *name;
    json_t *(*encode)(const struct scsi_lun *lun); /* NULL: nothing to keep */
    void (*decode)(struct scsi_lun *lun, json_t *json, bool is_same_run);
} parts[] = {
    {"mode", mode_encode, mode_decode},
    {"port_groups", alua_encode, alua_decode},
    {"identifying_information", identify_encode, identify_decode},
    {"reservations", reserve_encode, reserve_decode},
    {"attentions", attention_encode, attention_decode},
};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };

static json_t *encode(const struct scsi_lun *lun)
{
    json_t *state = json_object();

    json_object_set_new(state, "run", json_string(lun->run));
    for (size_t i = 0; i < PART_COUNT; i++) {
        json_t *part = parts[i].encode(lun);

        if (part)
            json_object_set_new(state, parts[i].name, part);
    }
    return state;
}

void store_load(struct scsi_lun *lun, json_t *state, const char *run)
{
    const char *kept = json_string_value(json_object_get(state, "run"));

    lun->run = memory_copy_text(run ? run : "");
    for (size_t i = 0; i < PART_COUNT; i++)
        parts[i].decode(lun, json_object_get(state, parts[i].name),
                        strcmp(kept ? kept : "", lun->run) == 0);
}

static void start_next(struct scsi_lun *lun);

static void on_saved(void *owner, int error)
{
    struct scsi_lun *lun = owner;
    struct list *link = lun->is_change_saved ? list_first(&lun->changes) : NULL;

    if (link) {
        struct change *change = container_of(link, struct change, link);
        struct scsi_task *task = change->task;

        list_remove(link);
        change->settled(task, error == 0);
        free(change);
        if (!step_has_ended(task))
            step_resume(task, error ? SCSI_INTERNAL_FAILURE : SCSI_GOOD);
    }
    start_next(lun);
}

static void save(struct scsi_lun *lun, bool is_change)
{
    json_t *state = encode(lun);

    lun->is_saving = true;
    lun->is_change_saved = is_change;
    lun->is_touched = false;
    lun->store->save(lun->store, state, on_saved, lun);
    json_decref(state);
}

/* true: the change is to be saved; false: it is over. */
static bool apply(struct change *change)
{
    struct scsi_task *task = change->task;
    uint32_t result = task->is_ending ? SCSI_CHECK_CONDITION : change->apply(task);

    if (result == SCSI_GOOD)
        return true;
    list_remove(&change->link);
    free(change);
    if (!step_has_ended(task))
        step_resume(task, result);
    return false;
}

static void start_next(struct scsi_lun *lun)
{
    struct list *link;

    while ((link = list_first(&lun->changes))) {
        if (apply(container_of(link, struct change, link))) {
            save(lun, true);
            return;
        }
    }
    lun->is_saving = false;
    if (lun->is_touched)
        save(lun, false);
    else
        lun_close_if_idle(lun);
}

static void enqueue(struct scsi_task *task, scsi_step *apply_step, store_settled *settled)
{
    struct change *change = memory_new(sizeof *change);

    *change = (struct change){.task = task, .apply = apply_step, .settled = settled};
    list_append(&task->nexus->lun->changes, &change->link);
    task->under_way++;
}

uint32_t store_change(struct scsi_task *task, scsi_step *change, store_settled *settled)
{
    struct scsi_lun *lun = task->nexus->lun;
    uint32_t result;

    if (lun->is_saving) {
        enqueue(task, change, settled);
        return SCSI_PENDING;
    }
    lun->is_saving = true; /* what the change touches is saved with it */
    result = change(task);
    if (result == SCSI_GOOD && lun->store) {
        enqueue(task, change, settled);
        save(lun, true);
        return SCSI_PENDING;
    }
    if (result == SCSI_GOOD)
        settled(task, true);
    start_next(lun);
    return result;
}

void store_touch(struct scsi_lun *lun)
{
    if (!lun->store)
        return;
    lun->is_touched = true;
    if (!lun->is_saving)
        save(lun, false);
}
