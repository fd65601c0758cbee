/* PERSISTENT RESERVE IN, SPC-4 6.15: what is registered and reserved. */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/transport_id.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 8, KEY = 8 };

static const struct reservations *reservations_of(const struct scsi_task *task)
{
    return task->nexus->lun->reservations;
}

/* PRGENERATION and ADDITIONAL LENGTH; returns where the rest of `length` bytes goes. */
static uint8_t *answer(struct scsi_task *task, size_t length)
{
    uint8_t *bytes = data_answer(task, HEADER + length, get_be16(task->cdb + 7));

    put_be32(bytes, reservations_of(task)->generation);
    put_be32(bytes + 4, (uint32_t)length);
    return bytes + HEADER;
}

uint32_t run_read_keys(struct scsi_task *task)
{
    const struct reservations *reservations = reservations_of(task);
    uint8_t *bytes = answer(task, KEY * reservations->count);

    for (size_t i = 0; i < reservations->count; i++)
        put_be64(bytes + KEY * i, reservations->registrations[i].key);
    return SCSI_GOOD;
}

uint32_t run_read_reservation(struct scsi_task *task)
{
    enum { DESCRIPTOR = 16 };
    const struct reservations *reservations = reservations_of(task);
    uint8_t *bytes = answer(task, reservations->type ? DESCRIPTOR : 0);

    if (reservations->type) {
        put_be64(bytes, reservations_holder_key(reservations));
        bytes[13] = (uint8_t)reservations->type; /* scope: the logical unit */
    }
    return SCSI_GOOD;
}

uint32_t run_report_capabilities(struct scsi_task *task)
{
    enum { SIZE = 8, CRH = 0x10, SIP_C = 0x08, ATP_C = 0x04, PTPL_C = 0x01 };
    enum { TMV = 0x80, TEST_UNIT_READY_AND_MODE_SENSE = 0x30, PTPL_A = 0x01 };
    static const uint16_t all_types = 0xea01;
    uint8_t *bytes = data_answer(task, SIZE, get_be16(task->cdb + 7));

    put_be16(bytes, SIZE);
    bytes[2] = CRH | SIP_C | ATP_C | PTPL_C;
    bytes[3] = TMV | TEST_UNIT_READY_AND_MODE_SENSE;
    if (reservations_of(task)->outlives_power)
        bytes[3] |= PTPL_A;
    put_be16(bytes + 4, all_types);
    return SCSI_GOOD;
}

/* Full status descriptor, SPC-4 6.15.5.2; returns its length. */
static size_t put_status(uint8_t *bytes, const struct reservations *reservations,
                         const struct registration *registration)
{
    enum { LENGTH = 24, R_HOLDER = 0x01 };
    size_t length = transport_id_encode(bytes + LENGTH, registration->initiator_port);

    put_be64(bytes, registration->key);
    if (reservations->type && reservations_is_holder(reservations, registration)) {
        bytes[12] = R_HOLDER;
        bytes[13] = (uint8_t)reservations->type;
    }
    put_be16(bytes + 18, registration->port);
    put_be32(bytes + 20, (uint32_t)length);
    return LENGTH + length;
}

uint32_t run_read_full_status(struct scsi_task *task)
{
    enum { DESCRIPTOR_MAXIMUM = 24 + TRANSPORT_ID_MAXIMUM };
    const struct reservations *reservations = reservations_of(task);
    uint8_t *all = memory_new((reservations->count + 1) * DESCRIPTOR_MAXIMUM);
    size_t length = 0;

    for (size_t i = 0; i < reservations->count; i++)
        length += put_status(all + length, reservations, &reservations->registrations[i]);
    memcpy(answer(task, length), all, length);
    free(all);
    return SCSI_GOOD;
}
