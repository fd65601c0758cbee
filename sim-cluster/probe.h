/* The probe: a verifying initiator. It loads one target through a floating IP, knows what was
 * acknowledged, comes back by itself after every loss as a host would, reads everything back at the
 * end and says what it saw.
 *
 *     sim-cluster probe --portal 127.0.1.100 --target iqn.2012-11.com.example:demo:data1 --json
 *
 * Who runs it as a child process: SIGINT or SIGTERM ends the load early, the verification and the
 * report still follow (a second one ends those too, exit 1). With --json standard output holds one
 * JSON object, written at the end, and standard error a line for each thing that is wrong.
 * Exit code: 0 all is well; 1 a block was lost, stale, torn or foreign, a command failed, or the
 * disk could not be read back ("not_verified" says why); 2 wrong usage.
 *
 * The report beside what design.md names: "stages" holds "lost_ms", "connected_ms",
 * "redirected_ms", "logged_in_ms" and "first_answer_ms", each counted from the last answer before
 * the stall, of the login attempt that worked, absent when it did not happen. "longest_stall_ms" is
 * 0 when no gap was longer than --stall. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct probe_options {
    const char *portal;    /* the floating IP, "address[:port]"; borrowed, like every text here */
    const char *target;    /* IQN */
    const char *initiator; /* IQN; NULL: PROBE_INITIATOR */
    const char *chap_user, *chap_secret;     /* NULL: no CHAP; a user ends at its first space */
    const char *mutual_user, *mutual_secret; /* what the target must prove; NULL: nothing */
    uint64_t region_bytes;                   /* from the start of the disk; 0: 64 MiB at most */
    uint64_t seed;                           /* of addresses and directions */
    uint32_t seconds, depth, block_bytes, read_percent, lun;
    uint32_t timeout_ms; /* without an answer to anything for so long the connection is given up */
    uint32_t ping_ms;    /* between NOP-Outs; 0: only when nothing else tells that it lives */
    uint32_t retry_ms;   /* between login attempts */
    uint32_t stall_ms;   /* a longer gap between two answers is a stall */
    uint32_t give_up_ms; /* for the first login, and at the end for a target that stays away */
    bool json;
};

#define PROBE_HELP (-1)
#define PROBE_INITIATOR "iqn.2012-11.com.example:probe"

/* Sets every default, then takes the command line (argv[0] is ignored) and from the environment
 * SIM_CLUSTER_CHAP and SIM_CLUSTER_MUTUAL_CHAP ("user secret"; after --chap USER the first may be
 * the secret alone). Secrets are never on the command line. `portal`, `target` and `initiator` stay
 * NULL when not given: the caller may fill them in. 0; 2 after a sentence about wrong usage;
 * PROBE_HELP after printing the help. */
int probe_parse(int argc, char **argv, struct probe_options *options);

/* Runs to the end and reports; the process's exit code. Takes SIGINT and SIGTERM while it runs. */
int probe_run(const struct probe_options *options);
