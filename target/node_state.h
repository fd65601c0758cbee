/* The inside of a node, for its own modules. */
#pragma once

#include "target/base/child.h"
#include "target/disk/landing.h"
#include "target/service.h"

struct node {
    struct ev_loop *loop;
    struct child *child;      /* borrowed */
    char *directory, *place;  /* owned; of the volumes: as we go there, and for people */
    struct scsi_peers *peers; /* owned; the other volumes, for copies */
    char *run;                /* owned; what the supervisor calls this `up`, or NULL */
    struct workers *workers;
    char boot[LANDING_BOOT_SIZE]; /* empty: not known */
    struct loops *loops;          /* owned; beside `loop`; NULL: there are none */
    struct landing *landing;      /* owned; NULL: volumes are not written in memory */
    struct pools pools;
    struct service service;
    struct list portals, releases;
    unsigned closing;    /* volumes being closed */
    int64_t map_request; /* answered when nothing is closing; 0: none */
    json_t *map_failed;  /* owned: of that request, target to what is wrong with it; or NULL */
    int64_t stop_request;
    ev_timer leave;
    bool is_started, is_isolated;
};
