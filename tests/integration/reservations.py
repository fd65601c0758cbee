"""PERSISTENT RESERVE IN and OUT as a host sends them, and what they answer taken apart."""

import struct

from scsi import GOOD

REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT = range(6)
REGISTER_AND_IGNORE, REGISTER_AND_MOVE = 6, 7
READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS = range(4)

WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS = 1, 3
WRITE_EXCLUSIVE_REGISTRANTS, EXCLUSIVE_ACCESS_REGISTRANTS = 5, 6
WRITE_EXCLUSIVE_ALL, EXCLUSIVE_ACCESS_ALL = 7, 8
TYPES = (1, 3, 5, 6, 7, 8)
APTPL, ALL_TG_PT, SPEC_I_PT = 0x01, 0x04, 0x08

POWER_ON, NEXUS_LOSS = 0x062900, 0x062907
RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED = 0x062A03, 0x062A04
REGISTRATIONS_PREEMPTED = 0x062A05
MSDSM_KEYS = 4096  # the buffer MSDSM reads keys into


def reserve_in(action, allocation=MSDSM_KEYS):
    return struct.pack(">BBxxxxxHx", 0x5E, action, allocation)


def transport_id(port):
    text = port.encode() + bytes(4 - len(port) % 4)
    return struct.pack(">BxH", 0x45, len(text)) + text


def reserve_out(session, action, *, kind=0, key=0, service_key=0, flags=0, others=()):
    """Sends PERSISTENT RESERVE OUT; gives its Task, whatever the status."""
    ids = b"".join(transport_id(port) for port in others)
    data = struct.pack(">QQxxxxBxxx", key, service_key, flags)
    if flags & SPEC_I_PT:
        data += struct.pack(">I", len(ids)) + ids
    cdb = struct.pack(">BBBxxIx", 0x5F, action, kind, len(data))
    return session.command(cdb, write=data)


def _header(data):
    generation, length = struct.unpack(">II", data[:8])
    assert length == len(data) - 8, f"ADDITIONAL LENGTH is not the rest: {data.hex()}"
    return generation


def read_keys(session):
    """(PRGENERATION, keys in their order)"""
    data = session.command(reserve_in(READ_KEYS), read=MSDSM_KEYS).assert_good().data_in
    keys = struct.unpack(f">{(len(data) - 8) // 8}Q", data[8:])
    return _header(data), list(keys)


def read_reservation(session):
    """(key, type), or None."""
    data = session.command(reserve_in(READ_RESERVATION), read=MSDSM_KEYS).assert_good().data_in
    _header(data)
    if len(data) == 8:
        return None
    key, scope_and_type = struct.unpack(">Q4xxB2x", data[8:])
    assert scope_and_type < 16, "the scope is the logical unit"
    return key, scope_and_type


def read_status(session):
    """Per registration: (initiator port, relative target port, key, type if it holds or None)."""
    data = session.command(reserve_in(READ_FULL_STATUS), read=MSDSM_KEYS).assert_good().data_in
    _header(data)
    found, offset = [], 8
    while offset < len(data):
        key, holds, kind, port, length = struct.unpack(">Q4xBB4xHI", data[offset:offset + 24])
        text = data[offset + 24:offset + 24 + length]
        assert text[0] == 0x45 and int.from_bytes(text[2:4], "big") == length - 4
        found.append((text[4:].rstrip(b"\0").decode(), port, key, kind if holds & 1 else None))
        offset += 24 + length
    return found


def attentions(session):
    """The unit attentions that are pending, oldest first."""
    found = []
    while True:
        task = session.command(bytes(6))
        if task.status == GOOD:
            return found
        found.append(task.code)
        assert len(found) < 16, "unit attentions without end"
