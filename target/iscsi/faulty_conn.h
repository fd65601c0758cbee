/* A connection whose PDUs go wrong: each PDU, in and out, is looked at, changed, kept back or
 * dropped as the rules say. */
#pragma once

#include "target/iscsi/faulty_host.h"

/* From the next PDU on. Doing it twice does no harm. */
void faulty_conn_wrap(struct faulty_host *host, struct conn *conn);
/* New rules that wait for no PDU strike now; connections that need not be looked at any more pass
 * PDUs straight when nothing is kept back. */
void faulty_conns_follow(struct faulty_host *host, bool are_needed);
