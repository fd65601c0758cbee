/* The cutting of bytes into PDUs: the same deliveries however the bytes come. */
#include "target/base/buffer.h"
#include "target/base/bytes.h"
#include "target/iscsi/digest.h"
#include "target/iscsi/stream.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* What the user of the stream was told: a line a PDU, its data in full. */
struct heard {
    struct buffer text;
    unsigned begun, pieces, whole; /* PDUs begun, pieces of data, PDUs with collected data */
    unsigned bytes;                /* of data */
    const char *refuse_begin;
};

static struct heard heard;
static struct stream stream;
static struct buffer wire;

static void note(const char *text)
{
    buffer_append(&heard.text, text, strlen(text));
}

static void note_bytes(const uint8_t *bytes, size_t length)
{
    char hex[3];

    for (size_t i = 0; i < length; i++) {
        snprintf(hex, sizeof(hex), "%02x", bytes[i]);
        note(hex);
    }
}

static const char *on_begin(void *owner, const struct pdu *pdu)
{
    char line[64];

    (void)owner;
    heard.begun++;
    heard.whole += pdu->data != NULL;
    snprintf(line, sizeof(line), "[%02x %u %u:", pdu->opcode, pdu->data_length, pdu->task_tag);
    note(line);
    note_bytes(pdu->bhs, BHS_SIZE);
    note_bytes(pdu->ahs, pdu->ahs_length);
    note("|");
    return heard.refuse_begin;
}

static const char *on_data(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length)
{
    (void)owner, (void)pdu;
    ck_assert_uint_gt(length, 0);
    heard.pieces++;
    heard.bytes += length;
    note_bytes(bytes, length);
    return NULL;
}

static const char *on_end(void *owner, const struct pdu *pdu)
{
    (void)owner;
    if (pdu->data)
        note_bytes(pdu->data, pdu->data_length);
    note_bytes(pdu->bhs, BHS_SIZE); /* the header is still there */
    note("]\n");
    return NULL;
}

static const char *on_bad_data(void *owner, const struct pdu *pdu)
{
    (void)owner, (void)pdu;
    return "bad data";
}

static const struct stream_user user = {on_begin, on_data, on_end, on_bad_data};

static struct stream_memory memory;

static void begin(bool header_digest, bool data_digest)
{
    stream_init(&stream, &user, NULL, &memory);
    stream.max_data_length = 4096;
    stream.header_digest = header_digest;
    stream.data_digest = data_digest;
}

/* Appends one PDU with padding and digests, as the stream is set to have them. */
static void add_pdu(enum opcode opcode, uint32_t ahs_words, uint32_t length)
{
    uint8_t header[BHS_SIZE + AHS_MAX] = {(uint8_t)opcode, 0x80, 0, 0, (uint8_t)ahs_words};
    uint8_t *data = calloc(1, length + 4), digest[DIGEST_SIZE];
    uint32_t header_length = BHS_SIZE + 4 * ahs_words, padded = length + pdu_padding(length);

    put_be24(header + 5, length);
    put_be32(header + 16, length + ahs_words);
    for (uint32_t i = BHS_SIZE; i < header_length; i++)
        header[i] = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < length; i++)
        data[i] = (uint8_t)(i * 5 + length);
    buffer_append(&wire, header, header_length);
    if (stream.header_digest) {
        digest_put(digest, digest_add(DIGEST_START, header, header_length));
        buffer_append(&wire, digest, DIGEST_SIZE);
    }
    buffer_append(&wire, data, padded);
    if (stream.data_digest && length) {
        digest_put(digest, digest_add(DIGEST_START, data, padded));
        buffer_append(&wire, digest, DIGEST_SIZE);
    }
    free(data);
}

