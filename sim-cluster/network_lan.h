/* Looks at the machine and the LAN before a cluster is put on it: the interfaces it is to use, and
 * whether somebody has one of its addresses. Changes nothing. */
#pragma once

#include "sim-cluster/network_mode.h"

/* Is the uplink there, of the right kind, up and with a link? NULL, or an owned sentence. */
char *network_lan_check_device(const struct network *network, const struct network_config *config);

/* Asks for every address at once, on the LANs and in this machine; takes less than a second, and
 * none where all networks are private. NULL, or an owned sentence naming one that is taken. */
char *network_lan_check_addresses(const struct network *network);
