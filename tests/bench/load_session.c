/* One session of the load: raw PDUs from and to a socket that never blocks. Data that arrives is
 * counted and thrown away, where there is much of it without a copy; data that leaves is the same
 * bytes again and again. */
#include "target/base/bytes.h"
#include "tests/bench/common.h"
#include "tests/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK_SIZE = 512, RECEIVE = 256 << 10, THROW_AWAY = 64 << 10 };

static uint8_t pattern[BURST], received[RECEIVE];

static uint64_t random_number(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* On the wire, beside the data itself. */
static uint32_t header_size(const struct load_session *session)
{
    return BHS + (session->params.has_digests ? DIGEST : 0);
}

static uint32_t tail_size(const struct load_session *session, uint32_t length)
{
    return length && session->params.has_digests ? DIGEST : 0;
}

/* The data is always the same: its digest as often as its length is. */
static const uint8_t *digest_of_data(uint32_t length)
{
    static uint8_t digest[DIGEST];
    static uint32_t known;

    if (known != length)
        digest_put(digest, pattern, length);
    known = length;
    return digest;
}

static uint8_t *add_piece(struct load_session *session, uint32_t length)
{
    if (session->count == QUEUE_MAX)
        die("too much to send");
    struct piece *piece = &session->queue[(session->first + session->count++) % QUEUE_MAX];

    memset(piece->header, 0, BHS);
    put_be24(piece->header + 5, length);
    put_be32(piece->header + 28, session->exp_stat_sn);
    piece->length = length;
    if (tail_size(session, length))
        memcpy(piece->digest, digest_of_data(length), DIGEST);
    return piece->header;
}

static uint64_t pick_block(struct load_session *session)
{
    const struct load *load = session->load;
    uint64_t places = load->region / load->block;

    if (!load->is_sequential)
        return random_number() % places;
    return session->next_block++ % places;
}

static uint32_t immediate_length(const struct load_session *session)
{
    const struct login_answer *params = &session->params;
    uint32_t length = (uint32_t)session->load->block;

    if (params->has_no_immediate_data)
        return 0;
    if (length > params->first_burst)
        length = params->first_burst;
    return length < params->max_send_data ? length : params->max_send_data;
}

/* READ(10) or WRITE(10), RFC 7143 11.3. */
static void add_command(struct load_session *session, uint32_t tag)
{
    const struct load *load = session->load;
    bool is_write = load->writes_percent && random_number() % 100 < load->writes_percent;
    uint8_t *header = add_piece(session, is_write ? immediate_length(session) : 0);

    header[0] = 0x01;
    header[1] = is_write ? 0xa1 : 0xc1; /* final, write or read, simple */
    header[9] = (uint8_t)load->lun;
    put_be32(header + 16, tag);
    put_be32(header + 20, (uint32_t)load->block);
    put_be32(header + 24, session->cmd_sn++);
    header[32] = is_write ? 0x2a : 0x28;
    put_be32(header + 34, (uint32_t)(pick_block(session) * (load->block / BLOCK_SIZE)));
    put_be16(header + 39, (uint16_t)(load->block / BLOCK_SIZE));
}

void load_session_fill(struct load_session *session, uint64_t now, uint64_t *left)
{
    if (session->load->is_lockstep && !load_session_is_idle(session))
        return;
    while (session->free_count && *left && (int32_t)(session->max_cmd_sn - session->cmd_sn) >= 0) {
        uint32_t tag = session->free_tags[--session->free_count];

        session->started[tag] = now;
        add_command(session, tag);
        (*left)--;
    }
}

static void take_sent(struct load_session *session, size_t length)
{
    length += session->sent;
    for (uint32_t size; session->count; length -= size) {
        const struct piece *piece = &session->queue[session->first];

        size = header_size(session) + piece->length + tail_size(session, piece->length);
        if (length < size)
            break;
        session->first = (session->first + 1) % QUEUE_MAX;
        session->count--;
    }
    session->sent = (uint32_t)length;
}

/* What of `length` bytes has not gone yet; takes them off `gone`. */
static size_t add_part(struct iovec *part, uint8_t *bytes, uint32_t length, uint32_t *gone)
{
    uint32_t here = *gone < length ? *gone : length;

    *gone -= here;
    *part = (struct iovec){bytes + here, length - here};
    return here < length;
}

static size_t gather(struct load_session *session, struct iovec *parts)
{
    uint32_t header = header_size(session), gone = session->sent;
    size_t used = 0;

    for (uint32_t i = 0; i < session->count && i < PIECES; i++) {
        struct piece *piece = &session->queue[(session->first + i) % QUEUE_MAX];

        if (header > BHS)
            digest_put(piece->header + BHS, piece->header, BHS);
        used += add_part(&parts[used], piece->header, header, &gone);
        used += add_part(&parts[used], pattern, piece->length, &gone);
        used += add_part(&parts[used], piece->digest, tail_size(session, piece->length), &gone);
    }
    return used;
}

void load_session_send(struct load_session *session)
{
    session->wants_room = false;
    while (session->count) {
        struct iovec parts[3 * PIECES + 1];
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = gather(session, parts)};
        ssize_t length = sendmsg(session->fd, &message, MSG_NOSIGNAL);

        if (length < 0 && errno == EAGAIN) {
            session->wants_room = true;
            return;
        }
        if (length < 0)
            die("cannot send: %s", strerror(errno));
        take_sent(session, (size_t)length);
    }
}

