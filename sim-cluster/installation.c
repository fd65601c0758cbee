#include "sim-cluster/installation.h"

#include "target/base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *installation_programs(void)
{
    char path[PATH_MAX] = ".";
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (length > 0)
        path[length] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return memory_copy_text(path);
}

char *installation_config(void)
{
    static const char *const places[] = {"../configs/demo.ini", "../share/sim-cluster/demo.ini"};
    char *programs = installation_programs(), *path = NULL;

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        char whole[PATH_MAX];

        free(path);
        path = memory_format("%s/%s", programs, places[i]);
        if (realpath(path, whole)) {
            free(path);
            path = memory_copy_text(whole);
            break;
        }
    }
    free(programs);
    return path;
}
