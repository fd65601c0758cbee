"""iSCSI PDUs as bytes: one field table per opcode (RFC 7143 section 11), padding, CRC32C.

Everything can be set to a wrong value on purpose; nothing here judges what it sends.
"""

BHS_SIZE = 48
NONE_TAG = 0xFFFFFFFF

NOP_OUT, SCSI_COMMAND, TMF_REQUEST, LOGIN_REQUEST = 0x00, 0x01, 0x02, 0x03
TEXT_REQUEST, DATA_OUT, LOGOUT_REQUEST, SNACK = 0x04, 0x05, 0x06, 0x10
NOP_IN, SCSI_RESPONSE, TMF_RESPONSE, LOGIN_RESPONSE = 0x20, 0x21, 0x22, 0x23
TEXT_RESPONSE, DATA_IN, LOGOUT_RESPONSE, R2T, ASYNC, REJECT = 0x24, 0x25, 0x26, 0x31, 0x32, 0x3F

IMMEDIATE = 0x40
FINAL, READ, WRITE = 0x80, 0x40, 0x20
TRANSIT, CONTINUE = 0x80, 0x40
# Byte 1 of responses: residual and status bits.
OVERFLOW, UNDERFLOW, STATUS_BIT = 0x04, 0x02, 0x01

NAMES = {
    NOP_OUT: "NOP-Out", SCSI_COMMAND: "SCSI Command", TMF_REQUEST: "Task Management Request",
    LOGIN_REQUEST: "Login Request", TEXT_REQUEST: "Text Request", DATA_OUT: "Data-Out",
    LOGOUT_REQUEST: "Logout Request", SNACK: "SNACK", NOP_IN: "NOP-In",
    SCSI_RESPONSE: "SCSI Response", TMF_RESPONSE: "Task Management Response",
    LOGIN_RESPONSE: "Login Response", TEXT_RESPONSE: "Text Response", DATA_IN: "Data-In",
    LOGOUT_RESPONSE: "Logout Response", R2T: "R2T", ASYNC: "Async Message", REJECT: "Reject",
}

_COMMON = {"flags": (1, 1), "total_ahs_length": (4, 1), "data_length": (5, 3), "lun": (8, 8),
           "itt": (16, 4)}
_REQUEST = {**_COMMON, "cmd_sn": (24, 4), "exp_stat_sn": (28, 4)}
_ANSWER = {**_COMMON, "stat_sn": (24, 4), "exp_cmd_sn": (28, 4), "max_cmd_sn": (32, 4)}

FIELDS = {
    NOP_OUT: {**_REQUEST, "ttt": (20, 4)},
    SCSI_COMMAND: {**_REQUEST, "edtl": (20, 4)},
    TMF_REQUEST: {**_REQUEST, "ref_itt": (20, 4), "ref_cmd_sn": (32, 4), "exp_data_sn": (36, 4)},
    LOGIN_REQUEST: {**_REQUEST, "version_max": (2, 1), "version_min": (3, 1), "isid": (8, 6),
                    "tsih": (14, 2), "cid": (20, 2)},
    TEXT_REQUEST: {**_REQUEST, "ttt": (20, 4)},
    DATA_OUT: {**_COMMON, "ttt": (20, 4), "exp_stat_sn": (28, 4), "data_sn": (36, 4),
               "offset": (40, 4)},
    LOGOUT_REQUEST: {**_REQUEST, "cid": (20, 2)},
    SNACK: {**_COMMON, "ttt": (20, 4), "exp_stat_sn": (28, 4), "beg_run": (40, 4),
            "run_length": (44, 4)},
    NOP_IN: {**_ANSWER, "ttt": (20, 4)},
    SCSI_RESPONSE: {**_ANSWER, "response": (2, 1), "status": (3, 1), "exp_data_sn": (36, 4),
                    "bidi_residual": (40, 4), "residual": (44, 4)},
    TMF_RESPONSE: {**_ANSWER, "response": (2, 1)},
    LOGIN_RESPONSE: {**_ANSWER, "version_max": (2, 1), "version_active": (3, 1), "isid": (8, 6),
                     "tsih": (14, 2), "status": (36, 2)},
    TEXT_RESPONSE: {**_ANSWER, "ttt": (20, 4)},
    DATA_IN: {**_ANSWER, "status": (3, 1), "ttt": (20, 4), "data_sn": (36, 4), "offset": (40, 4),
              "residual": (44, 4)},
    LOGOUT_RESPONSE: {**_ANSWER, "response": (2, 1), "time2wait": (40, 2), "time2retain": (42, 2)},
    R2T: {**_ANSWER, "ttt": (20, 4), "r2t_sn": (36, 4), "offset": (40, 4), "length": (44, 4)},
    ASYNC: {**_ANSWER, "event": (36, 1), "vendor_code": (37, 1), "parameter1": (38, 2),
            "parameter2": (40, 2), "parameter3": (42, 2)},
    REJECT: {**_ANSWER, "reason": (2, 1), "data_sn": (36, 4)},
}


