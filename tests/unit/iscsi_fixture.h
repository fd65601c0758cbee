/* A host that answers as told and the client's end of a connection to it, for the tests of the
 * login and of the session: bytes go through a socket pair and a loop of the test's own. */
#pragma once

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/iscsi/login.h"
#include "target/iscsi/session.h"
#include "target/iscsi/task.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INITIATOR "iqn.1991-05.com.microsoft:host"
#define TARGET "iqn.2012-11.com.example:demo:data1"
#define NAMES "InitiatorName=" INITIATOR "\0TargetName=" TARGET "\0"

enum { TPGT = 7 };

struct fake_host {
    struct host host;
    struct ev_loop *loop;
    /* what it answers */
    enum login_status admits, routes_before, routes_after, attaches;
    struct login_grant grant;
    /* what it was asked */
    unsigned admitted, routed_before, routed_after, attached, detached;
};

static inline struct fake_host *fake_of(struct host *host)
{
    return container_of(host, struct fake_host, host);
}

static inline enum login_status fake_admit(struct host *host, const struct login_names *names,
                                           struct login_grant *grant)
{
    (void)names;
    fake_of(host)->admitted++;
    *grant = fake_of(host)->grant;
    return fake_of(host)->admits;
}

static inline enum login_status fake_route(struct host *host, const struct login_names *names,
                                           bool is_authenticated, struct address *to)
{
    struct fake_host *fake = fake_of(host);

    ck_assert_ptr_nonnull(names->target);
    address_parse(to, "127.0.1.2:3261", 0);
    fake->routed_before += !is_authenticated;
    fake->routed_after += is_authenticated;
    return is_authenticated ? fake->routes_after : fake->routes_before;
}

static inline void fake_list(struct host *host, const struct login_names *names, const char *name,
                             struct buffer *answer)
{
    (void)host, (void)names;
    text_add(answer, "TargetName", name ? name : TARGET);
}

static inline enum port_next fake_begin(struct task *task)
{
    task->transfer_length = 0;
    task->status = 0;
    return PORT_WAIT; /* it stays there until it is aborted */
}

static inline void fake_abort(struct task *task)
{
    task_on_aborted(task);
}

static inline bool fake_has_lun(const struct session *session, uint64_t lun)
{
    (void)session;
    return !lun;
}

static inline bool fake_answers_management(struct session *session)
{
    (void)session;
    return true;
}

static inline enum login_status fake_attach(struct host *host, struct session *session)
{
    static const struct port_operations operations = {
        .begin = fake_begin,
        .abort = fake_abort,
        .has_lun = fake_has_lun,
        .answers_management = fake_answers_management,
    };

    fake_of(host)->attached++;
    if (fake_of(host)->attaches == LOGIN_ACCEPTED)
        session->port.operations = &operations;
    return fake_of(host)->attaches;
}

static inline void fake_detach(struct host *host, struct session *session)
{
    (void)session;
    fake_of(host)->detached++;
}

static inline void fake_start(struct fake_host *fake)
{
    static const struct host_operations operations = {fake_admit,  fake_route,  fake_list,
                                                      fake_attach, fake_detach, NULL};
    const struct host_settings settings = {
        .login_timeout = 15, .queue_depth = 8, .max_connections = 16, .has_zero_copy = true};

    *fake = (struct fake_host){.loop = ev_loop_new(0), .grant = {.tpgt = TPGT}};
    host_init(&fake->host, &operations, &settings, fake->loop);
}

static inline void fake_stop(struct fake_host *fake)
{
    host_end(&fake->host, "the test is over");
    ck_assert(list_is_empty(&fake->host.registry.sessions));
    ck_assert_uint_eq(fake->host.connections, 0);
    host_free(&fake->host);
    ev_loop_destroy(fake->loop);
}

/* The client's end. */
struct client {
    struct fake_host *fake;
    int fd;
    uint8_t isid[ISID_SIZE];
    uint16_t tsih, cid;
    uint32_t task_tag, cmd_sn;
};

/* What came back. */
struct reply {
    uint8_t bhs[BHS_SIZE];
    uint32_t length;
    char text[65536];
    bool is_closed; /* by the other side, nothing came */
};