/* The status is here, the data in front of it may not be. */
static void begin_end(struct load_session *session, const uint8_t *header)
{
    uint32_t tag = get_be32(header + 16);

    if (header[3] || tag >= session->load->depth)
        die("status %02x, response %02x, tag %u", header[3], header[2], tag);
    session->ending = tag;
    session->is_ending = true;
}

static void end_command(struct load_session *session, uint64_t now)
{
    uint32_t tag = session->ending;
    struct tally *tally = session->tally;
    uint64_t waited = now - session->started[tag];
    uint64_t place = waited / 1000;

    tally->commands++;
    tally->waited_ns += waited;
    if (waited > tally->longest_ns)
        tally->longest_ns = waited;
    tally->histogram[place < HISTOGRAM ? place : HISTOGRAM - 1]++;
    session->free_tags[session->free_count++] = tag;
    session->is_ending = false;
}

/* Data-out for an R2T, RFC 7143 11.7 and 11.8. */
static void answer_r2t(struct load_session *session, const uint8_t *r2t)
{
    uint32_t offset = get_be32(r2t + 40), left = get_be32(r2t + 44), number = 0;

    while (left) {
        uint32_t most = session->params.max_send_data;
        uint32_t length = left < most ? left : most;
        uint8_t *header = add_piece(session, length);

        left -= length;
        header[0] = 0x05;
        header[1] = left ? 0 : 0x80;
        memcpy(header + 8, r2t + 8, 16); /* LUN, both tags */
        put_be32(header + 36, number++);
        put_be32(header + 40, offset);
        offset += length;
    }
}

static void answer_ping(struct load_session *session, const uint8_t *ping)
{
    if (get_be32(ping + 20) == 0xffffffff)
        return;
    uint8_t *header = add_piece(session, 0);

    header[0] = 0x40;
    header[1] = 0x80;
    memcpy(header + 8, ping + 8, 8);
    put_be32(header + 16, 0xffffffff);
    memcpy(header + 20, ping + 20, 4);
    put_be32(header + 24, session->cmd_sn);
}

static void take_header(struct load_session *session, const uint8_t *header)
{
    uint8_t opcode = header[0] & 0x3f;
    bool has_status = opcode == 0x21 || (opcode == 0x25 && header[1] & 1);

    session->skip = padded(get_be24(header + 5));
    session->skip += tail_size(session, session->skip);
    session->max_cmd_sn = get_be32(header + 32);
    if (has_status) {
        session->exp_stat_sn = get_be32(header + 24) + 1;
        begin_end(session, header);
    } else if (opcode == 0x31) {
        answer_r2t(session, header);
    } else if (opcode == 0x20) {
        answer_ping(session, header);
    } else if (opcode != 0x25) {
        die("opcode %02x", opcode);
    }
}

