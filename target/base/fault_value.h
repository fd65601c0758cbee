/* A value of a fault rule as text: parsed by the type of its key, and what would have been good. */
#pragma once

#include "target/base/fault.h"

/* Whether the text is good; then the value's number, and last, are set. */
bool fault_parse_value(const struct fault_key *key, const char *text, struct fault_value *value);
/* What would have been good. Owned by the caller. */
char *fault_describe_value(const struct fault_key *key);
