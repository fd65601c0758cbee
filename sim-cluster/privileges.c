#include "sim-cluster/privileges.h"

#include "sim-cluster/capabilities.h"
#include "target/base/memory.h"

#include <linux/capability.h>
#include <stdlib.h>

static const struct {
    int privilege, capability;
    const char *name, *what_for;
} rows[] = {
    {PRIVILEGE_NAMESPACES, CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "network namespaces"},
    {PRIVILEGE_NETWORK, CAP_NET_ADMIN, "CAP_NET_ADMIN", "links and addresses"},
    {PRIVILEGE_NETWORK, CAP_NET_RAW, "CAP_NET_RAW", "announcements"},
};

char *privileges_check(const char *mode, int needed)
{
    char *missing = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *before = missing;

        if (!(rows[i].privilege & needed) || capabilities_have(rows[i].capability))
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
