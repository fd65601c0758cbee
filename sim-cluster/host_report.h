/* What `hosts` shows: the records of initiators as JSON, with the judgement of host_judge.h. */
#pragma once

#include "sim-cluster/cluster.h"
#include "sim-cluster/hosts.h"

/* Owned: an array. No secret is in it. */
json_t *host_report(const struct hosts *hosts, struct cluster *cluster);
