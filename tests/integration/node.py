"""One `target` or `portalgroup` process alone, driven over its control channel (descriptor 3).

No supervisor: fast, isolated, and every map can be sent, also wrong ones.
"""

import fcntl
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from events import Events
from faults import Board
from session import log_in
from wire import DEADLINE

BUILD = pathlib.Path(os.environ.get(
    "BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
# A sanitizer keeps freed memory; its builds are held to a looser bound.
IS_SANITIZED = (BUILD / "target").exists() and b"__asan_init" in (BUILD / "target").read_bytes()
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:exitcode=23"}
BASE_NAME = "iqn.2012-11.com.example:wire"
GROUP = "poc"
MIB = 1 << 20
SEGMENT = 8 << 40  # the most in one file of a volume
# What every cluster and node is started with where the test does not say otherwise: words
# KEY=VALUE, as in [cluster] of a configuration.
TEST_SETTINGS = dict(word.split("=", 1) for word in os.environ.get("TEST_SETTINGS", "").split())


def iqn(volume):
    return f"{BASE_NAME}:{volume}"


def json_of(value):
    """A value of the configuration as the supervisor passes it on to a node."""
    if value in ("on", "off"):
        return value == "on"
    return int(value) if value.isdigit() else value


def settings_of(test):
    """What the test wants, and TEST_SETTINGS for the rest."""
    return {key: json_of(value) for key, value in TEST_SETTINGS.items()} | (test or {})


class Refusal(AssertionError):
    """The process answered a request with an error."""


class Control:
    """Our end of descriptor 3: requests down, replies and events up."""

    def __init__(self, end):
        self.socket, self.next_id = end, 1
        self.events = Events(end.makefile("r", encoding="utf-8"))

    def send(self, request, **fields):
        number, self.next_id = self.next_id, self.next_id + 1
        line = json.dumps({"id": number, "request": request, **fields}) + "\n"
        self.socket.sendall(line.encode())
        return number

    def reply(self, number, deadline=DEADLINE):
        line = self.events.wait_for(lambda line: line.get("id") == number, deadline,
                                    what=f"reply {number}")
        if "error" in line:
            raise Refusal(line["error"])
        return line

    def sessions(self):
        """The rows of a node's answer to `sessions`."""
        number = self.send("sessions")
        self.reply(number)
        return [line for line in self.events.lines if line.get("row") == number]

    def request(self, request, deadline=DEADLINE, **fields):
        return self.reply(self.send(request, **fields), deadline)


class Process:
    """A child started as the supervisor would, with its log in a file."""

    def __init__(self, binary, arguments, log):
        ours, theirs = socket.socketpair()
        self.log, self.expected_dead, self.board = log, False, Board()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)  # out of the way of 3 and 5
                for end in (theirs.fileno(), self.board.descriptor)]
        command = f'exec 3<&{ends[0]} 5<&{ends[1]} {ends[0]}<&- {ends[1]}<&-; exec "$@"'
        with open(log, "wb") as stderr:
            self.child = subprocess.Popen(
                ["/bin/bash", "-c", command, "bash", str(BUILD / binary), *arguments],
                stdin=subprocess.DEVNULL, stderr=stderr, pass_fds=ends, env=ENVIRONMENT)
        for end in ends:
            os.close(end)
        theirs.close()
        self.control = Control(ours)
        self.events = self.control.events

    @property
    def pid(self):
        return self.child.pid

    def is_alive(self):
        return self.child.poll() is None

    def status(self, name):
        """A line of /proc/PID/status as a number (kB for sizes)."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def finish(self):
        """Asks it to stop; it must have lived until now and must end well and soon."""
        try:
            assert self.is_alive(), f"the process ended: {self.child.returncode}\n{self.log_text()}"
            self.control.request("stop")
            code = self.child.wait(DEADLINE)
            assert code == 0, f"exit {code}\n{self.log_text()}"
        finally:
            self.end()

    def end(self):
        if self.is_alive():
            self.child.kill()
        self.child.wait()
        if self.board:
            self.board.close()
        self.board = None
        self.control.socket.close()

    def log_text(self):
        return pathlib.Path(self.log).read_text(errors="replace")


def run_of(target):
    """A target as a map has it: a run of one."""
    rest = dict(target)
    return {"names": [rest.pop("name")], "volumes": [rest.pop("volume")]} | rest


class Lab:
    """What a bare process needs around it: addresses, state directory, and the map."""

    sandbox = {}  # as the supervisor wants it; False: none, for tools that make calls of their own

    def __init__(self, net, **changes):
        self.net = net
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="wire-"))
        (self.state / "volumes").mkdir()
        self.generation, self.processes, self.sessions = 0, [], []
        self.floating_ip, self.floating_ip2 = net.address(100), net.address(100, second=True)
        self.portal, self.portal2 = net.address(1), net.address(2)
        self.map = {
            "base_name": BASE_NAME,
            "portal_groups": [{
                "name": GROUP, "tpgt": 1, "redirect": "after_auth",
                "redirect_status": "temporary", "discovery_chap": "offered",
                "floating_ips": [
                    {"address": self.floating_ip, "prefix": 24, "port": 3260, "node": 1},
                    {"address": self.floating_ip2, "prefix": 24, "port": 3260, "node": 1}],
                "portals": [{"node": 1, "address": self.portal, "port": 3260},
                            {"node": 1, "address": net.address(1, second=True), "port": 3260},
                            {"node": 2, "address": self.portal2, "port": 3260}]}],
            "targets": [self.target("data1"), self.target("data2")],
            "initiators": [{"name": "*"}],
            "exports": [self.export("data1"), self.export("data2")],
        }
        self.map.update(changes)

    def target(self, volume, size=64 * MIB, controller=1, block_size=512):
        return {"name": iqn(volume), "volume": volume, "size": size, "block_size": block_size,
                "physical_block_size": 4096, "controller": controller, "read_only": False}

    def export(self, volume, initiators=("*",)):
        return {"target": iqn(volume), "portal_group": GROUP, "initiators": list(initiators)}

    def place(self, name):
        return [target["name"] for target in self.map["targets"]].index(name)

    def make_volumes(self):
        for number, target in enumerate(self.map["targets"], 1):
            image = self.state / "volumes" / f"{target['volume']}.img"
            if image.exists():
                continue
            for at in range(0, target["size"], SEGMENT):
                with open(f"{image}.{at // SEGMENT}" if at else image, "wb") as file:
                    file.truncate(min(SEGMENT, target["size"] - at))
            image.with_suffix(".json").write_text(json.dumps({
                "volume": target["volume"], "serial": str(number), "naa": f"6{number:031x}",
                "size": target["size"], "block_size": target["block_size"], "generation": 1}))

    def start(self, process, arguments, **start):
        log = self.state / f"{process}-{len(self.processes)}.log"
        child = Process(process, arguments, log)
        self.processes.append(child)
        child.control.request("start", process=process, cluster="wire",
                              sandbox=self.sandbox, **start)
        return child

    def start_target(self, node=1, settings=None):
        self.make_volumes()
        child = self.start("target", ["--node", str(node)], node=node,
                           volumes=str(self.state / "volumes"), settings=settings_of(settings))
        self.send_map(child)
        return child

    def start_portalgroup(self, address=None, node=1, settings=None):
        address = address or self.floating_ip
        child = self.start("portalgroup", ["--node", str(node), "--floating-ip", address],
                           node=node, floating_ip=address, port=3260, portal_group=GROUP,
                           settings=settings_of(settings))
        self.send_map(child)
        return child

    def next_map(self):
        """What a request for the next generation of the map says."""
        self.generation += 1
        return self.map | {
            "generation": self.generation,
            "targets": [run_of(target) for target in self.map["targets"]],
            "exports": [export | {"targets": [[self.place(export["target"]), 1]]}
                        for export in self.map["exports"]]}

    def send_map(self, *processes):
        """The next generation of the map, to the given processes or to all."""
        told = self.next_map()
        for child in processes or self.processes:
            child.control.request("map", **told)

    def log_in(self, target="data1", address=None, **how):
        """A session closed by the end of the test; target None is a discovery session."""
        session = log_in(address or self.portal, target=target and iqn(target), **how)
        self.sessions.append(session)
        return session

    def image(self, volume="data1"):
        return self.state / "volumes" / f"{volume}.img"

    def finish(self):
        """Every process must still be alive, stop when asked, and leave nothing."""
        for session in self.sessions:
            session.close()
        failure = None
        for child in self.processes:
            try:
                if not child.expected_dead:
                    child.finish()
            except BaseException as error:  # the others are ended all the same
                failure = failure or error
            finally:
                child.end()
        shutil.rmtree(self.state, ignore_errors=True)
        self.net.release()
        if failure:
            raise failure

    def report(self):
        parts = []
        for child in self.processes:
            parts += [f"--- {child.log.name}", child.log_text()]
            parts += [json.dumps(line) for line in child.events.lines[-500:]]
        return "\n".join(parts)
