/* How a command ends: status, sense key, additional sense code and qualifier as one number, and the
 * sense data made of it (SPC-4 4.5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_task;

enum scsi_result {
    SCSI_GOOD = 0,
    SCSI_PENDING = 0x01000000,         /* not an end: work is under way */
    SCSI_CHECK_CONDITION = 0x02000000, /* the status alone */
    SCSI_RESERVATION_CONFLICT = 0x18000000,

    SCSI_IN_TRANSITION = 0x0202040a,
    SCSI_IN_STANDBY = 0x0202040b,
    SCSI_IN_UNAVAILABLE = 0x0202040c,
    SCSI_FORMATTING = 0x02020404,
    SCSI_SANITIZING = 0x0202041b,
    SCSI_NO_MEDIUM = 0x02023a00,
    SCSI_READ_ERROR = 0x02031100,
    SCSI_WRITE_ERROR = 0x02030c00,
    SCSI_FORMAT_FAILED = 0x02033101,
    SCSI_SANITIZE_FAILED = 0x02033103,
    SCSI_INTERNAL_FAILURE = 0x02044400,
    SCSI_SET_PORT_GROUPS_FAILED = 0x0204670a,
    SCSI_LIST_LENGTH_ERROR = 0x02051a00,
    SCSI_INVALID_OPCODE = 0x02052000,
    SCSI_LBA_OUT_OF_RANGE = 0x02052100,
    SCSI_INVALID_FIELD_IN_CDB = 0x02052400,
    SCSI_LUN_NOT_SUPPORTED = 0x02052500,
    SCSI_INVALID_FIELD_IN_LIST = 0x02052600,
    SCSI_INVALID_RELEASE = 0x02052604,
    SCSI_REGISTRATIONS_EXHAUSTED = 0x02055504,
    SCSI_REMOVAL_PREVENTED = 0x02055302,
    SCSI_WRITE_PROTECTED = 0x02072700,
    SCSI_SOFTWARE_WRITE_PROTECTED = 0x02072702,
    SCSI_SPACE_EXHAUSTED = 0x02072707,
    SCSI_DATA_PHASE_ERROR = 0x020b4b00,
    SCSI_MISCOMPARE = 0x020e1d00,
    SCSI_OPERATION_IN_PROGRESS = 0x02050016,
    SCSI_TOO_MANY_TARGETS = 0x02052606,
    SCSI_UNSUPPORTED_TARGET_TYPE = 0x02052607,
    SCSI_TOO_MANY_SEGMENTS = 0x02052608,
    SCSI_UNSUPPORTED_SEGMENT_TYPE = 0x02052609,
    SCSI_INLINE_DATA_TOO_LONG = 0x0205260b,
    SCSI_TOKEN_UNUSABLE = 0x02052300, /* no cause told */
    SCSI_TOKEN_TYPE = 0x02052301,
    SCSI_TOKEN_UNKNOWN = 0x02052304,
    SCSI_TOKEN_CORRUPT = 0x02052305,
    SCSI_TOKEN_REVOKED = 0x02052306,
    SCSI_TOKEN_EXPIRED = 0x02052307,
    SCSI_TOKEN_DELETED = 0x02052309,
    SCSI_TOKEN_LENGTH = 0x0205230a,
    SCSI_NO_ROOM_FOR_TOKEN = 0x0205550d,
    SCSI_COPY_FAILED = 0x020a0000,
    SCSI_COPY_STOPPED = 0x020a0016, /* operation in progress was ended by COPY OPERATION ABORT */
    SCSI_COPY_UNREACHABLE_TARGET = 0x020a0804,
    SCSI_COPY_DEVICE_FAILURE = 0x020a0d01,
    SCSI_COPY_NOT_REACHABLE = 0x020a0d02,
    SCSI_COPY_WRONG_DEVICE = 0x020a0d03,
    SCSI_COPY_INEXACT_SEGMENT = 0x020a260a,

    SCSI_MEDIUM_CHANGED = 0x02062800,
    SCSI_POWER_ON = 0x02062900,
    SCSI_RESET = 0x02062903,
    SCSI_NEXUS_LOSS = 0x02062907,
    SCSI_MODE_CHANGED = 0x02062a01,
    SCSI_RESERVATIONS_PREEMPTED = 0x02062a03,
    SCSI_RESERVATIONS_RELEASED = 0x02062a04,
    SCSI_REGISTRATIONS_PREEMPTED = 0x02062a05,
    SCSI_ACCESS_CHANGED = 0x02062a06,
    SCSI_CAPACITY_CHANGED = 0x02062a09,
    SCSI_COMMANDS_CLEARED = 0x02062f00,
    SCSI_THRESHOLD_REACHED = 0x02063807, /* soft threshold of thin provisioning */
    SCSI_INQUIRY_CHANGED = 0x02063f03,
    SCSI_IDENTITY_CHANGED = 0x02063f05,
    SCSI_LUNS_CHANGED = 0x02063f0e,
    SCSI_FAILURE_PREDICTED_ON_REQUEST = 0x02005dff,
    SCSI_FAILURE_PREDICTED = 0x02065dff, /* a false one, for tests */
};

enum { SENSE_FIXED_SIZE = 18, SENSE_MAXIMUM_SIZE = 40 };

/* What sense data is made of. `field` is what result_in_cdb and result_in_list keep. */
struct sense {
    uint32_t result, field;
    bool has_information;
    uint64_t information;
    uint32_t segment;
};

/* Writes sense data of the current command, SPC-4 4.5.2 and 4.5.3; returns its length. */
size_t sense_encode(uint8_t bytes[static SENSE_MAXIMUM_SIZE], const struct sense *sense,
                    bool is_descriptor);

enum { WHOLE_BYTE = 8 };

/* 05/24/00 with the place of the offending field: byte and its highest bit, or WHOLE_BYTE. */
uint32_t result_in_cdb(struct scsi_task *task, unsigned byte, unsigned bit);
/* 05/26/00 likewise, in the parameter list. */
uint32_t result_in_list(struct scsi_task *task, unsigned byte, unsigned bit);

/* The progress of what `result` says is under way, of 65536, SPC-4 4.5.2.4.4. */
uint32_t result_with_progress(struct scsi_task *task, uint32_t result, uint16_t progress);

/* `error`: 0 or -errno of a request that reads or writes. */
uint32_t result_of_io(int error, bool is_read);
