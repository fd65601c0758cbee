/* The initiator's side of a login, RFC 7143 6 and 11.12: one request with all keys, no
 * authentication. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    BHS = 48,
    DIGEST = 4,
    LOGIN_PDU_MAX = 2048, /* a request of ours */
    ANSWER_MAX = 16384,   /* an answer that we take */
    BURST = 256 << 10,    /* what we offer for every length */
    STATUS_MOVED = 0x0101,
};

/* What the target answered. */
struct login_answer {
    uint16_t status;
    uint16_t tsih;
    bool is_full_feature;
    bool has_no_immediate_data;
    bool has_digests; /* both */
    uint32_t stat_sn, max_cmd_sn;
    uint32_t max_send_data, first_burst;
    char moved_to[64]; /* ADDRESS:PORT */
};

/* The request; gives its length. `number` tells sessions of one process apart. */
uint32_t login_encode(uint8_t pdu[static LOGIN_PDU_MAX], const char *target, uint32_t number,
                      bool wants_digests);
/* The request after it, when the answer wants one: no keys. */
uint32_t login_encode_next(uint8_t pdu[static BHS], const uint8_t *request, uint32_t exp_stat_sn);
uint32_t logout_encode(uint8_t pdu[static BHS], uint32_t cmd_sn, uint32_t exp_stat_sn);

/* A whole answer, header and data; what an answer before said stays. */
void login_decode(const uint8_t *pdu, struct login_answer *answer);

/* Blocks until the session stands, follows redirects; gives the socket. */
int login_follow(const char *portal, const char *target, uint32_t number, bool wants_digests,
                 struct login_answer *answer);

/* CRC32C as it goes on the wire, RFC 7143 13.1. */
void digest_put(uint8_t digest[static DIGEST], const void *bytes, uint32_t length);

/* Blocks for one PDU, ANSWER_MAX bytes at most; digests are taken out and not looked at. */
void pdu_receive(int fd, uint8_t *pdu, bool has_digests);
/* With digests only of a PDU that has no data. */
void pdu_send(int fd, const uint8_t *pdu, uint32_t length, bool has_digests);

static inline uint32_t padded(uint32_t length)
{
    return (length + 3) & ~(uint32_t)3;
}
