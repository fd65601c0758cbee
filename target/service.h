/* Where iSCSI meets SCSI: the host of a node's logins, and the port that takes the commands of its
 * sessions to the logical unit of their target. */
#pragma once

#include "target/base/faults.h"
#include "target/iscsi/faulty_host.h"
#include "target/iscsi/host.h"
#include "target/iscsi/map.h"
#include "target/iscsi/session.h"
#include "target/volume.h"

typedef void service_volume_idle(void *owner, struct volume *volume);

struct service {
    struct host host;
    int node;
    struct map *map;                    /* owned; NULL before the first one */
    struct list volumes;                /* that this node is controller of */
    struct hash volumes_by_target;      /* the same */
    service_volume_idle *on_idle;       /* the last session of a volume is gone */
    void *owner;                        /* borrowed */
    const struct port_operations *port; /* what new sessions get */
    struct faults faults;
    struct faulty_host faulty_host;
    struct list faulty_tasks; /* faulty_task.c */
};

void service_init(struct service *service, struct ev_loop *loop, int node,
                  const struct host_settings *settings, service_volume_idle *on_idle, void *owner);
/* Where a fault would strike: portal group and volume. */
void service_describe(struct host *host, const struct address *local, const char *target,
                      struct fault_point *point);
void service_list_wrongly(struct host *host, const struct address *local, bool with_node_portals,
                          struct buffer *answer);
void service_add_volume(struct service *service, struct volume *volume);
void service_remove_volume(struct service *service, struct volume *volume);
/* NULL: not this node's. */
struct volume *service_find_volume(struct service *service, const char *target);
/* Sessions at work on the target; `visit` may end them. Returns how many there were. */
unsigned service_each_session(struct service *service, const char *target,
                              void (*visit)(struct session *session));
