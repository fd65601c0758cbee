#include "target/scsi/attention.h"

#include "target/base/memory.h"
#include "target/scsi/result.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ATTENTIONS_MAXIMUM = 16, /* more than there are kinds */
    RECORDS_MAXIMUM = 1024,  /* of I_T nexuses without session */
};

struct nexus_record {
    struct list link; /* in lun.present, or in lun.past, in the order they lost their session */
    struct hash_entry entry;
    char initiator_port[INITIATOR_PORT_SIZE];
    uint16_t port;
    unsigned sessions;
    unsigned count;
    uint32_t pending[ATTENTIONS_MAXIMUM]; /* enum scsi_result, oldest first */
};

/* A reset ends with the process; what else there is to tell does not. */
static bool is_kept(uint32_t result)
{
    enum { POWER_ON_OR_RESET = 0x29, COMMANDS_CLEARED = 0x2f };
    uint8_t code = (uint8_t)(result >> 8);

    return code != POWER_ON_OR_RESET && code != COMMANDS_CLEARED;
}

static uint64_t code_of(const char *initiator_port, uint16_t port)
{
    return hash_folded(HASH_START + port, initiator_port);
}

static struct nexus_record *find(const struct scsi_lun *lun, const char *initiator_port,
                                 uint16_t port)
{
    for (struct hash_entry *entry = hash_find(&lun->records, code_of(initiator_port, port)); entry;
         entry = hash_next(entry)) {
        struct nexus_record *record = container_of(entry, struct nexus_record, entry);

        if (record->port == port && strcasecmp(record->initiator_port, initiator_port) == 0)
            return record;
    }
    return NULL;
}

static void forget_first(struct scsi_lun *lun, struct list *records)
{
    struct nexus_record *record = container_of(list_first(records), struct nexus_record, link);

    list_remove(&record->link);
    hash_remove(&lun->records, &record->entry);
    free(record);
}

/* The one that lost its session first makes room. */
static void put_in_past(struct scsi_lun *lun, struct nexus_record *record)
{
    list_append(&lun->past, &record->link);
    if (lun->past_count == RECORDS_MAXIMUM)
        forget_first(lun, &lun->past);
    else
        lun->past_count++;
}

/* Of an I_T nexus that is not known: it will be told of the power on first. */
static struct nexus_record *add_record(struct scsi_lun *lun, const char *initiator_port,
                                       uint16_t port)
{
    struct nexus_record *record = memory_new(sizeof *record);

    memcpy(record->initiator_port, initiator_port,
           strnlen(initiator_port, sizeof record->initiator_port - 1));
    record->port = port;
    record->pending[record->count++] = SCSI_POWER_ON;
    hash_add(&lun->records, &record->entry, code_of(record->initiator_port, port));
    put_in_past(lun, record);
    return record;
}

static bool is_pending(const struct nexus_record *record, uint32_t result)
{
    for (unsigned i = 0; i < record->count; i++)
        if (record->pending[i] == result)
            return true;
    return false;
}

static void append(struct nexus_record *record, uint32_t result)
{
    if (record->count < ATTENTIONS_MAXIMUM && !is_pending(record, result))
        record->pending[record->count++] = result;
}

/* At once, beside the condition that stays. */
static void report(const struct scsi_lun *lun, const struct nexus_record *record, uint32_t result)
{
    const struct sense sense = {.result = result};
    uint8_t bytes[SENSE_MAXIMUM_SIZE];
    size_t length = sense_encode(bytes, &sense, lun->mode.has_descriptor_sense);

    LIST_FOR_EACH (link, &lun->nexuses) {
        const struct scsi_nexus *nexus = container_of(link, struct scsi_nexus, link);

        if (nexus->record == record)
            lun->report(nexus->owner, bytes, length);
    }
}

static void add(struct scsi_lun *lun, struct nexus_record *record, uint32_t result)
{
    append(record, result);
    if (lun->mode.has_async_events && lun->report)
        report(lun, record, result);
    if (is_kept(result))
        store_touch(lun);
}

void attention_add(struct scsi_nexus *nexus, uint32_t result)
{
    add(nexus->lun, nexus->record, result);
}

/* `except` NULL: to all. */
static void add_each(struct scsi_lun *lun, const struct list *records,
                     const struct nexus_record *except, uint32_t result)
{
    LIST_FOR_EACH (link, records) {
        struct nexus_record *record = container_of(link, struct nexus_record, link);

        if (record != except)
            add(lun, record, result);
    }
}

void attention_add_all(struct scsi_lun *lun, uint32_t result)
{
    add_each(lun, &lun->present, NULL, result);
    add_each(lun, &lun->past, NULL, result);
}

void attention_add_others(struct scsi_nexus *nexus, uint32_t result)
{
    add_each(nexus->lun, &nexus->lun->present, nexus->record, result);
    add_each(nexus->lun, &nexus->lun->past, nexus->record, result);
}

