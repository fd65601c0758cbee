/* The volumes of the cluster as a copy sees them: those of this node by their logical unit, those
 * of other nodes by their file, which all nodes share. Who may see what, the map knows. */
#pragma once

#include "target/disk/workers.h"
#include "target/scsi/peers.h"
#include "target/service.h"

/* All but `directory` outlive it. */
struct scsi_peers *copy_source_new(struct service *service, struct workers *workers,
                                   const char *directory);
