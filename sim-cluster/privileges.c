#include "sim-cluster/privileges.h"

#include "target/base/memory.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    int privilege, capability;
    const char *name, *what_for;
} rows[] = {
    {PRIVILEGE_NAMESPACES, CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "network namespaces"},
    {PRIVILEGE_NETWORK, CAP_NET_ADMIN, "CAP_NET_ADMIN", "links and addresses"},
    {PRIVILEGE_NETWORK, CAP_NET_RAW, "CAP_NET_RAW", "announcements"},
};

static uint64_t effective(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data))
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

char *privileges_check(const char *mode, int needed)
{
    uint64_t have = effective();
    char *missing = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *before = missing;

        if (!(rows[i].privilege & needed) || have >> rows[i].capability & 1)
            continue;
        missing = memory_format("%s%s%s (%s)", before ? before : "", before ? ", " : "",
                                rows[i].name, rows[i].what_for);
        free(before);
    }
    if (!missing)
        return NULL;
    char *sentence = memory_format("network = %s needs privileges that are missing here: %s; start "
                                   "it as root, or use network = loopback, which needs none",
                                   mode, missing);

    free(missing);
    return sentence;
}
