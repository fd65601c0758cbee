/* The decisions of a login; login_exchange.c moves the PDUs. */
#include "target/iscsi/login.h"

#include "target/base/memory.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static enum login_state refuse(struct login *login, enum login_status status)
{
    login->refusal = status;
    return LOGIN_REFUSED;
}

struct login_names login_names(const struct login *login)
{
    return (struct login_names){
        .initiator = login->initiator,
        .target = login->target,
        .local = *conn_local(login->conn),
        .peer = *conn_peer(login->conn),
    };
}

static enum login_status take_once(char **field, const char *value)
{
    if (*field || !text_is_name(value)) /* a session type is one, too */
        return LOGIN_INITIATOR_ERROR;
    *field = memory_copy_text(value);
    return LOGIN_ACCEPTED;
}

static enum login_status take_borrowed(const char **field, const char *value)
{
    if (*field)
        return LOGIN_INITIATOR_ERROR;
    *field = value;
    return LOGIN_ACCEPTED;
}

/* What is not negotiated. Who it is, is said once and for all in the first request. */
static const struct {
    struct text_key key;
    bool is_name;
    size_t field;
} keys[] = {
    {TEXT_KEY("InitiatorName"), true, offsetof(struct login, initiator)},
    {TEXT_KEY("TargetName"), true, offsetof(struct login, target)},
    {TEXT_KEY("SessionType"), true, offsetof(struct login, session_type)},
    {TEXT_KEY("AuthMethod"), false, offsetof(struct login, security.method)},
    {TEXT_KEY("CHAP_A"), false, offsetof(struct login, security.algorithms)},
    {TEXT_KEY("CHAP_N"), false, offsetof(struct login, security.name)},
    {TEXT_KEY("CHAP_R"), false, offsetof(struct login, security.response)},
    {TEXT_KEY("CHAP_I"), false, offsetof(struct login, security.id)},
    {TEXT_KEY("CHAP_C"), false, offsetof(struct login, security.challenge)},
};

static enum login_status take_unnegotiated(struct login *login, const struct text_pair *pair)
{
    size_t length = strlen(pair->key);

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        char *field = (char *)login + keys[i].field;

        if (!text_is_key(&keys[i].key, pair->key, length))
            continue;
        if (keys[i].is_name)
            return login->state == LOGIN_NEW ? take_once((char **)field, pair->value)
                                             : LOGIN_INITIATOR_ERROR;
        if (login->request.current_stage != STAGE_SECURITY)
            return LOGIN_INITIATOR_ERROR;
        return take_borrowed((const char **)field, pair->value);
    }
    if (strcmp(pair->value, "NotUnderstood"))
        text_add(&login->answer, pair->key, "NotUnderstood");
    return LOGIN_ACCEPTED;
}

enum login_status login_take_pair(struct login *login, const struct text_pair *pair)
{
    bool is_discovery = login->session_type && !strcmp(login->session_type, "Discovery");

    switch (
        negotiate_key(&login->negotiation, NEGOTIATE_LOGIN, is_discovery, pair, &login->answer)) {
    case NEGOTIATE_DONE:
        login_note_offer(login, pair);
        return LOGIN_ACCEPTED;
    case NEGOTIATE_UNKNOWN:
        return take_unnegotiated(login, pair);
    default:
        return LOGIN_INITIATOR_ERROR;
    }
}

/* RFC 7143 6.3: what the first request must name, and whether the host lets these in. */
static enum login_status identify(struct login *login)
{
    struct login_names names;
    enum login_status status;

    if (!login->initiator)
        return LOGIN_MISSING_PARAMETER;
    if (login->session_type && strcmp(login->session_type, "Normal")) {
        if (strcmp(login->session_type, "Discovery"))
            return LOGIN_SESSION_TYPE_NOT_SUPPORTED;
        login->is_discovery = true;
        free(login->target); /* a discovery session has none */
        login->target = NULL;
    } else if (!login->target) {
        return LOGIN_MISSING_PARAMETER;
    }
    names = login_names(login);
    status = login->host->operations->admit(login->host, &names, &login->grant);
    if (status != LOGIN_ACCEPTED || login->is_discovery)
        return status;
    return login->host->operations->route(login->host, &names, false, &login->redirect);
}

