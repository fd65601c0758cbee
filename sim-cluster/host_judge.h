/* StorPool's recommended values for a Windows host beside what the wire tells of one. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_facts {
    unsigned most_sessions; /* at a time, of one target, with different ISIDs */
    unsigned floating_ips;  /* of the portal group it logs in to */
    uint64_t logins, direct_logins, losses, resets, aborts, nops;
    int64_t nop_period_ms, cadence_ms; /* -1: not known */
    int64_t quiet_ms, longest_return_ms;
    unsigned most_tries;
    const char *offered; /* "KEY=VALUE KEY=VALUE"; NULL: nothing known */
};

enum host_verdict { HOST_AS_RECOMMENDED, HOST_NOT_AS_RECOMMENDED, HOST_UNSEEN };
extern const char *const host_verdicts[]; /* "as recommended" ... */

enum { HOST_EVIDENCE_SIZE = 512 };

/* Writes down what was seen. */
typedef enum host_verdict host_judge(const struct host_facts *facts,
                                     char evidence[static HOST_EVIDENCE_SIZE]);

struct host_recommendation {
    const char *name, *value;
    host_judge *judge;
};
extern const struct host_recommendation host_recommendations[];
extern const size_t host_recommendation_count;

/* The keys a Windows initiator offers as installed, in its order. */
struct host_key {
    const char *name, *value;
};
extern const struct host_key host_keys[];
extern const size_t host_key_count;

/* What was offered for the key: the value's length, 0: nothing. `value` points into `offered`. */
size_t host_find_offer(const char *offered, const char *key, const char **value);

/* By name or ISID (RFC 7143 4.2.7: Microsoft's enterprise number). `isid`: 12 hex digits. */
bool host_is_windows(const char *name, const char *isid);
