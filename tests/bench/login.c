#include "tests/bench/login.h"

#include "target/base/bytes.h"
#include "tests/bench/common.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const offered[] = {
    "SessionType=Normal",      "MaxRecvDataSegmentLength=262144",
    "InitialR2T=Yes",          "ImmediateData=Yes",
    "FirstBurstLength=262144", "MaxBurstLength=262144",
    "MaxOutstandingR2T=1",     "MaxConnections=1",
    "ErrorRecoveryLevel=0",    "DefaultTime2Wait=2",
    "DefaultTime2Retain=0",    "DataPDUInOrder=Yes",
    "DataSequenceInOrder=Yes",
};

static uint32_t add_key(char *text, uint32_t length, const char *key, const char *value)
{
    return length +
           (uint32_t)snprintf(text + length, LOGIN_PDU_MAX - BHS - length, "%s%s", key, value) + 1;
}

uint32_t login_encode(uint8_t pdu[static LOGIN_PDU_MAX], const char *target, uint32_t number,
                      bool wants_digests)
{
    const char *digest = wants_digests ? "CRC32C" : "None";
    uint32_t length = 0;
    char *text = (char *)pdu + BHS;

    memset(pdu, 0, LOGIN_PDU_MAX);
    length = add_key(text, length, "InitiatorName=", "iqn.2012-11.com.example:bench");
    length = add_key(text, length, "TargetName=", target);
    length = add_key(text, length, "HeaderDigest=", digest);
    length = add_key(text, length, "DataDigest=", digest);
    for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
        length = add_key(text, length, offered[i], "");
    pdu[0] = 0x43;
    pdu[1] = 0x87; /* transit, operational negotiation, to full feature */
    put_be24(pdu + 5, length);
    put_be32(pdu + 8, 0x80000000 | (uint32_t)getpid()); /* ISID: random */
    put_be16(pdu + 12, (uint16_t)number);
    pdu[9] = (uint8_t)(number >> 16);
    put_be32(pdu + 24, 1); /* CmdSN */
    return BHS + padded(length);
}

uint32_t login_encode_next(uint8_t pdu[static BHS], const uint8_t *request, uint32_t exp_stat_sn)
{
    memmove(pdu, request, BHS);
    put_be24(pdu + 5, 0);
    put_be32(pdu + 28, exp_stat_sn);
    return BHS;
}

uint32_t logout_encode(uint8_t pdu[static BHS], uint32_t cmd_sn, uint32_t exp_stat_sn)
{
    memset(pdu, 0, BHS);
    pdu[0] = 0x46;
    pdu[1] = 0x80;
    put_be32(pdu + 16, 0x7ffffffe);
    put_be32(pdu + 24, cmd_sn);
    put_be32(pdu + 28, exp_stat_sn);
    return BHS;
}

/* NULL, or the value of `name=`. */
static const char *find_key(const uint8_t *pdu, const char *name)
{
    const char *text = (const char *)pdu + BHS, *end = text + get_be24(pdu + 5);

    for (; text < end; text += strlen(text) + 1)
        if (!strncmp(text, name, strlen(name)))
            return text + strlen(name);
    return NULL;
}

/* What was agreed in an answer before stays. */
static void take_number(const uint8_t *pdu, const char *name, uint32_t *number, uint32_t otherwise)
{
    const char *value = find_key(pdu, name);

    if (value)
        *number = (uint32_t)strtoul(value, NULL, 0);
    else if (!*number)
        *number = otherwise;
}

void login_decode(const uint8_t *pdu, struct login_answer *answer)
{
    const char *moved = find_key(pdu, "TargetAddress="), *yes = find_key(pdu, "ImmediateData=");
    const char *digest = find_key(pdu, "DataDigest=");

    if ((pdu[0] & 0x3f) != 0x23)
        die("opcode %02x instead of a login response", pdu[0]);
    answer->status = get_be16(pdu + 36);
    answer->tsih = get_be16(pdu + 14);
    answer->is_full_feature = (pdu[1] & 0x83) == 0x83;
    answer->stat_sn = get_be32(pdu + 24);
    answer->max_cmd_sn = get_be32(pdu + 32);
    take_number(pdu, "MaxRecvDataSegmentLength=", &answer->max_send_data, 8192);
    take_number(pdu, "FirstBurstLength=", &answer->first_burst, 65536);
    answer->has_no_immediate_data |= yes && *yes == 'N';
    answer->has_digests |= digest && *digest == 'C';
    if (moved)
        snprintf(answer->moved_to, sizeof(answer->moved_to), "%.*s", (int)strcspn(moved, ","),
                 moved);
}

static void receive_all(int fd, uint8_t *bytes, size_t length)
{
    while (length) {
        ssize_t got = recv(fd, bytes, length, 0);

        if (got <= 0)
            die("the target closed the connection: %s", got ? strerror(errno) : "end");
        bytes += got;
        length -= (size_t)got;
    }
}

void digest_put(uint8_t digest[static DIGEST], const void *bytes, uint32_t length)
{
    uint32_t value = ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, 0xffffffff);

    for (int i = 0; i < DIGEST; i++)
        digest[i] = (uint8_t)(value >> 8 * i);
}

void pdu_receive(int fd, uint8_t *pdu, bool has_digests)
{
    uint8_t digest[DIGEST];

    receive_all(fd, pdu, BHS);
    uint32_t length = padded(get_be24(pdu + 5));

    if (BHS + length >= ANSWER_MAX)
        die("an answer of %u bytes", length);
    if (has_digests)
        receive_all(fd, digest, DIGEST);
    receive_all(fd, pdu + BHS, length);
    if (has_digests && length)
        receive_all(fd, digest, DIGEST);
    pdu[BHS + length] = 0;
}

void pdu_send(int fd, const uint8_t *pdu, uint32_t length, bool has_digests)
{
    uint8_t digest[DIGEST];

    digest_put(digest, pdu, BHS);
    if (send(fd, pdu, length, MSG_NOSIGNAL) != (ssize_t)length ||
        (has_digests && send(fd, digest, DIGEST, MSG_NOSIGNAL) != DIGEST))
        die("cannot send: %s", strerror(errno));
}

/* Requests and answers until full feature, or another status than success. */
static void exchange(int fd, const char *target, uint32_t number, bool wants_digests,
                     struct login_answer *answer)
{
    uint8_t request[LOGIN_PDU_MAX], pdu[ANSWER_MAX];
    uint32_t length = login_encode(request, target, number, wants_digests);

    do {
        pdu_send(fd, request, length, false);
        pdu_receive(fd, pdu, false);
        login_decode(pdu, answer);
        length = login_encode_next(request, request, answer->stat_sn + 1);
    } while (!answer->status && !answer->is_full_feature);
}

int login_follow(const char *portal, const char *target, uint32_t number, bool wants_digests,
                 struct login_answer *answer)
{
    struct sockaddr_in address = address_parse(portal);

    *answer = (struct login_answer){0};
    for (int redirects = 0; redirects < 3; redirects++) {
        int fd = address_connect(&address);

        exchange(fd, target, number, wants_digests, answer);
        if (!answer->status)
            return fd;
        close(fd);
        if (answer->status != STATUS_MOVED)
            die("login refused: status %04x", answer->status);
        address = address_parse(answer->moved_to);
    }
    die("redirected for ever");
}
