#include "target/scsi/identify.h"

#include "target/base/bytes.h"
#include "target/base/loops.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <stdio.h>
#include <string.h>

/* Information types, SPC-4 6.32.1. */
enum { DEVICE = 0, TEXT = 2, SUPPORTED_TYPES = 0x7f, DEVICE_MAXIMUM = 64 };

static const struct {
    uint8_t type;
    uint16_t maximum; /* bytes */
} types[] = {
    {DEVICE, DEVICE_MAXIMUM},
    {TEXT, IDENTITY_MAXIMUM},
};

enum { TYPE_COUNT = sizeof types / sizeof types[0], HEADER = 4, DESCRIPTOR = 4 };

static struct identity_text *find_text(struct scsi_lun *lun, unsigned type)
{
    switch (type) {
    case DEVICE:
        return &lun->identity.device;
    case TEXT:
        return &lun->identity.text;
    default:
        return NULL;
    }
}

static void report_types(struct scsi_task *task)
{
    uint8_t *bytes = data_answer(task, HEADER + TYPE_COUNT * DESCRIPTOR, get_be32(task->cdb + 6));

    put_be16(bytes + 2, TYPE_COUNT * DESCRIPTOR);
    bytes += HEADER;
    for (size_t i = 0; i < TYPE_COUNT; i++, bytes += DESCRIPTOR) {
        bytes[0] = (uint8_t)(types[i].type << 1);
        put_be16(bytes + 2, types[i].maximum);
    }
}

/* The bytes as hexadecimal digits: they need not be text. */
static json_t *encode_text(const struct identity_text *text)
{
    char digits[2 * IDENTITY_MAXIMUM + 1] = "";

    for (size_t i = 0; i < text->length; i++)
        snprintf(digits + 2 * i, 3, "%02x", text->bytes[i]);
    return json_string(digits);
}

static void decode_text(struct identity_text *text, json_t *json, size_t maximum)
{
    const char *digits = json_string_value(json);
    size_t length = digits ? strlen(digits) / 2 : 0;
    unsigned value;

    text->length = length <= maximum ? length : 0;
    for (size_t i = 0; i < text->length; i++)
        text->bytes[i] = sscanf(digits + 2 * i, "%2x", &value) == 1 ? (uint8_t)value : 0;
}

json_t *identify_encode(const struct scsi_lun *lun)
{
    const struct identity *identity = &lun->identity;

    if (!identity->device.length && !identity->text.length)
        return NULL;
    return json_pack("{s:o, s:o}", "device", encode_text(&identity->device), "text",
                     encode_text(&identity->text));
}

void identify_decode(struct scsi_lun *lun, json_t *json, bool is_same_run)
{
    (void)is_same_run;
    decode_text(&lun->identity.device, json_object_get(json, "device"), DEVICE_MAXIMUM);
    decode_text(&lun->identity.text, json_object_get(json, "text"), IDENTITY_MAXIMUM);
}

uint32_t run_report_identity(struct scsi_task *task)
{
    unsigned type = task->cdb[10] >> 1;
    const struct identity_text *text = find_text(task->nexus->lun, type);
    uint8_t *bytes;

    if (type == SUPPORTED_TYPES) {
        report_types(task);
        return SCSI_GOOD;
    }
    if (!text)
        return result_in_cdb(task, 10, 7);
    bytes = data_answer(task, HEADER + text->length, get_be32(task->cdb + 6));
    put_be16(bytes + 2, (uint16_t)text->length);
    memcpy(bytes + HEADER, text->bytes, text->length);
    return SCSI_GOOD;
}

static uint32_t change(struct scsi_task *task)
{
    struct identity_text *text = find_text(task->nexus->lun, task->cdb[10] >> 1);

    task->nexus->lun->identity.before = *text;
    text->length = task->received;
    if (task->received)
        memcpy(text->bytes, task->parameters, task->received);
    return SCSI_GOOD;
}

static void settle(struct scsi_task *task, bool is_saved)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (is_saved)
        attention_add_others(task->nexus, SCSI_IDENTITY_CHANGED);
    else
        *find_text(lun, task->cdb[10] >> 1) = lun->identity.before;
}

static uint32_t set_identity(struct scsi_task *task)
{
    unsigned type = task->cdb[10] >> 1;

    if (task->received < task->parameters_size)
        return SCSI_LIST_LENGTH_ERROR;
    /* SPC-4 4.3.2: a text ends with its only zero. */
    if (type == TEXT && task->received &&
        memchr(task->parameters, 0, task->received) != task->parameters + task->received - 1)
        return result_in_list(task, (unsigned)task->received - 1, WHOLE_BYTE);
    return store_change(task, change, settle);
}

uint32_t run_set_identity(struct scsi_task *task)
{
    unsigned type = task->cdb[10] >> 1;
    size_t length = get_be32(task->cdb + 6);

    if (!find_text(task->nexus->lun, type))
        return result_in_cdb(task, 10, 7);
    if (length > (type == DEVICE ? (size_t)DEVICE_MAXIMUM : (size_t)IDENTITY_MAXIMUM))
        return result_in_cdb(task, 6, 7);
    if (!length)
        return set_identity(task);
    data_collect(task, length, set_identity);
    return SCSI_GOOD;
}

/* SPC-4 6.36: milliseconds since 1970, by a clock of its own. */
uint32_t run_report_timestamp(struct scsi_task *task)
{
    enum { LENGTH = 10, SET_BY_OTHER_MEANS = 3 };
    uint8_t *bytes = data_answer(task, 2 + LENGTH, get_be32(task->cdb + 6));

    put_be16(bytes, LENGTH);
    bytes[2] = SET_BY_OTHER_MEANS;
    put_be48(bytes + 4, (uint64_t)(loop_now(task->nexus->lun->loop) * 1000));
    return SCSI_GOOD;
}
