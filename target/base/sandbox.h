/* A child gives up what it does not need, before the first byte from a network: its user, every
 * capability, the way to new privileges, core dumps, all files but those below one directory, and
 * all system calls but those that it makes. What it cannot give up here is told, not passed over in
 * silence: the event `process.sandboxed` says what is in force. */
#pragma once

#include "target/base/child.h"
#include "target/base/rights.h"

#include <jansson.h>
#include <stdbool.h>

struct sandbox {
    bool is_on;
    struct rights held; /* what is left */
    int landlock;       /* version of the kernel's Landlock; 0: files are not restricted */
    bool has_seccomp;   /* system calls are restricted */
};

/* `request`: the supervisor's, with "sandbox": {"uid", "gid", "dumpable"}, each of which may be
 * missing, or false for no sandbox at all. `directory` is where all files are, and becomes the
 * working directory; NULL: the process opens no file. Before there are threads. NULL, or an owned
 * sentence: the process must not go on. */
char *sandbox_enter(struct sandbox *sandbox, const json_t *request, const char *directory);

/* The same for a child that is asked to start. false: it cannot, and has refused. */
bool sandbox_take(struct sandbox *sandbox, struct child *child, int64_t id, const json_t *request,
                  const char *directory);

/* The event, once there is somebody to tell. */
void sandbox_tell(const struct sandbox *sandbox);
