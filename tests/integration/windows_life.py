"""A Windows host at work: a disk that is written to, over paths that come back as the initiator
service brings them back, with requests held and given up as the registry says."""

import contextlib
import dataclasses
import math
import threading
import time

import scsi
from login import Refused
from pdu import ASYNC, FINAL, LOGOUT_REQUEST, LOGOUT_RESPONSE, NONE_TAG, NOP_IN, NOP_OUT, Pdu
from pdu import TMF_REQUEST, TMF_RESPONSE
from session import LUN_RESET
from windows import WindowsHost
from wire import Closed, Silence

BLOCKS = 128  # 64 KiB a request
DATA = scsi.pattern(BLOCKS * 512)
TURN = 0.01
NOP_WAIT_LEAST = 1.5  # seconds: a busy machine is no dead one


@dataclasses.dataclass(frozen=True)
class Registry:
    """Seconds, as in the registry; StorPool's guide where nothing else is said."""
    max_request_hold: float = math.inf
    link_down: float = 5
    srb_timeout_delta: float = 5
    portal_retry_count: int = 300
    enable_nop_out: bool = True
    time_out_value: float = 86400
    pdo_remove_period: float = 86400
    reconnects: bool = True
    between_reconnects: float = 5
    tcp_connect: float = 15
    login_wait: float = 30
    logout_wait: float = 15
    reset_wait: float = 20
    nop_period: float = 10
    nop_wait: float = 10


GUIDE = Registry()
DEFAULTS = Registry(max_request_hold=60, link_down=15, srb_timeout_delta=15, portal_retry_count=5,
                    enable_nop_out=False, time_out_value=60, pdo_remove_period=20)


class Lost(Exception):
    """The path gives its connection up."""


class Disk:
    """One request at a time, which a path takes, and may give back."""

    def __init__(self, is_idle):
        self.lock, self.is_idle = threading.Lock(), is_idle
        self.owner, self.written, self.failed = None, 0, None

    def take(self, path):
        """Has this path the request now, to send it?"""
        with self.lock:
            if self.is_idle or self.failed or self.owner not in (None, path):
                return False
            self.owner = path
            return True

    def give_back(self, path):
        with self.lock:
            if self.owner is path:
                self.owner = None

    def finish(self):
        with self.lock:
            self.owner, self.written = None, self.written + 1

    def fail(self, why):
        with self.lock:
            self.owner, self.failed = None, self.failed or why


