/* A hash table whose entries are embedded in its elements. It grows with its content; several
 * entries may have the same code: who looks one up compares. Owns its buckets, not the elements.
 *
 *     for (struct hash_entry *entry = hash_find(&table, hash_text(name)); entry;
 *          entry = hash_next(entry))
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_entry {
    struct hash_entry *next;
    uint64_t code;
};

/* Zeroed it is empty. */
struct hash {
    struct hash_entry **buckets; /* owned */
    size_t size, count;          /* size: a power of two, or 0 */
};

void hash_add(struct hash *hash, struct hash_entry *entry, uint64_t code);
/* The entry must be in it. */
void hash_remove(struct hash *hash, struct hash_entry *entry);
/* The first entry of this code, and the next one; NULL: no more. */
struct hash_entry *hash_find(const struct hash *hash, uint64_t code);
struct hash_entry *hash_next(const struct hash_entry *entry);
/* The elements stay with their owner. */
void hash_free(struct hash *hash);

/* Codes. `start`: the code of what comes before, or HASH_START. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hash_bytes(uint64_t start, const void *bytes, size_t length);
uint64_t hash_text(const char *text);
/* The same for texts that differ in case only. */
uint64_t hash_folded(uint64_t start, const char *text);
