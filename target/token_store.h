/* Where ROD tokens are kept: volumes/NAME.tokens/NUMBER below the directory that all nodes share, a
 * file for each, its time that of its last use; one that was revoked has another name. */
#pragma once

#include "target/scsi/peers.h"

#include <jansson.h>

/* Does what the request says on a worker. */
void token_store_do(struct workers *workers, const char *directory, const char *volume,
                    struct token_request *request);

/* The texts of all tokens of the volume that are in force; the caller owns the array. */
json_t *token_store_load(const char *directory, const char *volume);
