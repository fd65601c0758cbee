/* What a cluster has in the system besides processes: namespaces, links, addresses. They are
 * written to the file "network" of the state directory before they are made, and namespaces and
 * links carry a mark, so that whatever ends a run, exactly its own can be removed afterwards. */
#pragma once

#include "target/base/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct belongings {
    char *rows; /* owned: a line each */
    size_t length;
};

void belongings_add_namespace(struct belongings *belongings, const char *name);
/* `mac`: what it is made with, or NULL. For a moment it is all there is to know a new link by. */
void belongings_add_link(struct belongings *belongings, const char *name, const uint8_t *mac);
void belongings_add_address(struct belongings *belongings, const char *link,
                            const struct subnet *address);
/* 0 or -errno. Frees the rows. */
int belongings_write(struct belongings *belongings, const char *directory);

/* The alias of everything that belongs to the state directory. Owned. */
char *belongings_mark(const char *directory);

/* `what`: "namespace lab-node1" */
typedef void belongings_removed(void *owner, const char *what);

/* Removes what is left of the last run, and nothing that lacks the mark. `on_removed` may be NULL.
 * NULL, or an owned sentence: what could not be removed. */
char *belongings_remove(const char *directory, belongings_removed *on_removed, void *owner);
/* One namespace with all its links. 0 or -errno; -EEXIST: it is not ours. */
int belongings_remove_namespace(const char *name, const char *mark);
