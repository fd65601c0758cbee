/* A port for fuzzing: what it does with a command is said by the CDB, some of it later. */
#pragma once

#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

extern const struct port_operations fuzz_port;

/* Does what was put off. */
void fuzz_port_work(void);
