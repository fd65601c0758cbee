/* The sections and keys of the configuration file, one row each, and how their values are read. */
#pragma once

#include "target/base/config.h"

/* Fills a struct cluster_config. */
extern const struct config_table config_keys;
