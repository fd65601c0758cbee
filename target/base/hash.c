#include "target/base/hash.h"

#include "target/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_MIN = 16 };

/* Codes need not be good in their low bits. */
static size_t bucket_of(const struct hash *hash, uint64_t code)
{
    return (size_t)((code * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (hash->size - 1);
}

static void insert(struct hash *hash, struct hash_entry *entry)
{
    struct hash_entry **bucket = &hash->buckets[bucket_of(hash, entry->code)];

    entry->next = *bucket;
    *bucket = entry;
}

static void grow(struct hash *hash)
{
    struct hash old = *hash;

    hash->size = old.size ? 2 * old.size : SIZE_MIN;
    hash->buckets = memory_new(hash->size * sizeof(struct hash_entry *));
    for (size_t i = 0; i < old.size; i++) {
        struct hash_entry *next;

        for (struct hash_entry *entry = old.buckets[i]; entry; entry = next) {
            next = entry->next;
            insert(hash, entry);
        }
    }
    free(old.buckets);
}

void hash_add(struct hash *hash, struct hash_entry *entry, uint64_t code)
{
    if (hash->count == hash->size)
        grow(hash);
    entry->code = code;
    insert(hash, entry);
    hash->count++;
}

void hash_remove(struct hash *hash, struct hash_entry *entry)
{
    struct hash_entry **place = &hash->buckets[bucket_of(hash, entry->code)];

    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    entry->next = NULL;
    hash->count--;
}

static struct hash_entry *of_code(struct hash_entry *entry, uint64_t code)
{
    while (entry && entry->code != code)
        entry = entry->next;
    return entry;
}

struct hash_entry *hash_find(const struct hash *hash, uint64_t code)
{
    return hash->size ? of_code(hash->buckets[bucket_of(hash, code)], code) : NULL;
}

struct hash_entry *hash_next(const struct hash_entry *entry)
{
    return of_code(entry->next, entry->code);
}

void hash_free(struct hash *hash)
{
    free(hash->buckets);
    *hash = (struct hash){0};
}

static uint64_t add_word(uint64_t code, uint64_t word)
{
    code = (code ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return code ^ code >> 32;
}

/* As strcasecmp folds in the locale of a program that sets none: A to Z, in each byte of a word. */
static uint64_t fold(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 0x7f;
    uint64_t from_a = (word & low) + ones * (0x80 - 'A'),
             past_z = (word & low) + ones * (0x7f - 'Z');

    return word | ((from_a & ~past_z & ~word & ones * 0x80) >> 2);
}

/* Eight bytes at a time. */
static inline uint64_t hash_words(uint64_t code, const void *bytes, size_t length, bool folds)
{
    const unsigned char *at = bytes;
    size_t rest = length;
    uint64_t word = 0;

    for (; rest >= sizeof(word); rest -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        code = add_word(code, folds ? fold(word) : word);
    }
    word = 0;
    memcpy(&word, at, rest);
    return add_word(add_word(code, folds ? fold(word) : word), length);
}

uint64_t hash_bytes(uint64_t start, const void *bytes, size_t length)
{
    return hash_words(start, bytes, length, false);
}

uint64_t hash_text(const char *text)
{
    return hash_bytes(HASH_START, text, strlen(text));
}

uint64_t hash_folded(uint64_t start, const char *text)
{
    return hash_words(start, text, strlen(text), true);
}
