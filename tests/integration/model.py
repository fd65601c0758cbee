"""A disk as SPC-4 and SBC-3 have it, small enough to be right: what is in its blocks, persistent
reservations, unit attentions. No time, no network: a command changes it whole or not at all."""

import copy

from reservations import (CLEAR, NEXUS_LOSS, POWER_ON, PREEMPT, PREEMPT_AND_ABORT, REGISTER,
                          REGISTER_AND_IGNORE, REGISTRATIONS_PREEMPTED, RELEASE, RESERVE,
                          RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED, TYPES)
from scsi import CHECK_CONDITION, GOOD, RESERVATION_CONFLICT

BLOCK = 512
RESET = 0x062903
INVALID_RELEASE, INVALID_FIELD_IN_LIST = 0x052604, 0x052600
MISCOMPARE = 0x0E1D00
WRITES_CONFLICT = {1, 3, 5, 6, 7, 8}
READS_CONFLICT = {3, 6, 8}
FOR_REGISTRANTS, HELD_BY_ALL = {5, 6, 7, 8}, {7, 8}


class Conflict(Exception):
    """RESERVATION CONFLICT"""


class Check(Exception):
    """CHECK CONDITION with this sense code."""

    def __init__(self, code):
        super().__init__(f"{code:06x}")
        self.code = code


class Reservations:
    """SPC-4 5.13; an I_T nexus is a number here."""

    def __init__(self):
        self.keys, self.holder, self.kind, self.generation = {}, None, None, 0

    def state(self):
        """What PERSISTENT RESERVE IN tells: keys, reservation."""
        held = None if self.kind is None else (self.holder_key(), self.kind)
        return sorted(self.keys.values()), held

    def holds(self, nexus):
        return self.kind in HELD_BY_ALL and nexus in self.keys or (
            self.kind is not None and self.holder == nexus)

    def holder_key(self):
        return 0 if self.holder is None else self.keys[self.holder]

    def check(self, nexus, conflicting):
        """May the nexus do what conflicts with these types?"""
        allowed = self.holds(nexus) or self.kind in FOR_REGISTRANTS and nexus in self.keys
        if self.kind in conflicting and not allowed:
            raise Conflict

    def end(self, but, notices):
        """The reservation is over; those who had access through it are told."""
        if self.kind in FOR_REGISTRANTS:
            notices.update({nexus: RESERVATIONS_RELEASED for nexus in self.keys if nexus != but})
        self.holder = self.kind = None

    def unregister(self, nexus, notices):
        del self.keys[nexus]
        if self.holder == nexus or not self.keys:
            self.end(nexus, notices)

    def hold(self, nexus, kind):
        self.kind = kind
        self.holder = None if kind in HELD_BY_ALL else nexus

    def out(self, nexus, action, kind, key, service_key):
        """PERSISTENT RESERVE OUT; gives the unit attentions by nexus."""
        notices = {}
        if action == REGISTER and key != self.keys.get(nexus, 0):
            raise Conflict
        if action in (REGISTER, REGISTER_AND_IGNORE):
            if service_key:
                self.keys[nexus] = service_key
            elif nexus in self.keys:
                self.unregister(nexus, notices)
        elif nexus not in self.keys or key != self.keys[nexus]:
            raise Conflict
        else:
            {RESERVE: self.reserve, RELEASE: self.release, CLEAR: self.clear,
             PREEMPT: self.preempt, PREEMPT_AND_ABORT: self.preempt}[action](
                 nexus, kind, service_key, notices)
        if action not in (RESERVE, RELEASE):
            self.generation += 1
        return notices

    def reserve(self, nexus, kind, service_key, notices):
        if self.kind is None:
            self.hold(nexus, kind)
        elif not self.holds(nexus) or self.kind != kind:
            raise Conflict

    def release(self, nexus, kind, service_key, notices):
        if not self.holds(nexus):
            return
        if kind != self.kind:
            raise Check(INVALID_RELEASE)
        self.end(nexus, notices)

    def clear(self, nexus, kind, service_key, notices):
        notices.update({other: RESERVATIONS_PREEMPTED for other in self.keys if other != nexus})
        self.keys, self.holder, self.kind = {}, None, None

    def preempt(self, nexus, kind, service_key, notices):
        if not service_key and self.kind not in HELD_BY_ALL:
            raise Check(INVALID_FIELD_IN_LIST)
        takes_over = self.kind is not None and service_key == self.holder_key()
        victims = [other for other, key in self.keys.items()
                   if key == service_key or takes_over and not service_key]
        if takes_over:
            victims = [other for other in victims if other != nexus]
        elif not victims:
            raise Conflict
        for victim in victims:
            del self.keys[victim]
            if victim != nexus:
                notices[victim] = REGISTRATIONS_PREEMPTED
        if takes_over:
            if kind != self.kind:
                notices.update({other: RESERVATIONS_RELEASED for other in self.keys
                                if other != nexus})
            self.hold(nexus, kind)
        elif not self.keys:
            self.holder = self.kind = None


