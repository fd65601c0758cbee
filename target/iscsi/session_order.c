/* Requests that come ahead of their CmdSN wait here for those before them (RFC 7143 4.2.2.1). */
#include "target/base/memory.h"
#include "target/iscsi/session.h"
#include "target/iscsi/transfer.h"

#include <stdlib.h>
#include <string.h>

struct held {
    struct list link; /* in session.held, by CmdSN */
    struct pdu pdu;
    uint32_t cmd_sn, length; /* length: bytes of data here so far */
    uint8_t *data;           /* owned */
    bool is_void;            /* aborted before its turn: only its CmdSN counts */
    uint8_t header[];        /* basic and additional */
};

enum turn session_turn(const struct session *session, const struct pdu *pdu)
{
    uint32_t cmd_sn = pdu_cmd_sn(pdu->bhs);
    int32_t ahead = (int32_t)(cmd_sn - session->exp_cmd_sn);

    if (pdu->is_immediate)
        return TURN_NOW;
    if (ahead < 0 || (int32_t)(session->max_cmd_sn - cmd_sn) < 0)
        return TURN_NEVER;
    return ahead ? TURN_LATER : TURN_NOW;
}

/* By CmdSN; behind those of the same one. */
static void insert(struct session *session, struct held *held)
{
    struct list *next = &session->held;

    LIST_FOR_EACH (node, &session->held) {
        struct held *other = container_of(node, struct held, link);

        if ((int32_t)(other->cmd_sn - held->cmd_sn) > 0) {
            next = node;
            break;
        }
    }
    list_append(next, &held->link); /* in front of `next` */
}

const char *session_hold(struct session *session, const struct pdu *pdu)
{
    uint32_t header = BHS_SIZE + pdu->ahs_length;
    struct held *held;

    session->held_bytes += header + pdu->data_length;
    if (session->held_bytes > SESSION_HELD_MAX)
        return "too much ahead of its CmdSN";
    held = memory_new(sizeof(*held) + header);
    held->pdu = *pdu;
    held->cmd_sn = pdu_cmd_sn(pdu->bhs);
    memcpy(held->header, pdu->bhs, header);
    held->pdu.bhs = held->header;
    held->pdu.ahs = held->header + BHS_SIZE;
    held->pdu.data = held->data = memory_new(pdu->data_length);
    insert(session, held);
    session->holding = held;
    session->intake = INTAKE_HOLD;
    return NULL;
}

const char *session_hold_data(struct session *session, const uint8_t *bytes, uint32_t length)
{
    struct held *held = session->holding;

    memcpy(held->data + held->length, bytes, length);
    held->length += length;
    return NULL;
}

static void held_free(struct session *session, struct held *held)
{
    list_remove(&held->link);
    session->held_bytes -= BHS_SIZE + held->pdu.ahs_length + held->pdu.data_length;
    free(held->data);
    free(held);
}

static const char *replay(struct session *session, struct held *held)
{
    const char *why = session_begin_pdu(session, &held->pdu);

    if (!why && session->incoming && held->length)
        transfer_take(session->incoming, held->data, held->length);
    if (!why && !session->is_over)
        why = session_end_pdu(session, &held->pdu);
    return why;
}

const char *session_release(struct session *session)
{
    const char *why = NULL;
    struct list *node;

    while (!why && !session->is_over && (node = list_first(&session->held))) {
        struct held *held = container_of(node, struct held, link);
        int32_t ahead = (int32_t)(held->cmd_sn - session->exp_cmd_sn);

        if (ahead > 0)
            break;
        if (!ahead && held->is_void)
            session->exp_cmd_sn++;
        else if (!ahead)
            why = replay(session, held);
        held_free(session, held); /* of two with the same CmdSN the second one is void */
    }
    return why;
}

void session_void(struct session *session, uint32_t cmd_sn)
{
    struct held *held;

    LIST_FOR_EACH (node, &session->held) {
        held = container_of(node, struct held, link);
        if (held->cmd_sn == cmd_sn) {
            held->is_void = true;
            return;
        }
    }
    held = memory_new(sizeof(*held));
    held->cmd_sn = cmd_sn;
    held->is_void = true;
    session->held_bytes += BHS_SIZE;
    insert(session, held);
}

void session_drop_held(struct session *session)
{
    LIST_FOR_EACH_SAFE (node, &session->held) {
        held_free(session, container_of(node, struct held, link));
    }
}