static void add_mixture(void)
{
    add_pdu(OP_NOP_OUT, 0, 0);
    add_pdu(OP_SCSI_COMMAND, 2, 13);
    add_pdu(OP_TEXT_REQUEST, 0, 31);
    add_pdu(OP_DATA_OUT, 0, 64);
    add_pdu(OP_SCSI_COMMAND, 0, 0);
    add_pdu(OP_LOGIN_REQUEST, 1, 1);
    add_pdu(OP_DATA_OUT, 0, 2);
    add_pdu(OP_NOP_OUT, 3, 0);
}

static const char *feed(const struct buffer *bytes, size_t from, size_t to)
{
    /* A copy of its own, so that whoever keeps a pointer into it is found. */
    uint8_t *copy = malloc(to - from + 1);
    const char *why;

    memcpy(copy, bytes->bytes + from, to - from);
    why = stream_feed(&stream, copy, to - from);
    memset(copy, 0xdd, to - from);
    free(copy);
    return why;
}

/* The deliveries when the bytes come in pieces of `size`. */
static char *deliver_in_pieces(size_t size)
{
    char *text;

    heard = (struct heard){0};
    for (size_t at = 0; at < wire.length; at += size)
        ck_assert_ptr_null(feed(&wire, at, at + size < wire.length ? at + size : wire.length));
    ck_assert(!stream_is_inside(&stream));
    note("");
    text = strndup(heard.text.bytes, heard.text.length);
    buffer_free(&heard.text);
    return text;
}

static void tear_down(void)
{
    stream_free(&stream);
    stream_memory_free(&memory);
    buffer_free(&wire);
    buffer_free(&heard.text);
    heard = (struct heard){0};
}

START_TEST(large_segments_in_pieces_share_memory)
{
    begin(false, true);
    stream.max_data_length = 256 << 10;
    for (int i = 0; i < 3; i++)
        add_pdu(OP_DATA_OUT, 0, (256 << 10) - (uint32_t)i);
    char *whole = deliver_in_pieces(wire.length);

    ck_assert_uint_eq(memory.count, 0);
    char *parts = deliver_in_pieces(100000);

    ck_assert_str_eq(parts, whole);
    ck_assert_uint_eq(memory.count, 1);
    free(whole);
    free(parts);
}
END_TEST

START_TEST(segment_that_a_peer_leaves_unfinished_is_given_back)
{
    begin(false, true);
    stream.max_data_length = 256 << 10;
    add_pdu(OP_DATA_OUT, 0, 100000);
    ck_assert_ptr_null(feed(&wire, 0, 50000));
    stream_free(&stream);
    ck_assert_uint_eq(memory.count, 1);
}
END_TEST

/* _i: bit 0 header digest, bit 1 data digest */
START_TEST(pieces_of_any_size_give_the_same_pdus)
{
    char *whole, *cut;

    begin(_i & 1, _i & 2);
    add_mixture();
    whole = deliver_in_pieces(wire.length);
    ck_assert_uint_eq(heard.begun, 8);
    for (size_t size = 1; size < 200; size++) {
        cut = deliver_in_pieces(size);
        ck_assert_str_eq(cut, whole);
        free(cut);
    }
    free(whole);
}
END_TEST

START_TEST(a_cut_at_any_place_gives_the_same_pdus)
{
    char *whole;

    begin(_i & 1, _i & 2);
    add_mixture();
    whole = deliver_in_pieces(wire.length);
    for (size_t cut = 1; cut < wire.length; cut++) {
        heard = (struct heard){0};
        ck_assert_ptr_null(feed(&wire, 0, cut));
        ck_assert_ptr_null(feed(&wire, cut, wire.length));
        ck_assert_uint_eq(heard.text.length, strlen(whole));
        ck_assert_mem_eq(heard.text.bytes, whole, strlen(whole));
        buffer_free(&heard.text);
    }
    free(whole);
}
END_TEST

