#include "target/iscsi/pdu_field.h"

#include "target/base/bytes.h"

#include <string.h>

enum { ANY = -1, EXP_CMD_SN = 28, MAX_CMD_SN = 32 };

static const struct {
    const char *name;
    int opcode;
    unsigned offset;
} fields[] = {
    {"task_tag", ANY, 16},
    {"transfer_tag", OP_R2T, 20},
    {"transfer_tag", OP_NOP_IN, 20},
    {"transfer_tag", OP_DATA_IN, 20},
    {"transfer_tag", OP_TEXT_RESPONSE, 20},
    {"stat_sn", ANY, 24},
    {"exp_cmd_sn", ANY, EXP_CMD_SN},
    {"max_cmd_sn", ANY, MAX_CMD_SN},
    {"data_sn", OP_DATA_IN, 36},
    {"data_sn", OP_SCSI_RESPONSE, 36},
    {"r2t_sn", OP_R2T, 36},
    {"offset", OP_DATA_IN, 40},
    {"offset", OP_R2T, 40},
    {"length", OP_R2T, 44},
    {"residual", OP_SCSI_RESPONSE, 44},
    {"residual", OP_DATA_IN, 44},
};

bool pdu_add_to_field(uint8_t bhs[static BHS_SIZE], const char *name, uint32_t by)
{
    int opcode = bhs[0] & 0x3f;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        uint8_t *field = bhs + fields[i].offset;

        if (strcmp(fields[i].name, name) || (fields[i].opcode != ANY && fields[i].opcode != opcode))
            continue;
        put_be32(field, get_be32(field) + by);
        return true;
    }
    return false;
}

void pdu_close_window(uint8_t bhs[static BHS_SIZE])
{
    put_be32(bhs + MAX_CMD_SN, get_be32(bhs + EXP_CMD_SN) - 1);
}
