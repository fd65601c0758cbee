"""The whole product: `sim-cluster` on a config and a state directory of the test's own."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from events import Events
from login import Refused
from node import BUILD, ENVIRONMENT, TEST_SETTINGS
from session import log_in
from wire import DEADLINE, PATIENCE, Closed, Silence

BASE_NAME = "iqn.2012-11.com.example:cluster"
MARK = "SIM_CLUSTER_TEST"


def iqn(volume):
    return f"{BASE_NAME}:{volume}"


def processes_with(mark):
    """Process ids to command lines of everything that inherited this mark."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                if (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found[int(entry.name)] = b" ".join(words).decode().strip()
    return found


def wait_for_end(pids, deadline):
    """The ids of those that are still there when the deadline has passed."""
    until, left = time.monotonic() + deadline, []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            if not select.select([descriptor], [], [], max(0, until - time.monotonic()))[0]:
                left.append(pid)
            os.close(descriptor)
    return left


class Cluster:
    """`volumes`: names, or names with their keys."""

    def __init__(self, net, *, nodes=3, volumes=("data1", "data2"), size="64M", settings=None,
                 sections=None, group=None):
        self.net, self.mark, self.programs = net, uuid.uuid4().hex, BUILD
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="clu-"))
        self.state, self.config = self.home / "state", self.home / "cluster.ini"
        self.floating_ip, self.floating_ip2 = net.address(100), net.address(100, second=True)
        self.nodes, self.volumes = nodes, volumes
        self.events, self.follower, self.sessions, self.children = None, None, [], []
        self.config.write_text(self.text(size, settings or {}, sections, group or {}))

    def text(self, size, settings, sections, group):
        lines = ["[cluster]", f"base_name = {BASE_NAME}"]
        defaults = {"name": "test", "node_timeout_ms": int(1000 * PATIENCE)} | TEST_SETTINGS
        settings = defaults | settings
        lines += [f"{key} = {value}" for key, value in settings.items()]
        lines += ["", "[portal_group poc]", f"floating_ip = {self.floating_ip}/24",
                  f"floating_ip = {self.floating_ip2}/24"]
        lines += [f"{key} = {value}" for key, value in group.items()]
        for number in range(1, self.nodes + 1):
            lines += ["", f"[node {number}]", f"portal = {self.portal(number)}:3260 poc",
                      f"portal = {self.portal(number, True)}:3260 poc"]
        for volume in self.volumes:
            keys = self.volumes[volume] if isinstance(self.volumes, dict) else {}
            lines += ["", f"[volume {volume}]"]
            lines += [f"{key} = {value}" for key, value in ({"size": size} | keys).items()]
        lines += ["", sections or "[initiator *]\nnet = 0.0.0.0/0"]
        for volume in self.volumes:
            lines += ["", f"[export {volume}]", "portal_group = poc", "initiator = *"]
        return "\n".join(lines) + "\n"

    def portal(self, node, second=False):
        return self.net.address(node, second)

    # The command line

    def environment(self):
        return ENVIRONMENT | {MARK: self.mark, "NO_COLOR": "1"}

    def command(self, *words):
        return [str(self.programs / "sim-cluster"), "--state", str(self.state), *map(str, words)]

    def run(self, *words, check=True, timeout=60 * PATIENCE, **how):
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, env=self.environment(), **how)
        if check and done.returncode:
            raise AssertionError(f"sim-cluster {words}: exit {done.returncode}\n{done.stderr}")
        return done

    def spawn(self, *words, **how):
        """A command that runs beside the test; ended with the cluster at the latest."""
        child = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, text=True,
                                 env=self.environment(), **how)
        self.children.append(child)
        return child

    def up(self):
        self.run("up", "-c", self.config, "--detach")
        self.follow()
        return self

    def follow(self):
        self.follower = self.spawn("events", "--follow", "--json", stdout=subprocess.PIPE)
        self.events = Events(self.follower.stdout)
        self.node_is("up", *range(1, self.nodes + 1))

    def down(self):
        return self.run("down")

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def node(self, number, verb):
        """Gives the place in the event stream before the command."""
        mark = self.events.mark()
        self.run("node", number, verb)
        return mark

    def supervisor(self):
        return int((self.state / "lock").read_text())

    # What is where

    def node_states(self):
        return {entry["node"]: entry["state"] for entry in self.status()["nodes"]}

    def wait_until(self, question, what, deadline=DEADLINE):
        """Asks again whenever something happened (or soon) until the answer is true."""
        until = time.monotonic() + deadline
        while True:
            answer = question()
            if answer:
                return answer
            assert time.monotonic() < until, f"not within {deadline:g} s: {what}\n{self.status()}"
            with self.events.changed:
                self.events.changed.wait(0.05)

    def node_is(self, state, *numbers):
        self.wait_until(lambda: all(self.node_states()[number] == state for number in numbers),
                        f"nodes {numbers} {state}")

    def controller(self, volume="data1"):
        return next(target["controller"] for target in self.status()["targets"]
                    if target["volume"] == volume)

    def new_controller(self, old, volume="data1"):
        """The controller once there is one that is not `old`."""
        return self.wait_until(lambda: self.controller(volume) not in (None, old)
                               and self.controller(volume), f"{volume} away from node {old}")

    def holder(self, address):
        return next(floating["node"] for group in self.status()["portal_groups"]
                    for floating in group["floating_ips"] if floating["address"] == address)

    def pids(self, program=None, node=None):
        """Ids of the children by the words people see in `ps`."""
        return [pid for pid, line in processes_with(self.mark).items()
                if (program is None or os.path.basename(line.split(" ")[0]) == program)
                and (node is None or f"--node {node}" in line)]

    # An initiator

    def log_in(self, volume="data1", address=None, **how):
        """At the floating IP, following the redirect; the session knows its node."""
        address, port = address or self.floating_ip, 3260
        for _ in range(4):
            try:
                session = log_in(address, port, volume and iqn(volume), **how)
                self.sessions.append(session)
                session.portal = f"{address}:{port}"
                return session
            except Refused as refused:
                if refused.status not in (0x0101, 0x0102):
                    raise
                address, _, port = refused.pdu.key("TargetAddress").rpartition(":")
                port = int(port)
        raise AssertionError("redirected more than 3 times")

    def reconnect(self, volume="data1", address=None, deadline=DEADLINE, **how):
        """As a host does after a loss: again and again at the floating IP."""
        until, last = time.monotonic() + deadline, None
        while time.monotonic() < until:
            try:
                return self.log_in(volume, address, deadline=1, **how)
            except (OSError, Closed, Silence) as error:
                last = error
            except Refused as error:
                assert error.status >> 8 == 3, f"an initiator would not retry: {error}"
                last = error
            with self.events.changed:
                self.events.changed.wait(0.02)
        raise AssertionError(f"no session within {deadline:g} s: {last!r}")

    # The end

    def finish(self):
        """`down`, then proof that nothing is left; whatever is left is killed and reported."""
        for session in self.sessions:
            session.close()
        if (self.state / "lock").exists():
            self.run("down", check=False)
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2)
            if child.poll() is None:
                child.terminate()
                child.wait(5)
        left = processes_with(self.mark)
        survivors = wait_for_end(left, 5)
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
        self.net.release()
        assert not survivors, f"left running: {[left[pid] for pid in survivors]}"

    def report(self):
        parts = [self.config.read_text()]
        for name in ("events.jsonl.1", "events.jsonl"):
            with contextlib.suppress(OSError):
                parts.append((self.state / name).read_text()[-20000:])
        for log in sorted((self.state / "log").glob("*")):
            text = log.read_text(errors="replace")
            if text:
                parts += [f"--- {log.name}", text[-4000:]]
        return "\n".join(parts)
