"""The servers that are measured: tgt as Debian ships it, the cluster, and the least that could be
called a target (echo). Each on addresses of its own and a filled file on the same file system."""

import itertools
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from addresses import Net  # noqa: E402
from cluster import Cluster, iqn  # noqa: E402
from node import BUILD  # noqa: E402

BENCH = BUILD / "bench"
SPIN_US = 1000
TGT_TARGET = "iqn.2012-11.com.example:bench:tgt"
TGT_TUNED = ["MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength", "FirstBurstLength"]


def fill(path, region):
    subprocess.run([BENCH / "file", "--file", path, "--fill", "1", "--region", str(region)],
                   check=True)


class Server:
    """Where to log in, and the processes whose time counts."""

    lun, portal, target = 0, None, None
    extra = []  # for the load tool

    def pids(self):
        raise NotImplementedError

    def words(self):
        return ["--portal", self.portal, "--target", self.target,
                "--pids", ",".join(map(str, self.pids()))]

    def memory_kib(self):
        return sum(int(status_of(pid, "VmRSS")) for pid in self.pids())

    def wakeups(self):
        """How often a thread of it was put to sleep by itself."""
        return sum(map(wakeups_of, self.pids()))


def wakeups_of(pid):
    return sum(int(status_of(f"{pid}/task/{thread}", "voluntary_ctxt_switches"))
               for thread in os.listdir(f"/proc/{pid}/task"))


def status_of(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith(name + ":"))


class Child(Server):
    """A server that is one process of ours, ended by its id."""

    def __init__(self, command):
        self.child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pids(self):
        return [self.child.pid]

    def finish(self):
        self.child.kill()
        self.child.wait()


class Tgt(Child):
    lun, target = 1, TGT_TARGET

    def __init__(self, net, path, tuned=False):
        self.portal, self.control = f"{net.address(1)}:3260", str(10000 + os.getpid() % 20000)
        super().__init__(["tgtd", "-f", "-C", self.control, "--iscsi", f"portal={self.portal}"])
        self.try_until("--mode", "target", "--op", "new", "--tid", "1", "--targetname", TGT_TARGET)
        self.try_until("--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", "1",
                       "--backing-store", path)
        for name in TGT_TUNED if tuned else []:
            self.try_until("--mode", "target", "--op", "update", "--tid", "1", "--name", name,
                           "--value", "262144")
        self.try_until("--mode", "target", "--op", "bind", "--tid", "1",
                       "--initiator-address", "ALL")

    def try_until(self, *words):
        """It takes a while until it listens."""
        for left in reversed(range(50)):
            done = subprocess.run(["tgtadm", "-C", self.control, "--lld", "iscsi",
                                   *map(str, words)], capture_output=True, text=True, timeout=10)
            if not done.returncode:
                return
            time.sleep(0.05)
            if not left or self.child.poll() is not None:
                raise RuntimeError(f"tgtadm {words}: {done.stderr}")


class Ours(Server):
    def __init__(self, net, region, settings):
        self.cluster = Cluster(net, nodes=1, volumes=["data1"], size=f"{region >> 20}M",
                               settings={"nop_interval_s": 0} | settings)
        self.target = iqn("data1")
        self.portal = f"{self.cluster.portal(1)}:3260"
        self.home = self.cluster.home
        try:
            self.cluster.run("up", "-c", self.cluster.config, "--detach")
            fill(self.cluster.state / "volumes" / "data1.img", region)
        except BaseException:
            self.cluster.finish()
            raise
        self.found = self.cluster.pids()

    def pids(self):
        return self.found

    def wakeups(self):
        """Of those that serve; the supervisor looks after them eight times in node_timeout_ms."""
        return sum(wakeups_of(pid) for pid in self.pids() if pid != self.cluster.supervisor())

    def finish(self):
        self.cluster.finish()


class Alike(Server):
    """The same cluster, reached in another way."""

    def __init__(self, ours, portal=None, extra=()):
        self.pids, self.target, self.extra = ours.pids, ours.target, list(extra)
        self.portal = portal or ours.portal


class Servers:
    """All of them by name; a context that ends them."""

    def __init__(self, region, settings, tuned, net=None):
        self.net, self.region, self.by_name = net or Net(), region, {}
        self.started, hosts = [], itertools.count(10)
        new_net = net.new if net else Net
        try:
            ours = self.keep(Ours(new_net(), region, settings))
            self.path = ours.home / "bench.img"
            fill(self.path, region)
            self.by_name = {
                "tgt": self.keep(Tgt(self.net, self.path, tuned)), "ours": ours,
                "ours, redirected": Alike(ours, f"{ours.cluster.floating_ip}:3260"),
                "digests": Alike(ours, extra=["--digests", 1]),
                "copying": self.keep(Ours(new_net(), region, settings | {"zero_copy": "off"})),
                "spinning": self.keep(Ours(new_net(), region, settings | {"spin_us": SPIN_US})),
            }
            for way in ("memory", "pread", "sendfile", "mapping"):
                address = f"{self.net.address(next(hosts))}:3260"
                echo = self.keep(Child([BENCH / "echo", address, self.path, way]))
                echo.portal, echo.target = address, "iqn.2012-11.com.example:echo"
                self.by_name[way] = echo
            time.sleep(0.3)
        except BaseException:
            self.finish()
            raise

    def keep(self, server):
        self.started.append(server)
        return server

    def finish(self):
        for server in reversed(self.started):
            server.finish()
        self.net.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()
