/* A connection's bytes: what is queued leaves in order, from memory and from files, and a peer that
 * does not read costs bounded memory. */
#include "target/base/buffer.h"
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/iscsi/conn.h"
#include "target/iscsi/output.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILE_SIZE = 300 << 10 };

static struct ev_loop *loop;
static struct conn_pool *pool;
static struct conn *conn;
static struct buffer received, expected; /* by the peer */
static int peer, file;
static uint8_t content[FILE_SIZE], *mapped; /* mapped: twice as long as the file */
static struct span_source source;

/* What the user of the connection was told; it echoes each ping `echoes` times. */
static struct {
    unsigned pdus, rooms, echoes;
    const char *closed;
} heard;

static const char *on_begin(void *owner, const struct pdu *pdu)
{
    (void)owner, (void)pdu;
    return NULL;
}

static const char *on_data(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length)
{
    (void)owner, (void)pdu, (void)bytes, (void)length;
    return NULL;
}

static const char *on_end(void *owner, const struct pdu *pdu)
{
    (void)owner;
    heard.pdus++;
    for (unsigned i = 0; i < heard.echoes; i++) {
        memset(conn_reserve(conn, 32768), (int)pdu->task_tag, 32768);
        conn_commit(conn, 32768);
    }
    return NULL;
}

static void on_room(void *owner)
{
    (void)owner;
    heard.rooms++;
}

static void on_closed(void *owner, const char *why)
{
    (void)owner;
    heard.closed = why;
    conn = NULL;
}

static const struct conn_user user = {{on_begin, on_data, on_end, on_begin}, on_room, on_closed};