static inline struct client client_open(struct fake_host *fake)
{
    struct address local, peer;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    address_parse(&local, "127.0.1.1:3260", 0);
    address_parse(&peer, "127.0.0.1:50000", 0);
    host_accept(&fake->host, ends[0], &local, &peer);
    return (struct client){
        .fake = fake, .fd = ends[1], .isid = {0x40, 0, 1, 0x37}, .cid = 1, .cmd_sn = 1};
}

static inline void turn(struct fake_host *fake)
{
    for (int i = 0; i < 4; i++)
        ev_run(fake->loop, EVRUN_NOWAIT);
}

static inline void client_send(const struct client *client, const void *bytes, size_t length)
{
    ck_assert_int_eq(send(client->fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
    turn(client->fake);
}

static inline void client_send_pdu(const struct client *client, uint8_t bhs[static BHS_SIZE],
                                   const void *data, uint32_t length)
{
    uint32_t size = BHS_SIZE + length + pdu_padding(length);
    uint8_t *pdu = calloc(1, size);

    put_be24(bhs + 5, length);
    memcpy(pdu, bhs, BHS_SIZE);
    if (length)
        memcpy(pdu + BHS_SIZE, data, length);
    client_send(client, pdu, size);
    free(pdu);
}

/* flags: byte 1, RFC 7143 11.12 */
static inline void client_send_login(const struct client *client, uint8_t flags, const void *text,
                                     size_t length)
{
    uint8_t bhs[BHS_SIZE] = {0x43, flags};

    memcpy(bhs + 8, client->isid, ISID_SIZE);
    put_be16(bhs + 14, client->tsih);
    put_be32(bhs + 16, client->task_tag);
    put_be16(bhs + 20, client->cid);
    put_be32(bhs + 24, client->cmd_sn);
    client_send_pdu(client, bhs, text, (uint32_t)length);
}

static inline bool read_exactly(int fd, void *bytes, size_t length)
{
    size_t got = 0;

    while (got < length) {
        ssize_t here = recv(fd, (char *)bytes + got, length - got, 0);

        if (here <= 0)
            return false;
        got += (size_t)here;
    }
    return true;
}

/* The next PDU that is here; closed where none can come any more. It must not be in parts. */
static inline struct reply *client_read(const struct client *client)
{
    static struct reply reply;
    struct pollfd readable = {client->fd, POLLIN, 0};

    memset(&reply, 0, sizeof(reply));
    turn(client->fake);
    if (poll(&readable, 1, 0) == 0)
        return &reply;
    if (!read_exactly(client->fd, reply.bhs, BHS_SIZE)) {
        reply.is_closed = true;
        return &reply;
    }
    reply.length = get_be24(reply.bhs + 5);
    ck_assert(read_exactly(client->fd, reply.text, reply.length + pdu_padding(reply.length)));
    return &reply;
}

static inline uint16_t reply_status(const struct reply *reply)
{
    ck_assert_uint_eq(reply->bhs[0], OP_LOGIN_RESPONSE);
    return get_be16(reply->bhs + 36);
}

static inline uint16_t reply_tsih(const struct reply *reply)
{
    return get_be16(reply->bhs + 14);
}

/* The value of a key of the answer, or NULL. */
static inline const char *reply_value(const struct reply *reply, const char *key)
{
    size_t length = strlen(key);

    for (const char *at = reply->text; at < reply->text + reply->length; at += strlen(at) + 1)
        if (!strncmp(at, key, length) && at[length] == '=')
            return at + length + 1;
    return NULL;
}

/* One login request and its answer. `text` is a literal, with its NULs. */
#define login(client, flags, text) login_bytes(client, flags, text, sizeof(text) - 1)

static inline struct reply *login_bytes(const struct client *client, uint8_t flags,
                                        const void *text, size_t length)
{
    client_send_login(client, flags, text, length);
    return client_read(client);
}

/* Opens a normal session in one step; its TSIH. */
static inline uint16_t client_open_session(struct client *client)
{
    struct reply *reply = login(client, 0x87, NAMES "SessionType=Normal\0");

    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    return client->tsih = reply_tsih(reply);
}

static inline bool client_is_closed(const struct client *client)
{
    return client_read(client)->is_closed;
}
