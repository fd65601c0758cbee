/* A volume whose state is kept by the test, and PERSISTENT RESERVE IN and OUT on it. */
#pragma once

#include "target/scsi/unit.h"
#include "tests/unit/scsi_fixture.h"

#include <errno.h>

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, IGNORE, MOVE };
enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };

/* A store that finishes a save when the test lets it. */
struct fake_store {
    struct scsi_store store;
    json_t *kept; /* what the last save that went well left */
    json_t *next;
    scsi_saved *done;
    void *owner;
    unsigned saves;
    int error;
    bool is_holding;
    struct ev_timer timer;
};

static struct fake_store fake;
static struct fixture fixture;

static inline void finish_save(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    if (!fake.error) {
        json_decref(fake.kept);
        fake.kept = json_deep_copy(fake.next);
    }
    json_decref(fake.next);
    fake.next = NULL;
    fake.done(fake.owner, fake.error);
}

static inline void start_save(struct scsi_store *store, json_t *state, scsi_saved *done,
                              void *owner)
{
    (void)store;
    ck_assert_ptr_null(fake.next); /* one at a time */
    fake.next = json_deep_copy(state);
    fake.done = done;
    fake.owner = owner;
    fake.saves++;
    ev_timer_init(&fake.timer, finish_save, 0, 0);
    if (!fake.is_holding)
        ev_timer_start(fixture.loop, &fake.timer);
}

static inline void close_store(struct scsi_store *store)
{
    (void)store;
    ck_assert_ptr_null(fake.next);
}

static inline void let_save(void)
{
    fake.is_holding = false;
    finish_save(fixture.loop, &fake.timer, 0);
}

static inline void open_lun(const char *run)
{
    fake.store = (struct scsi_store){start_save, close_store};
    fixture.store = &fake.store;
    fixture.state = fake.kept;
    fixture.run = run;
    open_volume(&fixture, 1024 * 1024, 512, false);
}

static inline uint32_t test_unit_ready(struct scsi_nexus *nexus)
{
    return execute_cdb(&fixture, nexus, CDB("\0\0\0\0\0\0"));
}

static inline void set_up(void)
{
    open_lun("first");
    test_unit_ready(fixture.nexus);
    test_unit_ready(fixture.other);
}

static inline void tear_down(void)
{
    close_volume(&fixture);
    json_decref(fake.kept);
}

static inline struct exchange *new_out(struct scsi_nexus *nexus, uint8_t action, uint8_t type,
                                       uint64_t key, uint64_t service_key)
{
    uint8_t cdb[10] = {0x5f, action, type, 0, 0, 0, 0, 0, 24};
    struct exchange *exchange = new_exchange(nexus, (const char *)cdb, sizeof cdb);

    put_be64(exchange->data, key);
    put_be64(exchange->data + 8, service_key);
    return exchange;
}

static inline uint32_t finish(struct exchange *exchange)
{
    uint32_t result = execute(&fixture, exchange);

    free(exchange);
    return result;
}

static inline uint32_t out(struct scsi_nexus *nexus, uint8_t action, uint8_t type, uint64_t key,
                           uint64_t service_key)
{
    return finish(new_out(nexus, action, type, key, service_key));
}

static inline uint32_t register_for_good(struct scsi_nexus *nexus, uint64_t key)
{
    struct exchange *exchange = new_out(nexus, IGNORE, 0, 0, key);

    exchange->data[20] = 0x01; /* APTPL */
    return finish(exchange);
}

static inline void check_in(uint8_t action, const char *bytes, size_t length)
{
    uint8_t cdb[10] = {0x5e, action, 0, 0, 0, 0, 0, 0x01, 0x00};
    struct exchange *exchange = new_exchange(fixture.nexus, (const char *)cdb, sizeof cdb);

    ck_assert_uint_eq(execute(&fixture, exchange), SCSI_GOOD);
    ck_assert_uint_eq(exchange->task.transfer_length, length);
    ck_assert_mem_eq(exchange->data, bytes, length);
    free(exchange);
}

#define BYTES(text) "" text, sizeof(text) - 1
