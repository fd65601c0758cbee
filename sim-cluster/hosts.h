/* What the wire has told about each initiator: its paths, losses and returns, pings, task
 * management. Fed by events and by the session lists of the nodes; outlives sessions and nodes, not
 * the supervisor. No input or output. Bounded: initiators and paths that have not been seen for
 * long are forgotten before those that are there. Times are unix times, seconds. */
#pragma once

#include "target/base/event.h"
#include "target/base/hash.h"
#include "target/base/list.h"

#include <jansson.h>
#include <stdbool.h>

enum { HOSTS_MAX = 8192, HOST_PAST_PATHS_MAX = 64, HOST_RETURNS_MAX = 16 };

struct hosts {
    struct hash by_name, paths, reaches;
    struct list all; /* of struct host_record; the one that was silent longest first */
    size_t count;
};

/* The sessions of one initiator for one target. */
struct host_reach {
    struct hash_entry entry;
    char *target;               /* owned */
    struct host_record *host;   /* parent: outlives us */
    unsigned paths, open, most; /* known; open now; open at a time */
};

enum host_path_state {
    HOST_PATH_NEW, /* it has tried, there was no session yet */
    HOST_PATH_OPEN,
    HOST_PATH_LOST, /* its session ended, and not by the initiator's will */
    HOST_PATH_LEFT, /* logged out */
};

/* One I_T nexus: initiator, ISID, target. */
struct host_path {
    struct list link; /* in host.open or host.past */
    struct hash_entry entry;
    struct host_reach *reach; /* borrowed */
    char isid[13];
    enum host_path_state state;
    int node, tsih;      /* of the last session */
    char *floating_ip;   /* owned, as the next three; NULL: it came without a redirect */
    char *portal, *peer; /* of the last session */
    char *redirected_to; /* a login is on its way there; NULL: none */
    char *reason;        /* owned: why it was lost; NULL: it never was */
    bool is_silenced;    /* lost because its node fell silent, which may pass */
    double since, lost_at, tried_at, nop_at;
    unsigned tries; /* logins since the loss */
    uint64_t logins, redirects, losses;
    uint64_t nops;              /* of the session that is open */
    int64_t last_nop_period_ms; /* -1: not known */
};

/* From a loss to the next session. */
struct host_return {
    double lost_at;
    int64_t duration_ms;
    unsigned tries;
    char *target, *reason; /* owned */
    char isid[13];
};

struct host_record {
    struct list link;
    struct hash_entry entry;
    char *name; /* owned */
    double first_seen, last_seen;
    struct list open, past; /* of struct host_path; past: the oldest first */
    size_t past_count;
    char *offered; /* owned: the keys of its last normal login; NULL: none */
    uint64_t logins, discoveries, redirects, refusals, direct_logins, losses;
    struct host_return returns[HOST_RETURNS_MAX]; /* the last ones, a ring */
    uint64_t return_count;
    int64_t longest_return_ms, cadence_ms; /* shortest time between two logins of one return; -1 */
    unsigned most_tries;
    json_t *functions;               /* owned: task management by name */
    uint64_t nops;                   /* of sessions that are over */
    int64_t nop_period_ms, quiet_ms; /* -1: not known; the longest */
};

void hosts_init(struct hosts *hosts);
void hosts_free(struct hosts *hosts);

/* Takes note of an event (event_line.h); those that say nothing of initiators are ignored. */
void hosts_note(struct hosts *hosts, const char *line, size_t length);
/* A session of a node as it tells it. */
void hosts_note_session(struct hosts *hosts, int node, const struct event_field *session);

/* For the one who takes notes: what is there, or new. */
struct host_record *hosts_get(struct hosts *hosts, const char *name, double now);
struct host_path *hosts_get_path(struct hosts *hosts, struct host_record *host, const char *target,
                                 const char *isid);
/* NULL: there is none. */
struct host_path *hosts_find_path(const struct hosts *hosts, const char *name, const char *target,
                                  const char *isid);
/* The only way from one state to another; may forget other paths of the initiator. */
void hosts_move_path(struct hosts *hosts, struct host_path *path, enum host_path_state state);
