/* The least that can be called a target: what this machine gives an epoll server that does nothing
 * but move bytes. It answers a login with fixed keys and takes any SCSI command for a READ(10) or
 * WRITE(10); no checks, no queue, no second thread. The way it moves the data is its argument:
 * memory (a hot buffer), pread (pread and pwrite), sendfile (sendfile and splice),
 * mapping (sent from and received into a mapping of the file). */
#include "target/base/bytes.h"
#include "tests/bench/common.h"
#include "tests/bench/login.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    RECEIVE = 512 << 10,
    OUT = 1 << 20,
    PARTS = 256,
    BLOCK_SIZE = 512,
    PIPE = 1 << 20,
    MAPPED_MINIMUM = 16 << 10
};
enum way { WAY_MEMORY, WAY_PREAD, WAY_SENDFILE, WAY_MAPPING };

static const char *const ways[] = {"memory", "pread", "sendfile", "mapping"};

struct peer {
    int fd;
    uint8_t header[BHS];
    uint32_t header_length, skip;
    uint32_t stat_sn, cmd_sn;
    uint64_t write_at; /* where the data that comes goes in the file */
    uint32_t write_left, tag;
    bool is_writing;
};

static enum way way;
static int file, channel[2];
static uint8_t *mapping;
static uint8_t received[RECEIVE], hot[BURST], out[OUT];
static uint32_t out_used;
static struct iovec parts[PARTS];
static int part_count;

static void send_all(int fd, struct iovec *vector, int count, int flags)
{
    while (count) {
        struct msghdr message = {.msg_iov = vector, .msg_iovlen = (size_t)count};
        ssize_t length = sendmsg(fd, &message, MSG_NOSIGNAL | flags);

        if (length < 0)
            return; /* the peer is gone: recv will tell */
        while (count && (size_t)length >= vector->iov_len) {
            length -= (ssize_t)vector->iov_len;
            vector++, count--;
        }
        if (count) {
            vector->iov_base = (uint8_t *)vector->iov_base + length;
            vector->iov_len -= (size_t)length;
        }
    }
}

static void flush(struct peer *peer, int flags)
{
    send_all(peer->fd, parts, part_count, flags);
    out_used = 0;
    part_count = 0;
}

static uint8_t *add_bytes(struct peer *peer, uint32_t length)
{
    if (out_used + length > OUT || part_count + 2 >= PARTS)
        flush(peer, 0);
    uint8_t *bytes = out + out_used;
    struct iovec *last = part_count ? &parts[part_count - 1] : NULL;

    out_used += length;
    if (last && (uint8_t *)last->iov_base + last->iov_len == bytes)
        last->iov_len += length;
    else
        parts[part_count++] = (struct iovec){bytes, length};
    return bytes;
}

static uint8_t *add_header(struct peer *peer, uint8_t opcode, uint32_t tag, uint32_t length)
{
    uint8_t *header = add_bytes(peer, BHS);

    memset(header, 0, BHS);
    header[0] = opcode;
    header[1] = 0x80;
    put_be24(header + 5, length);
    put_be32(header + 16, tag);
    put_be32(header + 24, peer->stat_sn++);
    put_be32(header + 28, peer->cmd_sn + 1);
    put_be32(header + 32, peer->cmd_sn + 4096);
    return header;
}

static void answer_login(struct peer *peer, const uint8_t *login)
{
    static const char keys[] = "MaxRecvDataSegmentLength=262144\0FirstBurstLength=262144\0"
                               "MaxBurstLength=262144\0ImmediateData=Yes\0InitialR2T=Yes";
    uint8_t *header = add_header(peer, 0x23, get_be32(login + 16), sizeof(keys));

    header[1] = 0x87;
    put_be16(header + 14, 1);
    memcpy(header + 8, login + 8, 6);
    memset(add_bytes(peer, padded(sizeof(keys))), 0, padded(sizeof(keys)));
    memcpy(header + BHS, keys, sizeof(keys));
}

static void answer_read(struct peer *peer, const uint8_t *command)
{
    uint64_t offset = (uint64_t)get_be32(command + 34) * BLOCK_SIZE;
    uint32_t length = (uint32_t)get_be16(command + 39) * BLOCK_SIZE;
    uint8_t *header = add_header(peer, 0x25, get_be32(command + 16), length);

    header[1] = 0x81;
    if (way == WAY_PREAD) {
        if (pread(file, add_bytes(peer, length), length, (off_t)offset) != (ssize_t)length)
            die("pread: %s", strerror(errno));
    } else if (way != WAY_SENDFILE) {
        parts[part_count++] = (struct iovec){way == WAY_MEMORY ? hot : mapping + offset, length};
    } else {
        flush(peer, MSG_MORE);
        for (off_t at = (off_t)offset; length;) {
            ssize_t sent = sendfile(peer->fd, file, &at, length);

            if (sent <= 0)
                return;
            length -= (uint32_t)sent;
        }
    }
}

static void end_write(struct peer *peer)
{
    peer->is_writing = false;
    add_header(peer, 0x21, peer->tag, 0);
}

