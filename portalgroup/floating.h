/* A floating IP: discovery, and logins that are authenticated and redirected. It never serves a
 * SCSI command. */
#pragma once

#include "target/base/child.h"

struct floating;

struct floating *floating_new(struct ev_loop *loop);
extern const struct child_request floating_requests[];
void floating_set_child(struct floating *floating, struct child *child);