void attention_know(struct scsi_lun *lun, const struct reservations *reservations)
{
    for (size_t i = 0; i < reservations->count; i++) {
        const struct registration *registration = &reservations->registrations[i];

        if (registration->notice && !find(lun, registration->initiator_port, registration->port))
            add_record(lun, registration->initiator_port, registration->port);
    }
}

static uint32_t notice_for(const struct reservations *reservations,
                           const struct nexus_record *record)
{
    for (size_t i = 0; i < reservations->count; i++) {
        const struct registration *registration = &reservations->registrations[i];

        if (registration->port == record->port &&
            strcasecmp(registration->initiator_port, record->initiator_port) == 0)
            return registration->notice;
    }
    return SCSI_GOOD;
}

static void add_notices(struct scsi_lun *lun, const struct list *records,
                        const struct reservations *reservations)
{
    LIST_FOR_EACH (link, records) {
        struct nexus_record *record = container_of(link, struct nexus_record, link);
        uint32_t notice = notice_for(reservations, record);

        if (notice)
            add(lun, record, notice);
    }
}

void attention_add_notices(struct scsi_lun *lun, const struct reservations *reservations)
{
    add_notices(lun, &lun->present, reservations);
    add_notices(lun, &lun->past, reservations);
}

uint32_t attention_take(struct scsi_nexus *nexus)
{
    struct nexus_record *record = nexus->record;
    uint32_t result = record->pending[0];

    if (record->count == 0)
        return SCSI_GOOD;
    record->count--;
    memmove(record->pending, record->pending + 1, record->count * sizeof record->pending[0]);
    if (is_kept(result))
        store_touch(nexus->lun);
    return result;
}

/* Before all others. */
static void insert_loss(struct nexus_record *record)
{
    if (is_pending(record, SCSI_POWER_ON) || is_pending(record, SCSI_NEXUS_LOSS))
        return;
    if (record->count == ATTENTIONS_MAXIMUM)
        record->count--;
    memmove(record->pending + 1, record->pending, record->count * sizeof record->pending[0]);
    record->pending[0] = SCSI_NEXUS_LOSS;
    record->count++;
}

void attention_open(struct scsi_nexus *nexus)
{
    struct scsi_lun *lun = nexus->lun;
    struct nexus_record *record = find(lun, nexus->initiator_port, nexus->relative_port);

    if (record)
        insert_loss(record);
    else
        record = add_record(lun, nexus->initiator_port, nexus->relative_port);
    nexus->record = record;
    if (record->sessions++)
        return;
    list_remove(&record->link);
    list_append(&lun->present, &record->link);
    lun->past_count--;
}

void attention_close(struct scsi_nexus *nexus)
{
    if (--nexus->record->sessions)
        return;
    list_remove(&nexus->record->link);
    put_in_past(nexus->lun, nexus->record);
}

void attention_forget_all(struct scsi_lun *lun)
{
    while (!list_is_empty(&lun->present))
        forget_first(lun, &lun->present);
    while (!list_is_empty(&lun->past))
        forget_first(lun, &lun->past);
    hash_free(&lun->records);
}

static json_t *encode_record(const struct scsi_lun *lun, const struct nexus_record *record)
{
    const struct reservations *changed = lun->changed_reservations;
    uint32_t notice = changed ? notice_for(changed, record) : SCSI_GOOD;
    json_t *pending = json_array();

    for (unsigned i = 0; i < record->count; i++)
        if (is_kept(record->pending[i]))
            json_array_append_new(pending, json_integer(record->pending[i]));
    if (notice && !is_pending(record, notice))
        json_array_append_new(pending, json_integer(notice));
    return json_pack("{s:s, s:i, s:o}", "initiator_port", record->initiator_port, "port",
                     record->port, "pending", pending);
}

static void encode_each(json_t *list, const struct scsi_lun *lun, const struct list *records)
{
    LIST_FOR_EACH (link, records) {
        json_t *json = encode_record(lun, container_of(link, struct nexus_record, link));

        if (json_array_size(json_object_get(json, "pending")))
            json_array_append(list, json);
        json_decref(json);
    }
}

json_t *attention_encode(const struct scsi_lun *lun)
{
    json_t *list = json_array();

    encode_each(list, lun, &lun->past);
    encode_each(list, lun, &lun->present);
    return list;
}

/* After a power loss there is nothing to tell but that. */
void attention_decode(struct scsi_lun *lun, json_t *json, bool is_same_run)
{
    json_t *element, *number;
    size_t i, j;

    json_array_foreach (json, i, element) {
        const char *name = json_string_value(json_object_get(element, "initiator_port"));
        json_int_t port = json_integer_value(json_object_get(element, "port"));
        struct nexus_record *record;

        if (!name || !is_same_run)
            continue;
        record = add_record(lun, name, (uint16_t)port);
        json_array_foreach (json_object_get(element, "pending"), j, number)
            append(record, (uint32_t)json_integer_value(number));
    }
}
