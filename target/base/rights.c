#include "target/base/rights.h"

#include "target/base/memory.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 0: no file; 1: and none through a pipe to a crash handler either, core(5). */
enum { NO_CORE = 1 };

struct capabilities {
    struct __user_cap_data_struct parts[_LINUX_CAPABILITY_U32S_3];
};

static long call(long number, struct capabilities *capabilities)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    return syscall(number, &header, capabilities->parts);
}

int rights_forbid_core_dumps(void)
{
    struct rlimit limit = {NO_CORE, NO_CORE}, before;

    if (!getrlimit(RLIMIT_CORE, &before) && before.rlim_max < NO_CORE)
        limit = (struct rlimit){0, 0};
    return setrlimit(RLIMIT_CORE, &limit);
}

static int forbid_core_dumps(const struct rights_wish *wish)
{
    (void)wish;
    return rights_forbid_core_dumps();
}

/* Whoever may not change it has no capability to be had from it: no_new_privs comes as well. */
static int empty_bounding_set(const struct rights_wish *wish)
{
    (void)wish;
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno != EPERM)
            return -1;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int become_user(const struct rights_wish *wish)
{
    if (!wish->becomes_user)
        return 0;
    return setgroups(0, NULL) || setresgid(wish->gid, wish->gid, wish->gid) ||
                   setresuid(wish->uid, wish->uid, wish->uid)
               ? -1
               : 0;
}

static int give_up_capabilities(const struct rights_wish *wish)
{
    struct capabilities none = {0};

    (void)wish;
    return (int)call(SYS_capset, &none);
}

static int forbid_new_ones(const struct rights_wish *wish)
{
    (void)wish;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int set_dumpable(const struct rights_wish *wish)
{
    return prctl(PR_SET_DUMPABLE, wish->is_dumpable, 0, 0, 0);
}

/* In this order: what a step takes away an earlier one may need. */
static const struct {
    int (*run)(const struct rights_wish *wish); /* -1 with errno */
    const char *what;
} steps[] = {
    {forbid_core_dumps, "forbid core dumps"},
    {empty_bounding_set, "empty its bounding set"},
    {become_user, "become another user"},
    {give_up_capabilities, "give up its capabilities"},
    {forbid_new_ones, "do without new privileges"},
    {set_dumpable, "say who may trace it"},
};

char *rights_give_up(const struct rights_wish *wish)
{
    pid_t parent = getppid();
    int death_signal = 0;

    prctl(PR_GET_PDEATHSIG, &death_signal);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (steps[i].run(wish))
            return memory_format("cannot %s: %s", steps[i].what, strerror(errno));
    prctl(PR_SET_PDEATHSIG, death_signal); /* another user: the kernel has forgotten it */
    if (death_signal && getppid() != parent)
        exit(0);
    return NULL;
}

struct rights rights_held(void)
{
    struct capabilities now = {0};
    bool has_capabilities = call(SYS_capget, &now) != 0;

    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        has_capabilities |= now.parts[i].permitted != 0;
    return (struct rights){geteuid(), has_capabilities, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
                           prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1};
}
