/* Connections of a node that has lost its power, kept open and mute, so that hosts see silence
 * where there is no link that could go dark. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Connections that nobody reads or answers any more. */
struct muted {
    int *sockets; /* owned */
    size_t count;
};

/* Takes duplicates of all connected TCP sockets of a (stopped) process; then it may be killed
 * without its peers noticing. Listeners are not kept: their ports must become free. */
void muted_take(struct muted *muted, pid_t pid, int pidfd);
/* The node is back: its old connections are reset. */
void muted_reset(struct muted *muted);
