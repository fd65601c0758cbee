#include "sim-cluster/failover.h"

#include <stddef.h>

const char *const node_state_names[] = {
    [NODE_UP] = "up",   [NODE_DOWN] = "down",         [NODE_FROZEN] = "frozen",
    [NODE_OFF] = "off", [NODE_ISOLATED] = "isolated", [NODE_DRAINING] = "draining",
};

/* clang-format off */
static const struct {
    enum node_stage from;
    enum node_event event;
    enum node_stage to;
    enum node_action action;
} steps[] = {
    { STAGE_GONE,     NODE_STARTED,  STAGE_STARTING, NODE_DO_SPAWN },
    { STAGE_STARTING, NODE_READY,    STAGE_SERVING,  NODE_DO_JOIN },
    { STAGE_STARTING, NODE_FAILED,   STAGE_FENCING,  NODE_DO_FENCE },
    { STAGE_SERVING,  NODE_FAILED,   STAGE_LOST,     NODE_DO_WAIT },
    { STAGE_LOST,     NODE_DETECTED, STAGE_FENCING,  NODE_DO_FENCE },
    { STAGE_FENCING,  NODE_REAPED,   STAGE_GONE,     NODE_DO_PLACE },
};
/* clang-format on */

enum node_action failover_step(enum node_stage *stage, enum node_event event)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i].from == *stage && steps[i].event == event) {
            *stage = steps[i].to;
            return steps[i].action;
        }
    }
    return NODE_DO_NOTHING;
}

enum node_state failover_state_when_fenced(enum node_state state)
{
    return state == NODE_OFF || state == NODE_ISOLATED ? state : NODE_DOWN;
}
