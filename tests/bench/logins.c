/* Logs in and out as fast as it goes, some connections at a time from one thread; follows
 * redirects. With --hold N: N sessions that stand and do nothing until standard input ends. */
#include "target/base/bytes.h"
#include "tests/bench/common.h"
#include "tests/bench/login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One login on its way. */
struct attempt {
    int fd;
    bool is_leaving;
    uint32_t number;
    uint8_t request[LOGIN_PDU_MAX]; /* the last */
    struct login_answer answer;
    uint8_t pdu[ANSWER_MAX];
    uint32_t length;
};

struct run {
    const char *target, *pids;
    struct sockaddr_in portal;
    int epoll;
    uint32_t next_number;
    uint64_t left, logins, redirects;
};

static void begin(struct run *run, struct attempt *attempt, const struct sockaddr_in *address)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = attempt};

    attempt->fd = address_connect(address);
    attempt->length = 0;
    attempt->is_leaving = false;
    attempt->answer = (struct login_answer){0};
    pdu_send(attempt->fd, attempt->request,
             login_encode(attempt->request, run->target, attempt->number, false), false);
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, attempt->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void begin_next(struct run *run, struct attempt *attempt)
{
    if (!run->left)
        return;
    run->left--;
    attempt->number = run->next_number++;
    begin(run, attempt, &run->portal);
}

static void follow(struct run *run, struct attempt *attempt)
{
    struct sockaddr_in address = address_parse(attempt->answer.moved_to);

    run->redirects++;
    close(attempt->fd);
    begin(run, attempt, &address);
}

static void go_on(struct attempt *attempt)
{
    uint8_t *request = attempt->request;
    uint32_t exp_stat_sn = attempt->answer.stat_sn + 1;

    attempt->is_leaving = attempt->answer.is_full_feature;
    pdu_send(attempt->fd, request,
             attempt->is_leaving ? logout_encode(request, 1, exp_stat_sn)
                                 : login_encode_next(request, request, exp_stat_sn),
             false);
}

/* A whole PDU is here. */
static void take(struct run *run, struct attempt *attempt)
{
    attempt->pdu[attempt->length] = 0;
    attempt->length = 0;
    if (attempt->is_leaving) {
        run->logins++;
        close(attempt->fd);
        begin_next(run, attempt);
        return;
    }
    login_decode(attempt->pdu, &attempt->answer);
    if (attempt->answer.status == STATUS_MOVED)
        follow(run, attempt);
    else if (attempt->answer.status)
        die("login refused: status %04x", attempt->answer.status);
    else
        go_on(attempt);
}

static void receive(struct run *run, struct attempt *attempt)
{
    ssize_t got = recv(attempt->fd, attempt->pdu + attempt->length,
                       ANSWER_MAX - 1 - attempt->length, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("the target closed the connection: %s", got ? strerror(errno) : "end");
    attempt->length += (uint32_t)got;
    if (attempt->length >= BHS && attempt->length >= BHS + padded(get_be24(attempt->pdu + 5)))
        take(run, attempt);
}

static void log_in_and_out(struct run *run, uint32_t width, uint64_t milliseconds)
{
    struct attempt *attempts = calloc(width, sizeof(*attempts));
    uint64_t begun = now_ns(), until = begun + milliseconds * 1000000, wanted = run->left;
    double server = cpu_of(run->pids), client = cpu_of_this();

    if (!attempts)
        die("no memory");
    for (uint32_t i = 0; i < width; i++)
        begin_next(run, &attempts[i]);
    while (now_ns() < until && run->logins < wanted) {
        struct epoll_event events[64];
        int ready = epoll_wait(run->epoll, events, 64, 100);

        for (int i = 0; i < ready; i++)
            receive(run, events[i].data.ptr);
    }
    printf("{\"seconds\": %.6f, \"logins\": %llu, \"redirects\": %llu, \"server_cpu\": %.3f, "
           "\"client_cpu\": %.3f}\n",
           (double)(now_ns() - begun) / 1e9, (unsigned long long)run->logins,
           (unsigned long long)run->redirects, cpu_of(run->pids) - server, cpu_of_this() - client);
    free(attempts);
}

/* Answers nothing: with pings on it would lose its sessions. */
static void hold(const char *portal, const char *target, uint64_t count)
{
    char byte;

    for (uint64_t i = 0; i < count; i++) {
        struct login_answer answer;

        login_follow(portal, target, (uint32_t)i + 1, false, &answer);
    }
    printf("{\"sessions\": %llu}\n", (unsigned long long)count);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

int main(int count, char **words)
{
    struct run run = {.next_number = 1, .left = UINT64_MAX};
    uint64_t width = 8, milliseconds = 1000, held = 0, wanted = 0;
    const char *portal = NULL;
    const struct option_row rows[] = {
        {"--portal", NULL, &portal},
        {"--target", NULL, &run.target},
        {"--pids", NULL, &run.pids},
        {"--width", &width, NULL},
        {"--milliseconds", &milliseconds, NULL},
        {"--count", &wanted, NULL},
        {"--hold", &held, NULL},
    };

    (void)count;
    options_read(rows, sizeof(rows) / sizeof(rows[0]), words + 1);
    raise_descriptor_limit();
    run.portal = address_parse(portal);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (wanted) {
        run.left = wanted;
        milliseconds = 600000;
    }
    if (held)
        hold(portal, run.target, held);
    else
        log_in_and_out(&run, (uint32_t)width, milliseconds);
    return 0;
}
