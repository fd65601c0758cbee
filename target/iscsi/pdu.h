/* The PDUs of RFC 7143 section 11: bytes to struct for what an initiator sends, struct to bytes for
 * what a target sends. Integers are in host order in the structs; byte offsets appear only in
 * pdu.c. A decoder takes the 48 bytes of a basic header segment, whose lengths the stream has
 * checked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BHS_SIZE = 48, AHS_MAX = 1020, DIGEST_SIZE = 4, CDB_MAX = 260, ISID_SIZE = 6 };

#define RESERVED_TAG 0xffffffffu

enum opcode {
    OP_NOP_OUT = 0x00,
    OP_SCSI_COMMAND = 0x01,
    OP_TASK_REQUEST = 0x02,
    OP_LOGIN_REQUEST = 0x03,
    OP_TEXT_REQUEST = 0x04,
    OP_DATA_OUT = 0x05,
    OP_LOGOUT_REQUEST = 0x06,
    OP_SNACK = 0x10,
    OP_NOP_IN = 0x20,
    OP_SCSI_RESPONSE = 0x21,
    OP_TASK_RESPONSE = 0x22,
    OP_LOGIN_RESPONSE = 0x23,
    OP_TEXT_RESPONSE = 0x24,
    OP_DATA_IN = 0x25,
    OP_LOGOUT_RESPONSE = 0x26,
    OP_R2T = 0x31,
    OP_ASYNC_MESSAGE = 0x32,
    OP_REJECT = 0x3f,
};

/* Any PDU: the fields that all share, and its data segment. */
struct pdu {
    enum opcode opcode;
    bool is_immediate, is_final;
    uint32_t data_length; /* without padding */
    uint32_t task_tag;
    const uint8_t *bhs, *ahs; /* borrowed for the call */
    uint32_t ahs_length;      /* bytes */
    const uint8_t *data;      /* whole segment, where the stream collected it; else NULL */
};

enum login_stage { STAGE_SECURITY = 0, STAGE_OPERATIONAL = 1, STAGE_FULL_FEATURE = 3 };

struct pdu_login {
    bool transit, continues;
    uint8_t current_stage, next_stage; /* enum login_stage, or 2 from a bad peer */
    uint8_t version_max, version_min;
    uint8_t isid[ISID_SIZE];
    uint16_t tsih, cid;
    uint32_t task_tag, cmd_sn, exp_stat_sn;
};

struct pdu_command {
    bool is_final, reads, writes;
    uint8_t attribute; /* 0 untagged, 1 simple, 2 ordered, 3 head of queue, 4 ACA */
    uint64_t lun;
    uint32_t task_tag, expected_length, cmd_sn, exp_stat_sn;
    const uint8_t *cdb; /* 16 bytes, borrowed */
};

struct pdu_data_out {
    bool is_final;
    uint32_t task_tag, transfer_tag, data_sn, offset;
};

enum task_function {
    TASK_ABORT = 1,
    TASK_ABORT_SET = 2,
    TASK_CLEAR_ACA = 3,
    TASK_CLEAR_SET = 4,
    TASK_LUN_RESET = 5,
    TASK_WARM_RESET = 6,
    TASK_COLD_RESET = 7,
    TASK_REASSIGN = 8,
};

struct pdu_task_request {
    uint8_t function;
    uint64_t lun;
    uint32_t task_tag, referenced_tag, cmd_sn, ref_cmd_sn;
};

struct pdu_nop_out {
    uint64_t lun;
    uint32_t task_tag, transfer_tag, cmd_sn;
};

struct pdu_text {
    bool is_final, continues;
    uint64_t lun;
    uint32_t task_tag, transfer_tag, cmd_sn;
};

struct pdu_logout {
    uint8_t reason;
    uint16_t cid;
    uint32_t task_tag, cmd_sn;
};

