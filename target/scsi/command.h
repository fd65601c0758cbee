/* The command table: one row for each command, and what a row says. */
#pragma once

#include "target/scsi/task.h"

enum { COMMAND_CDB_MAXIMUM = 32, COMMAND_ACTION_BITS = 0x1f };

enum command_data { NO_DATA, DATA_IN, DATA_OUT };

enum command_flag {
    READS_MEDIUM = 0x01,
    WRITES_MEDIUM = 0x02,       /* refused when the volume is read-only */
    IGNORES_RESERVATION = 0x04, /* runs in spite of an SPC-2 reservation of another nexus */
    ANSWERS_ALWAYS = 0x08,      /* neither reports nor clears a unit attention */
    ANSWERS_WITHOUT_LUN = 0x10, /* runs for a logical unit that is not there */
    SERVICE_ACTION = 0x20,      /* the service action is in the low five bits of byte 1 */
    /* What runs in spite of a persistent reservation of another nexus, SPC-4 5.13.1 and SBC-3 4.17;
     * without one of these, READS_MEDIUM does in spite of write exclusive ones. */
    ALLOWED_ALWAYS = 0x100,
    ALLOWED_WRITE_EXCLUSIVE = 0x200,
    ALLOWED_TO_START = 0x400,        /* ALLOWED_ALWAYS if its START bit is set */
    ALLOWED_TO_ALLOW = 0x1000000,    /* ALLOWED_ALWAYS if its PREVENT field is zero */
    LEGACY_RESERVATION = 0x800,      /* RESERVE and RELEASE of SPC-2 */
    PERSISTENT_RESERVATION = 0x1000, /* never beside a reservation of SPC-2 */
    RUNS_IN_STANDBY = 0x2000,        /* also through a port in that state, SPC-4 5.15.2.4.4 */
    RUNS_UNAVAILABLE = 0x4000, /* and unavailable or transitioning, SPC-4 5.15.2.4.5 and 5.15.2.5 */
    /* There only on a logical unit that is so. */
    NEEDS_ALUA = 0x400000,
    NEEDS_EXPLICIT_ALUA = 0x800000,
    NEEDS_MEDIUM = 0x10000,  /* 02/3A/00 when it is ejected, like those that read or write it */
    MENDS_MEDIUM = 0x200000, /* runs after a SANITIZE or FORMAT UNIT has failed */
    NEEDS_THIN = 0x20000,
    NEEDS_THICK = 0x40000,
    NEEDS_REMOVABLE = 0x80000,
    NEEDS_FIXED = 0x100000,
};

struct scsi_command {
    const char *name;
    enum command_data data;
    unsigned flags; /* of enum command_flag */
    scsi_step *run;
    uint8_t usage[COMMAND_CDB_MAXIMUM]; /* opcode (and service action), then CDB bits in use */
};

/* The rows that a logical unit has, and where those of an opcode begin. */
struct command_index {
    unsigned missing;   /* rows with one of these flags are not there */
    uint8_t first[256]; /* row number + 1; 0: none */
};

extern const struct scsi_command scsi_commands[];
extern const size_t scsi_command_count;

void command_index_fill(struct command_index *index, unsigned missing);
bool command_is_there(const struct command_index *index, const struct scsi_command *command);

/* The first row of the opcode, or NULL. */
const struct scsi_command *command_find_opcode(const struct command_index *index, uint8_t opcode);
/* The row of the opcode and, if the opcode has them, service action, or NULL. */
const struct scsi_command *command_find_action(const struct command_index *index, uint8_t opcode,
                                               unsigned action);
unsigned command_cdb_length(const struct scsi_command *command);

/* 05/24/00 with the field if a bit is set that the row does not use. */
uint32_t command_check_cdb(struct scsi_task *task);
