#include "target/scsi/token.h"
#include "target/scsi/unit.h"
#include "tests/unit/scsi_fixture.h"

#include <errno.h>
#include <time.h>

enum { BLOCK = 512, POPULATE_SIZE = 16 + 16, WRITE_USING_SIZE = 536 + 16, DISK_SIZE = 64 << 20 };

/* Keeps the tokens of the test: answers requests when the test says so. */
struct keeper {
    struct scsi_peers peers;
    struct scsi_lun *other; /* what `find` finds */
    struct token_request *requests[8];
    unsigned count;
    char *kept; /* owned; the text of the last token */
};

static struct fixture fixture;
static struct keeper keeper;

static bool find(struct scsi_peers *peers, const uint8_t naa[static SCSI_NAA_SIZE],
                 const char *initiator_port, struct scsi_peer *peer)
{
    (void)peers, (void)naa, (void)initiator_port;
    *peer = (struct scsi_peer){.lun = keeper.other};
    return keeper.other;
}

static void keep_token(struct scsi_peers *peers, struct token_request *request)
{
    (void)peers;
    ck_assert_uint_lt(keeper.count, COUNT(keeper.requests));
    keeper.requests[keeper.count++] = request;
}

/* The oldest request is done; of a token that is fetched, the text that was kept. */
static void answer(int error)
{
    struct token_request *request = keeper.requests[0];

    ck_assert_uint_gt(keeper.count, 0);
    memmove(keeper.requests, keeper.requests + 1, --keeper.count * sizeof keeper.requests[0]);
    if (request->operation == TOKEN_KEEP) {
        free(keeper.kept);
        keeper.kept = strdup(request->text);
    }
    if (request->operation == TOKEN_FETCH && !error) {
        request->text = strdup(keeper.kept);
        request->used_s = time(NULL);
    }
    request->error = error;
    request->done(request);
}

static void set_up(void)
{
    keeper = (struct keeper){.peers = {find, keep_token}};
    fixture.peers = &keeper.peers;
    open_volume(&fixture, DISK_SIZE, BLOCK, false);
    execute_cdb(&fixture, fixture.nexus, CDB("\0\0\0\0\0\0"));
    execute_cdb(&fixture, fixture.other, CDB("\0\0\0\0\0\0"));
}

static void tear_down(void)
{
    close_volume(&fixture);
    free(keeper.kept);
}

static void put_range(uint8_t *bytes, uint64_t lba, uint32_t blocks)
{
    put_be64(bytes, lba);
    put_be32(bytes + 8, blocks);
}

static struct exchange *new_populate(uint64_t lba, uint32_t blocks)
{
    struct exchange *exchange =
        new_exchange(fixture.nexus, CDB("\x83\x10\0\0\0\0\0\0\0\x01\0\0\0\x20\0\0"));

    put_be16(exchange->data, POPULATE_SIZE - 2);
    put_be16(exchange->data + 14, 16);
    put_range(exchange->data + 16, lba, blocks);
    exchange->task.expected_out = POPULATE_SIZE;
    return exchange;
}

static struct exchange *new_write_using(const uint8_t *token, uint64_t lba, uint32_t blocks)
{
    struct exchange *exchange =
        new_exchange(fixture.nexus, CDB("\x83\x11\0\0\0\0\0\0\0\x02\0\0\x02\x28\0\0"));

    put_be16(exchange->data, WRITE_USING_SIZE - 2);
    memcpy(exchange->data + 16, token, TOKEN_SIZE);
    put_be16(exchange->data + 534, 16);
    put_range(exchange->data + 536, lba, blocks);
    exchange->task.expected_out = WRITE_USING_SIZE;
    return exchange;
}

static struct exchange *new_write(uint32_t lba, uint8_t value)
{
    struct exchange *exchange = new_exchange(fixture.other, CDB("\x2a\0\0\0\0\0\0\0\x01\0"));

    put_be32(exchange->cdb + 2, lba);
    memset(exchange->data, value, BLOCK);
    exchange->task.expected_out = BLOCK;
    return exchange;
}

/* Sends a command and its data; it waits then. */
static void begin(struct exchange *exchange)
{
    struct scsi_task *task = &exchange->task;
    uint8_t bytes[WRITE_USING_SIZE];
    size_t length = task->expected_out;

    ck_assert_int_eq(scsi_begin(task), SCSI_DATA_OUT);
    memcpy(bytes, exchange->data, length);
    scsi_put(task, 0, bytes, length);
    ck_assert_int_eq(scsi_finish(task), SCSI_WAIT);
}

