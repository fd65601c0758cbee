/* Requests that change what the configuration says: sizes, exports, access states. They go into the
 * next generation of the map, and are answered when it is in force everywhere. */
#pragma once

#include "sim-cluster/requests.h"

request_answer change_answer_volume, change_answer_pool, change_answer_export, change_answer_alua;
