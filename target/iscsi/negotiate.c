#include "target/iscsi/negotiate.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum key_type {
    NUMBER_MIN,
    NUMBER_MAX,
    BOOLEAN_AND,
    BOOLEAN_OR,
    DIGEST,
    DECLARED_NUMBER,
    MARKER,
    LIST_NONE,
    IGNORED
};

enum { LOGIN_ONLY = 1, NORMAL_ONLY = 2 };

#define PARAM(field) offsetof(struct session_params, field)

/* clang-format off */
/* ours: what we want; low, high: what may be offered. Clauses are of RFC 7143. */
static const struct key {
    struct text_key key;
    enum key_type type;
    unsigned flags;
    size_t field;
    uint32_t ours, low, high;
} keys[] = {
    { TEXT_KEY("HeaderDigest"),             DIGEST,          LOGIN_ONLY,               PARAM(header_digest),          0, 0, 0 },                            /* 13.1 */
    { TEXT_KEY("DataDigest"),               DIGEST,          LOGIN_ONLY,               PARAM(data_digest),            0, 0, 0 },                            /* 13.1 */
    { TEXT_KEY("MaxConnections"),           NUMBER_MIN,      LOGIN_ONLY | NORMAL_ONLY, PARAM(max_connections),        1, 1, 65535 },                        /* 13.2 */
    { TEXT_KEY("InitiatorAlias"),           IGNORED,         0,                        0,                             0, 0, 0 },                            /* 13.7 */
    { TEXT_KEY("InitialR2T"),               BOOLEAN_OR,      LOGIN_ONLY | NORMAL_ONLY, PARAM(initial_r2t),            0, 0, 0 },                            /* 13.10 */
    { TEXT_KEY("ImmediateData"),            BOOLEAN_AND,     LOGIN_ONLY | NORMAL_ONLY, PARAM(immediate_data),         1, 0, 0 },                            /* 13.11 */
    { TEXT_KEY("MaxRecvDataSegmentLength"), DECLARED_NUMBER, 0,                        PARAM(max_send_data),          0, 512, 0xffffff },                   /* 13.12 */
    { TEXT_KEY("MaxBurstLength"),           NUMBER_MIN,      LOGIN_ONLY | NORMAL_ONLY, PARAM(max_burst),              1 << 20, 512, 0xffffff },             /* 13.13 */
    { TEXT_KEY("FirstBurstLength"),         NUMBER_MIN,      LOGIN_ONLY | NORMAL_ONLY, PARAM(first_burst),            256 << 10, 512, 0xffffff },           /* 13.14 */
    { TEXT_KEY("DefaultTime2Wait"),         NUMBER_MAX,      LOGIN_ONLY,               PARAM(time2wait),              0, 0, 3600 },                         /* 13.15 */
    { TEXT_KEY("DefaultTime2Retain"),       NUMBER_MIN,      LOGIN_ONLY,               PARAM(time2retain),            0, 0, 3600 },                         /* 13.16 */
    { TEXT_KEY("MaxOutstandingR2T"),        NUMBER_MIN,      LOGIN_ONLY | NORMAL_ONLY, PARAM(max_outstanding_r2t),    MAX_OUTSTANDING_R2T_OURS, 1, 65535 }, /* 13.17 */
    { TEXT_KEY("DataPDUInOrder"),           BOOLEAN_OR,      LOGIN_ONLY | NORMAL_ONLY, PARAM(data_pdu_in_order),      1, 0, 0 },                            /* 13.18 */
    { TEXT_KEY("DataSequenceInOrder"),      BOOLEAN_OR,      LOGIN_ONLY | NORMAL_ONLY, PARAM(data_sequence_in_order), 1, 0, 0 },                            /* 13.19 */
    { TEXT_KEY("ErrorRecoveryLevel"),       NUMBER_MIN,      LOGIN_ONLY,               PARAM(error_recovery_level),   0, 0, 2 },                            /* 13.20 */
    { TEXT_KEY("TaskReporting"),            LIST_NONE,       LOGIN_ONLY | NORMAL_ONLY, 0,                             0, 0, 0 },                            /* 13.23 */
    { TEXT_KEY("iSCSIProtocolLevel"),       NUMBER_MIN,      LOGIN_ONLY | NORMAL_ONLY, PARAM(protocol_level),         1, 0, 31 },                           /* 13.24 */
    { TEXT_KEY("IFMarker"),                 MARKER,          LOGIN_ONLY | NORMAL_ONLY, 0,                             0, 0, 0 },                            /* 13.25 */
    { TEXT_KEY("OFMarker"),                 MARKER,          LOGIN_ONLY | NORMAL_ONLY, 0,                             0, 0, 0 },                            /* 13.25 */
};
/* clang-format on */

enum { KEY_COUNT = sizeof(keys) / sizeof(*keys) };

void negotiation_init(struct negotiation *negotiation)
{
    *negotiation = (struct negotiation){
        .params =
            {
                .initial_r2t = true,
                .immediate_data = true,
                .data_pdu_in_order = true,
                .data_sequence_in_order = true,
                .max_send_data = MAX_RECV_DATA_DEFAULT,
                .max_recv_data = MAX_RECV_DATA_DEFAULT,
                .max_burst = 256 << 10,
                .first_burst = 64 << 10,
                .max_outstanding_r2t = 1,
                .max_connections = 1,
                .time2wait = 2,
                .time2retain = 20,
            },
    };
}

