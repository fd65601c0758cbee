/* CHAP, RFC 1994 and RFC 7143 12.1.3: challenges, responses and their comparison. No state of its
 * own: the login keeps the challenge and decides. Secrets are compared in constant time and never
 * leave this module's callers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAP_DIGEST_MAX = 32, CHAP_CHALLENGE_SIZE = 32, CHAP_CHALLENGE_MAX = 1024 };

/* Numbers as IANA registered them for CHAP_A. */
enum chap_algorithm {
    CHAP_NONE = 0,
    CHAP_MD5 = 5,
    CHAP_SHA1 = 6,
    CHAP_SHA256 = 7,
    CHAP_SHA3_256 = 8
};

struct chap_account {
    const char *user, *secret; /* borrowed; NULL: no account */
};

struct chap_challenge {
    uint8_t id;
    uint8_t bytes[CHAP_CHALLENGE_SIZE];
};

/* The first of the initiator's comma-separated CHAP_A list that we know. */
enum chap_algorithm chap_choose(const char *list);

/* A fresh random challenge. false: the system gave no random numbers. */
bool chap_make_challenge(struct chap_challenge *challenge);

/* The response to a challenge of `length` bytes; returns its size in bytes, 0 on failure. */
size_t chap_respond(enum chap_algorithm algorithm, uint8_t id, const char *secret,
                    const uint8_t *challenge, size_t length,
                    uint8_t response[static CHAP_DIGEST_MAX]);

/* Whether user and response are those of the account. */
bool chap_is_right(enum chap_algorithm algorithm, const struct chap_challenge *challenge,
                   const struct chap_account *account, const char *user, const uint8_t *response,
                   size_t length);
