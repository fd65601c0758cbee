/* Which number a name stands for, found by hash. Owns copies of the names. */
#pragma once

#include "target/base/hash.h"
#include "target/base/list.h"

#include <stdbool.h>

/* Zeroed it is empty. */
struct name_index {
    struct hash names;
    struct named *last; /* the entries, chained for the end */
    bool ignores_case;  /* A to Z; set before the first name */
};

/* false: the name stands for a number already. */
bool name_index_add(struct name_index *index, const char *name, size_t number);
/* -1: it stands for none. */
ptrdiff_t name_index_find(const struct name_index *index, const char *name);
void name_index_free(struct name_index *index);
