/* network = host: addresses of this machine's interfaces, which come and go. */
#include "sim-cluster/network_mode.h"

const struct network_mode network_host = {.has_addresses = true};