START_TEST(only_data_out_and_commands_pass_as_they_come)
{
    static const struct {
        enum opcode opcode;
        bool data_digest, is_streamed;
    } rows[] = {
        {OP_DATA_OUT, false, true},       {OP_SCSI_COMMAND, false, true},
        {OP_DATA_OUT, true, false},       {OP_SCSI_COMMAND, true, false},
        {OP_TEXT_REQUEST, false, false},  {OP_NOP_OUT, false, false},
        {OP_LOGIN_REQUEST, false, false},
    };

    begin(false, rows[_i].data_digest);
    add_pdu(rows[_i].opcode, 0, 1000);
    ck_assert_ptr_null(feed(&wire, 0, 500));
    ck_assert_uint_eq(heard.begun, rows[_i].is_streamed);
    ck_assert_uint_eq(heard.pieces, rows[_i].is_streamed);
    ck_assert_ptr_null(feed(&wire, 500, wire.length));
    ck_assert_uint_eq(heard.begun, 1);
    ck_assert_uint_eq(heard.pieces, rows[_i].is_streamed ? 2 : 1);
    ck_assert_uint_eq(heard.whole, !rows[_i].is_streamed);
}
END_TEST

START_TEST(additional_headers_of_every_length_pass)
{
    char *whole;

    begin(_i & 1, false);
    for (uint32_t words = 0; words < 256; words++)
        add_pdu(OP_SCSI_COMMAND, words, words % 5);
    whole = deliver_in_pieces(wire.length);
    for (size_t size = 47; size < 60; size += 6) {
        char *cut = deliver_in_pieces(size);

        ck_assert_str_eq(cut, whole);
        free(cut);
    }
    free(whole);
}
END_TEST

START_TEST(a_wrong_header_digest_ends_the_connection)
{
    begin(true, false);
    add_pdu(OP_SCSI_COMMAND, 1, 8);
    /* _i: the byte that is wrong, in basic header, additional header or digest */
    wire.bytes[_i] ^= 0x10;
    ck_assert_ptr_nonnull(feed(&wire, 0, wire.length));
    ck_assert_uint_eq(heard.begun, 0);
}
END_TEST

START_TEST(a_wrong_data_digest_is_told_and_not_delivered)
{
    begin(false, true);
    add_pdu(OP_NOP_OUT, 0, 5);
    wire.bytes[BHS_SIZE + _i] ^= 0x10; /* data, padding and digest */
    ck_assert_str_eq(feed(&wire, 0, wire.length), "bad data");
    ck_assert_uint_eq(heard.begun + heard.pieces, 0);
}
END_TEST

START_TEST(an_empty_segment_has_no_data_digest)
{
    begin(true, true);
    add_pdu(OP_NOP_OUT, 0, 0);
    ck_assert_uint_eq(wire.length, BHS_SIZE + DIGEST_SIZE);
    ck_assert_ptr_null(feed(&wire, 0, wire.length));
    ck_assert_uint_eq(heard.begun, 1);
}
END_TEST

START_TEST(padding_is_not_data)
{
    begin(false, false);
    add_pdu(OP_DATA_OUT, 0, 5);
    add_pdu(OP_NOP_OUT, 0, 0);
    wire.bytes[BHS_SIZE + 5] = 'X'; /* whatever it is */
    ck_assert_ptr_null(feed(&wire, 0, BHS_SIZE + 6));
    ck_assert_ptr_null(feed(&wire, BHS_SIZE + 6, wire.length));
    ck_assert_uint_eq(heard.begun, 2);
    ck_assert_uint_eq(heard.bytes, 5);
}
END_TEST

START_TEST(segments_over_the_limit_end_the_connection_before_they_come)
{
    begin(false, false);
    add_pdu(_i ? OP_DATA_OUT : OP_TEXT_REQUEST, 0, 4096);
    add_pdu(_i ? OP_DATA_OUT : OP_TEXT_REQUEST, 0, 4097);
    ck_assert_ptr_null(feed(&wire, 0, BHS_SIZE + 4096));
    ck_assert_ptr_nonnull(feed(&wire, BHS_SIZE + 4096, BHS_SIZE + 4096 + BHS_SIZE));
    ck_assert_uint_eq(heard.begun, 1);
}
END_TEST