static void set_up(void)
{
    char path[] = "/tmp/unit-conn-XXXXXX";
    struct address address = {.port = 1};
    int ends[2];

    memset(&heard, 0, sizeof(heard));
    loop = ev_loop_new(0);
    pool = conn_pool_new(loop, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    peer = ends[1];
    conn = conn_new(pool, ends[0], &address, &address);
    conn_set_user(conn, &user, NULL);
    conn_stream(conn)->max_data_length = 8192;
    file = mkstemp(path);
    unlink(path);
    for (size_t i = 0; i < FILE_SIZE; i++)
        content[i] = (uint8_t)(i * 131 >> 4);
    ck_assert_int_eq(write(file, content, FILE_SIZE), FILE_SIZE);
    mapped = mmap(NULL, 2 * FILE_SIZE, PROT_READ, MAP_SHARED, file, 0);
    ck_assert(mapped != MAP_FAILED);
    span_source_init(&source, file);
}

static void tear_down(void)
{
    if (conn)
        conn_close(conn, "the test is over");
    conn_pool_free(pool);
    ev_loop_destroy(loop);
    buffer_free(&received);
    buffer_free(&expected);
    munmap(mapped, 2 * FILE_SIZE);
    close(peer);
    close(file);
}

static void turn(void)
{
    for (int i = 0; i < 4; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

/* The peer reads what is there. false: the other side has ended. */
static bool read_some(void)
{
    char bytes[65536];
    ssize_t got = recv(peer, bytes, sizeof(bytes), 0);

    if (got > 0)
        buffer_append(&received, bytes, (size_t)got);
    turn();
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static void queue_bytes(uint8_t fill, uint32_t length)
{
    uint8_t *bytes = conn_reserve(conn, length);

    memset(bytes, fill, length);
    buffer_append(&expected, bytes, length);
    conn_commit(conn, length);
}

static void queue_piece(uint32_t offset, uint32_t length)
{
    struct span *span = conn_span_new(pool);

    span->source = &source;
    span->bytes = mapped + offset;
    span->offset = offset;
    span->length = length;
    span_begin(span);
    conn_send_span(conn, span);
}

static void queue_span(uint32_t offset, uint32_t length)
{
    buffer_append(&expected, content + offset, length);
    queue_piece(offset, length);
}

static void expect_all(void)
{
    for (int i = 0; i < 10000 && received.length < expected.length; i++)
        ck_assert(read_some());
    ck_assert(read_some()); /* nothing more comes */
    ck_assert_uint_eq(received.length, expected.length);
    ck_assert_mem_eq(buffer_content(&received), buffer_content(&expected), expected.length);
    ck_assert_uint_eq(conn_queued(conn), 0);
    ck_assert_uint_eq(conn_bytes_out(conn), expected.length);
}

START_TEST(bytes_and_spans_leave_in_order)
{
    queue_bytes('a', 48);
    queue_span(1000, 8192);
    queue_bytes('b', 48);
    queue_bytes('c', 4);
    queue_span(0, 1);
    queue_span(FILE_SIZE - 1, 1);
    queue_bytes('d', CONN_CHUNK_SIZE);
    queue_bytes('e', CONN_CHUNK_SIZE);
    queue_span(0, FILE_SIZE);
    queue_bytes('f', 1);
    expect_all();
}
END_TEST

/* More pieces than one call takes and than the queue had room for, and again when it has turned. */
START_TEST(long_queues_keep_their_order)
{
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 150 + round * 37; i++) {
            queue_bytes((uint8_t)i, 1 + i % 700);
            if (i % 3 == round % 3)
                queue_span(i * 64, 512 + i);
            if (i % 50 == 49)
                ck_assert(read_some());
        }
        expect_all();
    }
}
END_TEST

START_TEST(nothing_leaves_before_the_loop_sleeps)
{
    struct pollfd readable = {peer, POLLIN, 0};

    queue_bytes('a', 48);
    queue_bytes('b', 48);
    ck_assert_int_eq(poll(&readable, 1, 0), 0);
    ck_assert_uint_eq(conn_queued(conn), 96);
    expect_all();
}
END_TEST

/* A detached place is filled later and goes to the end of the queue. */
START_TEST(detached_bytes_take_their_turn_when_they_are_ready)
{
    struct conn_chunk *chunks[3];
    uint8_t *bytes[3];

    queue_bytes('a', 100);
    for (int i = 0; i < 3; i++) {
        bytes[i] = conn_reserve(conn, 5000);
        chunks[i] = conn_detach(conn, 5000);
        queue_bytes((uint8_t)('0' + i), 100);
    }
    turn();
    for (int i = 2; i >= 0; i--) {
        memset(bytes[i], 'A' + i, 5000);
        if (i != 1)
            buffer_append(&expected, bytes[i], 5000);
        conn_send_detached(pool, conn, chunks[i], bytes[i], i == 1 ? 0 : 5000); /* 1 is given up */
    }
    queue_bytes('z', 100);
    expect_all();
}
END_TEST

START_TEST(detached_bytes_outlive_their_connection)
{
    uint8_t *bytes = conn_reserve(conn, 5000);
    struct conn_chunk *chunk = conn_detach(conn, 5000);

    queue_bytes('a', 100);
    conn_close(conn, "lost");
    memset(bytes, 'A', 5000);
    conn_send_detached(pool, NULL, chunk, _i ? bytes : NULL, _i ? 5000 : 0);
    ck_assert_str_eq(heard.closed, "lost");
}
END_TEST

/* A file that is shorter than the volume says: nothing true could follow the header. */
START_TEST(a_span_behind_the_end_of_the_file_ends_the_connection)
{
    queue_piece(FILE_SIZE - 100, 200);
    turn();
    ck_assert_ptr_null(conn);
    ck_assert_str_eq(heard.closed, "cannot send");
    ck_assert(source.has_failed);
}
END_TEST

START_TEST(what_has_not_left_of_a_span_stays_as_it_was)
{
    static uint8_t other[FILE_SIZE];

    for (unsigned i = 0; i < 4; i++)
        queue_span(0, FILE_SIZE);
    queue_bytes('a', 48);
    turn(); /* what the socket takes leaves */
    ck_assert_uint_gt(conn_queued(conn), 2 * FILE_SIZE);
    span_source_change(&source, _i ? 0 : 100 << 10, _i ? FILE_SIZE : 512);
    ck_assert_int_eq(
        pwrite(file, other + (_i ? 0 : 100 << 10), _i ? FILE_SIZE : 512, _i ? 0 : 100 << 10),
        _i ? FILE_SIZE : 512);
    expect_all();
}
END_TEST

START_TEST(a_span_outlives_its_file)
{
    queue_span(0, FILE_SIZE);
    queue_span(0, FILE_SIZE);
    turn();
    span_source_change(&source, 0, FILE_SIZE);
    memset(&source, 0xaa, sizeof(source));
    ck_assert_ptr_eq(
        mmap(mapped, FILE_SIZE, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), mapped);
    expect_all();
}
END_TEST

START_TEST(idle_connections_hold_no_memory)
{
    struct output output;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    output_init(&output, pool);
    memset(output_reserve(&output, 48), 'a', 48);
    output_commit(&output, 48);
    ck_assert_ptr_nonnull(output.open);
    ck_assert_int_eq(output_send(&output, ends[0], false), 0);
    ck_assert_ptr_null(output.open);
    ck_assert_uint_eq(output.queued + output.count, 0);
    output_free(&output);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* As many as the socket takes. */
static unsigned send_pings(unsigned count)
{
    uint8_t bhs[BHS_SIZE] = {OP_NOP_OUT, 0x80};

    for (unsigned i = 0; i < count; i++) {
        put_be32(bhs + 16, i);
        if (send(peer, bhs, BHS_SIZE, MSG_NOSIGNAL) != BHS_SIZE)
            return i;
    }
    return count;
}

/* It asks for 32 KiB with each of its pings, and reads nothing. */
START_TEST(a_peer_that_never_reads_is_not_read_either)
{
    unsigned sent = 0, before;

    heard.echoes = 1;
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(send_pings(10), 10);
        sent += 10;
        turn();
    }
    ck_assert_uint_lt(heard.pdus, sent);
    ck_assert_uint_ge(conn_queued(conn), CONN_OUTPUT_HIGH);
    ck_assert_uint_lt(conn_queued(conn), CONN_OUTPUT_HIGH + 10 * 32768);
    before = heard.pdus;
    turn();
    ck_assert_uint_eq(heard.pdus, before);
    /* Once it reads, it gets everything it asked for. */
    for (int i = 0; i < 10000 && received.length < sent * 32768; i++)
        ck_assert(read_some());
    ck_assert_uint_eq(heard.pdus, sent);
    ck_assert_uint_eq(received.length, sent * 32768);
    for (size_t i = 0; i < received.length; i += 1000)
        ck_assert_uint_eq((uint8_t)buffer_content(&received)[i], i / 32768 % 10);
    ck_assert_uint_eq(conn_bytes_in(conn), sent * BHS_SIZE);
}
END_TEST

START_TEST(room_is_told_once_when_the_queue_has_fallen)
{
    queue_bytes('a', 48);
    turn();
    ck_assert_uint_eq(heard.rooms, 0); /* there was room all the time */
    for (int i = 0; i < 20; i++)
        queue_bytes('a', 65536);
    turn();
    ck_assert_uint_eq(heard.rooms, 0);
    while (conn_queued(conn) >= CONN_OUTPUT_LOW) {
        ck_assert_uint_eq(heard.rooms, 0);
        read_some();
    }
    ck_assert_uint_eq(heard.rooms, 1);
    expect_all();
    ck_assert_uint_eq(heard.rooms, 1);
}
END_TEST

START_TEST(the_last_words_reach_the_peer)
{
    queue_bytes('a', 65536);
    queue_bytes('b', 65536);
    queue_bytes('c', 65536);
    queue_bytes('d', 65536);
    conn_finish(conn, "said all");
    send_pings(3); /* thrown away */
    while (read_some())
        ;
    ck_assert_uint_eq(received.length, expected.length);
    ck_assert_mem_eq(buffer_content(&received), buffer_content(&expected), expected.length);
    ck_assert_uint_eq(heard.pdus, 0);
    ck_assert_ptr_null(heard.closed); /* it waits for the peer to end */
    shutdown(peer, SHUT_WR);
    turn();
    ck_assert_str_eq(heard.closed, "said all");
}
END_TEST

/* The peer of a connection that the loop never heard of ends soon, or late. */
START_TEST(what_is_over_in_its_first_turn_ends_with_its_peer)
{
    bool is_late = _i;

    send_pings(1);
    conn_receive(conn);
    ck_assert_uint_eq(heard.pdus, 1);
    queue_bytes('a', 48);
    conn_finish(conn, "said all");
    turn();
    if (!is_late)
        shutdown(peer, SHUT_WR);
    ev_sleep(0.05);
    ev_now_update(loop);
    turn();
    if (is_late) {
        ck_assert_ptr_null(heard.closed);
        shutdown(peer, SHUT_WR);
        turn();
    }
    ck_assert_str_eq(heard.closed, "said all");
}
END_TEST

START_TEST(a_peer_that_never_ends_is_left_after_a_moment)
{
    conn_finish(conn, "said all");
    turn();
    ck_assert_ptr_null(heard.closed);
    ev_sleep(2.05);
    ev_now_update(loop);
    turn();
    ck_assert_str_eq(heard.closed, "said all");
}
END_TEST

START_TEST(a_mute_connection_is_open_and_silent)
{
    struct pollfd readable = {peer, POLLIN | POLLHUP, 0};

    queue_bytes('a', 48);
    if (_i)
        conn_finish(conn, "said all");
    conn_mute(conn);
    send_pings(2);
    turn();
    conn_hold_input(conn, false);
    turn();
    ck_assert_uint_eq(heard.pdus, 0);
    ck_assert_int_eq(poll(&readable, 1, 0), 0);
    ck_assert_ptr_null(heard.closed);
}
END_TEST

START_TEST(held_input_waits)
{
    conn_hold_input(conn, true);
    send_pings(2);
    turn();
    ck_assert_uint_eq(heard.pdus, 0);
    conn_hold_input(conn, false);
    turn();
    ck_assert_uint_eq(heard.pdus, 2);
}
END_TEST

START_TEST(the_end_has_a_reason)
{
    if (_i == 0) {
        close(peer);
        peer = -1;
    } else if (_i == 1) {
        send_pings(1);
        ck_assert_int_eq(send(peer,
                              "\0\x80\0\0\0\x7f\0\0" /* a segment over the limit */
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                              "\0\0\0\0\0\0\0",
                              BHS_SIZE, 0),
                         BHS_SIZE);
    }
    turn();
    ck_assert_str_eq(heard.closed, _i ? "data segment longer than MaxRecvDataSegmentLength"
                                      : "closed by the peer");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *tests = tcase_create("conn");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, bytes_and_spans_leave_in_order);
    tcase_add_test(tests, long_queues_keep_their_order);
    tcase_add_test(tests, nothing_leaves_before_the_loop_sleeps);
    tcase_add_test(tests, detached_bytes_take_their_turn_when_they_are_ready);
    tcase_add_loop_test(tests, detached_bytes_outlive_their_connection, 0, 2);
    tcase_add_test(tests, a_span_behind_the_end_of_the_file_ends_the_connection);
    tcase_add_loop_test(tests, what_has_not_left_of_a_span_stays_as_it_was, 0, 2);
    tcase_add_test(tests, a_span_outlives_its_file);
    tcase_add_test(tests, idle_connections_hold_no_memory);
    tcase_add_test(tests, a_peer_that_never_reads_is_not_read_either);
    tcase_add_test(tests, room_is_told_once_when_the_queue_has_fallen);
    tcase_add_test(tests, the_last_words_reach_the_peer);
    tcase_add_loop_test(tests, what_is_over_in_its_first_turn_ends_with_its_peer, 0, 2);
    tcase_add_test(tests, a_peer_that_never_ends_is_left_after_a_moment);
    tcase_add_loop_test(tests, a_mute_connection_is_open_and_silent, 0, 2);
    tcase_add_test(tests, held_input_waits);
    tcase_add_loop_test(tests, the_end_has_a_reason, 0, 2);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
