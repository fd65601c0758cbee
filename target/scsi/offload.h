/* What POPULATE TOKEN and WRITE USING TOKEN have in common: ranges of blocks in their parameter
 * lists, and requests about tokens to those who keep them. */
#pragma once

#include "target/scsi/copy.h"
#include "target/scsi/result.h"
#include "target/scsi/token.h"
#include "target/scsi/unit.h"

enum { POPULATE_HEADER = 16, WRITE_USING_HEADER = 536 };

uint32_t offload_list_identifier(const struct scsi_task *task);

/* The parameter list, at least its header; `after` runs then. */
uint32_t offload_collect(struct scsi_task *task, unsigned header, scsi_step *after);

/* The ranges behind the header, at most COPY_RANGES_MAXIMUM: they lie in the logical unit, do not
 * overlap and are not too much together. */
uint32_t offload_take_ranges(struct scsi_task *task, unsigned header, struct extent *ranges,
                             unsigned *count);

/* A request about a token on behalf of a task; it and its text are freed when it is done. */
struct errand {
    struct token_request request;
    struct scsi_task *task;
    struct token token;
    void (*then)(struct errand *errand); /* the task is there and waits */
};

/* SCSI_PENDING. TOKEN_KEEP keeps the token as it is. */
uint32_t errand_send(struct scsi_task *task, enum token_operation operation,
                     const struct token *token, void (*then)(struct errand *errand));

/* Without anybody who waits. */
void errand_send_off(struct scsi_peers *peers, enum token_operation operation,
                     const struct token *token);
