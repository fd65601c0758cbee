/* The words of scenarios: @names that stand for what is where in the cluster, and patterns of
 * events. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* What is where: {"status": as in status --json, "seed": n, "last": node or absent}. Replaces
 *   @serving, @serving:VOLUME   the node that serves the (first) volume
 *   @holding, @holding:ADDRESS  the node that holds the (first) floating IP
 *   @spare                      the lowest node that is up and is neither
 *   @last                       the node that an @ has stood for last; noted in `places`
 *   @volume, @target, @address  names of the first volume, its target, the first floating IP
 *   @portal                     the address of the node portal that logins at the first floating IP
 *                               are sent to for the first volume
 *   @seed                       the seed
 * Owned. NULL: *why is an owned phrase. */
char *scenario_resolve(const char *text, json_t *places, char **why);

/* "session.opened node=2 initiator=*:probe": the kind, and fields whose value as text matches the
 * glob. */
bool scenario_matches(const char *pattern, const json_t *event);