class Path(threading.Thread):
    """One session: logs in at its floating IP again and again, and works while it is there."""

    def __init__(self, life, address, qualifier):
        super().__init__(daemon=True)
        self.life, self.address = life, address
        self.windows = WindowsHost(life.name, qualifier)
        self.lost_at, self.session, self.is_up = time.monotonic(), None, threading.Event()
        self.has_given_up = False

    def seconds(self, of_windows):
        return of_windows / self.life.speed

    def run(self):
        try:
            self.live()
        except Exception as error:
            self.life.broken = error
            raise

    def live(self):
        attempts = 0
        while not self.life.is_over.is_set():
            if self.connect():
                attempts = 0
                with contextlib.suppress(Lost, Closed, OSError):
                    self.work()
                self.lose()
            attempts += 1
            registry = self.life.registry
            if attempts > registry.portal_retry_count or not registry.reconnects:
                self.has_given_up = True
                return
            self.pause(self.seconds(registry.between_reconnects))

    # Coming and going

    def connect(self):
        try:
            self.session = self.windows.log_in(
                self.address, target=self.life.target,
                deadline=self.seconds(self.life.registry.login_wait))
            self.session.clear_attention()
        except (Refused, OSError, Closed, Silence):
            self.windows.close()
            return False
        self.request = self.reset = self.nop = None
        self.last_nop = time.monotonic()
        self.is_up.set()
        return True

    def lose(self):
        self.is_up.clear()
        self.windows.close()
        self.lost_at = time.monotonic()

    def pause(self, seconds):
        """Between two attempts the disk's patience runs."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.life.is_over.wait(TURN):
            self.life.check_patience(self)

    # At work

    def work(self):
        while not self.life.is_over.is_set():
            self.send()
            with contextlib.suppress(Silence):
                self.session.pump(TURN)
            self.take_answers()
            self.check_timers()
        self.session.log_out()

    def send(self):
        if not self.request and not self.reset and self.life.disk.take(self):
            self.request = self.session.start(scsi.write10(0, BLOCKS), write=DATA)
            self.sent_at = time.monotonic()
        registry, now = self.life.registry, time.monotonic()
        if registry.enable_nop_out and not self.nop and (
                now - self.last_nop > self.seconds(registry.nop_period)):
            self.nop, self.last_nop = next(self.session.tags), now
            self.session.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=self.nop,
                                             ttt=NONE_TAG, **self.session.numbers(True)))

    def take_answers(self):
        if self.request and self.request.done:
            task, self.request = self.request, None
            if task.status == scsi.GOOD:
                self.life.disk.finish()
        for pdu in self.session.others:
            if pdu.opcode == NOP_IN and pdu.itt == self.nop:
                self.nop = None
            elif pdu.opcode == TMF_RESPONSE and pdu.itt == self.reset:
                self.request = self.reset = None  # and sent again
            elif pdu.opcode == ASYNC and pdu.event == 1:
                self.leave()
        self.session.others.clear()

    def check_timers(self):
        registry, now = self.life.registry, time.monotonic()
        if self.nop and now - self.last_nop > max(self.seconds(registry.nop_wait), NOP_WAIT_LEAST):
            raise Lost("no answer to a NOP-Out")
        timeout = registry.time_out_value + registry.srb_timeout_delta
        if self.request and not self.reset and now - self.sent_at > self.seconds(timeout):
            self.reset, self.sent_at = next(self.session.tags), now
            self.session.connection.send(Pdu(TMF_REQUEST, immediate=True, flags=FINAL | LUN_RESET,
                                             itt=self.reset, ref_itt=NONE_TAG,
                                             **self.session.numbers(True)))
        if self.reset and now - self.sent_at > self.seconds(registry.reset_wait):
            raise Lost("no answer to a LUN RESET")

    def leave(self):
        """A Logout Request, and its answer is waited for, whatever the connection does."""
        until = time.monotonic() + self.seconds(self.life.registry.logout_wait)
        itt = next(self.session.tags)
        self.session.connection.send(Pdu(LOGOUT_REQUEST, immediate=True, flags=FINAL, itt=itt,
                                         cid=self.session.cid, **self.session.numbers(True)))
        try:
            while time.monotonic() < until:
                with contextlib.suppress(Silence):
                    if self.session.pump(TURN).opcode == LOGOUT_RESPONSE:
                        raise Lost("logged out")
        except (Closed, OSError):
            self.life.is_over.wait(until - time.monotonic())
        raise Lost("no answer to a Logout Request")


class WindowsLife:
    """Two addresses are two MPIO paths. `speed`: so many times faster than the registry says."""

    def __init__(self, target, addresses, registry=GUIDE, *, speed=1, name="win2016",
                 is_idle=False):
        self.target, self.registry, self.speed, self.name = target, registry, speed, name
        self.disk, self.is_over, self.broken = Disk(is_idle), threading.Event(), None
        self.paths = [Path(self, address, qualifier) for qualifier, address in enumerate(addresses)]

    def start(self):
        for path in self.paths:
            path.start()
        return self

    def check_patience(self, path):
        """Of a path that is away: what it holds, and of the disk if all are."""
        away = (time.monotonic() - path.lost_at) * self.speed
        if len(self.paths) == 1:
            if away > self.registry.max_request_hold:
                self.disk.fail("requests were held for too long")
            return
        if away > self.registry.link_down:
            self.disk.give_back(path)
        if away > self.registry.pdo_remove_period and not any(
                other.is_up.is_set() for other in self.paths):
            self.disk.fail("MPIO has removed the disk")

    def stop(self):
        self.is_over.set()
        for path in self.paths:
            path.join(30)
            path.windows.close()
