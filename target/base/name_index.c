#include "target/base/name_index.h"

#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct named {
    struct hash_entry entry;
    struct named *previous;
    size_t number;
    char name[];
};

static uint64_t code_of(const struct name_index *index, const char *name)
{
    return index->ignores_case ? hash_folded(HASH_START, name) : hash_text(name);
}

static const struct named *find(const struct name_index *index, const char *name)
{
    for (struct hash_entry *entry = hash_find(&index->names, code_of(index, name)); entry;
         entry = hash_next(entry)) {
        const struct named *named = container_of(entry, struct named, entry);

        if (!(index->ignores_case ? strcasecmp : strcmp)(named->name, name))
            return named;
    }
    return NULL;
}

bool name_index_add(struct name_index *index, const char *name, size_t number)
{
    size_t size = strlen(name) + 1;
    struct named *named;

    if (find(index, name))
        return false;
    named = memory_new(sizeof(*named) + size);
    memcpy(named->name, name, size);
    named->number = number;
    named->previous = index->last;
    index->last = named;
    hash_add(&index->names, &named->entry, code_of(index, name));
    return true;
}

ptrdiff_t name_index_find(const struct name_index *index, const char *name)
{
    const struct named *named = find(index, name);

    return named ? (ptrdiff_t)named->number : -1;
}

void name_index_free(struct name_index *index)
{
    while (index->last) {
        struct named *named = index->last;

        index->last = named->previous;
        free(named);
    }
    hash_free(&index->names);
}
