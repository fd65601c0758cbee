/* The login phase of one connection (RFC 7143 6.3 and 11.12): who it is, whether it is authentic,
 * where it belongs, and the negotiation, up to the full feature phase, where a session takes the
 * connection over. Or to a refusal. */
#pragma once

#include "target/base/list.h"
#include "target/iscsi/host.h"
#include "target/iscsi/negotiate.h"

enum login_state {
    LOGIN_NEW,         /* nothing came yet */
    LOGIN_SECURITY,    /* names are known, no authentication method chosen */
    LOGIN_METHOD_CHAP, /* waits for CHAP_A */
    LOGIN_CHALLENGED,  /* waits for CHAP_N and CHAP_R */
    LOGIN_SECURE,      /* authenticated, or need not be */
    LOGIN_OPERATIONAL,
    LOGIN_OPENING, /* the last request is here; an old session may have to end first */
    LOGIN_REFUSED,
    LOGIN_STATES,
};

/* Keys of the security stage that came with one request; borrowed from its text. */
struct login_security {
    const char *method, *algorithms, *name, *response, *id, *challenge;
};

struct login {
    struct host *host;      /* parent: outlives us */
    struct conn *conn;      /* ours until a session takes it */
    struct conn_pool *pool; /* borrowed; of the connection */
    struct list link,
        waiting; /* in registry.logins; in the waiters of a session that must end first */
    ev_timer timeout;
    enum login_state state;
    enum login_status refusal; /* with LOGIN_REFUSED */
    struct address redirect;   /* with a refusal that moves */

    struct pdu_login request; /* the current one; names what the first one fixed */
    uint32_t stat_sn;         /* of the next response; also how many there were */
    bool is_surplus;          /* beyond the connections that the host takes: to be told so */
    bool is_routed;           /* the host was asked where it goes, after authentication */
    struct buffer text;       /* of a request that came in parts */
    struct buffer answer;     /* what is still to be sent */
    uint32_t answered;        /* bytes of it that have left in parts */

    char *initiator, *target, *session_type; /* owned */
    bool is_discovery, has_told_tpgt;
    struct negotiation negotiation;
    struct buffer offered; /* the keys of the negotiation, "KEY=VALUE " */
    struct login_security security;
    struct login_grant grant;
    uint8_t algorithm; /* enum chap_algorithm */
    struct chap_challenge challenge;
};

struct login *login_new(struct host *host, struct conn *conn);
void login_free(struct login *login);

/* One step: the pairs of a whole request have been taken in, now it is decided. Pure but for random
 * numbers and what the host is asked. Returns the new state. */
enum login_state login_step(struct login *login);

/* Takes one pair of the text of a request. LOGIN_ACCEPTED or the refusal. */
enum login_status login_take_pair(struct login *login, const struct text_pair *pair);

struct login_names login_names(const struct login *login);

/* For the record (login_record.c): "target not found"; an event of a refusal, with the address that
 * the login is sent to, or NULL. */
bool login_has_moved(enum login_status status);
const char *login_phrase(enum login_status status);
void login_tell_refusal(const struct login *login, const char *to);
/* A key that the initiator offers; and all of them, "KEY=VALUE KEY=VALUE", borrowed. NULL: none. */
void login_note_offer(struct login *login, const struct text_pair *pair);
const char *login_offered(struct login *login);
