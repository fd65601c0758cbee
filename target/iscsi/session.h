/* The full feature phase of one session and its one connection: numbering, the command window,
 * requests that are not about data, and the end. Data moves in transfer.c, task management is in
 * manage.c. A session ends in two steps: session_end takes its connection away and aborts its
 * tasks; when the last of them is gone, so is the session. */
#pragma once

#include "target/base/list.h"
#include "target/iscsi/habits.h"
#include "target/iscsi/host.h"
#include "target/iscsi/negotiate.h"
#include "target/iscsi/pdu.h"
#include "target/iscsi/port.h"

enum {
    TASK_BUCKETS = 128,
    IMMEDIATE_MAX = 16,               /* immediate commands at a time */
    SESSION_UNWRITTEN_HIGH = 1 << 20, /* bytes the port may be behind before the connection rests */
    SESSION_HELD_MAX = 512 << 10,     /* bytes of requests ahead of their turn */
};

/* What becomes of the data segment that is coming in. */
enum intake { INTAKE_DROP, INTAKE_WHOLE, INTAKE_TASK, INTAKE_HOLD };

struct held;
struct login;
struct task;

struct session {
    struct list link; /* in registry.sessions */
    struct hash_entry tsih_entry, nexus_entry;
    struct host *host;      /* parent: outlives us */
    struct conn *conn;      /* ours; NULL once the session is ending */
    struct conn_pool *pool; /* borrowed; of the connection, also when that is gone */
    struct session_port port;

    char *initiator, *target; /* owned; target NULL: discovery */
    uint8_t isid[ISID_SIZE];
    uint16_t tsih, cid, tpgt;
    struct address local, peer;
    double since; /* unix time, seconds */
    struct session_params params;

    uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
    uint32_t next_tag; /* for target transfer tags */
    struct list tasks[TASK_BUCKETS];
    uint32_t task_count, immediate_count;
    struct list reading;   /* tasks with data-in to send */
    struct task *incoming; /* whose data segment is coming in; NULL: nobody's, it is thrown away */
    uint64_t unwritten;    /* bytes of data-out the port has not finished */
    uint32_t gets_under_way;
    enum intake intake;
    struct held *holding; /* with INTAKE_HOLD; one of `held` */
    struct list held;     /* requests ahead of their turn (session_order.c) */
    uint32_t held_bytes;

    struct buffer text, text_answer; /* of a text negotiation */
    uint32_t text_answered, text_tag;

    ev_timer nop;
    double last_heard; /* loop time */
    double nop_told;   /* Unix time of the last ping from there that became an event */
    uint32_t nop_tag;  /* of the ping under way; RESERVED_TAG: none */
    struct habits habits;

    struct pdu_logout logout; /* with is_logging_out: answered when no task is left */
    bool is_logging_out;
    uint32_t function_count; /* task management under way */
    const char *ending;      /* why; NULL: alive */
    bool is_over;            /* logged out or dropped: nothing is taken any more */
    bool was_asked_to_leave;
    struct list waiters; /* logins that wait for the end */
    uint64_t commands, bytes_in, bytes_out;
};

/* A session from a login that is through, not yet at work. */
enum login_status session_open(struct login *login, uint16_t tsih, struct session **session);
/* Takes the connection over; the last Login Response is queued in it. `offered`: the keys that the
 * login brought, "KEY=VALUE KEY=VALUE". */
void session_start(struct session *session, struct conn *conn, uint32_t stat_sn,
                   const char *offered);

/* Ends the session: at once, or when its tasks allow. Frees it. Not from within its own stream
 * callbacks. */
void session_end(struct session *session, const char *why);
/* `waiting` (of a login) is told by login_open when the session is gone. */
void session_wait_end(struct session *session, struct list *waiting);

/* Async Message, RFC 7143 11.9. `sense`: SCSI sense data for ASYNC_SCSI_EVENT, else NULL. */
void session_send_async(struct session *session, enum async_event event,
                        const uint16_t parameters[static 3], const uint8_t *sense,
                        uint32_t sense_length);
/* Asks the initiator to log out within `seconds`. */
void session_request_logout(struct session *session, uint16_t seconds);

/* For the other modules of the session. */
extern const struct conn_user session_user;
void session_lost_connection(struct session *session, const char *why);
struct pdu_numbers
session_numbers(struct session *session); /* of a response without status: StatSN as it is */
struct pdu_numbers session_next_numbers(struct session *session); /* StatSN counts on */
/* Appends one PDU; header digest, padding and data digest are filled in. `data` may be NULL with
 * `length` 0. */
void session_send(struct session *session, const uint8_t bhs[static BHS_SIZE], const void *data,
                  uint32_t length);
const char *session_reject(struct session *session, const struct pdu *pdu,
                           enum reject_reason reason);
/* Rejects, and says why the connection must end. */
const char *session_protocol_error(struct session *session, const struct pdu *pdu, const char *why);
/* A task or a function is gone: whoever waited for that goes on. May free the session when it is
 * ending. */
void session_task_ended(struct session *session);
/* The port finished `length` bytes of data-out. */
void session_written(struct session *session, uint64_t length);

struct task *session_find_task(struct session *session, uint32_t tag);
void session_abort_tasks(struct session *session);
/* Whether the logout ends the session: recovery is refused (RFC 7143 11.14.1). */
bool session_is_left_by(const struct session *session, const struct pdu_logout *logout);

/* Requests ahead of their turn (RFC 7143 4.2.2.1): where a request of this CmdSN belongs. */
enum turn { TURN_NOW, TURN_LATER, TURN_NEVER };
enum turn session_turn(const struct session *session, const struct pdu *pdu);
const char *session_hold(struct session *session, const struct pdu *pdu);
const char *session_hold_data(struct session *session, const uint8_t *bytes, uint32_t length);
/* Takes the requests whose turn has come. */
const char *session_release(struct session *session);
/* A request of the window is aborted before it has its turn, or before it is here at all. */
void session_void(struct session *session, uint32_t cmd_sn);
void session_drop_held(struct session *session);
/* One request, from its header to its end, whose turn it is. */
const char *session_begin_pdu(struct session *session, const struct pdu *pdu);
const char *session_end_pdu(struct session *session, const struct pdu *pdu);

/* Requests of the full feature phase that have modules of their own. */
const char *session_take_text(struct session *session, const struct pdu *pdu); /* session_text.c */
const char *session_take_function(struct session *session, const struct pdu *pdu); /* manage.c */

/* A login whose predecessor has ended goes on. */
void login_open(struct login *login);