class Disk:
    def __init__(self, blocks, nexuses):
        self.data = bytearray(blocks * BLOCK)
        self.reservations = Reservations()
        self.attentions = {nexus: [POWER_ON] for nexus in range(nexuses)}

    def copy(self):
        return copy.deepcopy(self)

    def judge(self, nexus, command):
        """Runs the command; gives (status, sense code or None, data or None) as it is answered."""
        if self.attentions[nexus]:
            return CHECK_CONDITION, self.attentions[nexus].pop(0), None
        try:
            self.reservations.check(nexus, command.conflicting)
            return GOOD, None, command.apply(self, nexus)
        except Conflict:
            return RESERVATION_CONFLICT, None, None
        except Check as check:
            return CHECK_CONDITION, check.code, None

    def add_attention(self, nexus, code):
        if code not in self.attentions[nexus]:
            self.attentions[nexus].append(code)

    def reset(self):
        for nexus in self.attentions:
            self.add_attention(nexus, RESET)

    def relog(self, nexus):
        """The session of an I_T nexus is over, and there is a new one."""
        if not {POWER_ON, NEXUS_LOSS} & set(self.attentions[nexus]):
            self.attentions[nexus].insert(0, NEXUS_LOSS)

    def move(self):
        """Another node serves it: a reset there was, and what was pending still is."""
        for nexus, pending in self.attentions.items():
            self.attentions[nexus] = [POWER_ON] + [code for code in pending
                                                   if code >> 8 & 0xff != 0x29]


# Commands: what they do to a Disk

class Command:
    """`conflicting`: the types of reservation that keep those out who have no access."""
    read, write, conflicting, extent = 0, b"", frozenset(), None

    def apply(self, disk, nexus):
        raise NotImplementedError


class Ready(Command):
    cdb = bytes(6)

    def apply(self, disk, nexus):
        return None


class Read(Command):
    conflicting = READS_CONFLICT

    def __init__(self, lba, blocks):
        self.cdb = (b"\x88\0" + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(2))
        self.read, self.span = blocks * BLOCK, slice(lba * BLOCK, (lba + blocks) * BLOCK)

    def apply(self, disk, nexus):
        return bytes(disk.data[self.span])


class Write(Command):
    """Whatever ends in other blocks: `change` gives what the blocks are to hold."""
    conflicting = WRITES_CONFLICT

    def __init__(self, cdb, write, extent, change):
        self.cdb, self.write, self.extent, self.change = cdb, write, extent, change
        self.span = slice(extent[0] * BLOCK, sum(extent) * BLOCK)

    def apply(self, disk, nexus):
        disk.data[self.span] = self.change(bytes(disk.data[self.span]))


def _cdb16(opcode, flags, lba, blocks):
    return (bytes((opcode, flags)) + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(2))


def write(lba, data, fua):
    blocks = len(data) // BLOCK
    return Write(_cdb16(0x8A, 8 if fua else 0, lba, blocks), data, (lba, blocks), lambda old: data)


def or_write(lba, data):
    def change(old):
        return bytes(a | b for a, b in zip(old, data))
    blocks = len(data) // BLOCK
    return Write(_cdb16(0x8B, 0, lba, blocks), data, (lba, blocks), change)


def write_same(lba, blocks, block, unmap):
    """Blocks of zeros may be unmapped: they are zeros then."""
    return Write(_cdb16(0x93, 8 if unmap else 0, lba, blocks), block, (lba, blocks),
                 lambda old: block * blocks)


def unmap(lba, blocks):
    descriptor = lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + bytes(4)
    data = (22).to_bytes(2, "big") + (16).to_bytes(2, "big") + bytes(4) + descriptor
    return Write(b"\x42" + bytes(6) + len(data).to_bytes(2, "big") + b"\0", data, (lba, blocks),
                 lambda old: bytes(len(old)))


def compare_and_write(lba, expected, data):
    def change(old):
        if old != expected:
            raise Check(MISCOMPARE)
        return data
    blocks = len(data) // BLOCK
    cdb = b"\x89\0" + lba.to_bytes(8, "big") + bytes(3) + bytes((blocks, 0, 0))
    return Write(cdb, expected + data, (lba, blocks), change)


class ReserveOut(Command):
    def __init__(self, action, kind, key, service_key):
        assert kind in TYPES
        self.arguments = action, kind, key, service_key
        self.write = key.to_bytes(8, "big") + service_key.to_bytes(8, "big") + bytes(8)
        self.cdb = bytes((0x5F, action, kind, 0, 0)) + len(self.write).to_bytes(4, "big") + b"\0"

    def apply(self, disk, nexus):
        for other, code in disk.reservations.out(nexus, *self.arguments).items():
            disk.add_attention(other, code)
