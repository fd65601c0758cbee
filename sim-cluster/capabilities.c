#include "sim-cluster/capabilities.h"

#include "target/base/memory.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    int capability;
    const char *name;
} names[] = {
    {CAP_CHOWN, "CAP_CHOWN"},
    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
    {CAP_KILL, "CAP_KILL"},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
    {CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
    {CAP_NET_RAW, "CAP_NET_RAW"},
    {CAP_SETGID, "CAP_SETGID"},
    {CAP_SETUID, "CAP_SETUID"},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
};

bool capabilities_have(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct parts[_LINUX_CAPABILITY_U32S_3] = {0};

    return !syscall(SYS_capget, &header, parts) &&
           parts[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

static char *name_of(int capability)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].capability == capability)
            return memory_copy_text(names[i].name);
    return memory_format("capability %d", capability);
}

char *capabilities_missing(const int *wanted, size_t count)
{
    char *all = NULL;

    for (size_t i = count; i-- > 0;) {
        if (capabilities_have(wanted[i]))
            continue;
        char *name = name_of(wanted[i]);
        bool has_last = all && !strstr(all, " and ");
        char *longer = all ? memory_format("%s%s%s", name, has_last ? " and " : ", ", all)
                           : memory_copy_text(name);

        free(name);
        free(all);
        all = longer;
    }
    return all;
}
