#include "tests/unit/scsi_fixture.h"

/* Requests that overlap run in the order they came. A disk that takes everything and finishes it
 * when told. */
struct slow_disk {
    struct disk disk;
    struct disk_io *started[32];
    unsigned count;
};

static bool slow_attempt(struct disk *disk, struct disk_io *io)
{
    (void)disk, (void)io;
    return false;
}

static void slow_start(struct disk *disk, struct disk_io *io)
{
    struct slow_disk *slow = container_of(disk, struct slow_disk, disk);

    slow->started[slow->count++] = io;
}

static const struct disk_operations slow_operations = {slow_attempt, slow_start, NULL, NULL, NULL};

static unsigned finished;

static void on_finished(struct order_item *item)
{
    (void)item;
    finished++;
}

/* Second request after the first one, blocks of it: whether it has to wait. */
static const struct {
    enum disk_operation first;
    uint64_t first_offset, first_length;
    enum disk_operation second;
    uint64_t second_offset, second_length;
    bool waits;
} pairs[] = {
    {DISK_READ, 0, 10, DISK_READ, 0, 10, false},    {DISK_READ, 0, 10, DISK_WRITE, 0, 10, true},
    {DISK_WRITE, 0, 10, DISK_READ, 0, 10, true},    {DISK_WRITE, 0, 10, DISK_WRITE, 9, 10, true},
    {DISK_WRITE, 0, 10, DISK_WRITE, 10, 10, false}, {DISK_WRITE, 10, 10, DISK_READ, 0, 10, false},
    {DISK_WRITE, 10, 10, DISK_READ, 0, 11, true},   {DISK_DISCARD, 0, 100, DISK_READ, 50, 1, true},
    {DISK_ZERO, 50, 1, DISK_LOCATE, 0, 100, true},  {DISK_READ, 50, 1, DISK_DISCARD, 0, 100, true},
    {DISK_FLUSH, 0, 0, DISK_WRITE, 0, 100, false},  {DISK_WRITE, 0, 100, DISK_FLUSH, 0, 0, false},
};

START_TEST(only_what_overlaps_and_changes_waits)
{
    struct slow_disk slow = {.disk = {&slow_operations}};
    struct order order;
    struct order_item first = {.done = on_finished}, second = {.done = on_finished};

    finished = 0;
    order_init(&order, &slow.disk);
    first.io = (struct disk_io){.operation = pairs[_i].first,
                                .offset = pairs[_i].first_offset,
                                .length = pairs[_i].first_length};
    second.io = (struct disk_io){.operation = pairs[_i].second,
                                 .offset = pairs[_i].second_offset,
                                 .length = pairs[_i].second_length};
    order_start(&order, &first);
    order_start(&order, &second);
    ck_assert_uint_eq(slow.count, pairs[_i].waits ? 1 : 2);
    first.io.done(&first.io);
    ck_assert_uint_eq(slow.count, 2);
    second.io.done(&second.io);
    ck_assert_uint_eq(finished, 2);
    ck_assert(list_is_empty(&order.running) && list_is_empty(&order.waiting));
}
END_TEST

START_TEST(nothing_overtakes_what_waits_for_it)
{
    struct slow_disk slow = {.disk = {&slow_operations}};
    struct order order;
    struct order_item items[4] = {0};

    /* write, write behind it, read behind both, read aside */
    finished = 0;
    order_init(&order, &slow.disk);
    for (size_t i = 0; i < 4; i++) {
        items[i].done = on_finished;
        items[i].io = (struct disk_io){.operation = i < 2 ? DISK_WRITE : DISK_READ,
                                       .offset = i < 3 ? i * 5 : 100,
                                       .length = 10};
        order_start(&order, &items[i]);
    }
    ck_assert_uint_eq(slow.count, 2);
    ck_assert_ptr_eq(slow.started[1], &items[3].io);
    items[3].io.done(&items[3].io);
    ck_assert_uint_eq(slow.count, 2);
    items[0].io.done(&items[0].io);
    ck_assert_uint_eq(slow.count, 3);
    ck_assert_ptr_eq(slow.started[2], &items[1].io);
    items[1].io.done(&items[1].io);
    ck_assert_uint_eq(slow.count, 4);
    items[2].io.done(&items[2].io);
    ck_assert_uint_eq(finished, 4);
}
END_TEST

START_TEST(a_locked_range_is_its_owners_alone)
{
    struct slow_disk slow = {.disk = {&slow_operations}};
    struct order order;
    struct order_item lock = {.done = on_finished}, own = {.done = on_finished},
                      other = {.done = on_finished}, aside = {.done = on_finished};

    finished = 0;
    order_init(&order, &slow.disk);
    lock.io = (struct disk_io){.offset = 10, .length = 10};
    own.io = (struct disk_io){.operation = DISK_READ, .offset = 10, .length = 10};
    other.io = (struct disk_io){.operation = DISK_READ, .offset = 19, .length = 10};
    aside.io = (struct disk_io){.operation = DISK_WRITE, .offset = 0, .length = 10};
    ck_assert(order_lock(&order, &lock));
    order_start(&order, &other);
    order_start(&order, &aside);
    order_start_locked(&order, &own);
    ck_assert_uint_eq(slow.count, 2);
    ck_assert_ptr_eq(slow.started[0], &aside.io);
    ck_assert_ptr_eq(slow.started[1], &own.io);
    own.io.done(&own.io);
    ck_assert_uint_eq(slow.count, 2);
    order_unlock(&lock);
    ck_assert_ptr_eq(slow.started[2], &other.io);
    other.io.done(&other.io);
    aside.io.done(&aside.io);
    ck_assert_uint_eq(finished, 3);
}
END_TEST

START_TEST(a_lock_waits_for_what_runs)
{
    struct slow_disk slow = {.disk = {&slow_operations}};
    struct order order;
    struct order_item lock = {.done = on_finished}, before = {.done = on_finished};

    finished = 0;
    order_init(&order, &slow.disk);
    lock.io = (struct disk_io){.offset = 10, .length = 10};
    before.io = (struct disk_io){.operation = DISK_READ, .offset = 0, .length = 11};
    order_start(&order, &before);
    ck_assert(!order_lock(&order, &lock));
    ck_assert_uint_eq(finished, 0);
    before.io.done(&before.io);
    ck_assert_uint_eq(finished, 2);
    order_unlock(&lock);
    ck_assert(list_is_empty(&order.running) && list_is_empty(&order.waiting));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tests = tcase_create("order");

    tcase_add_loop_test(tests, only_what_overlaps_and_changes_waits, 0, COUNT(pairs));
    tcase_add_test(tests, nothing_overtakes_what_waits_for_it);
    tcase_add_test(tests, a_locked_range_is_its_owners_alone);
    tcase_add_test(tests, a_lock_waits_for_what_runs);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
