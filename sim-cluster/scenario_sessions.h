/* The sessions with a target in the record of a scenario (scenario_judge.h): who was where, from
 * when until when. Pure. */
#pragma once

#include "sim-cluster/scenario_record.h"

#include <stddef.h>

struct scenario_session {
    const json_t *identity; /* borrowed: "initiator", "target", "isid", "node" */
    double begun;           /* Unix time; of those from before the run: its begin */
    double ended;           /* 0: it was there to the last */
};

struct scenario_sessions {
    struct scenario_session *sessions; /* owned; in the order of their begin */
    size_t count;
};

struct scenario_sessions scenario_sessions_of(const json_t *record);
void scenario_sessions_free(struct scenario_sessions *sessions);

/* The session that took the place of session `index`: the same initiator, target and ISID. NULL:
 * none did. */
const struct scenario_session *scenario_sessions_next(const struct scenario_sessions *sessions,
                                                      size_t index);
/* The same initiator, target and ISID? */
bool scenario_session_is_same(const json_t *a, const json_t *b);
