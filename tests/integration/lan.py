"""A LAN of the test's own: a network namespace in which `sim-cluster up` runs with network = netns
or host, captures of what is on its wires, and proof that nothing of the cluster is left there.

The names of namespaces and links in the machine are the only thing that tests share, so every lab
has a cluster name of its own.
"""

import contextlib
import ctypes
import functools
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
import uuid

from cluster import Cluster
from wire import DEADLINE

CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0806, 0x0800, 0x86DD
FIN, RST = 0x01, 0x04
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words, namespace=None, check=True):
    where = ["-n", namespace] if namespace else []
    done = subprocess.run(["ip", *where, *map(str, words)], capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"ip {words}: {done.stderr}")
    return done.stdout


@functools.cache
def missing():
    """Why namespaces, bridges or their links cannot be made here; None: they can."""
    name = f"try{uuid.uuid4().hex[:6]}"
    try:
        ip("netns", "add", name)
    except (AssertionError, OSError) as error:
        return f"no network namespaces: {error}"
    try:
        ip("link", "add", "br0", "type", "bridge", namespace=name)
        ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1", namespace=name)
        return None
    except AssertionError as error:
        return str(error)
    finally:
        ip("netns", "delete", name)


def set_namespace(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def inside(namespace):
    """Sockets opened here belong to the namespace; only this thread is there."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        space = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            set_namespace(space)
            yield
        finally:
            os.close(space)
            set_namespace(back)
    finally:
        os.close(back)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


class Frame:
    """An Ethernet frame, as far as the tests look at it."""

    def __init__(self, data):
        self.data, self.to, self.source = data, data[:6], data[6:12]
        self.kind, = struct.unpack_from(">H", data, 12)

    def arp(self):
        """(operation, sender's MAC, sender's address, target's address), or None."""
        if self.kind != ETH_P_ARP:
            return None
        operation, = struct.unpack_from(">H", self.data, 20)
        return (operation, self.data[22:28], socket.inet_ntoa(self.data[28:32]),
                socket.inet_ntoa(self.data[38:42]))

    def advertisement(self):
        """(target address, its MAC, override) of a neighbour advertisement, or None."""
        if self.kind != ETH_P_IPV6 or self.data[20] != 58 or self.data[54] != 136:
            return None
        return (socket.inet_ntop(socket.AF_INET6, self.data[62:78]), self.data[80:86],
                bool(self.data[58] & 0x20))

    def tcp_flags(self):
        if self.kind != ETH_P_IP or self.data[23] != socket.IPPROTO_TCP:
            return 0
        return self.data[14 + 4 * (self.data[14] & 15) + 13]


class Capture(threading.Thread):
    """Everything that an interface sees, sent and received."""

    def __init__(self, namespace, interface):
        super().__init__(daemon=True)
        with inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))
        self.stop_pipe, self.frames, self.changed = os.pipe(), [], threading.Condition()
        self.start()

    def run(self):
        while True:
            ready, _, _ = select.select([self.socket, self.stop_pipe[0]], [], [])
            if self.stop_pipe[0] in ready:
                return
            try:
                data = self.socket.recv(65536)
            except OSError:  # the interface went down
                continue
            with self.changed:
                self.frames.append(Frame(data))
                self.changed.notify_all()

    def mark(self):
        with self.changed:
            return len(self.frames)

    def since(self, mark=0):
        with self.changed:
            return self.frames[mark:]

    def wait(self, match, since=0, deadline=DEADLINE, count=1):
        """The first `count` frames from there on that match."""
        until = time.monotonic() + deadline
        with self.changed:
            while True:
                found = [frame for frame in self.frames[since:] if match(frame)]
                if len(found) >= count:
                    return found[:count]
                left = until - time.monotonic()
                assert left > 0, f"{len(found)} of {count} frames within {deadline:g} s"
                self.changed.wait(left)

    def close(self):
        os.write(self.stop_pipe[1], b".")
        self.join()
        self.socket.close()
        for end in self.stop_pipe:
            os.close(end)


