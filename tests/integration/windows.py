"""The inbox initiator of Windows as captures show it: its login requests byte for byte, its
numbering, its Data-Out, and what it asks of a disk that appears."""

import itertools

import scsi
from login import Login, Refused
from pdu import Pdu, padded
from session import Session
from wire import DEADLINE

PREFIX = "iqn.1991-05.com.microsoft:"

# Header of every login request; length, ISID qualifier and ExpStatSN are filled in.
FIRST_HEADER = bytes.fromhex("43810000 00000000 40000137 00000000"
                             "00000001 00010000 00000001 00000001"
                             "00000000 00000000 00000000 00000000")
SECOND_FLAGS = 0x87

DISCOVERY_KEYS = (b"HeaderDigest=None,CRC32C\0DataDigest=None,CRC32C\0"
                  b"MaxRecvDataSegmentLength=65536\0DefaultTime2Wait=0\0DefaultTime2Retain=60\0")
NORMAL_KEYS = (b"HeaderDigest=None,CRC32C\0DataDigest=None,CRC32C\0ErrorRecoveryLevel=2\0"
               b"InitialR2T=No\0ImmediateData=Yes\0MaxRecvDataSegmentLength=65536\0"
               b"MaxBurstLength=262144\0FirstBurstLength=65536\0MaxConnections=32\0"
               b"DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0DefaultTime2Wait=0\0"
               b"DefaultTime2Retain=60\0MaxOutstandingR2T=16\0")


def isid(qualifier):
    return bytes.fromhex("40000137") + qualifier.to_bytes(2, "big")


def login_request(text, qualifier=0, exp_stat_sn=1, flags=0x81):
    """A whole login PDU as bytes, padded."""
    header = bytearray(FIRST_HEADER)
    header[1] = flags
    header[5:8] = len(text).to_bytes(3, "big")
    header[8:14] = isid(qualifier)
    header[28:32] = exp_stat_sn.to_bytes(4, "big")
    return bytes(header) + padded(text)


def first_text(host, target=None):
    if target is None:
        return (f"InitiatorName={PREFIX}{host}\0SessionType=Discovery\0AuthMethod=None\0").encode()
    return (f"InitiatorName={PREFIX}{host}\0SessionType=Normal\0TargetName={target}\0"
            "AuthMethod=None\0").encode()


class WindowsSession(Session):
    """ITT equals CmdSN on a fresh session, untagged commands, careless Data-Out."""

    def command_pdu(self, cdb, **how):
        how.setdefault("attribute", 0)
        return super().command_pdu(cdb, **how)

    def data_out(self, *arguments, **how):
        pdus = super().data_out(*arguments, **how)
        for pdu in pdus:
            pdu.set("exp_stat_sn", 0)
            pdu.set("lun", 0xDEAD << 48)
        return pdus


class WindowsHost:
    def __init__(self, host="win2016", qualifier=0, exp_stat_sn=1):
        self.host, self.qualifier, self.exp_stat_sn = host, qualifier, exp_stat_sn
        self.opened = []

    @property
    def name(self):
        return PREFIX + self.host

    def connect(self, address, port=3260, **how):
        login = Login(address, port, isid=isid(self.qualifier), **how)
        self.opened.append(login)
        return login

    def log_in_once(self, address, port=3260, target=None, deadline=DEADLINE, **how):
        """Both requests of one login; gives the session and the two answers."""
        login = self.connect(address, port, deadline=deadline, **how)
        login.connection.send_raw(
            login_request(first_text(self.host, target), self.qualifier, self.exp_stat_sn))
        first = login.receive(deadline)
        assert first.flags == 0x81, f"no transition to the operational stage: {first}"
        keys = NORMAL_KEYS if target else DISCOVERY_KEYS
        login.connection.send_raw(
            login_request(keys, self.qualifier, first.stat_sn + 1, SECOND_FLAGS))
        last = login.receive(deadline)
        assert last.flags == SECOND_FLAGS, f"no transition to full feature phase: {last}"
        session = WindowsSession(login, last, dict(Pdu.parse(bytes(48), data=keys).keys))
        session.tags = itertools.count(1)
        session.answers = first, last
        return session

    def log_in(self, address, port=3260, target=None, deadline=DEADLINE):
        """As a host does it: follows a redirect to the node."""
        try:
            return self.log_in_once(address, port, target, deadline)
        except Refused as refused:
            if refused.status not in (0x0101, 0x0102):
                raise
            host, _, port = refused.pdu.key("TargetAddress").rpartition(":")
            return self.log_in_once(host.strip("[]"), int(port), target, deadline)

    def discover(self, address, port=3260):
        """TargetName to its addresses, as one refresh of a target portal does it."""
        session = self.log_in_once(address, port)
        pairs = session.send_targets()
        assert session.log_out().response == 0
        session.connection.expect_close()
        found = {}
        for key, value in pairs:
            if key == "TargetName":
                found[value] = addresses = []
            else:
                addresses.append(value)
        return found

    def close(self):
        for login in self.opened:
            login.close()


def enumeration():
    """The commands of a disk that appears, in their order: (name, CDB, allocation)."""
    def vpd(page, allocation=255):
        return f"VPD {page:02X}", scsi.inquiry(page, allocation), allocation

    def sense(page, control=0):
        return f"MODE SENSE(6) {page:02X}h", scsi.mode_sense6(page, control=control), 192

    capacity = ("READ CAPACITY(10)", scsi.read_capacity10(), 8)
    block = ("READ(10)", scsi.read10(0, 1), 512)
    return [
        ("REPORT LUNS", scsi.report_luns(16), 16), ("REPORT LUNS", scsi.report_luns(24), 24),
        ("INQUIRY", scsi.inquiry(allocation=36), 36), vpd(0x00), vpd(0x83), vpd(0x80),
        ("INQUIRY long", scsi.inquiry(allocation=66), 66), capacity, capacity,
        sense(0x1C), vpd(0x00), vpd(0xB2), vpd(0xB0), vpd(0xB1, 64), sense(0x08),
        ("SYNCHRONIZE CACHE(10)", scsi.synchronize_cache10(), 0), sense(0x08), sense(0x08, 1),
        ("READ CAPACITY(16)", scsi.read_capacity16(), 32), vpd(0xB1, 64), vpd(0xB0), vpd(0xB1, 64),
        capacity, block, capacity, block, capacity, sense(0x3F),
    ]


def enumerate_disk(session):
    """Runs the enumeration, retrying unit attentions; name to the last data answered."""
    answers = {}
    for name, cdb, allocation in enumeration():
        for _ in range(4):
            task = session.command(cdb, read=allocation)
            if task.sense is None or task.code >> 16 != scsi.UNIT_ATTENTION_KEY:
                break
        if not name.startswith("MODE SENSE(6) 1C"):
            task.assert_good()
        answers[name] = task.data_in
    return answers