static void take(struct load_session *session, const uint8_t *bytes, size_t length, uint64_t now)
{
    uint32_t header = header_size(session);

    while (length) {
        size_t here = session->skip < length ? session->skip : length;

        session->skip -= (uint32_t)here;
        if (!here && !session->header_length && length >= header) {
            here = header;
            take_header(session, bytes);
        } else if (!here) {
            here = header - session->header_length;
            here = here < length ? here : length;
            memcpy(session->header + session->header_length, bytes, here);
            session->header_length += (uint32_t)here;
            if (session->header_length == header) {
                session->header_length = 0;
                take_header(session, session->header);
            }
        }
        if (session->is_ending && !session->skip)
            end_command(session, now);
        bytes += here;
        length -= here;
    }
}

void load_session_receive(struct load_session *session, uint64_t now)
{
    bool is_thrown = session->skip >= THROW_AWAY; /* tcp(7): MSG_TRUNC discards */
    ssize_t got =
        recv(session->fd, received, is_thrown ? session->skip : RECEIVE, is_thrown ? MSG_TRUNC : 0);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("the target closed the connection: %s", got ? strerror(errno) : "end");
    if (!is_thrown) {
        take(session, received, (size_t)got, now);
        return;
    }
    session->skip -= (uint32_t)got;
    if (session->is_ending && !session->skip)
        end_command(session, now);
}

bool load_session_is_idle(const struct load_session *session)
{
    return session->free_count == session->load->depth;
}

/* TEST UNIT READY until no unit attention is left. */
static void make_ready(struct load_session *session)
{
    uint8_t pdu[ANSWER_MAX];

    for (int tries = 0; tries < 10; tries++) {
        memset(pdu, 0, BHS);
        pdu[0] = 0x01;
        pdu[1] = 0x81;
        pdu[9] = (uint8_t)session->load->lun;
        put_be32(pdu + 24, session->cmd_sn++);
        put_be32(pdu + 28, session->exp_stat_sn);
        pdu_send(session->fd, pdu, BHS, session->params.has_digests);
        pdu_receive(session->fd, pdu, session->params.has_digests);
        if ((pdu[0] & 0x3f) != 0x21)
            die("opcode %02x instead of a response", pdu[0]);
        session->exp_stat_sn = get_be32(pdu + 24) + 1;
        session->max_cmd_sn = get_be32(pdu + 32);
        if (!pdu[3])
            return;
    }
    die("the logical unit does not get ready: sense %02x/%02x", pdu[BHS + 2 + 12],
        pdu[BHS + 2 + 13]);
}

void load_session_open(struct load_session *session, const struct load *load, struct tally *tally,
                       uint32_t number)
{
    uint64_t places = load->region / load->block;

    *session = (struct load_session){.load = load, .tally = tally, .number = number, .cmd_sn = 1};
    session->fd =
        login_follow(load->portal, load->target, number, load->wants_digests, &session->params);
    if (session->params.has_digests != load->wants_digests)
        die("digests are not what was asked for");
    session->exp_stat_sn = session->params.stat_sn + 1;
    make_ready(session);
    fcntl(session->fd, F_SETFL, O_NONBLOCK);
    session->next_block = number * (places / load->sessions);
    session->started = calloc(load->depth, sizeof(*session->started));
    session->free_tags = calloc(load->depth, sizeof(*session->free_tags));
    session->queue = malloc(QUEUE_MAX * sizeof(*session->queue));
    if (!session->started || !session->free_tags || !session->queue)
        die("no memory");
    while (session->free_count < load->depth) {
        session->free_tags[session->free_count] = session->free_count;
        session->free_count++;
    }
    memset(pattern, 0x5a, sizeof(pattern));
}

void load_session_close(struct load_session *session)
{
    uint8_t pdu[ANSWER_MAX];

    fcntl(session->fd, F_SETFL, 0);
    pdu_send(session->fd, pdu, logout_encode(pdu, session->cmd_sn, session->exp_stat_sn),
             session->params.has_digests);
    pdu_receive(session->fd, pdu, session->params.has_digests);
    close(session->fd);
    free(session->started);
    free(session->free_tags);
    free(session->queue);
}
