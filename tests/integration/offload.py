"""Third-party copies as bytes: EXTENDED COPY, its results, and the token commands of ODX."""

import struct

from scsi import designators, inquiry

THIS_UNIT = 0xFFFF
HOLD, DISCARD, NO_IDENTIFIER = 0, 2, 3
COMPLETED, FAILED, RESIDUAL, ABORTED = 1, 2, 4, 0x60
UNREACHABLE, NOT_REACHABLE, COPY_FAILED = 0x0A0804, 0x0A0D02, 0x0A0000
DEVICE_FAILURE, WRONG_DEVICE, INEXACT = 0x0A0D01, 0x0A0D03, 0x0A260A


def naa(session):
    """The NAA identifier of the session's logical unit."""
    page = session.command(inquiry(0x83, 1024), read=1024).assert_good().data_in
    return next(data for association, kind, _, data in designators(page)
                if (association, kind) == (0, 3))


def by_identifier(identifier, block_size=512):
    """An identification CSCD descriptor."""
    return struct.pack(">BBHBBBB", 0xE4, 0, 0, 1, 3, 0, len(identifier)) + \
        identifier.ljust(20, b"\0") + struct.pack(">I", block_size)


def blocks(count, source, destination, *, by=(0, 0), dc=False):
    """A block to block segment; `by` are the descriptor IDs of source and destination."""
    return struct.pack(">BBHHHHHQQ", 2, 2 if dc else 0, 0x18, *by, 0, count, source, destination)


def block_bytes(count, source, destination, offsets, *, by=(0, 0)):
    """The segment with byte offsets."""
    return struct.pack(">BBHHHIQQHH", 0x0A, 0, 0x1C, *by, count, source, destination, *offsets)


def extended_copy(targets, segments, *, identifier=1, usage=HOLD, inline=0):
    """CDB and parameter list of EXTENDED COPY(LID1)."""
    targets, segments = b"".join(targets), b"".join(segments)
    data = struct.pack(">BBHIII", identifier, usage << 3, len(targets), 0, len(segments),
                       inline) + targets + segments
    return struct.pack(">BB8xIBB", 0x83, 0, len(data), 0, 0), data


def extended_copy4(targets, segments, *, identifier=1, usage=HOLD):
    targets, segments = b"".join(targets), b"".join(segments)
    data = struct.pack(">BB18xI18xHHH", 1, usage << 3, identifier, len(targets), len(segments),
                       0) + targets + segments
    return struct.pack(">BB8xIBB", 0x83, 1, len(data), 0, 0), data


def copy_status(identifier=1, allocation=255):
    return struct.pack(">BBB7xIBB", 0x84, 0, identifier, allocation, 0, 0)


def copy_parameters(allocation=255):
    return struct.pack(">BB8xIBB", 0x84, 3, allocation, 0, 0)


def failure_details(identifier=1, allocation=255):
    return struct.pack(">BBB7xIBB", 0x84, 4, identifier, allocation, 0, 0)


def copy_status4(identifier=1, allocation=255):
    return struct.pack(">BBI4xIBB", 0x84, 5, identifier, allocation, 0, 0)


TOKEN_SIZE = 512
ZERO_TOKEN = bytes.fromhex("ffff0001 0000 01f8") + bytes(504)
POINT_IN_TIME = 0x00800001
UNUSABLE, TOKEN_TYPE, UNKNOWN, CORRUPT = 0x052300, 0x052301, 0x052304, 0x052305
REVOKED, EXPIRED, DELETED, TOKEN_LENGTH = 0x052306, 0x052307, 0x052309, 0x05230A


def ranges(*extents):
    return b"".join(struct.pack(">QII", lba, count, 0) for lba, count in extents)


def populate_token(*extents, identifier=1, inactivity=0, rod_type=None, length=None):
    """CDB and parameter list of POPULATE TOKEN."""
    body = ranges(*extents)
    data = struct.pack(">HBxIIHH", 14 + len(body) if length is None else length,
                       0 if rod_type is None else 2, inactivity, rod_type or 0, 0,
                       len(body)) + body
    return struct.pack(">BB4xIIBB", 0x83, 0x10, identifier, len(data), 0, 0), data


def write_using_token(token, *extents, identifier=2, offset=0, delete=False):
    body = ranges(*extents)
    data = struct.pack(">HB5xQ", 534 + len(body), 2 if delete else 0, offset) + token + bytes(6) + struct.pack(
        ">H", len(body)) + body
    return struct.pack(">BB4xIIBB", 0x83, 0x11, identifier, len(data), 0, 0), data


def token_information(identifier, allocation=1024):
    return struct.pack(">BBI4xIBB", 0x84, 7, identifier, allocation, 0, 0)


class TokenInformation:
    """The answer of RECEIVE ROD TOKEN INFORMATION taken apart."""

    def __init__(self, data):
        assert int.from_bytes(data[:4], "big") == len(data) - 4
        self.action, self.status = data[4] & 0x1F, data[5] & 0x7F
        self.completion, self.sense = data[12], data[32:32 + data[13]]
        self.units, self.transferred = data[15], int.from_bytes(data[16:24], "big")
        rest = data[32 + data[13]:]
        assert int.from_bytes(rest[:4], "big") == len(rest) - 4
        self.token = rest[6:] if rest[4:] else None


def ask(session, identifier):
    task = session.command(token_information(identifier), read=1024).assert_good()
    return TokenInformation(task.data_in)


def make_token(session, *extents, identifier=1, **how):
    cdb, data = populate_token(*extents, identifier=identifier, **how)
    session.command(cdb, write=data).assert_good()
    return ask(session, identifier).token


def use_token(session, token, *extents, **how):
    cdb, data = write_using_token(token, *extents, **how)
    return session.command(cdb, write=data)
