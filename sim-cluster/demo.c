#include "sim-cluster/commands.h"

int command_demo(const struct options *options)
{
    (void)options;
    return EXIT_FAILED;
}
