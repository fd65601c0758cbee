/* Where the state of a volume's logical unit is kept: volumes/NAME.json, beside the identity of the
 * volume, which stays as it is. */
#pragma once

#include "target/disk/workers.h"
#include "target/scsi/store.h"

/* The state in a volume's identity as read from the file, or NULL; borrowed. */
json_t *volume_store_state(json_t *identity);

/* The volume's size in bytes, for the next save. Returns whether it was another one. */
bool volume_store_set_size(struct scsi_store *store, uint64_t size);

/* `identity` is borrowed: what is in the file. */
struct scsi_store *volume_store_new(struct workers *workers, const char *directory,
                                    const char *volume, json_t *identity);
