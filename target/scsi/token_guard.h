/* The tokens that stand for data of a logical unit: a change of that data revokes them first, so
 * that nobody takes the new data for the old, on whatever node it is read. */
#pragma once

#include "target/scsi/order.h"
#include "target/scsi/token.h"

enum { TOKENS_MAXIMUM = 256 }; /* of one logical unit */

struct token_guard {
    struct order_watch watch;
    struct scsi_lun *lun; /* parent: outlives us */
    struct list tokens;   /* of struct guarded */
    unsigned count;
};

void token_guard_init(struct token_guard *guard, struct scsi_lun *lun);
/* No change is waiting. */
void token_guard_close(struct token_guard *guard);

/* From now on changes of the token's data revoke it. When there are too many, so is the oldest. */
void token_guard_add(struct token_guard *guard, const struct token *token);

/* Whether it is in force still. */
bool token_guard_has(const struct token_guard *guard, const struct token *token);
