"""CDBs as bytes, and what comes back taken apart. Only what the tests need."""

import struct

GOOD, CHECK_CONDITION, BUSY, RESERVATION_CONFLICT = 0x00, 0x02, 0x08, 0x18
TASK_SET_FULL, TASK_ABORTED = 0x28, 0x40

TEST_UNIT_READY = bytes(6)
# key, asc, ascq as one number
UNIT_ATTENTION_KEY = 0x06
LBA_OUT_OF_RANGE, INVALID_OPCODE, INVALID_FIELD = 0x052100, 0x052000, 0x052400
NO_SUCH_LUN = 0x052500


def inquiry(page=None, allocation=255):
    return struct.pack(">BBBHB", 0x12, page is not None, page or 0, allocation, 0)


def report_luns(allocation=16):
    return struct.pack(">BBBBBBIBB", 0xA0, 0, 0, 0, 0, 0, allocation, 0, 0)


def request_sense(allocation=252):
    return struct.pack(">BBBBBB", 0x03, 0, 0, 0, allocation, 0)


def read_capacity10():
    return b"\x25" + bytes(9)


def read_capacity16(allocation=32):
    return struct.pack(">BBQIBB", 0x9E, 0x10, 0, allocation, 0, 0)


def mode_sense6(page, *, control=0, allocation=192, dbd=False):
    return struct.pack(">BBBBBB", 0x1A, 8 if dbd else 0, control << 6 | page, 0, allocation, 0)


def mode_sense10(page, *, control=0, allocation=192, dbd=False):
    return struct.pack(">BBBBBBBHB", 0x5A, 8 if dbd else 0, control << 6 | page, 0, 0, 0, 0,
                       allocation, 0)


def mode_select6(length, *, save=False):
    return struct.pack(">BBBBBB", 0x15, 0x11 if save else 0x10, 0, 0, length, 0)


def log_sense(page, subpage=0, allocation=255):
    return struct.pack(">BBBBBHHB", 0x4D, 0, 0x40 | page, subpage, 0, 0, allocation, 0)


def report_opcodes(options, opcode=0, action=0, *, timeouts=False, allocation=8192):
    return struct.pack(">BBBBHIBB", 0xA3, 0x0C, options | (0x80 if timeouts else 0), opcode,
                       action, allocation, 0, 0)


def read10(lba, blocks, *, fua=False):
    return struct.pack(">BBIBHB", 0x28, 8 if fua else 0, lba, 0, blocks, 0)


def write10(lba, blocks, *, fua=False):
    return struct.pack(">BBIBHB", 0x2A, 8 if fua else 0, lba, 0, blocks, 0)


def read16(lba, blocks):
    return struct.pack(">BBQIBB", 0x88, 0, lba, blocks, 0, 0)


def write16(lba, blocks):
    return struct.pack(">BBQIBB", 0x8A, 0, lba, blocks, 0, 0)


def synchronize_cache10(lba=0, blocks=0):
    return struct.pack(">BBIBHB", 0x35, 0, lba, 0, blocks, 0)


def verify10(lba, blocks):
    return struct.pack(">BBIBHB", 0x2F, 0, lba, 0, blocks, 0)


def sense_code(sense):
    """Fixed or descriptor sense as key << 16 | asc << 8 | ascq."""
    if not sense:
        return None
    if sense[0] & 0x7F in (0x70, 0x71):
        return (sense[2] & 0xF) << 16 | sense[12] << 8 | sense[13]
    return (sense[1] & 0xF) << 16 | sense[2] << 8 | sense[3]


def designators(vpd83):
    """VPD page 83h as (association, type, code set, bytes)."""
    found, offset = [], 4
    end = 4 + int.from_bytes(vpd83[2:4], "big")
    while offset < end:
        code_set, kind, _, length = vpd83[offset:offset + 4]
        found.append((kind >> 4 & 3, kind & 0xF, code_set & 0xF,
                      bytes(vpd83[offset + 4:offset + 4 + length])))
        offset += 4 + length
    return found


def pattern(blocks, seed=0, block_size=512):
    """Bytes in which every block differs from every other."""
    return b"".join(struct.pack(">QQ", seed, block) * (block_size // 16) for block in range(blocks))
