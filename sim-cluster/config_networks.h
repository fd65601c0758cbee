/* The networks of a configuration: the keys of [network NAME], and what they, the mode and the
 * addresses have to agree on. */
#pragma once

#include "target/base/config.h"

struct cluster_config;

config_parse config_parse_subnet, config_parse_uplink, config_parse_interface;
config_begin config_begin_network;

/* Adds the network that goes without saying and the subnets that do. NULL, or an owned sentence. */
char *config_check_networks(struct cluster_config *config);
