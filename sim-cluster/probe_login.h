/* One attempt to log in at one portal, from the TCP connection to a disk that answers. What comes
 * of it goes to probe_session_decide. */
#pragma once

#include <stdbool.h>

#include "sim-cluster/probe_session.h"

/* Makes the session's context, which must not be there yet. false: no connection can be tried;
 * iscsi_get_error says why. */
bool probe_login_begin(struct probe_session *session, const char *portal);
