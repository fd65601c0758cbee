/* A fault rule: when, how often, what. Text and JSON to struct and back, and whether a rule strikes
 * at a point. Pure: time is given, random numbers come from the rule's own seed. What a kind does
 * is done where it acts; what there is, is in the table of fault_kinds.c. */
#pragma once

#include "target/base/address.h"
#include "target/base/fault_counts.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_where {
    FAULT_LOGIN = 0x01,
    FAULT_PDU = 0x02,
    FAULT_COMMAND = 0x04,
    FAULT_DISK = 0x08,
    FAULT_NODE = 0x10,
    FAULT_FLOATING_IP = 0x20,
    FAULT_NETWORK = 0x40,
};

enum fault_type {
    FAULT_NUMBER,   /* decimal or 0x, minus allowed where the range says so */
    FAULT_DURATION, /* 500ms, 5s, 2m, 1h; kept in ms */
    FAULT_SIZE,     /* 4k, 1M, 2G; kept in bytes */
    FAULT_RANGE,    /* A-B or A: number and last */
    FAULT_SIZES,    /* the same of sizes */
    FAULT_CHANCE,   /* 0 to 1; kept in millionths */
    FAULT_CHOICE,   /* a word of `choices`; kept as its number there, from 0 */
    FAULT_TEXT,
    FAULT_SUBNET,       /* address, or address/prefix */
    FAULT_PDU_NAME,     /* kept as the opcode */
    FAULT_COMMAND_NAME, /* kept as opcode | service action << 8, the latter FAULT_ANY_ACTION */
    FAULT_SENSE,        /* name or 0xKKAAQQ: sense key, ASC, ASCQ */
    FAULT_STATUS,       /* name or number of a SCSI status */
    FAULT_LOGIN_STATUS, /* 0x0301 or the name */
};

enum { FAULT_ANY_ACTION = 0xff, FAULT_PARAMETERS = 5 };

/* A key of a rule: what may be given, and what it means when it is not. */
struct fault_key {
    const char *name;
    enum fault_type type;
    int64_t least, most;
    const char *fallback; /* as text; NULL: there is none; FAULT_REQUIRED: must be given */
    const char *choices;  /* with FAULT_CHOICE, separated by blanks */
    const char *help;
    unsigned where; /* of the keys that all kinds share: enum fault_where it may stand with */
};

extern const char FAULT_REQUIRED[];

/* Keys that all kinds share, in the order of fault_keys. */
enum fault_key_index {
    FAULT_KEY_NODE,
    FAULT_KEY_PORTAL_GROUP,
    FAULT_KEY_PORTAL,
    FAULT_KEY_INITIATOR,
    FAULT_KEY_SESSION,
    FAULT_KEY_DIRECTION,
    FAULT_KEY_PDU,
    FAULT_KEY_COMMAND,
    FAULT_KEY_VOLUME,
    FAULT_KEY_NETWORK,
    FAULT_KEY_PEER,
    FAULT_KEY_LBA,
    FAULT_KEY_SIZE,
    FAULT_KEY_SKIP,
    FAULT_KEY_COUNT,
    FAULT_KEY_EVERY,
    FAULT_KEY_PROBABILITY,
    FAULT_KEY_SEED,
    FAULT_KEY_FOR,
    FAULT_KEY_AFTER,
    FAULT_KEYS,
};
extern const struct fault_key fault_keys[FAULT_KEYS];

struct fault_kind {
    const char *name; /* "pdu.drop" */
    enum fault_where where;
    const char *help, *example;
    struct fault_key parameters[FAULT_PARAMETERS]; /* the first without name ends them */
};
extern const struct fault_kind fault_kinds[]; /* the first without name ends them */
const struct fault_kind *fault_find_kind(const char *name);

struct fault_value {
    bool is_given;        /* by the rule; a fallback sets the rest without it */
    int64_t number, last; /* last: of a range */
    char *text;           /* owned; as given; NULL: neither given nor a fallback */
};

struct fault_rule {
    char *id; /* owned; NULL: not named yet */
    const struct fault_kind *kind;
    bool is_enabled;
    struct fault_value values[FAULT_KEYS + FAULT_PARAMETERS];
    bool is_new;   /* in force since this very moment */
    double since;  /* unix time, seconds: `for` counts from here; 0: not yet in force */
    uint64_t seed; /* of its random numbers */
    /* What became of it: here, or by all processes of the cluster. */
    int slot, after_slot; /* of the cluster's board: its own, and of the rule that it waits for; 0:
                             none */
    struct fault_counts own;
    struct fault_counts *counts; /* borrowed, or `own` */
};

/* Where a rule may strike; what is not known there is NULL, 0 or -1. */
struct fault_point {
    enum fault_where where;
    int node, session;
    const char *portal_group, *portal, *initiator, *volume, *network;
    const struct address *peer;
    int direction;             /* 0 in, 1 out; -1 */
    int pdu;                   /* opcode; -1 */
    int command;               /* opcode | service action << 8; -1 */
    int64_t lba, blocks, size; /* lba -1: none */
    /* Whether the rule's kind does anything here; NULL: it does. */
    bool (*accepts)(const struct fault_rule *rule, const void *what);
    const void *what; /* borrowed: for accepts */
};

/* A rule of `KIND key=value ...`, one word each, or in one text with blanks between the words and
 * "" around those that have some. NULL: *error, owned by the caller, says what is wrong. */
struct fault_rule *fault_parse(size_t count, const char *const words[], char **error);
struct fault_rule *fault_parse_text(const char *text, char **error);
/* A JSON object: "kind", "id", "enabled", "since", "slot", "after_slot", and the keys as in text,
 * as strings or numbers. */
struct fault_rule *fault_decode(const json_t *object, char **error);
/* What fault_decode takes, without "since" and the slots. */
json_t *fault_encode(const struct fault_rule *rule);
/* The same as text, owned by the caller. */
char *fault_format(const struct fault_rule *rule);
void fault_free(struct fault_rule *rule);

/* How often it has struck, and when it did last: unix time; 0: never. */
uint64_t fault_hits(const struct fault_rule *rule);
double fault_last_hit(const struct fault_rule *rule);

/* The same kind, keys, values and slots. */
bool fault_is_same(const struct fault_rule *a, const struct fault_rule *b);
/* Whether the conditions hold at the point. */
bool fault_matches(const struct fault_rule *rule, const struct fault_point *point);
/* A point that matches: whether the rule strikes there by skip, count, every, probability and time;
 * counts it. `now`: unix time. Other processes may do the same at the same moment. */
bool fault_strikes(struct fault_rule *rule, double now);
/* Whether it can still strike. */
bool fault_is_over(const struct fault_rule *rule, double now);

/* The parameter of this name; the kind must have it. */
const struct fault_value *fault_parameter(const struct fault_rule *rule, const char *name);
/* A delay in ms from the parameters time, to, deviation: fixed, uniform or normal. */
double fault_delay_ms(struct fault_rule *rule);
/* The next random number of the rule. */
uint64_t fault_random(struct fault_rule *rule);

/* Names, fault_names.c: the number, or -1. Case, blanks, _ and - do not matter. */
struct fault_name {
    const char *name;
    uint32_t number;
};
extern const struct fault_name fault_pdus[], fault_commands[], fault_senses[], fault_statuses[],
    fault_login_statuses[];
int64_t fault_number_of(const struct fault_name *names, const char *text);
/* NULL: has none. */
const char *fault_name_of(const struct fault_name *names, uint32_t number);
