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

static const struct disk_operations slow_operations = {slow_attempt, slow_start, NULL, NULL};

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
    struct order_item items[4];

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

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tests = tcase_create("order");

    tcase_add_loop_test(tests, only_what_overlaps_and_changes_waits, 0, COUNT(pairs));
    tcase_add_test(tests, nothing_overtakes_what_waits_for_it);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