/* Runs the loop until the keeper is asked for something. */
static void wait_for_request(unsigned count)
{
    while (keeper.count < count)
        ck_assert(ev_run(fixture.loop, EVRUN_ONCE) || keeper.count >= count);
}

/* How a command that waits ends. */
static uint32_t end(struct exchange *exchange)
{
    uint32_t result;

    if (!exchange->has_next)
        wait_for(&fixture, &exchange->has_next);
    exchange->has_next = false;
    complete(&fixture, exchange, exchange->next);
    result = result_of(&exchange->task);
    free(exchange);
    return result;
}

/* A token of blocks that are in force. */
static void make_token(struct token *token, uint64_t lba, uint32_t blocks)
{
    struct exchange *exchange = new_populate(lba, blocks);

    begin(exchange);
    wait_for_request(1);
    ck_assert_int_eq(keeper.requests[0]->operation, TOKEN_KEEP);
    answer(0);
    ck_assert_uint_eq(end(exchange), SCSI_GOOD);
    ck_assert(token_decode(token, keeper.kept));
}

static uint8_t read_byte(uint32_t lba)
{
    struct exchange *exchange = new_exchange(fixture.nexus, CDB("\x28\0\0\0\0\0\0\0\x01\0"));
    uint8_t value;

    put_be32(exchange->cdb + 2, lba);
    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    value = exchange->data[0];
    free(exchange);
    return value;
}

START_TEST(a_token_is_read_as_it_was_kept)
{
    struct token token = {.created_s = 1700000000,
                          .inactivity_s = 60,
                          .block_size = 4096,
                          .range_count = 2,
                          .ranges = {{1, 2}, {1ull << 40, 3}}};
    struct token copy = {0};
    char *text;

    memset(token.naa, 0x6a, sizeof token.naa);
    token_seal(&token, fixture.nexus);
    text = token_encode(&token);
    ck_assert(token_decode(&copy, text));
    ck_assert_mem_eq(&copy, &token, sizeof token);
    ck_assert_uint_eq(get_be64(token.bytes + 56), 5 * 4096);
    ck_assert_uint_eq(get_be16(token.bytes + 6), TOKEN_SIZE - 8);
    ck_assert(!token_decode(&copy, "{\"token\": \"00\"}"));
    free(text);
}
END_TEST

START_TEST(a_change_waits_until_the_token_is_revoked)
{
    struct exchange *write = new_write(15, 0xaa);
    struct token token;

    make_token(&token, 8, 8);
    ck_assert_uint_eq(execute_cdb(&fixture, fixture.other, CDB("\x35\0\0\0\0\0\0\0\0\0")),
                      SCSI_GOOD);
    ck_assert_uint_eq(keeper.count, 0);
    begin(write);
    ck_assert_uint_eq(keeper.count, 1);
    ck_assert_int_eq(keeper.requests[0]->operation, TOKEN_REVOKE);
    ck_assert_uint_eq(keeper.requests[0]->number, token.number);
    ck_assert_uint_eq(read_byte(15), 0);
    answer(0);
    ck_assert_uint_eq(end(write), SCSI_GOOD);
    ck_assert_uint_eq(read_byte(15), 0xaa);
    ck_assert_ptr_null(fixture.lun->order.watch);
}
END_TEST

START_TEST(all_changes_wait_for_the_same_revocation)
{
    struct exchange *first = new_write(8, 1), *second = new_write(9, 2);
    struct token token;

    make_token(&token, 8, 8);
    begin(first);
    begin(second);
    ck_assert_uint_eq(keeper.count, 1);
    answer(0);
    ck_assert_uint_eq(end(first), SCSI_GOOD);
    ck_assert_uint_eq(end(second), SCSI_GOOD);
    ck_assert_uint_eq(read_byte(8), 1);
    ck_assert_uint_eq(read_byte(9), 2);
}
END_TEST

START_TEST(a_change_beside_the_token_does_not_wait)
{
    struct token token;
    struct exchange *write = new_write(16, 3);

    make_token(&token, 8, 8);
    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    ck_assert_uint_eq(keeper.count, 0);
    free(write);
}
END_TEST

START_TEST(a_change_fails_when_its_token_cannot_be_revoked)
{
    struct exchange *write = new_write(8, 4);
    struct token token;

    make_token(&token, 8, 8);
    begin(write);
    answer(-EIO);
    ck_assert_uint_eq(end(write), SCSI_WRITE_ERROR);
    ck_assert_uint_eq(read_byte(8), 0);
}
END_TEST

