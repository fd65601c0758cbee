/* Commands that go wrong: stands in front of the port of every session while a rule for commands is
 * set (target/iscsi/port.h), and passes on what no rule strikes. */
#pragma once

#include "target/service.h"

/* Stands in front, or goes away, as the rules need it; commands whose rule is gone go on. */
void faulty_port_follow(struct service *service);
