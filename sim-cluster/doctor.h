/* What a machine needs for a configuration: a row a check, a finding each. */
#pragma once

#include "sim-cluster/cluster_config.h"

#include <stdbool.h>

enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_MISSING };

struct finding {
    enum finding_state state;
    char *what;   /* owned: what is so, in a few words */
    char *remedy; /* owned: a sentence; NULL where nothing needs one */
};

struct doctor {
    const struct cluster_config *config;
    const char *directory; /* the state's, which may not be there */
    const char *place;     /* itself, or what there is above it */
    const char *volumes;   /* likewise: where the volumes are or will be */
    const char *programs;  /* where target and portalgroup are */
    bool is_running;       /* a cluster runs on the state directory */
};

/* Changes nothing that stays. */
typedef struct finding doctor_check(const struct doctor *doctor);

doctor_check doctor_programs, doctor_privileges, doctor_user, doctor_system_calls, doctor_landlock,
    doctor_silence;
doctor_check doctor_namespaces, doctor_links, doctor_interfaces, doctor_addresses, doctor_ports,
    doctor_low_ports, doctor_firewall, doctor_leftovers;
doctor_check doctor_directory, doctor_holes, doctor_space, doctor_file_size;
doctor_check doctor_descriptors, doctor_processes, doctor_backlog, doctor_clock;
doctor_check doctor_tun, doctor_kvm, doctor_qemu;

/* Take the texts. */
struct finding finding_ok(char *what);
struct finding finding_bad(enum finding_state state, char *what, char *remedy);

/* What `attempt` gives in a process of its own, which ends with it: 0 or -errno. */
int doctor_try(int (*attempt)(void));

/* Each address of the configuration with its port: portals, then floating IPs. Ends with the first
 * that `visit` gives something else than NULL for, and gives that. */
typedef char *doctor_visit(const struct address *address, int line, const void *owner);
char *doctor_visit_addresses(const struct cluster_config *config, doctor_visit *visit,
                             const void *owner);
