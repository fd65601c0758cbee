/* Text requests of the full feature phase: SendTargets and what may still be negotiated (RFC
 * 7143 11.10, 11.11, appendix C). Requests and answers may come in parts; a request with the
 * reserved tag begins anew. */
#include "target/iscsi/session.h"

#include <string.h>

enum { PART_MAX = 64 << 10 };

static void begin_anew(struct session *session)
{
    buffer_take(&session->text, session->text.length);
    buffer_take(&session->text_answer, session->text_answer.length);
    session->text_answered = 0;
    session->text_tag = RESERVED_TAG;
}

static uint32_t tag_of_negotiation(struct session *session)
{
    if (session->text_tag == RESERVED_TAG)
        session->text_tag = session->next_tag++ & 0x7fffffff;
    return session->text_tag;
}

/* `is_final`: the negotiation may end with this answer. */
static void answer(struct session *session, const struct pdu_text *request, bool is_final)
{
    uint32_t rest = (uint32_t)session->text_answer.length - session->text_answered;
    uint32_t most =
        session->params.max_send_data < PART_MAX ? session->params.max_send_data : PART_MAX;
    bool continues = rest > most;
    struct pdu_text_response response = {
        .is_final = is_final && !continues,
        .continues = continues,
        .lun = request->lun,
        .task_tag = request->task_tag,
        .data_length = continues ? most : rest,
    };
    const char *part = rest ? buffer_content(&session->text_answer) + session->text_answered : NULL;
    uint8_t bhs[BHS_SIZE];

    response.transfer_tag = response.is_final ? RESERVED_TAG : tag_of_negotiation(session);
    response.numbers = session_next_numbers(session);
    pdu_encode_text_response(bhs, &response);
    session_send(session, bhs, part, response.data_length);
    session->text_answered += response.data_length;
    if (response.is_final)
        begin_anew(session);
}

/* RFC 7143 appendix C: all targets are told in discovery sessions only; in others, no name means
 * one's own target. */
static void send_targets(struct session *session, const char *value)
{
    const char *name = *value ? value : session->target;
    struct login_names names = {session->initiator, session->target, session->local, session->peer};

    if (!strcmp(value, "All")) {
        name = NULL;
        if (session->target) {
            text_add(&session->text_answer, "SendTargets", "Reject");
            return;
        }
    }
    session->host->operations->list(session->host, &names, name, &session->text_answer);
}

static bool take_pair(struct session *session, struct negotiation *negotiation,
                      const struct text_pair *pair)
{
    if (!strcmp(pair->key, "SendTargets")) {
        send_targets(session, pair->value);
        return true;
    }
    switch (negotiate_key(negotiation, NEGOTIATE_FULL_FEATURE, !session->target, pair,
                          &session->text_answer)) {
    case NEGOTIATE_DONE:
        return true;
    case NEGOTIATE_UNKNOWN:
        if (strcmp(pair->value, "NotUnderstood"))
            text_add(&session->text_answer, pair->key, "NotUnderstood");
        return true;
    default:
        return false;
    }
}

/* The whole text is here. false: it is malformed. */
static bool take_pairs(struct session *session)
{
    struct negotiation negotiation = {.params = session->params};
    char *cursor = session->text.length ? buffer_content(&session->text) : NULL;
    char *end = cursor ? cursor + session->text.length : NULL;
    enum text_result result = TEXT_END;
    struct text_pair pair;

    while (cursor && (result = text_next(&cursor, end, &pair)) == TEXT_PAIR)
        if (!take_pair(session, &negotiation, &pair))
            return false;
    if (result == TEXT_MALFORMED)
        return false;
    session->params.max_send_data = negotiation.params.max_send_data;
    session->params.max_recv_data = negotiation.params.max_recv_data;
    conn_stream(session->conn)->max_data_length = session->params.max_recv_data;
    buffer_take(&session->text, session->text.length);
    return true;
}

const char *session_take_text(struct session *session, const struct pdu *pdu)
{
    struct pdu_text request;

    pdu_decode_text(&request, pdu->bhs);
    if (request.transfer_tag == RESERVED_TAG)
        begin_anew(session);
    else if (request.transfer_tag != session->text_tag)
        return session_reject(session, pdu, REJECT_INVALID_FIELD);
    if (!text_collect(&session->text, pdu->data, pdu->data_length)) {
        begin_anew(session);
        return session_reject(session, pdu, REJECT_OUT_OF_RESOURCES);
    }
    if ((request.is_final && request.continues) || (!request.continues && !take_pairs(session))) {
        begin_anew(session);
        return session_reject(session, pdu, REJECT_PROTOCOL_ERROR);
    }
    answer(session, &request, request.is_final);
    return NULL;
}
