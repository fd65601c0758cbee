/* The request `fault`: set, list, clear, enable, disable. */
#pragma once

#include "sim-cluster/requests.h"

request_answer fault_answer;
