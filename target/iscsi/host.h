/* What a process offers to those who log in: who may come in, where a login is sent, what is
 * listed, and what serves the commands of a session. A node's target process is one kind of host, a
 * floating IP's process the other. */
#pragma once

#include "target/base/address.h"
#include "target/base/buffer.h"
#include "target/iscsi/chap.h"
#include "target/iscsi/conn.h"
#include "target/iscsi/registry.h"

/* Login status class and detail, RFC 7143 11.13.5. */
enum login_status {
    LOGIN_ACCEPTED = 0x0000,
    LOGIN_MOVED_TEMPORARILY = 0x0101,
    LOGIN_MOVED_PERMANENTLY = 0x0102,
    LOGIN_INITIATOR_ERROR = 0x0200,
    LOGIN_NOT_AUTHENTICATED = 0x0201,
    LOGIN_FORBIDDEN = 0x0202,
    LOGIN_NOT_FOUND = 0x0203,
    LOGIN_UNSUPPORTED_VERSION = 0x0205,
    LOGIN_TOO_MANY_CONNECTIONS = 0x0206,
    LOGIN_MISSING_PARAMETER = 0x0207,
    LOGIN_SESSION_TYPE_NOT_SUPPORTED = 0x0209,
    LOGIN_NO_SUCH_SESSION = 0x020a,
    LOGIN_INVALID_REQUEST = 0x020b,
    LOGIN_TARGET_ERROR = 0x0300,
    LOGIN_SERVICE_UNAVAILABLE = 0x0301,
    LOGIN_OUT_OF_RESOURCES = 0x0302,
};

struct session;
struct session_port;

/* Who wants in, and where to. */
struct login_names {
    const char *initiator, *target; /* borrowed; target NULL: discovery */
    struct address local, peer;
};

/* What the host knows of them; texts are borrowed until the loop turns. */
struct login_grant {
    uint16_t tpgt;
    bool needs_chap;
    struct chap_account account, mutual; /* user NULL: none */
};

struct host_settings {
    double login_timeout, nop_interval, nop_timeout; /* seconds; nop_interval 0: no pings */
    uint32_t queue_depth;                            /* commands a session may have outstanding */
    uint32_t max_connections;
    uint32_t io_threads; /* that share the connections */
    bool has_zero_copy;  /* data-in leaves from where it lies, if it can */
    double spin;         /* seconds that the loop looks for more input before it sleeps */
};

enum { HOST_LOOPS_MAX = 64 };

struct host {
    const struct host_operations *operations;
    /* Sees each new connection before its first byte. */
    void (*greet)(struct host *host, struct conn *conn);
    struct faulty_host *faulty; /* borrowed: whose operations stand in front; or NULL */
    struct host_settings settings;
    struct conn_pool *pools[HOST_LOOPS_MAX]; /* owned; one for each loop */
    unsigned pool_count;
    struct registry registry;
    uint32_t connections;
    struct list unused_tasks; /* memory of tasks that are over */
    uint32_t unused_task_count;
};

struct host_operations {
    /* Whether these may log in at all, before authentication. */
    enum login_status (*admit)(struct host *host, const struct login_names *names,
                               struct login_grant *grant);
    /* Where a normal login goes: LOGIN_ACCEPTED means here. Asked before authentication
     * (`is_authenticated` false) and after it. */
    enum login_status (*route)(struct host *host, const struct login_names *names,
                               bool is_authenticated, struct address *to);
    /* Appends TargetName and TargetAddress of the targets that the session may see: all, or the one
     * of `name`. */
    void (*list)(struct host *host, const struct login_names *names, const char *name,
                 struct buffer *answer);
    /* Gives a normal session what serves its commands: fills session->port. */
    enum login_status (*attach)(struct host *host, struct session *session);
    /* The session is over, none of its tasks is left. */
    void (*detach)(struct host *host, struct session *session);
    /* The TargetAddress of a redirect, when it is not the address that route gave; may be NULL. */
    const char *(*name_portal)(struct host *host);
};

void host_init(struct host *host, const struct host_operations *operations,
               const struct host_settings *settings, struct ev_loop *loop);
/* From now on this loop gets its share of the connections, too. */
void host_add_loop(struct host *host, struct ev_loop *loop);
/* Ends every session and login. Those whose tasks take longer are gone when registry.sessions is
 * empty. */
void host_end(struct host *host, const char *why);
/* Connections stay open and silent from now on: no input, no output, no timeouts. */
void host_mute(struct host *host);
/* No session may be left. */
void host_free(struct host *host);

/* A connection that was accepted: it has settings.login_timeout seconds to get through the login.
 */
void host_accept(struct host *host, int fd, const struct address *local,
                 const struct address *peer);