START_TEST(a_reason_of_the_user_stops_the_stream_at_once)
{
    begin(false, false);
    add_pdu(OP_NOP_OUT, 0, 4);
    add_pdu(OP_NOP_OUT, 0, 4);
    heard.refuse_begin = "enough";
    ck_assert_str_eq(feed(&wire, 0, wire.length), "enough");
    ck_assert_uint_eq(heard.begun, 1);
    ck_assert_uint_eq(heard.pieces, 0);
}
END_TEST

START_TEST(a_stream_knows_when_it_is_inside_a_pdu)
{
    begin(false, false);
    add_pdu(OP_TEXT_REQUEST, 0, 10);
    ck_assert(!stream_is_inside(&stream));
    ck_assert_ptr_null(feed(&wire, 0, 1));
    ck_assert(stream_is_inside(&stream));
    ck_assert_ptr_null(feed(&wire, 1, wire.length - 1));
    ck_assert(stream_is_inside(&stream)); /* one byte of padding is missing */
    ck_assert_uint_eq(heard.begun, 0);
    ck_assert_ptr_null(feed(&wire, wire.length - 1, wire.length));
    ck_assert(!stream_is_inside(&stream));
    ck_assert_uint_eq(heard.begun, 1);
}
END_TEST

/* Known values of CRC32C: RFC 7143 A.4 and the check value of the polynomial. */
START_TEST(digests_are_crc32c_least_significant_byte_first)
{
    uint8_t zeros[32] = {0}, ones[32], counting[32], digest[DIGEST_SIZE];

    memset(ones, 0xff, sizeof(ones));
    for (uint8_t i = 0; i < 32; i++)
        counting[i] = i;
    digest_put(digest, digest_add(DIGEST_START, zeros, 32));
    ck_assert_mem_eq(digest, "\xaa\x36\x91\x8a", DIGEST_SIZE);
    digest_put(digest, digest_add(DIGEST_START, ones, 32));
    ck_assert_mem_eq(digest, "\x43\xab\xa8\x62", DIGEST_SIZE);
    digest_put(digest, digest_add(digest_add(DIGEST_START, counting, 5), counting + 5, 27));
    ck_assert_mem_eq(digest, "\x4e\x79\xdd\x46", DIGEST_SIZE);
    ck_assert_uint_eq(digest_end(digest_add(DIGEST_START, "123456789", 9)), 0xe3069283);
    ck_assert_uint_eq(digest_pad(digest_add(DIGEST_START, zeros, 29), 29),
                      digest_add(DIGEST_START, zeros, 32));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *tests = tcase_create("stream");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, large_segments_in_pieces_share_memory);
    tcase_add_test(tests, segment_that_a_peer_leaves_unfinished_is_given_back);
    tcase_add_loop_test(tests, pieces_of_any_size_give_the_same_pdus, 0, 4);
    tcase_add_loop_test(tests, a_cut_at_any_place_gives_the_same_pdus, 0, 4);
    tcase_add_loop_test(tests, only_data_out_and_commands_pass_as_they_come, 0, 7);
    tcase_add_loop_test(tests, additional_headers_of_every_length_pass, 0, 2);
    tcase_add_loop_test(tests, a_wrong_header_digest_ends_the_connection, 8, BHS_SIZE + 8);
    tcase_add_loop_test(tests, a_wrong_data_digest_is_told_and_not_delivered, 0, 12);
    tcase_add_test(tests, an_empty_segment_has_no_data_digest);
    tcase_add_test(tests, padding_is_not_data);
    tcase_add_loop_test(tests, segments_over_the_limit_end_the_connection_before_they_come, 0, 2);
    tcase_add_test(tests, a_reason_of_the_user_stops_the_stream_at_once);
    tcase_add_test(tests, a_stream_knows_when_it_is_inside_a_pdu);
    tcase_add_test(tests, digests_are_crc32c_least_significant_byte_first);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
