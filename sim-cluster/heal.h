/* Brings everything back: no faults, all nodes up, everything placed. */
#pragma once

#include "sim-cluster/requests.h"

request_answer heal_answer;
