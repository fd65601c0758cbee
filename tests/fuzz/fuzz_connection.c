/* Bytes of a whole connection: stream, login and full feature phase on a host that lets everyone
 * in. The first byte says what the host wants, the second one how the bytes are cut:
 *   0x01 CHAP, 0x02 and mutual, 0x04 redirect, 0x80 a login goes in front. */
#include "target/base/bytes.h"
#include "target/iscsi/login.h"
#include "tests/fuzz/port.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WANTS_CHAP = 0x01, HAS_MUTUAL = 0x02, REDIRECTS = 0x04, IS_LOGGED_IN = 0x80 };

static uint8_t wishes;

static enum login_status admit(struct host *host, const struct login_names *names,
                               struct login_grant *grant)
{
    (void)host, (void)names;
    *grant = (struct login_grant){.tpgt = 1};
    if (wishes & WANTS_CHAP) {
        grant->account = (struct chap_account){"user", "secret12chars"};
        grant->needs_chap = true;
    }
    if (wishes & HAS_MUTUAL)
        grant->mutual = (struct chap_account){"array", "another12secret"};
    return LOGIN_ACCEPTED;
}

static enum login_status route(struct host *host, const struct login_names *names,
                               bool is_authenticated, struct address *to)
{
    (void)host, (void)names;
    if (!(wishes & REDIRECTS) || !is_authenticated)
        return LOGIN_ACCEPTED;
    address_parse(to, "127.0.1.2:3260", 0);
    return LOGIN_MOVED_TEMPORARILY;
}

static void list(struct host *host, const struct login_names *names, const char *name,
                 struct buffer *answer)
{
    (void)host, (void)names;
    for (int i = 0; i < 500; i++)
        text_add(answer, "TargetName", name ? name : "iqn.2012-11.com.example:demo:data1");
}

static enum login_status attach(struct host *host, struct session *session)
{
    (void)host;
    session->port.operations = &fuzz_port;
    return LOGIN_ACCEPTED;
}

static void detach(struct host *host, struct session *session)
{
    (void)host, (void)session;
}

static const struct host_operations operations = {admit, route, list, attach, detach, NULL};

static void drain(int fd)
{
    static uint8_t bytes[1 << 20];

    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
}

static void run(struct ev_loop *loop, int fd)
{
    for (int i = 0; i < 3; i++) {
        ev_run(loop, EVRUN_NOWAIT);
        fuzz_port_work();
        drain(fd);
    }
}

static void log_in(int fd)
{
    static const char text[] = "InitiatorName=iqn.i\0TargetName=iqn.t\0InitialR2T=No\0"
                               "FirstBurstLength=4096\0MaxBurstLength=8192\0MaxOutstandingR2T=3";
    uint8_t pdu[BHS_SIZE + (sizeof(text) + 3) / 4 * 4] = {0x43, 0x87};

    put_be24(pdu + 5, sizeof(text));
    memcpy(pdu + BHS_SIZE, text, sizeof(text));
    if (send(fd, pdu, sizeof(pdu), MSG_NOSIGNAL) != (ssize_t)sizeof(pdu))
        abort();
}

static void start(struct host *host, struct ev_loop *loop)
{
    const struct host_settings settings = {
        .login_timeout = 15, .queue_depth = 16, .max_connections = 4, .has_zero_copy = true};

    host_init(host, &operations, &settings, loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct ev_loop *loop;
    static struct host host;
    struct address address = {.port = 1};
    int ends[2];
    size_t cut;

    if (!loop)
        start(&host, loop = ev_loop_new(0));
    if (length < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
        return 0;
    wishes = bytes[0];
    cut = bytes[1] ? 8u * bytes[1] : length;
    host_accept(&host, ends[0], &address, &address);
    if (wishes & IS_LOGGED_IN) {
        wishes = 0;
        log_in(ends[1]);
        run(loop, ends[1]);
    }
    for (size_t at = 2; at < length; at += cut) {
        if (send(ends[1], bytes + at, length - at < cut ? length - at : cut, MSG_NOSIGNAL) < 0)
            break;
        run(loop, ends[1]);
    }
    close(ends[1]);
    run(loop, ends[1]);
    host_end(&host, "the run is over");
    for (int i = 0; i < 4; i++)
        fuzz_port_work();
    assert(list_is_empty(&host.registry.sessions) && list_is_empty(&host.registry.logins));
    assert(!host.connections);
    return 0;
}
