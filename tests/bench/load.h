/* A session under load: what it sends, what it waits for. */
#pragma once

#include "tests/bench/login.h"

#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_MAX = 4096, PIECES = 512, HISTOGRAM = 8192 };

/* What is asked for. */
struct load {
    uint64_t block, depth, sessions, writes_percent, is_sequential, is_lockstep, lun, region;
    uint64_t wants_digests;
    uint64_t seconds_ms, warm_ms, count;
    const char *portal, *target, *pids;
};

/* What came of it. */
struct tally {
    uint64_t commands, waited_ns, longest_ns;
    uint64_t histogram[HISTOGRAM]; /* microseconds; the last takes the rest */
};

/* A PDU to send; the data is the same for all. */
struct piece {
    uint8_t header[BHS + DIGEST], digest[DIGEST]; /* digest: of the data */
    uint32_t length;
};

struct load_session {
    const struct load *load; /* borrowed */
    struct tally *tally;     /* borrowed */
    int fd;
    bool wants_room; /* the socket is full */
    bool is_ending;  /* the status of `ending` is here, some of its data is not */
    uint32_t ending, number, cmd_sn, max_cmd_sn, exp_stat_sn;
    struct login_answer params;
    uint64_t *started;   /* owned, by task tag */
    uint32_t *free_tags; /* owned, a stack */
    uint32_t free_count;
    uint64_t next_block;         /* sequential: where it goes on */
    struct piece *queue;         /* owned, a ring of QUEUE_MAX */
    uint32_t first, count, sent; /* of the ring, and bytes of its first that have left */
    uint8_t header[BHS + DIGEST];
    uint32_t header_length; /* of a header that came in pieces */
    uint32_t skip;          /* data bytes that are still to come */
};

void load_session_open(struct load_session *session, const struct load *load, struct tally *tally,
                       uint32_t number);
void load_session_close(struct load_session *session);

/* Commands for all free places, `now` in ns; then what is queued leaves as far as it can. */
void load_session_fill(struct load_session *session, uint64_t now, uint64_t *left);
void load_session_send(struct load_session *session);
void load_session_receive(struct load_session *session, uint64_t now);

bool load_session_is_idle(const struct load_session *session);