class Lan:
    """What Cluster takes as its net: every test has 10.77.1.0/24 and 10.77.2.0/24 for itself."""

    def __init__(self):
        self.name = f"t{uuid.uuid4().hex[:6]}"
        self.outer, self.captures, self.others = f"{self.name}-lan", [], []
        ip("netns", "add", self.outer)
        ip("link", "set", "lo", "up", namespace=self.outer)

    def address(self, host, second=False):
        return f"10.77.{2 if second else 1}.{host}"

    def ip(self, *words, **how):
        return ip(*words, namespace=self.outer, **how)

    def add_machine(self, address="10.77.1.50/24", interface="eth1"):
        """Another namespace, cabled to `interface` of ours. Its name."""
        other = f"{self.name}-pc{len(self.others)}"
        ip("netns", "add", other)
        self.others.append(other)
        self.ip("link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", other)
        self.ip("link", "set", interface, "up")
        ip("link", "set", "eth0", "up", namespace=other)
        ip("address", "add", address, "dev", "eth0", namespace=other)
        return other

    def node(self, number):
        """The name of a node's namespace."""
        return f"{self.name}-node{number}"

    def capture(self, interface, namespace=None):
        self.captures.append(Capture(namespace or self.outer, interface))
        return self.captures[-1]

    def links(self):
        return {link["ifname"]: link for link in json.loads(self.ip("-j", "address"))}

    def mac(self, interface, namespace=None):
        shown = json.loads(ip("-j", "link", "show", interface, namespace=namespace or self.outer))
        return mac(shown[0]["address"])

    def spaces(self):
        """Namespaces of the cluster's nodes that have a name."""
        return [name for name in os.listdir("/run/netns") if name.startswith(f"{self.name}-node")]

    def ask(self, address, interface, namespace=None, deadline=DEADLINE):
        """Who answers an ARP request, on the wire; None: nobody."""
        capture = self.capture(interface, namespace)
        own = self.mac(interface, namespace)
        frame = (b"\xff" * 6 + own + struct.pack(">HHHBBH", ETH_P_ARP, 1, ETH_P_IP, 6, 4, 1) + own
                 + bytes(4) + bytes(6) + socket.inet_aton(address))
        capture.socket.send(frame)
        try:
            answer = capture.wait(lambda frame: frame.arp() and frame.arp()[0] == 2
                                  and frame.arp()[2] == address and frame.to == own,
                                  deadline=deadline)
            return answer[0].source
        except AssertionError:
            return None

    def release(self):
        """The last thing a test does: what is left of the cluster is removed, and told."""
        if self.outer not in os.listdir("/run/netns"):
            return
        for capture in self.captures:
            capture.close()
        left = self.spaces() + [name for name in self.links() if name.startswith(self.name)]
        for name in self.spaces() + self.others + [self.outer]:
            ip("netns", "delete", name, check=False)
        assert not left, f"left behind: {left}"


class LanCluster(Cluster):
    """A cluster in a Lan: two private networks, or what `networks` says."""

    NETWORKS = """
[network a]
address = 10.77.1.254/24

[network b]
address = 10.77.2.254/24
"""

    def __init__(self, lan, *, network="netns", networks=NETWORKS, **how):
        self.network, self.networks = network, networks
        super().__init__(lan, **how)

    def text(self, *arguments):
        text = super().text(*arguments)
        return text.replace("name = test", f"name = {self.net.name}\nnetwork = {self.network}",
                            1) + self.networks

    def bridge(self, network="a"):
        return f"{self.net.name}-{network}"

    def command(self, *words):
        return ["nsenter", f"--net=/run/netns/{self.net.outer}", *super().command(*words)]

    def log_in(self, *arguments, **how):
        with inside(how.pop("namespace", self.net.outer)):
            return super().log_in(*arguments, **how)

    def mac(self, number, network="a"):
        return self.net.mac(network, self.net.node(number))