START_TEST(a_token_whose_data_changes_while_it_is_kept_is_none)
{
    struct exchange *populate = new_populate(8, 8), *write = new_write(8, 5);

    begin(populate);
    wait_for_request(1);
    begin(write);
    ck_assert_uint_eq(keeper.count, 2);
    answer(0);
    ck_assert_uint_eq(end(populate), SCSI_NO_ROOM_FOR_TOKEN);
    ck_assert_uint_eq(keeper.count, 2); /* of the change, and of what was kept too late */
    answer(-ENOENT);
    answer(0);
    ck_assert_uint_eq(end(write), SCSI_GOOD);
    ck_assert_uint_eq(read_byte(8), 5);
}
END_TEST

START_TEST(the_oldest_of_too_many_tokens_is_revoked)
{
    struct token first, token;

    make_token(&first, 0, 1);
    for (unsigned i = 1; i < TOKENS_MAXIMUM; i++)
        make_token(&token, i, 1);
    ck_assert_uint_eq(keeper.count, 0);

    struct exchange *populate = new_populate(TOKENS_MAXIMUM, 1);
    begin(populate);
    wait_for_request(2);
    ck_assert_int_eq(keeper.requests[0]->operation, TOKEN_REVOKE);
    ck_assert_uint_eq(keeper.requests[0]->number, first.number);
    answer(0);
    answer(0);
    ck_assert_uint_eq(end(populate), SCSI_GOOD);
    ck_assert_uint_eq(fixture.lun->guard.count, TOKENS_MAXIMUM);
}
END_TEST

/* How far a copy by token comes when the keeper says no: to the fetch, or to a piece. */
static const struct {
    int fetched, used;
    uint32_t result;
} uses[] = {
    {0, 0, SCSI_GOOD},
    {-ENOENT, 0, SCSI_TOKEN_UNKNOWN},
    {-ESTALE, 0, SCSI_TOKEN_REVOKED},
    {-ENODATA, 0, SCSI_TOKEN_DELETED},
    {0, -ENOENT, SCSI_TOKEN_REVOKED},
};

START_TEST(nothing_is_written_that_the_keeper_does_not_confirm)
{
    struct exchange *write = new_write(8, 0x77), *copy;
    struct token token;

    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    make_token(&token, 8, 8);
    copy = new_write_using(token.bytes, 100, 8);
    begin(copy);
    answer(uses[_i].fetched);
    if (!uses[_i].fetched) {
        wait_for_request(1);
        ck_assert_int_eq(keeper.requests[0]->operation, TOKEN_USE);
        ck_assert_uint_eq(read_byte(100), 0);
        answer(uses[_i].used);
    }
    ck_assert_uint_eq(end(copy), uses[_i].result);
    ck_assert_uint_eq(read_byte(100), uses[_i].result ? 0 : 0x77);
    free(write);
}
END_TEST

START_TEST(a_copy_that_takes_too_long_ends_early_and_tells_how_far_it_came)
{
    struct exchange *write = new_write(8, 0x77), *copy, *information;
    struct token token;

    ck_assert_uint_eq(execute(&fixture, write), SCSI_GOOD);
    make_token(&token, 0, 8192);
    copy = new_write_using(token.bytes, 16384, 8192);
    begin(copy);
    answer(0);
    wait_for_request(1);
    usleep((COPY_SECONDS_MAXIMUM * 1000 + 100) * 1000);
    answer(0);
    ck_assert_uint_eq(end(copy), SCSI_GOOD);
    information = new_exchange(fixture.nexus, CDB("\x84\x07\0\0\0\x02\0\0\0\0\0\0\0\xff\0\0"));
    ck_assert_uint_eq(execute(&fixture, information), SCSI_GOOD);
    ck_assert_uint_eq(information->data[5], 0x04);
    ck_assert_uint_eq(get_be64(information->data + 16), 8);
    free(information);
    free(write);
}
END_TEST

START_TEST(an_aborted_copy_ends_when_its_request_does)
{
    struct exchange *copy;
    struct token token;

    make_token(&token, 8, 8);
    copy = new_write_using(token.bytes, 100, 8);
    begin(copy);
    scsi_abort(&copy->task);
    ck_assert(!copy->is_aborted);
    answer(0);
    ck_assert(copy->is_aborted);
    ck_assert_uint_eq(fixture.lun->borrowers, 0);
    free(copy);
}
END_TEST