void pdu_decode(struct pdu *pdu, const uint8_t bhs[static BHS_SIZE]);
uint32_t pdu_ahs_length(const uint8_t bhs[static BHS_SIZE]); /* bytes */
/* CmdSN of any request but Data-Out and SNACK. */
uint32_t pdu_cmd_sn(const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_login(struct pdu_login *login, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_command(struct pdu_command *command, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_data_out(struct pdu_data_out *data, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_task_request(struct pdu_task_request *request, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_nop_out(struct pdu_nop_out *nop, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_text(struct pdu_text *text, const uint8_t bhs[static BHS_SIZE]);
void pdu_decode_logout(struct pdu_logout *logout, const uint8_t bhs[static BHS_SIZE]);

/* The long CDB of a command: its 16 bytes and those of an Extended CDB AHS (RFC 7143 11.2.2.3),
 * behind which all is zero to CDB_MAX where there is any AHS. Returns its length in bytes, 0 when
 * the AHS is malformed. */
uint32_t pdu_decode_cdb(uint8_t cdb[static CDB_MAX], const uint8_t bhs[static BHS_SIZE],
                        const uint8_t *ahs, uint32_t ahs_length);

/* StatSN, ExpCmdSN and MaxCmdSN, which every response carries. */
struct pdu_numbers {
    uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
};

struct pdu_login_response {
    bool transit, continues;
    uint8_t current_stage, next_stage;
    uint8_t isid[ISID_SIZE];
    uint16_t tsih, status; /* class and detail */
    uint32_t task_tag, data_length;
    struct pdu_numbers numbers;
};

enum residual { RESIDUAL_NONE = 0, RESIDUAL_UNDERFLOW = 0x02, RESIDUAL_OVERFLOW = 0x04 };

struct pdu_response {
    enum residual residual;
    uint8_t status;
    uint32_t task_tag, exp_data_sn, residual_count, data_length;
    struct pdu_numbers numbers;
};

struct pdu_data_in {
    bool is_final, has_status;
    enum residual residual; /* with status */
    uint8_t status;
    uint64_t lun;
    uint32_t task_tag, data_sn, offset, residual_count, data_length;
    struct pdu_numbers numbers; /* stat_sn: with status */
};

struct pdu_r2t {
    uint64_t lun;
    uint32_t task_tag, transfer_tag, r2t_sn, offset, length;
    struct pdu_numbers numbers;
};

struct pdu_task_response {
    uint8_t response;
    uint32_t task_tag;
    struct pdu_numbers numbers;
};

struct pdu_nop_in {
    uint64_t lun;
    uint32_t task_tag, transfer_tag, data_length;
    struct pdu_numbers numbers;
};

struct pdu_text_response {
    bool is_final, continues;
    uint64_t lun;
    uint32_t task_tag, transfer_tag, data_length;
    struct pdu_numbers numbers;
};

struct pdu_logout_response {
    uint8_t response;
    uint16_t time2wait, time2retain; /* seconds */
    uint32_t task_tag;
    struct pdu_numbers numbers;
};

enum async_event {
    ASYNC_SCSI_EVENT = 0,
    ASYNC_LOGOUT_REQUEST = 1,
    ASYNC_CONNECTION_DROP = 2,
    ASYNC_SESSION_DROP = 3,
    ASYNC_NEGOTIATION_REQUEST = 4,
};

struct pdu_async {
    enum async_event event;
    uint64_t lun;
    uint16_t parameters[3];
    uint32_t data_length;
    struct pdu_numbers numbers;
};

enum reject_reason {
    REJECT_DATA_DIGEST = 0x02,
    REJECT_SNACK = 0x03,
    REJECT_PROTOCOL_ERROR = 0x04,
    REJECT_NOT_SUPPORTED = 0x05,
    REJECT_TOO_MANY_IMMEDIATE = 0x06,
    REJECT_TASK_IN_PROGRESS = 0x07,
    REJECT_INVALID_FIELD = 0x09,
    REJECT_OUT_OF_RESOURCES = 0x0a,
};

struct pdu_reject {
    enum reject_reason reason;
    uint32_t data_length;
    struct pdu_numbers numbers;
};

void pdu_encode_login_response(uint8_t bhs[static BHS_SIZE],
                               const struct pdu_login_response *response);
void pdu_encode_response(uint8_t bhs[static BHS_SIZE], const struct pdu_response *response);
void pdu_encode_data_in(uint8_t bhs[static BHS_SIZE], const struct pdu_data_in *data);
void pdu_encode_r2t(uint8_t bhs[static BHS_SIZE], const struct pdu_r2t *r2t);
void pdu_encode_task_response(uint8_t bhs[static BHS_SIZE],
                              const struct pdu_task_response *response);
void pdu_encode_nop_in(uint8_t bhs[static BHS_SIZE], const struct pdu_nop_in *nop);
void pdu_encode_text_response(uint8_t bhs[static BHS_SIZE],
                              const struct pdu_text_response *response);
void pdu_encode_logout_response(uint8_t bhs[static BHS_SIZE],
                                const struct pdu_logout_response *response);
void pdu_encode_async(uint8_t bhs[static BHS_SIZE], const struct pdu_async *async);
void pdu_encode_reject(uint8_t bhs[static BHS_SIZE], const struct pdu_reject *reject);

static inline uint32_t pdu_padding(uint32_t length)
{
    return -length & 3;
}
