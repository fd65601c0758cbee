/* The initiator's session: connect, log in, follow the redirect, notice the loss, come back to the
 * address it was given at first. It carries reads and writes and knows nothing of what is in them.
 *
 * Every attempt is a fresh libiscsi context with the same initiator name and ISID, so that a login
 * reinstates the session; libiscsi's own reconnect stays off. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim-cluster/probe.h"
#include "sim-cluster/probe_stall.h"
#include "target/base/address.h"
#include "target/base/list.h"

#define PROBE_PORTAL_SIZE 256 /* any text a TargetAddress may have in libiscsi */

struct iscsi_context;
struct scsi_task;

enum probe_outcome {
    OUTCOME_DONE,
    OUTCOME_AGAIN, /* a unit attention: send it again now */
    OUTCOME_BUSY,  /* send it again in a while */
    OUTCOME_LOST,  /* the connection was lost before the status came */
    OUTCOME_FAILED,
};

struct probe_io;
/* Called exactly once for each command; `why` is set for OUTCOME_FAILED. */
typedef void probe_io_done(struct probe_io *io, enum probe_outcome outcome, const char *why);

struct probe_io {
    bool is_write;
    uint64_t offset; /* bytes; a multiple of the logical block size, like `length` */
    uint32_t length;
    uint8_t *data; /* borrowed until done */
    probe_io_done *done;

    struct probe_session *session; /* the rest is the session's */
    struct scsi_task *task;
    uint64_t sent_us;
    struct list link;
};

/* What the session tells its owner; never called from inside probe_session_send. */
struct probe_session_owner {
    /* The disk is there: send. At the first time size and block size are known. */
    void (*ready)(struct probe_session_owner *owner);
    /* `why` for STAGE_LOST; every command outstanding is done with OUTCOME_LOST after it. */
    void (*stage)(struct probe_session_owner *owner, enum probe_stage stage, const char *why);
    /* A login that worked before was refused in a way that many hosts take as final; it is tried
     * again all the same. */
    void (*refused)(struct probe_session_owner *owner, const char *why);
    /* The first login was refused for good, or nobody answered for `give_up_ms`. */
    void (*failed)(struct probe_session_owner *owner, const char *why);
    /* After probe_session_stop. */
    void (*stopped)(struct probe_session_owner *owner);
};

enum session_state {
    SESSION_STOPPED,
    SESSION_WAITING, /* for the next attempt */
    SESSION_CONNECTING,
    SESSION_LOGGING_IN,
    SESSION_SIZING, /* READ CAPACITY, the first time only */
    SESSION_READY,
    SESSION_LEAVING,
};

/* What a callback decided; done once libiscsi has returned. */
enum session_next { NEXT_NOTHING, NEXT_READY, NEXT_REDIRECT, NEXT_LOSE, NEXT_FAIL };

struct probe_session {
    struct ev_loop *loop;                /* borrowed */
    struct probe_session_owner *owner;   /* parent: outlives us */
    const struct probe_options *options; /* borrowed */
    struct iscsi_context *iscsi;         /* owned; NULL between attempts */
    struct scsi_task *sizing;            /* owned */
    struct list outstanding;             /* struct probe_io, oldest first */
    ev_io socket;
    ev_prepare prepare;
    ev_timer tick, retry;
    enum session_state state;
    enum session_next next;
    char why[PROBE_WHY_SIZE];           /* of NEXT_LOSE and NEXT_FAIL */
    char portal[ADDRESS_TEXT_SIZE];     /* the floating IP, as given */
    char served_by[PROBE_PORTAL_SIZE];  /* where the session is, or was last */
    char redirected[PROBE_PORTAL_SIZE]; /* where it was sent */
    uint64_t deadline_us;               /* of the attempt, the login or the logout under way */
    uint64_t heard_us, ping_us;         /* the last answer; the ping that waits for one, or 0 */
    uint64_t pinged_us;                 /* when the last ping left */
    uint64_t born_us;
    uint64_t disk_bytes; /* 0: not known yet */
    uint32_t block_size; /* logical, bytes */
    uint32_t isid;
    unsigned hops; /* redirects of this attempt */
    uint64_t logins, redirects;
};

void probe_session_start(struct probe_session *session, struct ev_loop *loop,
                         const struct probe_options *options, struct probe_session_owner *owner);
/* Logs out if it can, then `stopped`. Commands outstanding are done with OUTCOME_LOST. */
void probe_session_stop(struct probe_session *session);

/* Only in SESSION_READY. */
void probe_session_send(struct probe_session *session, struct probe_io *io);

/* For the modules that are called back by libiscsi: what to do once it has returned, since a
 * context is never destroyed inside its own callback. The first loss, failure or redirect wins. */
void probe_session_decide(struct probe_session *session, enum session_next next, const char *why);

/* Monotonic, microseconds. */
uint64_t probe_now_us(void);
