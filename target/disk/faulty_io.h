/* The inside of a faulty disk, shared by its parts: faulty.c passes requests on, faulty_harm.c is
 * what each kind does to one, faulty_cache.c holds the writes of a disk whose flush lies,
 * faulty_stale.c what reads give instead of what was written, and faulty_ledger.c enters the harm
 * done. */
#pragma once

#include "target/base/list.h"
#include "target/disk/faulty.h"

enum { BLOCK = 512 };

struct stale;

struct faulty_disk {
    struct disk disk;
    struct disk *inner;        /* owned */
    struct faults *faults;     /* borrowed */
    char *volume, *ledger;     /* owned */
    struct list under_way;     /* requests that are held or watched */
    struct list healed, cache; /* of bad blocks; writes that the disk has not got */
    struct list stale;         /* what reads give instead of what is there */
    ev_timer stale_over;       /* when the next of them is over by time */
    struct disk_io drain;      /* of the oldest of them */
    bool is_draining, is_settling;
    int drain_error; /* of a write of the cache, for the next flush to tell: 0 or -errno */
    uint64_t moved;  /* bytes, while throttled */
    double free_at;  /* unix time: when a throttled disk has moved what it has */
};

/* A write that was acknowledged and that the inner disk has not got. */
struct cached {
    struct list link;
    char *fault; /* owned: id of the rule that kept it back */
    uint64_t offset, length;
    uint8_t bytes[];
};

/* A request that a rule has struck, or whose answer is to be changed. */
struct faulty_io {
    struct list link;
    struct faulty_disk *faulty;
    struct disk_io inner, *outer;
    uint8_t *copy;           /* owned: of what is written instead; or NULL */
    uint64_t corrupt_offset; /* of data read */
    uint8_t corrupt_xor;     /* 0: none */
    uint8_t stuck, stuck_at; /* bits of that byte that are stuck, and at what; 0: none */
    struct stale *stale;     /* owned: what is about to be overwritten; or NULL */
    double delay_s;
    ev_timer delay;
    bool is_passed_on; /* else it ends after the delay with inner.error */
    bool is_waiting;   /* until nothing is cached any more */
};

/* What faulty_disk_accepts is asked about. */
struct faulty_question {
    const struct faulty_disk *faulty;
    const struct disk_io *io;
};

/* faulty.c: where the request is, for the rules. */
struct fault_point faulty_disk_point_of(const struct faulty_disk *faulty, const struct disk_io *io);
/* Whether it holds nothing. */
bool faulty_disk_is_idle(const struct faulty_disk *faulty);
/* What the rules have in mind for it is known: to the inner disk, or to wait. */
void faulty_disk_go_on(struct faulty_io *faulty_io);

/* faulty_harm.c: whether the kind has to do with this operation; `what` is a faulty_question. */
bool faulty_disk_accepts(const struct fault_rule *rule, const void *what);
/* Does to the request what the rule says. */
void faulty_disk_apply(struct faulty_io *faulty_io, struct fault_rule *rule);
/* Bad blocks that are written are good again. */
void faulty_disk_reassign(struct faulty_disk *faulty, const struct disk_io *io);
/* All of those, or only the ones of rules that are gone. */
void faulty_disk_forget_healed(struct faulty_disk *faulty, bool all);

/* faulty_cache.c: a write is kept back, a flush does nothing. */
void faulty_disk_lie(struct faulty_io *faulty_io, const struct fault_rule *rule);
/* What the cache asks of requests that no rule has struck: writes go behind what is still to be
 * written; what concerns the whole or takes blocks away waits until all is. */
void faulty_disk_heed_cache(struct faulty_io *faulty_io);
void faulty_cached_free(struct cached *cached);
/* Cached writes over what was read. */
void faulty_disk_patch(const struct faulty_disk *faulty, const struct disk_io *io);
/* Writes the oldest cached write; the rest follows. */
void faulty_disk_drain(struct faulty_disk *faulty);

/* faulty_stale.c: the write is one that reads do not show. */
void faulty_disk_make_stale(struct faulty_io *faulty_io, const struct fault_rule *rule);
/* Reads what it overwrites; then it goes on. */
void faulty_disk_read_old(struct faulty_io *faulty_io);
/* A request that changes blocks: older ones of these blocks are over, and it counts. */
void faulty_disk_heed_stale(struct faulty_io *faulty_io);
/* What was there before over what was read. */
void faulty_disk_recall(struct faulty_disk *faulty, const struct disk_io *io);
void faulty_disk_init_stale(struct faulty_disk *faulty);
/* All of it, or what has had its time. */
void faulty_disk_forget_stale(struct faulty_disk *faulty, bool all);
/* Accepts NULL. */
void faulty_stale_free(struct stale *stale);

/* faulty_ledger.c: `what` was done to this request by the rule of this id and kind. */
void faulty_disk_enter_harm(struct faulty_disk *faulty, const char *fault, const char *kind,
                            const struct disk_io *io, const char *what);
