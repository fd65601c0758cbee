#include "target/iscsi/pdu.h"

#include "target/base/bytes.h"

#include <string.h>

enum { FLAG_FINAL = 0x80, FLAG_CONTINUE = 0x40, FLAG_IMMEDIATE = 0x40, AHS_EXTENDED_CDB = 1 };

void pdu_decode(struct pdu *pdu, const uint8_t bhs[static BHS_SIZE])
{
    *pdu = (struct pdu){
        .opcode = bhs[0] & 0x3f,
        .is_immediate = bhs[0] & FLAG_IMMEDIATE,
        .is_final = bhs[1] & FLAG_FINAL,
        .data_length = get_be24(bhs + 5),
        .task_tag = get_be32(bhs + 16),
        .bhs = bhs,
        .ahs_length = pdu_ahs_length(bhs),
    };
}

uint32_t pdu_ahs_length(const uint8_t bhs[static BHS_SIZE])
{
    return bhs[4] * 4u;
}

uint32_t pdu_cmd_sn(const uint8_t bhs[static BHS_SIZE])
{
    return get_be32(bhs + 24);
}

/* RFC 7143 11.12 */
void pdu_decode_login(struct pdu_login *login, const uint8_t bhs[static BHS_SIZE])
{
    *login = (struct pdu_login){
        .transit = bhs[1] & FLAG_FINAL,
        .continues = bhs[1] & FLAG_CONTINUE,
        .current_stage = bhs[1] >> 2 & 3,
        .next_stage = bhs[1] & 3,
        .version_max = bhs[2],
        .version_min = bhs[3],
        .tsih = get_be16(bhs + 14),
        .task_tag = get_be32(bhs + 16),
        .cid = get_be16(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
        .exp_stat_sn = get_be32(bhs + 28),
    };
    memcpy(login->isid, bhs + 8, ISID_SIZE);
}

/* RFC 7143 11.3 */
void pdu_decode_command(struct pdu_command *command, const uint8_t bhs[static BHS_SIZE])
{
    *command = (struct pdu_command){
        .is_final = bhs[1] & FLAG_FINAL,
        .reads = bhs[1] & 0x40,
        .writes = bhs[1] & 0x20,
        .attribute = bhs[1] & 7,
        .lun = get_be64(bhs + 8),
        .task_tag = get_be32(bhs + 16),
        .expected_length = get_be32(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
        .exp_stat_sn = get_be32(bhs + 28),
        .cdb = bhs + 32,
    };
}

uint32_t pdu_decode_cdb(uint8_t cdb[static CDB_MAX], const uint8_t bhs[static BHS_SIZE],
                        const uint8_t *ahs, uint32_t ahs_length)
{
    uint32_t length = 16;

    memcpy(cdb, bhs + 32, 16);
    if (!ahs_length)
        return length;
    memset(cdb + 16, 0, CDB_MAX - 16);
    for (uint32_t at = 0; at + 4 <= ahs_length;) {
        uint32_t specific = get_be16(ahs + at);

        if (!specific || at + 3 + specific > ahs_length)
            return 0;
        if (ahs[at + 2] == AHS_EXTENDED_CDB) {
            if (specific - 1 > CDB_MAX - 16 || length > 16)
                return 0;
            memcpy(cdb + 16, ahs + at + 4, specific - 1);
            length += specific - 1;
        }
        at += (3 + specific + 3) & ~3u;
    }
    return length;
}

/* RFC 7143 11.7 */
void pdu_decode_data_out(struct pdu_data_out *data, const uint8_t bhs[static BHS_SIZE])
{
    *data = (struct pdu_data_out){
        .is_final = bhs[1] & FLAG_FINAL,
        .task_tag = get_be32(bhs + 16),
        .transfer_tag = get_be32(bhs + 20),
        .data_sn = get_be32(bhs + 36),
        .offset = get_be32(bhs + 40),
    };
}

/* RFC 7143 11.5 */
void pdu_decode_task_request(struct pdu_task_request *request, const uint8_t bhs[static BHS_SIZE])
{
    *request = (struct pdu_task_request){
        .function = bhs[1] & 0x7f,
        .lun = get_be64(bhs + 8),
        .task_tag = get_be32(bhs + 16),
        .referenced_tag = get_be32(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
        .ref_cmd_sn = get_be32(bhs + 32),
    };
}

/* RFC 7143 11.18 */
void pdu_decode_nop_out(struct pdu_nop_out *nop, const uint8_t bhs[static BHS_SIZE])
{
    *nop = (struct pdu_nop_out){
        .lun = get_be64(bhs + 8),
        .task_tag = get_be32(bhs + 16),
        .transfer_tag = get_be32(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
    };
}

/* RFC 7143 11.10 */
void pdu_decode_text(struct pdu_text *text, const uint8_t bhs[static BHS_SIZE])
{
    *text = (struct pdu_text){
        .is_final = bhs[1] & FLAG_FINAL,
        .continues = bhs[1] & FLAG_CONTINUE,
        .lun = get_be64(bhs + 8),
        .task_tag = get_be32(bhs + 16),
        .transfer_tag = get_be32(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
    };
}

/* RFC 7143 11.14 */
void pdu_decode_logout(struct pdu_logout *logout, const uint8_t bhs[static BHS_SIZE])
{
    *logout = (struct pdu_logout){
        .reason = bhs[1] & 0x7f,
        .task_tag = get_be32(bhs + 16),
        .cid = get_be16(bhs + 20),
        .cmd_sn = get_be32(bhs + 24),
    };
}

static void begin(uint8_t bhs[static BHS_SIZE], enum opcode opcode, uint8_t flags,
                  uint32_t data_length, const struct pdu_numbers *numbers)
{
    memset(bhs, 0, BHS_SIZE);
    bhs[0] = (uint8_t)opcode;
    bhs[1] = flags;
    put_be24(bhs + 5, data_length);
    put_be32(bhs + 24, numbers->stat_sn);
    put_be32(bhs + 28, numbers->exp_cmd_sn);
    put_be32(bhs + 32, numbers->max_cmd_sn);
}

/* RFC 7143 11.13 */
void pdu_encode_login_response(uint8_t bhs[static BHS_SIZE],
                               const struct pdu_login_response *response)
{
    uint8_t flags =
        (uint8_t)((response->transit ? FLAG_FINAL : 0) | (response->continues ? FLAG_CONTINUE : 0) |
                  response->current_stage << 2 | (response->transit ? response->next_stage : 0));

    begin(bhs, OP_LOGIN_RESPONSE, flags, response->data_length, &response->numbers);
    memcpy(bhs + 8, response->isid, ISID_SIZE);
    put_be16(bhs + 14, response->tsih);
    put_be32(bhs + 16, response->task_tag);
    put_be16(bhs + 36, response->status);
}

/* RFC 7143 11.4 */
void pdu_encode_response(uint8_t bhs[static BHS_SIZE], const struct pdu_response *response)
{
    begin(bhs, OP_SCSI_RESPONSE, (uint8_t)(FLAG_FINAL | response->residual), response->data_length,
          &response->numbers);
    bhs[3] = response->status;
    put_be32(bhs + 16, response->task_tag);
    put_be32(bhs + 36, response->exp_data_sn);
    put_be32(bhs + 44, response->residual_count);
}

/* RFC 7143 11.7 */
void pdu_encode_data_in(uint8_t bhs[static BHS_SIZE], const struct pdu_data_in *data)
{
    uint8_t flags = data->is_final ? FLAG_FINAL : 0;

    if (data->has_status)
        flags |= (uint8_t)(0x01 | data->residual);
    begin(bhs, OP_DATA_IN, flags, data->data_length, &data->numbers);
    if (data->has_status) {
        bhs[3] = data->status;
        put_be32(bhs + 44, data->residual_count);
    } else {
        put_be32(bhs + 24, 0);
    }
    put_be64(bhs + 8, data->lun);
    put_be32(bhs + 16, data->task_tag);
    put_be32(bhs + 20, RESERVED_TAG);
    put_be32(bhs + 36, data->data_sn);
    put_be32(bhs + 40, data->offset);
}

/* RFC 7143 11.8 */
void pdu_encode_r2t(uint8_t bhs[static BHS_SIZE], const struct pdu_r2t *r2t)
{
    begin(bhs, OP_R2T, FLAG_FINAL, 0, &r2t->numbers);
    put_be64(bhs + 8, r2t->lun);
    put_be32(bhs + 16, r2t->task_tag);
    put_be32(bhs + 20, r2t->transfer_tag);
    put_be32(bhs + 36, r2t->r2t_sn);
    put_be32(bhs + 40, r2t->offset);
    put_be32(bhs + 44, r2t->length);
}

/* RFC 7143 11.6 */
void pdu_encode_task_response(uint8_t bhs[static BHS_SIZE],
                              const struct pdu_task_response *response)
{
    begin(bhs, OP_TASK_RESPONSE, FLAG_FINAL, 0, &response->numbers);
    bhs[2] = response->response;
    put_be32(bhs + 16, response->task_tag);
}

/* RFC 7143 11.19 */
void pdu_encode_nop_in(uint8_t bhs[static BHS_SIZE], const struct pdu_nop_in *nop)
{
    begin(bhs, OP_NOP_IN, FLAG_FINAL, nop->data_length, &nop->numbers);
    put_be64(bhs + 8, nop->lun);
    put_be32(bhs + 16, nop->task_tag);
    put_be32(bhs + 20, nop->transfer_tag);
}

/* RFC 7143 11.11 */
void pdu_encode_text_response(uint8_t bhs[static BHS_SIZE],
                              const struct pdu_text_response *response)
{
    uint8_t flags = (uint8_t)((response->is_final ? FLAG_FINAL : 0) |
                              (response->continues ? FLAG_CONTINUE : 0));

    begin(bhs, OP_TEXT_RESPONSE, flags, response->data_length, &response->numbers);
    put_be64(bhs + 8, response->lun);
    put_be32(bhs + 16, response->task_tag);
    put_be32(bhs + 20, response->transfer_tag);
}

/* RFC 7143 11.15 */
void pdu_encode_logout_response(uint8_t bhs[static BHS_SIZE],
                                const struct pdu_logout_response *response)
{
    begin(bhs, OP_LOGOUT_RESPONSE, FLAG_FINAL, 0, &response->numbers);
    bhs[2] = response->response;
    put_be32(bhs + 16, response->task_tag);
    put_be16(bhs + 40, response->time2wait);
    put_be16(bhs + 42, response->time2retain);
}

/* RFC 7143 11.9 */
void pdu_encode_async(uint8_t bhs[static BHS_SIZE], const struct pdu_async *async)
{
    begin(bhs, OP_ASYNC_MESSAGE, FLAG_FINAL, async->data_length, &async->numbers);
    put_be64(bhs + 8, async->lun);
    put_be32(bhs + 16, RESERVED_TAG);
    bhs[36] = (uint8_t)async->event;
    for (int i = 0; i < 3; i++)
        put_be16(bhs + 38 + 2 * i, async->parameters[i]);
}

/* RFC 7143 11.17 */
void pdu_encode_reject(uint8_t bhs[static BHS_SIZE], const struct pdu_reject *reject)
{
    begin(bhs, OP_REJECT, FLAG_FINAL, reject->data_length, &reject->numbers);
    bhs[2] = (uint8_t)reject->reason;
    put_be32(bhs + 16, RESERVED_TAG);
}
