/* The fault rules in force in one process: replaced as a whole by the supervisor, asked at every
 * seam that is wrapped, counted, and told of by events (at most 20 a second for each rule). Where
 * no rule can strike any more nothing stays in the way: wrappers go as soon as they hold nothing.
 */
#pragma once

#include "target/base/child.h"
#include "target/base/fault.h"

/* Rules came, went or ended: wrap what they need, let go what the others held. From the loop. */
typedef void faults_changed(void *owner);

struct faults_entry;

struct faults {
    struct ev_loop *loop; /* borrowed */
    int node;
    struct faults_entry *entries; /* owned, in the order given */
    size_t count;
    struct fault_board board; /* mapped with the first rule that needs it */
    ev_timer change;          /* when the next rule ends */
    bool looks_again;         /* at the next turn of the loop */
    faults_changed *on_changed;
    void *owner; /* borrowed */
};

void faults_init(struct faults *faults, struct ev_loop *loop, faults_changed *on_changed,
                 void *owner);

/* The request `faults`. */
void faults_take(struct faults *faults, struct child *child, int64_t id, const json_t *request);

/* Whether some rule may still strike at these kinds of places, enum fault_where. */
bool faults_need(const struct faults *faults, unsigned where);
/* What a wrapper held for such rules has gone on: if none of them needs it any more, on_changed
 * follows from the loop, and the wrapper can go. */
void faults_let_go(struct faults *faults, unsigned where);
/* The next rule from *index on that strikes at the point; NULL: none. *index goes on. */
struct fault_rule *faults_strike(struct faults *faults, const struct fault_point *point,
                                 size_t *index);
/* The same, of this kind only, without striking: the first that matches. */
struct fault_rule *faults_match(struct faults *faults, const struct fault_point *point,
                                const char *kind);
/* Whether the rule is there, enabled, and its time is not over: what it holds stays held. */
bool faults_hold(const struct faults *faults, const struct fault_rule *rule);
bool fault_is_kind(const struct fault_rule *rule, const char *kind);