def padded(data):
    return bytes(data) + bytes(-len(data) % 4)


class Pdu:
    """One PDU. `Pdu(NOP_OUT, itt=1, data=b"x")`; fields read and write by name, `bhs` is raw."""

    def __init__(self, opcode, *, immediate=False, data=b"", ahs=b"", cdb=None, **fields):
        self.bhs = bytearray(BHS_SIZE)
        self.bhs[0] = opcode | (IMMEDIATE if immediate else 0)
        self.ahs, self.data = bytes(ahs), bytes(data)
        self.set("data_length", len(self.data))
        self.set("total_ahs_length", len(padded(self.ahs)) // 4)
        if cdb is not None:
            self.bhs[32:48] = bytes(cdb[:16]).ljust(16, b"\0")
        for name, value in fields.items():
            self.set(name, value)

    @classmethod
    def parse(cls, bhs, ahs=b"", data=b""):
        pdu = cls(bhs[0])
        pdu.bhs, pdu.ahs, pdu.data = bytearray(bhs), bytes(ahs), bytes(data)
        return pdu

    @property
    def opcode(self):
        return self.bhs[0] & 0x3F

    @property
    def immediate(self):
        return bool(self.bhs[0] & IMMEDIATE)

    def _place(self, name):
        fields = FIELDS.get(self.opcode, _COMMON)
        if name not in fields:
            raise AttributeError(f"{NAMES.get(self.opcode, hex(self.opcode))} has no field {name}")
        return fields[name]

    def set(self, name, value):
        offset, size = self._place(name)
        self.bhs[offset:offset + size] = (
            bytes(value) if isinstance(value, (bytes, bytearray)) else value.to_bytes(size, "big"))

    def get(self, name):
        offset, size = self._place(name)
        raw = bytes(self.bhs[offset:offset + size])
        return raw if name == "isid" else int.from_bytes(raw, "big")

    def __getattr__(self, name):
        if name.startswith("_") or name in ("bhs", "ahs", "data"):
            raise AttributeError(name)
        return self.get(name)

    @property
    def cdb(self):
        return bytes(self.bhs[32:48])

    @property
    def csg(self):
        return self.flags >> 2 & 3

    @property
    def nsg(self):
        return self.flags & 3

    @property
    def keys(self):
        """The text as a list of (key, value), in order."""
        return parse_text(self.data)

    def key(self, name, default=None):
        return dict(self.keys).get(name, default)

    def encode(self, header_digest=False, data_digest=False):
        out = bytes(self.bhs) + padded(self.ahs)
        if header_digest:
            out += crc32c(out).to_bytes(4, "little")
        if self.data:
            body = padded(self.data)
            out += body
            if data_digest:
                out += crc32c(body).to_bytes(4, "little")
        return out

    def __repr__(self):
        known = " ".join(f"{name}={self.get(name).hex() if name == 'isid' else hex(self.get(name))}"
                         for name in FIELDS.get(self.opcode, _COMMON))
        text = f" data={self.data[:200]!r}" if self.data else ""
        return f"<{NAMES.get(self.opcode, hex(self.opcode))} {known}{text}>"


def text(keys):
    """Key=value pairs (dict or list of pairs) as the bytes of a text segment."""
    pairs = keys.items() if isinstance(keys, dict) else keys
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in pairs)


def parse_text(data):
    pairs = []
    for item in bytes(data).split(b"\0"):
        if item:
            key, _, value = item.decode("utf-8", "replace").partition("=")
            pairs.append((key, value))
    return pairs


def _make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()


def crc32c(data):
    """CRC32C (Castagnoli), RFC 7143 section 13.1; the four bytes go out lowest first."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
