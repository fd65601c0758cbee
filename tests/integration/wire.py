"""A TCP connection that speaks PDUs, with a deadline on every wait."""

import collections
import contextlib
import os
import select
import socket
import struct
import time

from pdu import BHS_SIZE, Pdu, crc32c

PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))
DEADLINE = 10 * PATIENCE
TRACE = 1000  # PDUs that are remembered


class Closed(Exception):
    """The peer closed or reset the connection."""


class Silence(Exception):
    """Nothing (or not a whole PDU) came before the deadline."""


class Connection:
    def __init__(self, address, port=3260, *, source=None, receive_buffer=None, deadline=DEADLINE):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(deadline)
        if source:
            self.socket.bind((source, 0))
        try:
            self.socket.connect((address, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address, self.port = address, port
        self.header_digest = self.data_digest = False
        self.trace = collections.deque(maxlen=TRACE)
        self._buffer = bytearray()

    def send_raw(self, data, deadline=DEADLINE):
        self.socket.settimeout(deadline)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error
        except socket.timeout as error:
            raise Silence(f"cannot send {len(data)} bytes: the peer does not read") from error

    def send(self, *pdus):
        self.trace += [(">", pdu) for pdu in pdus]
        self.send_raw(b"".join(pdu.encode(self.header_digest, self.data_digest) for pdu in pdus))

    def _fill(self, size, until):
        while len(self._buffer) < size:
            left = until - time.monotonic()
            if left <= 0:
                raise Silence(f"{len(self._buffer)} of {size} bytes before the deadline")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(1 << 20)
            except socket.timeout:
                continue
            except ConnectionError as error:
                raise Closed(f"reset after {len(self._buffer)} of {size} bytes") from error
            if not piece:
                raise Closed(f"closed after {len(self._buffer)} of {size} bytes")
            self._buffer += piece

    def _take(self, size):
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    def receive(self, deadline=DEADLINE):
        """The next PDU; its padding must be zero and its digests right."""
        until = time.monotonic() + deadline
        self._fill(BHS_SIZE, until)
        ahs_size = self._buffer[4] * 4
        data_size = int.from_bytes(self._buffer[5:8], "big")
        body_size = data_size + -data_size % 4
        head = BHS_SIZE + ahs_size + (4 if self.header_digest else 0)
        tail = body_size + (4 if self.data_digest and data_size else 0)
        self._fill(head + tail, until)
        header = self._take(BHS_SIZE + ahs_size)
        if self.header_digest:
            digest = int.from_bytes(self._take(4), "little")
            assert digest == crc32c(header), f"wrong header digest {digest:#x}"
        body = self._take(body_size)
        if self.data_digest and data_size:
            digest = int.from_bytes(self._take(4), "little")
            assert digest == crc32c(body), f"wrong data digest {digest:#x}"
        assert not any(body[data_size:]), "padding bytes are not zero"
        pdu = Pdu.parse(header[:BHS_SIZE], header[BHS_SIZE:], body[:data_size])
        self.trace.append(("<", pdu))
        return pdu

    def has_input(self, timeout=0):
        return bool(self._buffer) or bool(select.select([self.socket], [], [], timeout)[0])

    def expect_close(self, deadline=DEADLINE):
        """Reads until the peer closes; gives the PDUs that came before."""
        until, pdus = time.monotonic() + deadline, []
        while True:
            try:
                pdus.append(self.receive(until - time.monotonic()))
            except Closed:
                assert not self._buffer, f"closed in the middle of a PDU: {self._buffer!r}"
                return pdus

    def expect_silence(self, seconds):
        """Nothing at all may come for this long."""
        try:
            pdu = self.receive(seconds)
        except Silence:
            return
        raise AssertionError(f"unexpected {pdu}")

    def reset(self):
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    @property
    def peer(self):
        return self.socket.getpeername()

    @property
    def local(self):
        return self.socket.getsockname()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
