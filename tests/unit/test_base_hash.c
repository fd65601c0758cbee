/* Entries come and go; those of one code are all found. */
#include "target/base/hash.h"
#include "target/base/list.h"
#include "target/base/name_index.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { MANY = 1000 };

struct element {
    struct hash_entry entry;
    int number;
};

static struct element *find(const struct hash *hash, uint64_t code, int number)
{
    for (struct hash_entry *entry = hash_find(hash, code); entry; entry = hash_next(entry)) {
        struct element *element = container_of(entry, struct element, entry);

        if (element->number == number)
            return element;
    }
    return NULL;
}

START_TEST(what_was_added_is_found_until_it_is_removed)
{
    static struct element elements[MANY];
    struct hash hash = {0};

    ck_assert_ptr_null(hash_find(&hash, 1));
    for (int i = 0; i < MANY; i++) {
        elements[i].number = i;
        hash_add(&hash, &elements[i].entry, (uint64_t)i << 40);
    }
    ck_assert_uint_eq(hash.count, MANY);
    for (int i = 0; i < MANY; i += 2)
        hash_remove(&hash, &elements[i].entry);
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_eq(find(&hash, (uint64_t)i << 40, i), i % 2 ? &elements[i] : NULL);
    ck_assert_uint_eq(hash.count, MANY / 2);
    hash_free(&hash);
    ck_assert_ptr_null(hash_find(&hash, 1));
}
END_TEST

START_TEST(entries_of_one_code_are_all_there)
{
    struct element elements[] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct hash hash = {0};

    for (int i = 0; i < ROWS(elements); i++)
        hash_add(&hash, &elements[i].entry, 7);
    hash_remove(&hash, &elements[1].entry);
    ck_assert_ptr_eq(find(&hash, 7, 0), &elements[0]);
    ck_assert_ptr_null(find(&hash, 7, 1));
    ck_assert_ptr_eq(find(&hash, 7, 2), &elements[2]);
    hash_free(&hash);
}
END_TEST

START_TEST(case_is_folded_where_that_is_asked_for)
{
    ck_assert(hash_folded(HASH_START, "iqn.A:Z") == hash_folded(HASH_START, "iqn.a:z"));
    ck_assert(hash_folded(HASH_START, "iqn.a:[") != hash_folded(HASH_START, "iqn.a:{"));
    ck_assert(hash_text("a") != hash_text("A"));
    ck_assert(hash_folded(HASH_START, "ab") == hash_text("ab"));
}
END_TEST

/* Eight bytes at a time, and what is left over: each of them counts. */
START_TEST(every_byte_counts)
{
    static const char name[] = "IQN.2012-11.Com.Example:[@`{\xc3\xa9";
    char other[sizeof(name)];

    for (size_t i = 0; i < sizeof(name) - 1; i++) {
        memcpy(other, name, sizeof(name));
        other[i] ^= 0x20;
        ck_assert((hash_folded(HASH_START, other) == hash_folded(HASH_START, name)) ==
                  !strcasecmp(other, name));
        ck_assert(hash_text(other) != hash_text(name));
        other[i] = '\0';
        ck_assert(hash_text(other) != hash_text(name));
    }
}
END_TEST

START_TEST(a_name_stands_for_one_number)
{
    struct name_index index = {.ignores_case = _i};

    ck_assert_int_eq(name_index_find(&index, "a"), -1);
    ck_assert(name_index_add(&index, "a", 7));
    ck_assert(!name_index_add(&index, "a", 8));
    ck_assert_int_eq(name_index_find(&index, "a"), 7);
    ck_assert_int_eq(name_index_find(&index, "A"), _i ? 7 : -1);
    ck_assert_int_eq(name_index_add(&index, "A", 9), !_i);
    name_index_free(&index);
    ck_assert_int_eq(name_index_find(&index, "a"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash");
    TCase *test = tcase_create("hash");

    tcase_add_test(test, what_was_added_is_found_until_it_is_removed);
    tcase_add_test(test, entries_of_one_code_are_all_there);
    tcase_add_test(test, case_is_folded_where_that_is_asked_for);
    tcase_add_test(test, every_byte_counts);
    tcase_add_loop_test(test, a_name_stands_for_one_number, 0, 2);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