/* Authentication is through, or not needed. */
static enum login_state secure(struct login *login, enum login_state next)
{
    struct login_names names = login_names(login);
    enum login_status status = LOGIN_ACCEPTED;

    login->is_routed = true;
    if (!login->is_discovery)
        status = login->host->operations->route(login->host, &names, true, &login->redirect);
    return status == LOGIN_ACCEPTED ? next : refuse(login, status);
}

/* RFC 7143 12.1: the first method of the initiator's list that suits us. */
static enum login_state choose_method(struct login *login)
{
    static const char *const none_or_chap[] = {"None", "CHAP"};
    const char *const *suitable = none_or_chap + (login->grant.needs_chap ? 1 : 0);
    size_t count = (login->grant.needs_chap ? 0 : 1) + (login->grant.account.user ? 1 : 0);
    const char *offered = login->security.method, *chosen;

    if (!offered && !login->request.transit)
        return LOGIN_SECURITY;
    chosen = text_list_first(offered ? offered : "None", suitable, count);
    if (!chosen)
        return refuse(login, LOGIN_NOT_AUTHENTICATED);
    if (offered)
        text_add(&login->answer, "AuthMethod", chosen);
    return chosen == none_or_chap[1] ? LOGIN_METHOD_CHAP : secure(login, LOGIN_SECURE);
}

static void tell_tpgt(struct login *login)
{
    if (!login->is_discovery && !login->has_told_tpgt)
        text_add_number(&login->answer, "TargetPortalGroupTag", login->grant.tpgt);
    login->has_told_tpgt = true;
}

static enum login_state begin_security(struct login *login)
{
    enum login_status status = identify(login);

    if (status != LOGIN_ACCEPTED)
        return refuse(login, status);
    tell_tpgt(login);
    return choose_method(login);
}

static enum login_state begin_operational(struct login *login)
{
    enum login_status status = identify(login);

    if (status == LOGIN_ACCEPTED && login->grant.needs_chap)
        status = LOGIN_NOT_AUTHENTICATED;
    if (status != LOGIN_ACCEPTED)
        return refuse(login, status);
    tell_tpgt(login);
    return secure(login, LOGIN_OPERATIONAL);
}

/* RFC 7143 12.1.3 */
static enum login_state challenge(struct login *login)
{
    char text[2 * CHAP_CHALLENGE_SIZE + 3];

    login->algorithm =
        login->security.algorithms ? chap_choose(login->security.algorithms) : CHAP_NONE;
    if (login->algorithm == CHAP_NONE)
        return refuse(login, LOGIN_NOT_AUTHENTICATED);
    if (!chap_make_challenge(&login->challenge))
        return refuse(login, LOGIN_OUT_OF_RESOURCES);
    text_format_binary(text, login->challenge.bytes, sizeof(login->challenge.bytes));
    text_add_number(&login->answer, "CHAP_A", login->algorithm);
    text_add_number(&login->answer, "CHAP_I", login->challenge.id);
    text_add(&login->answer, "CHAP_C", text);
    return LOGIN_CHALLENGED;
}

static bool is_authentic(const struct login *login)
{
    const struct login_security *security = &login->security;
    uint8_t response[CHAP_DIGEST_MAX];
    int length;

    if (!security->name || !security->response)
        return false;
    length = text_parse_binary(security->response, response, sizeof(response));
    return length > 0 && chap_is_right(login->algorithm, &login->challenge, &login->grant.account,
                                       security->name, response, (size_t)length);
}

/* We prove who we are, if we are asked. false: we cannot, or the challenge is our own (reflection).
 */