static uint32_t *number_field(struct session_params *params, const struct key *key)
{
    return (uint32_t *)((char *)params + key->field);
}

static bool *flag_field(struct session_params *params, const struct key *key)
{
    return (bool *)((char *)params + key->field);
}

/* MaxBurstLength and FirstBurstLength may come in either order; the first may not be the smaller
 * one (13.14). */
static uint32_t limit_burst(const struct session_params *params, const struct key *key,
                            uint32_t value)
{
    bool is_first_burst = key->field == PARAM(first_burst);

    return is_first_burst && value > params->max_burst ? params->max_burst : value;
}

static enum negotiate_result answer_number(struct session_params *params, const struct key *key,
                                           const char *value, struct buffer *answer)
{
    uint64_t offered;

    if (!text_parse_number(value, key->high, &offered) || offered < key->low) {
        text_add(answer, key->key.name, "Reject");
        return NEGOTIATE_DONE;
    }
    bool takes_ours = key->type == NUMBER_MIN ? key->ours < offered : key->ours > offered;
    uint32_t result = limit_burst(params, key, takes_ours ? key->ours : (uint32_t)offered);

    *number_field(params, key) = result;
    text_add_number(answer, key->key.name, result);
    return NEGOTIATE_DONE;
}

static enum negotiate_result answer_boolean(struct session_params *params, const struct key *key,
                                            const char *value, struct buffer *answer)
{
    bool offered = !strcmp(value, "Yes");
    bool result = key->type == BOOLEAN_AND ? offered && key->ours : offered || key->ours;

    if (!offered && strcmp(value, "No")) {
        text_add(answer, key->key.name, "Reject");
        return NEGOTIATE_DONE;
    }
    *flag_field(params, key) = result;
    text_add(answer, key->key.name, result ? "Yes" : "No");
    return NEGOTIATE_DONE;
}

/* The first value of the initiator's list that we know: None or CRC32C. */
static enum negotiate_result answer_digest(struct session_params *params, const struct key *key,
                                           const char *value, struct buffer *answer)
{
    static const char *const known[] = {"None", "CRC32C"};
    const char *chosen = text_list_first(value, known, 2);

    if (chosen)
        *flag_field(params, key) = chosen == known[1];
    text_add(answer, key->key.name, chosen ? chosen : "Reject");
    return NEGOTIATE_DONE;
}

static enum negotiate_result answer_task_reporting(const struct key *key, const char *value,
                                                   struct buffer *answer)
{
    static const char *const known[] = {"RFC3720"};
    const char *chosen = text_list_first(value, known, 1);

    text_add(answer, key->key.name, chosen ? chosen : "Reject");
    return NEGOTIATE_DONE;
}

/* MaxRecvDataSegmentLength is declared by each side for itself. */
static enum negotiate_result answer_declaration(struct session_params *params,
                                                const struct key *key, const char *value,
                                                struct buffer *answer)
{
    uint64_t declared;

    if (!text_parse_number(value, key->high, &declared) || declared < key->low)
        return NEGOTIATE_INVALID;
    *number_field(params, key) = (uint32_t)declared;
    params->max_recv_data = MAX_RECV_DATA_OURS;
    text_add_number(answer, key->key.name, MAX_RECV_DATA_OURS);
    return NEGOTIATE_DONE;
}

static enum negotiate_result answer_key(struct session_params *params, const struct key *key,
                                        const char *value, struct buffer *answer)
{
    switch (key->type) {
    case NUMBER_MIN:
    case NUMBER_MAX:
        return answer_number(params, key, value, answer);
    case BOOLEAN_AND:
    case BOOLEAN_OR:
        return answer_boolean(params, key, value, answer);
    case DIGEST:
        return answer_digest(params, key, value, answer);
    case DECLARED_NUMBER:
        return answer_declaration(params, key, value, answer);
    case MARKER:
        text_add(answer, key->key.name, "No");
        return NEGOTIATE_DONE;
    case LIST_NONE:
        return answer_task_reporting(key, value, answer);
    case IGNORED:
        return NEGOTIATE_DONE;
    }
    return NEGOTIATE_UNKNOWN;
}

static bool is_answer_to_us(const char *value)
{
    static const char *const answers[] = {"NotUnderstood", "Irrelevant", "Reject"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        if (*value == *answers[i] && !strcmp(value, answers[i]))
            return true;
    return false;
}

enum negotiate_result negotiate_key(struct negotiation *negotiation, enum negotiation_phase phase,
                                    bool is_discovery, const struct text_pair *pair,
                                    struct buffer *answer)
{
    static_assert(KEY_COUNT <= 32, "one bit a key");
    size_t length = strlen(pair->key);

    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = &keys[i];

        if (!text_is_key(&key->key, pair->key, length))
            continue;
        if (is_answer_to_us(pair->value))
            return NEGOTIATE_DONE;
        if (negotiation->seen & 1u << i)
            return NEGOTIATE_DUPLICATE;
        negotiation->seen |= 1u << i;
        if (phase == NEGOTIATE_FULL_FEATURE && key->flags & LOGIN_ONLY)
            text_add(answer, key->key.name, "Reject");
        else if (is_discovery && key->flags & NORMAL_ONLY)
            text_add(answer, key->key.name, "Irrelevant");
        else
            return answer_key(&negotiation->params, key, pair->value, answer);
        return NEGOTIATE_DONE;
    }
    return NEGOTIATE_UNKNOWN;
}
