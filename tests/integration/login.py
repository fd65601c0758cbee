"""The login phase, one request at a time or all of it at once (RFC 7143 section 6)."""

import itertools
import os

from pdu import CONTINUE, LOGIN_REQUEST, LOGIN_RESPONSE, NONE_TAG, TRANSIT, Pdu, parse_text, text
from wire import DEADLINE, Connection

SECURITY, OPERATIONAL, FULL_FEATURE = 0, 1, 3
HOST = "iqn.2020-01.org.example:host"

SUCCESS = 0x0000
MOVED_TEMPORARILY, MOVED_PERMANENTLY = 0x0101, 0x0102
INITIATOR_ERROR, AUTHENTICATION_FAILURE, FORBIDDEN, NOT_FOUND = 0x0200, 0x0201, 0x0202, 0x0203
UNSUPPORTED_VERSION, TOO_MANY_CONNECTIONS, MISSING_PARAMETER = 0x0205, 0x0206, 0x0207
CANNOT_INCLUDE, SESSION_TYPE, NO_SUCH_SESSION, INVALID_DURING_LOGIN = 0x0208, 0x0209, 0x020A, 0x020B
TARGET_ERROR, SERVICE_UNAVAILABLE, OUT_OF_RESOURCES = 0x0300, 0x0301, 0x0302

DEFAULTS = {
    "HeaderDigest": "None", "DataDigest": "None", "MaxConnections": "1", "InitialR2T": "Yes",
    "ImmediateData": "Yes", "MaxRecvDataSegmentLength": "8192", "MaxBurstLength": "262144",
    "FirstBurstLength": "65536", "DefaultTime2Wait": "2", "DefaultTime2Retain": "20",
    "MaxOutstandingR2T": "1", "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes",
    "ErrorRecoveryLevel": "0",
}
# What log_in() offers unless told otherwise.
OFFER = {
    "HeaderDigest": "None", "DataDigest": "None", "ErrorRecoveryLevel": "0", "InitialR2T": "No",
    "ImmediateData": "Yes", "MaxRecvDataSegmentLength": "262144", "MaxBurstLength": "262144",
    "FirstBurstLength": "65536", "MaxConnections": "1", "DataPDUInOrder": "Yes",
    "DataSequenceInOrder": "Yes", "DefaultTime2Wait": "2", "DefaultTime2Retain": "0",
    "MaxOutstandingR2T": "1",
}
_isids = itertools.count(1)


def new_isid():
    """An ISID that no other session of this run uses (random format, type 10b)."""
    return b"\x80" + os.urandom(3) + next(_isids).to_bytes(2, "big")


class Refused(Exception):
    """A login answered with a status other than 0; `pdu` is the answer."""

    def __init__(self, pdu):
        super().__init__(f"login status 0x{pdu.status:04x} {pdu.keys}")
        self.pdu, self.status = pdu, pdu.status


class Login:
    """One connection in its login phase. `send`/`receive` are raw; `step` is one exchange."""

    def __init__(self, address, port=3260, *, isid=None, tsih=0, cid=1, itt=1, cmd_sn=1,
                 exp_stat_sn=0, connection=None, **connect):
        self.connection = connection or Connection(address, port, **connect)
        self.isid, self.tsih, self.cid, self.itt = isid or new_isid(), tsih, cid, itt
        self.cmd_sn, self.exp_stat_sn = cmd_sn, exp_stat_sn
        self.answered, self.first = b"", True

    @property
    def answers(self):
        """All keys answered so far."""
        return parse_text(self.answered)

    def request(self, csg, nsg=None, keys=b"", *, more=False, **fields):
        data = keys if isinstance(keys, bytes) else text(keys)
        flags = csg << 2 | (CONTINUE if more else 0)
        if nsg is not None:
            flags |= TRANSIT | nsg
        values = dict(flags=flags, isid=self.isid, tsih=self.tsih, cid=self.cid, itt=self.itt,
                      cmd_sn=self.cmd_sn, exp_stat_sn=self.exp_stat_sn)
        return Pdu(LOGIN_REQUEST, immediate=True, data=data, **(values | fields))

    def receive(self, deadline=DEADLINE):
        pdu = self.connection.receive(deadline)
        assert pdu.opcode == LOGIN_RESPONSE, f"not a Login Response: {pdu}"
        assert pdu.itt == self.itt and pdu.isid == self.isid, f"tag or ISID not echoed: {pdu}"
        if pdu.status:
            raise Refused(pdu)
        if not self.first:
            assert pdu.stat_sn == self.exp_stat_sn, f"StatSN is not {self.exp_stat_sn}: {pdu}"
        self.first = False
        self.exp_stat_sn = pdu.stat_sn + 1 & NONE_TAG
        self.answered += pdu.data
        return pdu

    def step(self, csg, nsg=None, keys=b"", **fields):
        """One request and its answer, which is collected while it carries the C bit."""
        self.connection.send(self.request(csg, nsg, keys, **fields))
        pdu = self.receive()
        data = pdu.data
        while pdu.flags & CONTINUE:
            self.connection.send(self.request(csg))
            pdu = self.receive()
            data += pdu.data
        pdu.data = data
        return pdu

    def authenticate(self, chap, keys, nsg):
        """The security stage with CHAP; `keys` go into the first request."""
        first = self.step(SECURITY, None, keys | {"AuthMethod": "CHAP"})
        assert first.key("AuthMethod") == "CHAP", f"CHAP not chosen: {first}"
        challenge = self.step(SECURITY, None, {"CHAP_A": chap.algorithms})
        last = self.step(SECURITY, nsg, chap.answer(dict(challenge.keys)))
        chap.check(dict(last.keys))
        return last

    def close(self):
        self.connection.close()


def identity(name, target, session_type=None):
    kind = session_type or ("Normal" if target else "Discovery")
    keys = {"InitiatorName": name, "SessionType": kind}
    return keys | ({"TargetName": target} if target else {})


def run_login(login, *, name=HOST, target=None, keys=None, chap=None, stages=(0, 1, 3)):
    """Goes through the given stages; the last answer carries the TSIH."""
    offer = OFFER if keys is None else keys
    who = identity(name, target)
    if stages[0] == SECURITY:
        nsg = stages[1]
        if chap:
            last = login.authenticate(chap, who, nsg)
        else:
            last = login.step(SECURITY, nsg, who | {"AuthMethod": "None"})
        assert last.flags & TRANSIT and last.nsg == nsg, f"no transition to {nsg}: {last}"
        who = {}
    if OPERATIONAL in stages:
        last = login.step(OPERATIONAL, FULL_FEATURE, who | offer)
        assert last.flags & TRANSIT and last.nsg == FULL_FEATURE, f"no transition: {last}"
    return last
