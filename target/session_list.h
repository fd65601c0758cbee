/* The sessions of a node, as `status` and `hosts` tell them. */
#pragma once

#include "target/node_state.h"

/* Answers the request `sessions`: a row for each, then the reply. */
void session_list_tell(void *owner, int64_t id, json_t *request);
