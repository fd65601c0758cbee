"""What tests of bad input share: what may come back, and how much memory it may cost."""

import contextlib
import time

from node import IS_SANITIZED
from pdu import REJECT
from wire import Closed, Silence

RSS_LIMIT_KB = 32768 if IS_SANITIZED else 4096


def end_of(connection, deadline=5):
    """Rejects or login refusals, then the end; or only silence, if the peer keeps waiting."""
    pdus = []
    with contextlib.suppress(Closed, Silence):
        until = time.monotonic() + deadline
        while True:
            pdus.append(connection.receive(until - time.monotonic()))
    return pdus


def rejected_or_closed(session):
    """A Reject leaves the session working; otherwise the connection must end soon."""
    try:
        answer = session.connection.receive(5)
    except Closed:
        return
    assert answer.opcode == REJECT, f"neither Reject nor close: {answer}"