static void take_data(struct peer *peer, const uint8_t *bytes, uint32_t length)
{
    peer->skip -= length;
    if (!peer->is_writing)
        return;
    if (way == WAY_MAPPING)
        memcpy(mapping + peer->write_at, bytes, length);
    else if (way != WAY_MEMORY &&
             pwrite(file, bytes, length, (off_t)peer->write_at) != (ssize_t)length)
        die("pwrite: %s", strerror(errno));
    peer->write_at += length;
    if (!peer->skip)
        end_write(peer);
}

static void take_header(struct peer *peer, const uint8_t *header)
{
    uint8_t opcode = header[0] & 0x3f;

    peer->cmd_sn = get_be32(header + 24);
    peer->skip = padded(get_be24(header + 5));
    peer->tag = get_be32(header + 16);
    if (opcode == 0x03) {
        answer_login(peer, header);
    } else if (opcode == 0x06) {
        add_header(peer, 0x26, peer->tag, 0);
    } else if (header[1] & 0x40) {
        answer_read(peer, header);
    } else if (peer->skip) {
        peer->is_writing = true;
        peer->write_at = (uint64_t)get_be32(header + 34) * BLOCK_SIZE;
    } else {
        add_header(peer, 0x21, peer->tag, 0);
    }
}

static void take(struct peer *peer, const uint8_t *bytes, size_t length)
{
    while (length) {
        size_t here = peer->skip < length ? peer->skip : length;

        if (here) {
            take_data(peer, bytes, (uint32_t)here);
        } else if (!peer->header_length && length >= BHS) {
            here = BHS;
            take_header(peer, bytes);
        } else {
            here = BHS - peer->header_length < length ? BHS - peer->header_length : length;
            memcpy(peer->header + peer->header_length, bytes, here);
            peer->header_length += (uint32_t)here;
            if (peer->header_length == BHS) {
                peer->header_length = 0;
                take_header(peer, peer->header);
            }
        }
        bytes += here;
        length -= here;
    }
}

/* From the socket through the pipe into the file. */
static void splice_data(struct peer *peer)
{
    ssize_t got =
        splice(peer->fd, NULL, channel[1], NULL, peer->skip, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("splice: %s", strerror(errno));
    peer->skip -= (uint32_t)got;
    while (got) {
        loff_t at = (loff_t)peer->write_at;
        ssize_t written = splice(channel[0], NULL, file, &at, (size_t)got, SPLICE_F_MOVE);

        if (written <= 0)
            die("splice: %s", strerror(errno));
        peer->write_at += (uint64_t)written;
        got -= written;
    }
    if (!peer->skip)
        end_write(peer);
}

/* From the socket to its place in the file. */
static void receive_data(struct peer *peer)
{
    ssize_t got = recv(peer->fd, mapping + peer->write_at, peer->skip, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("recv: %s", strerror(errno));
    peer->skip -= (uint32_t)got;
    peer->write_at += (uint64_t)got;
    if (!peer->skip)
        end_write(peer);
}

static void serve(struct peer *peer)
{
    if (way == WAY_SENDFILE && peer->is_writing) {
        splice_data(peer);
    } else if (way == WAY_MAPPING && peer->is_writing && peer->skip >= MAPPED_MINIMUM) {
        receive_data(peer);
    } else {
        /* With splice only headers pass through memory. */
        size_t most = way == WAY_SENDFILE ? BHS - peer->header_length : RECEIVE;
        ssize_t got = recv(peer->fd, received, most, MSG_DONTWAIT);

        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(peer->fd);
            free(peer);
            return;
        }
        take(peer, received, (size_t)got);
    }
    flush(peer, 0);
}

static void watch(int epoll, int fd, void *pointer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void accept_peer(int epoll, int listener)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    int on = 1;

    if (!peer || (peer->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        die("accept: %s", strerror(errno));
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(epoll, peer->fd, peer);
}

static int listen_at(const char *text)
{
    struct sockaddr_in address = address_parse(text);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
        die("%s: %s", text, strerror(errno));
    return fd;
}

static enum way way_named(const char *name)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (!strcmp(ways[i], name))
            return (enum way)i;
    die("%s: memory, pread, sendfile or mapping", name);
}

int main(int count, char **words)
{
    if (count != 4)
        die("usage: echo ADDRESS:PORT FILE memory|pread|sendfile|mapping");
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_at(words[1]);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    way = way_named(words[3]);
    file = open(words[2], O_RDWR | O_CLOEXEC);
    if (file < 0 || pipe2(channel, O_CLOEXEC) || fcntl(channel[1], F_SETPIPE_SZ, PIPE) < 0)
        die("%s: %s", words[2], strerror(errno));
    mapping = mmap(NULL, (size_t)lseek(file, 0, SEEK_END), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_POPULATE, file, 0);
    if (mapping == MAP_FAILED)
        die("%s: %s", words[2], strerror(errno));
    watch(epoll, listener, NULL);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < ready; i++)
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                accept_peer(epoll, listener);
    }
}
