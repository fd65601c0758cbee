/* Asymmetric logical unit access as the other modules of the device server see it. */
#pragma once

#include "target/scsi/lun.h"

struct alua_group {
    uint16_t id;
    uint8_t status;  /* why it has its state */
    char *port_name; /* owned */
    enum scsi_access_state configured, state;
};

struct alua {
    enum scsi_alua_mode mode;  /* of the logical unit: the most that one of its groups has */
    struct alua_group *groups; /* owned */
    bool is_configured;        /* false: what is there is what was kept */
    size_t count;
};

void alua_free(struct alua *alua);

/* For the store: the states that hosts have set, until the power is lost. */
json_t *alua_encode(const struct scsi_lun *lun);
void alua_decode(struct scsi_lun *lun, json_t *json, bool is_same_run);

/* Flags of the commands that are not there. */
unsigned alua_missing(enum scsi_alua_mode mode);

/* Whether a command with these flags may run through the nexus' port, SPC-4 5.15.2.4. */
uint32_t alua_check(const struct scsi_nexus *nexus, unsigned flags);
