#include "target/scsi/result.h"

#include "target/base/bytes.h"
#include "target/scsi/task.h"

#include <errno.h>
#include <string.h>

/* task->field holds the sense-key specific bytes, SPC-4 4.5.2.4.2: SKSV, C/D, BPV, bit, then the
 * pointer. */
enum { SKSV = 0x80, IN_CDB = 0x40, BPV = 0x08 };

static uint32_t place(unsigned flags, unsigned byte, unsigned bit)
{
    return (SKSV | flags | (bit < WHOLE_BYTE ? BPV | bit : 0)) << 16 | byte;
}

uint32_t result_in_cdb(struct scsi_task *task, unsigned byte, unsigned bit)
{
    task->field = place(IN_CDB, byte, bit);
    return SCSI_INVALID_FIELD_IN_CDB;
}

uint32_t result_in_list(struct scsi_task *task, unsigned byte, unsigned bit)
{
    task->field = place(0, byte, bit);
    return SCSI_INVALID_FIELD_IN_LIST;
}

uint32_t result_with_progress(struct scsi_task *task, uint32_t result, uint16_t progress)
{
    task->field = SKSV << 16 | progress;
    return result;
}

static size_t encode_fixed(uint8_t *bytes, const struct sense *sense)
{
    memset(bytes, 0, SENSE_FIXED_SIZE);
    bytes[0] = 0x70;
    bytes[2] = sense->result >> 16 & 0x0f;
    if (sense->has_information && sense->information <= UINT32_MAX) {
        bytes[0] |= 0x80; /* VALID */
        put_be32(bytes + 3, (uint32_t)sense->information);
    }
    bytes[7] = SENSE_FIXED_SIZE - 8;
    put_be32(bytes + 8, sense->segment);
    put_be16(bytes + 12, (uint16_t)sense->result);
    put_be24(bytes + 15, sense->field);
    return SENSE_FIXED_SIZE;
}

static size_t encode_descriptor(uint8_t *bytes, const struct sense *sense)
{
    size_t length = 8;

    memset(bytes, 0, SENSE_MAXIMUM_SIZE);
    bytes[0] = 0x72;
    bytes[1] = sense->result >> 16 & 0x0f;
    put_be16(bytes + 2, (uint16_t)sense->result);
    if (sense->has_information) {
        bytes[length + 1] = 0x0a; /* information, SPC-4 4.5.2.2 */
        bytes[length + 2] = 0x80;
        put_be64(bytes + length + 4, sense->information);
        length += 12;
    }
    if (sense->field) {
        bytes[length] = 0x02; /* sense key specific, SPC-4 4.5.2.4 */
        bytes[length + 1] = 0x06;
        put_be24(bytes + length + 4, sense->field);
        length += 8;
    }
    if (sense->segment) {
        bytes[length] = 0x01; /* command-specific information, SPC-4 4.5.2.3 */
        bytes[length + 1] = 0x0a;
        put_be64(bytes + length + 4, sense->segment);
        length += 12;
    }
    bytes[7] = (uint8_t)(length - 8);
    return length;
}

size_t sense_encode(uint8_t bytes[static SENSE_MAXIMUM_SIZE], const struct sense *sense,
                    bool is_descriptor)
{
    return is_descriptor ? encode_descriptor(bytes, sense) : encode_fixed(bytes, sense);
}

uint32_t result_of_io(int error, bool is_read)
{
    switch (error) {
    case 0:
        return SCSI_GOOD;
    case -ENOSPC:
    case -EDQUOT:
        return SCSI_SPACE_EXHAUSTED;
    case -EIO:
        return is_read ? SCSI_READ_ERROR : SCSI_WRITE_ERROR;
    default:
        return SCSI_INTERNAL_FAILURE;
    }
}
