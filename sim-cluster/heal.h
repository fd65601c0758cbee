/* Brings everything back: all nodes up, everything placed. */
#pragma once

#include "sim-cluster/requests.h"

request_answer heal_answer;
