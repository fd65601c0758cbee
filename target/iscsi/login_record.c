/* What a login leaves on record: why it was refused or where it was sent, and what it offered. */
#include "target/base/event.h"
#include "target/iscsi/login.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum login_status status;
    const char *phrase;
} phrases[] = {
    {LOGIN_MOVED_TEMPORARILY, "target moved temporarily"},
    {LOGIN_MOVED_PERMANENTLY, "target moved permanently"},
    {LOGIN_INITIATOR_ERROR, "initiator error"},
    {LOGIN_NOT_AUTHENTICATED, "authentication failure"},
    {LOGIN_FORBIDDEN, "initiator is not allowed access"},
    {LOGIN_NOT_FOUND, "target not found"},
    {LOGIN_UNSUPPORTED_VERSION, "unsupported version"},
    {LOGIN_TOO_MANY_CONNECTIONS, "too many connections"},
    {LOGIN_MISSING_PARAMETER, "missing parameter"},
    {LOGIN_SESSION_TYPE_NOT_SUPPORTED, "session type not supported"},
    {LOGIN_NO_SUCH_SESSION, "session does not exist"},
    {LOGIN_INVALID_REQUEST, "invalid during login"},
    {LOGIN_TARGET_ERROR, "target error"},
    {LOGIN_SERVICE_UNAVAILABLE, "service unavailable"},
    {LOGIN_OUT_OF_RESOURCES, "out of resources"},
};

const char *login_phrase(enum login_status status)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "refused";
}

bool login_has_moved(enum login_status status)
{
    return status == LOGIN_MOVED_TEMPORARILY || status == LOGIN_MOVED_PERMANENTLY;
}

void login_tell_refusal(const struct login *login, const char *to)
{
    char peer[ADDRESS_TEXT_SIZE], portal[ADDRESS_TEXT_SIZE], status[8];
    char isid[2 * ISID_SIZE + 3];

    text_format_binary(isid, login->request.isid, ISID_SIZE);
    address_format(conn_peer(login->conn), peer);
    address_format(conn_local(login->conn), portal);
    if (login_has_moved(login->refusal)) {
        event(EVENT_LOGIN_REDIRECTED, text("initiator", login->initiator), text("isid", isid + 2),
              text("target", login->target), text("portal", portal), text("peer", peer),
              text("to", to), flag("permanent", login->refusal == LOGIN_MOVED_PERMANENTLY));
        return;
    }
    snprintf(status, sizeof(status), "0x%04x", login->refusal);
    event(EVENT_LOGIN_REFUSED, text("initiator", login->initiator), text("isid", isid + 2),
          text("target", login->target), text("portal", portal), text("peer", peer),
          text("status", status), text("reason", login_phrase(login->refusal)));
}

void login_note_offer(struct login *login, const struct text_pair *pair)
{
    enum { NOTED_MAX = 2048 };
    size_t key = strlen(pair->key), value = 0;
    char *end;

    for (; pair->value[value]; value++)
        if (pair->value[value] <= ' ' || pair->value[value] > '~')
            return;
    if (login->offered.length + key + value + 2 > NOTED_MAX)
        return;
    end = buffer_reserve(&login->offered, key + value + 2);
    memcpy(end, pair->key, key);
    end[key] = '=';
    memcpy(end + key + 1, pair->value, value);
    end[key + 1 + value] = ' ';
    buffer_added(&login->offered, key + value + 2);
}

const char *login_offered(struct login *login)
{
    if (!login->offered.length)
        return NULL;
    buffer_content(&login->offered)[login->offered.length - 1] = '\0';
    return buffer_content(&login->offered);
}
