/* The life of a node as a table: detect -> fence -> place. It decides; the supervisor acts. Its
 * one promise: nothing of a node is placed elsewhere before STAGE_GONE, and a node is gone only
 * when every one of its processes has been reaped. */
#pragma once

enum node_stage {
    STAGE_GONE,     /* no process, holds nothing */
    STAGE_STARTING, /* processes started, not all listening */
    STAGE_SERVING,
    STAGE_LOST,    /* has failed, and the detection delay runs */
    STAGE_FENCING, /* being killed */
};

enum node_event {
    NODE_STARTED,  /* somebody starts it */
    NODE_READY,    /* it has applied its first map */
    NODE_FAILED,   /* a process ended or does not answer */
    NODE_DETECTED, /* the detection delay is over */
    NODE_REAPED,   /* no process is left */
};

enum node_action {
    NODE_DO_NOTHING,
    NODE_DO_SPAWN,
    NODE_DO_JOIN,
    NODE_DO_WAIT, /* for detect_delay_ms */
    NODE_DO_FENCE,
    NODE_DO_PLACE, /* what it held may go elsewhere */
};

/* Moves *stage. An event that its stage does not know changes nothing. */
enum node_action failover_step(enum node_stage *stage, enum node_event event);

/* What people see: the `state` of status. */
enum node_state {
    NODE_UP,
    NODE_DOWN,
    NODE_FROZEN,
    NODE_OFF,
    NODE_ISOLATED,
    NODE_DRAINING,
};

extern const char *const node_state_names[];

/* What a node is once it has been fenced. */
enum node_state failover_state_when_fenced(enum node_state state);
