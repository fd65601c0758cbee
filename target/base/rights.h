/* User, capabilities and what else lets a process do more than it needs: given up for good. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct rights_wish {
    bool becomes_user; /* uid and gid count */
    uid_t uid;
    gid_t gid;
    bool is_dumpable; /* a parent without CAP_SYS_PTRACE reaches its sockets only then */
};

/* Of this process and those it starts: secrets are in their memory. 0, or -1 with errno. */
int rights_forbid_core_dumps(void);

/* Afterwards: no capability, none to be had by any program, no core dump, no other group than the
 * user's. It still dies with its parent, if it did before. NULL, or an owned sentence. */
char *rights_give_up(const struct rights_wish *wish);

struct rights {
    uid_t uid;
    bool has_capabilities, no_new_privs, is_dumpable;
};

struct rights rights_held(void);
