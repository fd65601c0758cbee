/* The exports of a map. */
#pragma once

#include "sim-cluster/cluster.h"
#include "target/base/buffer.h"

/* Appends {"portal_group":...,"initiators":[...],"targets":[[FIRST,COUNT]...]},...: a row for each
 * portal group and set of initiators, with the places of its targets in the map. */
void map_write_exports(struct buffer *out, const struct cluster *cluster);
