/* The inside of a faulty connection, shared by its parts: faulty_conn.c cuts the PDUs out and
 * passes them on, faulty_judge.c is what each kind does to one, faulty_send.c makes those that
 * nobody asked for, faulty_queue.c holds those that are kept back, and faulty_layout.c knows how
 * the bytes of one lie. */
#pragma once

#include "target/iscsi/conn.h"
#include "target/iscsi/faulty_conn.h"

struct session;

enum faulty_direction { FAULTY_IN, FAULTY_OUT, FAULTY_DIRECTIONS };

struct faulty_conn {
    struct list link; /* in faulty_host.conns */
    struct faulty_host *host;
    struct conn *conn;
    struct list queues[FAULTY_DIRECTIONS]; /* PDUs kept back, in the order they go on */
    ev_timer timers[FAULTY_DIRECTIONS], doom;
    double free_at[FAULTY_DIRECTIONS]; /* unix time: when a throttled one has passed what it has */
    const char *doomed;                /* why it is about to be closed; NULL: it is not */
    struct buffer partial;             /* of a PDU that goes out */
    bool passes;     /* the PDU that is coming in began before we looked: it goes on as it comes */
    bool is_sending; /* what we send ourselves is not struck again by the rule that sends it */
};

/* A whole PDU as on the wire (out) or with header and data only (in), or a piece of one. */
struct faulty_item {
    struct list link;
    double due;        /* unix time, seconds */
    bool is_overtaken; /* by the next one */
    struct pdu pdu;    /* in */
    uint32_t length;
    uint8_t bytes[];
};

/* What the rules that strike have in mind for a PDU. */
struct faulty_verdict {
    bool is_dropped, is_duplicated, is_overtaken, breaks_header, breaks_data;
    double delay;  /* seconds */
    int64_t piece; /* bytes; 0: whole */
    int64_t rate;  /* bytes a second; 0: at once */
    const struct fault_rule *send;
};

/* The parts of a PDU as its bytes lie on the wire; digests: 4 bytes each or none. */
struct faulty_layout {
    uint32_t header, header_digest, data, padding, data_digest;
};

/* faulty_conn.c: closes it for this reason. Not now: the connection may be at work. */
void faulty_conn_doom(struct faulty_conn *faulty, const char *why);

/* faulty_judge.c: changes the bytes where a rule says so. `data`: NULL, or what came with it. */
struct faulty_verdict faulty_conn_judge_pdu(struct faulty_conn *faulty, uint8_t *bytes,
                                            uint32_t length, enum faulty_direction direction,
                                            const uint8_t *data);
/* What strikes login requests as such. */
void faulty_conn_judge_login(struct faulty_conn *faulty, const struct pdu *pdu,
                             struct faulty_verdict *verdict);
/* Rules that wait for no PDU. */
void faulty_conn_strike_now(struct faulty_conn *faulty);

/* faulty_send.c: whose the connection is; NULL: still a login's. */
struct session *faulty_conn_session(const struct faulty_conn *faulty);
/* The PDU of a rule pdu.send, if there is a session. `cause`: the header of the PDU that the rule
 * has struck, or NULL. */
void faulty_conn_send_unasked(struct faulty_conn *faulty, const struct fault_rule *rule,
                              const uint8_t *cause);

/* faulty_queue.c: the two queues and their timers. */
void faulty_queues_init(struct faulty_conn *faulty);
void faulty_queues_free(struct faulty_conn *faulty);
struct faulty_item *faulty_item_new(const uint8_t *bytes, uint32_t length);
/* Whether nothing is kept back. */
bool faulty_conn_is_idle(const struct faulty_conn *faulty);
/* Whether nothing keeps it back. */
bool faulty_conn_is_at_once(const struct faulty_conn *faulty, enum faulty_direction direction,
                            const struct faulty_verdict *verdict);
/* Takes the item: behind what waits already, or in front of the last one if that is to be
 * overtaken. */
void faulty_conn_keep(struct faulty_conn *faulty, enum faulty_direction direction,
                      struct faulty_item *item, const struct faulty_verdict *verdict);
/* To whom the connection belongs. NULL, or why it must be closed. */
const char *faulty_conn_deliver(struct faulty_conn *faulty, struct pdu *pdu);

/* faulty_layout.c */
struct faulty_layout faulty_layout_of(const struct faulty_conn *faulty, const uint8_t *bhs,
                                      enum faulty_direction direction);
uint32_t faulty_layout_size(const struct faulty_layout *layout);
/* Makes its digests right. */
void faulty_layout_seal(uint8_t *bytes, const struct faulty_layout *layout);