/* EXTENDED COPY(LID1) of one segment from or to a logical unit that `find` finds. */
static struct exchange *new_copy_from_other(uint16_t blocks)
{
    static const uint8_t list[76] = {
        [0] = 1,     [3] = 32,    [11] = 28,                         /* header */
        [16] = 0xe4, [20] = 1,    [21] = 3,  [23] = 16, [24] = 0x60, /* whatever is found */
        [48] = 2,    [51] = 0x18,                                    /* from 0 to 0 */
    };
    struct exchange *exchange =
        new_exchange(fixture.nexus, CDB("\x83\0\0\0\0\0\0\0\0\0\0\0\0\x4c\0\0"));

    memcpy(exchange->data, list, sizeof list);
    put_be16(exchange->data + 58, blocks);
    exchange->task.expected_out = sizeof list;
    return exchange;
}

START_TEST(a_logical_unit_is_closed_when_the_copy_from_it_has_ended)
{
    struct fixture source = {0};
    struct exchange *copy = new_copy_from_other(2048);
    bool is_closed = false;

    open_volume(&source, DISK_SIZE, BLOCK, false);
    keeper.other = source.lun;
    source.held->is_holding = true;
    begin(copy);
    scsi_nexus_free(source.nexus);
    scsi_nexus_free(source.other);
    scsi_lun_close(source.lun, on_closed, &is_closed);
    ck_assert(!is_closed);
    source.held->is_holding = false;
    release_one(source.held, -EIO);
    ck_assert_uint_eq(end(copy), SCSI_COPY_DEVICE_FAILURE);
    wait_for(&source, &is_closed);
    workers_free(source.workers);
    ev_loop_destroy(source.loop);
    unlink(source.path);
}
END_TEST

START_TEST(a_copy_that_is_told_to_stop_stops_before_its_next_piece)
{
    struct exchange *copy = new_copy_from_other(2048);

    keeper.other = fixture.lun;
    put_be64(copy->data + 68, 4096);
    fixture.held->is_holding = true;
    begin(copy);
    ck_assert_uint_eq(
        execute_cdb(&fixture, fixture.nexus, CDB("\x83\x1c\0\0\0\x01\0\0\0\0\0\0\0\0\0\0")),
        SCSI_GOOD);
    fixture.held->is_holding = false;
    release_one(fixture.held, 0);
    ck_assert_uint_eq(end(copy), SCSI_COPY_STOPPED);
}
END_TEST

START_TEST(an_identifier_in_use_is_not_given_again)
{
    struct exchange *copy = new_copy_from_other(8), *second = new_copy_from_other(8);

    keeper.other = fixture.lun;
    put_be64(copy->data + 68, 4096);
    fixture.held->is_holding = true;
    begin(copy);
    ck_assert_uint_eq(execute(&fixture, second), SCSI_OPERATION_IN_PROGRESS);
    fixture.held->is_holding = false;
    release_one(fixture.held, -EIO);
    ck_assert_uint_eq(end(copy), SCSI_COPY_DEVICE_FAILURE);
    free(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("copy");
    TCase *tokens = tcase_create("tokens"), *copies = tcase_create("copies");

    tcase_add_checked_fixture(tokens, set_up, tear_down);
    tcase_add_test(tokens, a_token_is_read_as_it_was_kept);
    tcase_add_test(tokens, a_change_waits_until_the_token_is_revoked);
    tcase_add_test(tokens, all_changes_wait_for_the_same_revocation);
    tcase_add_test(tokens, a_change_beside_the_token_does_not_wait);
    tcase_add_test(tokens, a_change_fails_when_its_token_cannot_be_revoked);
    tcase_add_test(tokens, a_token_whose_data_changes_while_it_is_kept_is_none);
    tcase_add_test(tokens, the_oldest_of_too_many_tokens_is_revoked);
    tcase_add_loop_test(tokens, nothing_is_written_that_the_keeper_does_not_confirm, 0,
                        COUNT(uses));
    suite_add_tcase(suite, tokens);

    tcase_add_checked_fixture(copies, set_up, tear_down);
    tcase_set_timeout(copies, 20);
    tcase_add_test(copies, a_copy_that_takes_too_long_ends_early_and_tells_how_far_it_came);
    tcase_add_test(copies, an_aborted_copy_ends_when_its_request_does);
    tcase_add_test(copies, a_logical_unit_is_closed_when_the_copy_from_it_has_ended);
    tcase_add_test(copies, a_copy_that_is_told_to_stop_stops_before_its_next_piece);
    tcase_add_test(copies, an_identifier_in_use_is_not_given_again);
    suite_add_tcase(suite, copies);
    return run_suite(suite);
}