static bool answer_mutual(struct login *login)
{
    const struct login_security *security = &login->security;
    uint8_t theirs[CHAP_CHALLENGE_MAX], response[CHAP_DIGEST_MAX];
    char text[2 * CHAP_DIGEST_MAX + 3];
    uint64_t id;
    int length;
    size_t size;

    if (!security->id && !security->challenge)
        return true;
    if (!security->id || !security->challenge || !login->grant.mutual.user ||
        !text_parse_number(security->id, UINT8_MAX, &id))
        return false;
    length = text_parse_binary(security->challenge, theirs, sizeof(theirs));
    if (length <= 0 || (length == CHAP_CHALLENGE_SIZE &&
                        !CRYPTO_memcmp(theirs, login->challenge.bytes, CHAP_CHALLENGE_SIZE)))
        return false;
    size = chap_respond(login->algorithm, (uint8_t)id, login->grant.mutual.secret, theirs,
                        (size_t)length, response);
    if (!size)
        return false;
    text_format_binary(text, response, size);
    text_add(&login->answer, "CHAP_N", login->grant.mutual.user);
    text_add(&login->answer, "CHAP_R", text);
    return true;
}

static enum login_state check_answer(struct login *login)
{
    struct login_names names = login_names(login);
    enum login_status status;

    /* The accounts are the map's, which may be a newer one by now. */
    status = login->host->operations->admit(login->host, &names, &login->grant);
    if (status != LOGIN_ACCEPTED)
        return refuse(login, status);
    if (!login->grant.account.user || !is_authentic(login) || !answer_mutual(login))
        return refuse(login, LOGIN_NOT_AUTHENTICATED);
    /* Who wants proof of us gets it before being sent elsewhere, if there is another request to
     * come. */
    if (login->security.challenge && login->request.next_stage != STAGE_FULL_FEATURE)
        return LOGIN_SECURE;
    return secure(login, LOGIN_SECURE);
}

static enum login_state go_on(struct login *login, enum login_state next)
{
    return login->is_routed ? next : secure(login, next);
}

static enum login_state stay(struct login *login)
{
    return login->security.method ? refuse(login, LOGIN_INITIATOR_ERROR)
                                  : go_on(login, LOGIN_SECURE);
}

static enum login_state operate(struct login *login)
{
    return go_on(login, LOGIN_OPERATIONAL);
}

typedef enum login_state login_action(struct login *login);

static const struct {
    enum login_state from;
    enum login_stage stage;
    login_action *act;
} steps[] = {
    {LOGIN_NEW, STAGE_SECURITY, begin_security},
    {LOGIN_NEW, STAGE_OPERATIONAL, begin_operational},
    {LOGIN_SECURITY, STAGE_SECURITY, choose_method},
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, challenge},
    {LOGIN_CHALLENGED, STAGE_SECURITY, check_answer},
    {LOGIN_SECURE, STAGE_SECURITY, stay},
    {LOGIN_SECURE, STAGE_OPERATIONAL, operate},
    {LOGIN_OPERATIONAL, STAGE_OPERATIONAL, operate},
};

static login_action *action_for(enum login_state state, uint8_t stage)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (steps[i].from == state && steps[i].stage == stage)
            return steps[i].act;
    return NULL;
}

/* Whether the state allows the transit that the request asks for (RFC 7143 6.3.3). */
static bool may_transit(enum login_state state, const struct pdu_login *request)
{
    if (!request->transit || state == LOGIN_REFUSED)
        return false;
    return state == LOGIN_OPERATIONAL || state == LOGIN_SECURE;
}

enum login_state login_step(struct login *login)
{
    login_action *act = action_for(login->state, login->request.current_stage);
    enum login_state next = act ? act(login) : refuse(login, LOGIN_INVALID_REQUEST);

    if (!may_transit(next, &login->request))
        login->request.transit = false;
    else if (login->request.next_stage == STAGE_FULL_FEATURE)
        next = LOGIN_OPENING;
    login->security = (struct login_security){0};
    login->state = next; /* the only assignment */
    return next;
}
