/* Logins and connections that go wrong: stands in front of a host's operations while a rule for
 * logins or PDUs is set, and looks at the PDUs of its connections (faulty_conn.c). */
#pragma once

#include "target/base/faults.h"
#include "target/iscsi/host.h"

/* What the process knows of a place: sets portal_group and volume; `target` may be NULL. Texts are
 * borrowed until the loop turns. */
typedef void faulty_host_describe(struct host *host, const struct address *local,
                                  const char *target, struct fault_point *point);

/* Lists what must not be listed, see access_list_wrongly. */
typedef void faulty_host_list(struct host *host, const struct address *local,
                              bool with_node_portals, struct buffer *answer);

/* Where the target was before it moved, and when that was, unix time; 0: it is on its way. false:
 * nothing is known. */
typedef bool faulty_host_former(struct host *host, const struct login_names *names,
                                struct address *portal, double *moved);

struct faulty_host {
    struct host *host;     /* parent */
    struct faults *faults; /* borrowed */
    faulty_host_describe *describe;
    faulty_host_list *list;
    faulty_host_former *former; /* NULL: not a host that redirects */
    const struct host_operations *inner;
    struct list conns; /* looked at */
    char *redirect;    /* owned: TargetAddress of the redirect that is being made; or NULL */
    char *names;       /* owned: of the initiator of a login that has just begun; or NULL */
};

void faulty_host_init(struct faulty_host *faulty, struct host *host, struct faults *faults,
                      faulty_host_describe *describe, faulty_host_list *list,
                      faulty_host_former *former);
/* Stands in front, or goes away, as the rules need it. */
void faulty_host_follow(struct faulty_host *faulty);
