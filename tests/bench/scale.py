#!/usr/bin/python3
"""How a cluster grows: start-up, memory, status, failover, logins and the cost of a command with 10,
100, 1,000 and 10,000 volumes of 1 TiB (sparse), as many exports, half as many sessions, up to 64
nodes. All on loopback. Prints a table and writes JSON; a goal that is missed is printed, not an
error.
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from addresses import Net  # noqa: E402
from cluster import Cluster, iqn  # noqa: E402
from node import BUILD  # noqa: E402

BENCH = BUILD / "bench"
NODES_MAX, HOLD_MAX = 64, 1000

# What is measured, its unit, and what it may be at the largest size.
# Processor time says more than the clock where others use the machine.
ROWS = [("start", "s", 10), ("start_again", "s", 10), ("start_cpu", "s", None),
        ("memory", "MiB", 2048), ("status", "ms", 200), ("status_cpu", "ms", None),
        ("failover", "ms", 2000), ("failover_cpu", "ms", None), ("failover_sessions", "", None),
        ("logins", "/s", None), ("command_cpu", "s/100k", None)]


def milliseconds_of(stamp):
    """Of an event's time."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    seconds = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return (seconds + float(f"0.{fraction}")) * 1000


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Scale:
    """A cluster of `count` volumes; a context that ends it."""

    def __init__(self, count):
        self.count, self.nodes = count, min(NODES_MAX, max(3, count // 16))
        self.volumes = [f"volume{number:05}" for number in range(1, count + 1)]
        self.cluster = Cluster(Net(), nodes=self.nodes, volumes=self.volumes, size="1T",
                               settings={"nop_interval_s": 0, "node_timeout_ms": 30000})
        self.portal = f"{self.cluster.floating_ip}:3260"
        self.holders = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for holder in self.holders:
            holder.stdin.close()
            holder.wait()
        self.cluster.finish()

    def up(self):
        began = time.monotonic()
        self.cluster.run("up", "-c", self.cluster.config, "--detach", timeout=600)
        return time.monotonic() - began

    def cpu(self):
        """Process ids to the seconds they have used."""
        found = {}
        for pid in self.cluster.pids():
            words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            found[pid] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def cpu_ms_since(self, before):
        """Of those that are still there."""
        return 1000 * sum(seconds - before.get(pid, 0) for pid, seconds in self.cpu().items())

    def memory_mib(self):
        """Of all processes their own; the pages of files are the system's."""
        total = 0
        for pid in self.cluster.pids():
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(line.split()[1]) for line in rollup.splitlines()
                         if line.startswith("Pss_Anon:"))
        return total / 1024

    def status(self, times=3):
        """Milliseconds by the clock, and of the processors: the cluster's and the command's."""
        took, before, own = [], self.cpu(), children_cpu()
        for _ in range(times):
            began = time.monotonic()
            self.cluster.run("status")
            took.append((time.monotonic() - began) * 1000)
        own = 1000 * (children_cpu() - own)
        return sorted(took)[times // 2], (own + self.cpu_ms_since(before)) / times

    def hold(self):
        """Sessions that stand, in groups of a volume each."""
        left = self.count // 2
        for volume in self.volumes:
            if not left:
                break
            wanted = min(left, HOLD_MAX)
            holder = subprocess.Popen([str(BENCH / "logins"), "--portal", self.portal, "--target",
                                       iqn(volume), "--hold", str(wanted)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if not holder.stdout.readline():
                raise RuntimeError("the sessions do not stand")
            self.holders.append(holder)
            left -= wanted

    def tool(self, name, *words):
        pids = ",".join(map(str, self.cluster.pids()))
        done = subprocess.run([str(BENCH / name), "--portal", self.portal, "--target",
                               iqn(self.volumes[-1]), "--pids", pids, *map(str, words)],
                              capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")
        return json.loads(done.stdout)

    def logins(self):
        found = self.tool("logins", "--milliseconds", 1000)
        return found["logins"] / found["seconds"]

    def command_cpu(self):
        found = self.tool("load", "--depth", 32, "--block", 4096, "--region", 64 << 20,
                          "--milliseconds", 1000, "--warm", 200)
        return found["server_cpu"] / found["commands"] * 100000

    def events(self):
        """Also those before the record was full, which thousands of logins may make it."""
        names = ("events.jsonl.1", "events.jsonl")
        return [json.loads(line) for name in names for line in open(self.cluster.state / name)]

    def failover(self):
        """From the death of the node with the first volume until all it served is elsewhere."""
        status = self.cluster.status()
        victim = next(target["controller"] for target in status["targets"]
                      if target["volume"] == self.volumes[0])
        moving = {target["volume"] for target in status["targets"]
                  if target["controller"] == victim}
        sessions = next(node["sessions"] for node in status["nodes"] if node["node"] == victim)
        before = self.cpu()
        self.cluster.run("node", victim, "kill")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            moved = {event["volume"]: event["time"] for event in self.events()
                     if event["event"] == "target.moved" and event.get("from") == victim}
            if moving <= moved.keys():
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{len(moving - moved.keys())} targets have not moved")
        died = next(event["time"] for event in self.events() if event["event"] == "node.failed")
        took = milliseconds_of(max(moved.values())) - milliseconds_of(died)
        return took, self.cpu_ms_since(before), sessions


def measure(count):
    with Scale(count) as scale:
        found = {"volumes": count, "nodes": scale.nodes, "start": scale.up()}
        scale.cluster.down()
        found["start_again"] = scale.up()
        found["start_cpu"] = sum(scale.cpu().values())
        scale.hold()
        found["sessions"] = count // 2
        found["status"], found["status_cpu"] = scale.status()
        found["logins"] = scale.logins()
        found["command_cpu"] = scale.command_cpu()
        found["memory"] = scale.memory_mib()
        found["failover"], found["failover_cpu"], found["failover_sessions"] = scale.failover()
    return found


def print_table(results):
    print(f"{'':18}" + "".join(f"{result['volumes']:>10,}" for result in results) + "      goal")
    for name in ("nodes", "sessions"):
        print(f"{name:18}" + "".join(f"{result[name]:>10,}" for result in results))
    for name, unit, goal in ROWS:
        cells = "".join(f"{result[name]:>10.4g}" for result in results)
        missed = goal and results[-1][name] > goal
        print(f"{name + ', ' + unit if unit else name:18}{cells}"
              + (f"  {goal:>8}{'  missed' if missed else ''}" if goal else ""))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", default="10,100,1000,10000", help="numbers of volumes")
    options.add_argument("--json", help="file for the figures")
    options = options.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ.setdefault("TEST_PATIENCE", "5")
    results = []
    for size in map(int, options.sizes.split(",")):
        print(f"{size:,} volumes", file=sys.stderr)
        results.append(measure(size))
    print_table(results)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    main()
