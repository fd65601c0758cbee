/* A slot works on one block at a time, and no two slots on the same one. A write whose status was
 * lost is first read back, which settles what became of it, and then sent again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim-cluster/probe_session.h"

struct probe_load;

enum slot_state { SLOT_IDLE, SLOT_SENT, SLOT_WAITING };

struct probe_slot {
    struct probe_io io;
    struct probe_load *load; /* parent: outlives us */
    enum slot_state state;
    bool is_write, is_settling; /* a write, and it is read back before it is sent again */
    uint64_t block, sequence, begun_us, retry_us;
};

void probe_slot_init(struct probe_slot *slot, struct probe_load *load);
void probe_slot_free(struct probe_slot *slot);

/* Sends what waits, or takes something new; the session must be ready. */
void probe_slot_work(struct probe_slot *slot, uint64_t now_us);
