"""CHAP as an initiator does it (RFC 7143 12.1.3, RFC 1994): answers, codings, algorithms."""

import base64
import hashlib
import os

MD5, SHA1, SHA256, SHA3_256 = 5, 6, 7, 8
DIGESTS = {MD5: hashlib.md5, SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA3_256: hashlib.sha3_256}


def to_hex(data):
    return "0x" + data.hex()


def to_base64(data):
    return "0b" + base64.b64encode(data).decode()


def decode(value):
    """A binary value of either coding (RFC 7143 6.1)."""
    prefix, digits = value[:2].lower(), value[2:]
    if prefix == "0x":
        return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)
    assert prefix == "0b", f"neither hex nor base64: {value!r}"
    return base64.b64decode(digits, validate=True)


def response(algorithm, identifier, secret, challenge):
    return DIGESTS[algorithm](bytes([identifier]) + secret.encode() + challenge).digest()


class Credentials:
    """What an initiator knows: its own name and secret, and the target's when mutual."""

    def __init__(self, user, secret, *, target_user=None, target_secret=None, algorithms="5",
                 coding=to_hex, challenge=None, identifier=7):
        self.user, self.secret = user, secret
        self.target_user, self.target_secret = target_user, target_secret
        self.algorithms, self.coding = algorithms, coding
        self.challenge = challenge or os.urandom(16)
        self.identifier = identifier

    @property
    def mutual(self):
        return self.target_secret is not None

    def answer(self, offered):
        """CHAP_N, CHAP_R (and our own challenge) for the target's CHAP_A, CHAP_I, CHAP_C."""
        self.algorithm = int(offered["CHAP_A"])
        digest = response(self.algorithm, int(offered["CHAP_I"], 0), self.secret,
                          decode(offered["CHAP_C"]))
        keys = {"CHAP_N": self.user, "CHAP_R": self.coding(digest)}
        if self.mutual:
            keys |= {"CHAP_I": self.identifier, "CHAP_C": self.coding(self.challenge)}
        return keys

    def check(self, answered):
        """The target must have proven that it knows its own secret."""
        if self.mutual:
            expected = response(self.algorithm, self.identifier, self.target_secret, self.challenge)
            assert answered.get("CHAP_N") == self.target_user, f"wrong CHAP_N in {answered}"
            assert decode(answered["CHAP_R"]) == expected, f"wrong CHAP_R in {answered}"
