#!/usr/bin/python3
"""Breaks the node that serves, again and again at random moments under the probe.

Each time: kill, freeze or power-off (seeded), the target and the floating IPs come back elsewhere,
the node starts again. Afterwards every block must be there and no process, no descriptor may be
left over. Prints how long the probe waited for its next answer, and writes it as JSON.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from addresses import Net  # noqa: E402
from cluster import Cluster, iqn  # noqa: E402

KINDS = ["kill", "freeze", "power-off"]
BAD = ["lost", "stale", "torn", "foreign", "errors"]
# The median of the stalls, with the default node_timeout_ms of 1000.
MEDIAN_LIMIT_MS = {"kill": 500, "freeze": 2000}
SHORTEST_MS = 2  # what the probe reports
NOISE_MS = 20  # what is worth a word when nothing broke


def seconds_of(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def start_probe(cluster):
    child = cluster.spawn("probe", "--portal", cluster.floating_ip, "--target", iqn("data1"),
                          "--seconds", "100000", "--stall", SHORTEST_MS, "--region", "16M", "--json",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    cluster.wait_until(lambda: loaded_node(cluster), "the probe's session")
    return child


def loaded_node(cluster):
    """The node that serves the probe; None while there is no session."""
    return next((session["node"] for session in cluster.status()["sessions"]
                 if session["target"] == iqn("data1") and session["commands"] > 50), None)


def break_once(cluster, kind, chance):
    """Gives when it began, when the probe was back, and the node."""
    node = cluster.wait_until(lambda: loaded_node(cluster), "a session that works")
    time.sleep(chance.uniform(0, 0.4))
    began = time.time()
    cluster.node(node, kind)
    cluster.wait_until(lambda: loaded_node(cluster) not in (None, node), f"life after {kind}")
    ended = time.time()
    time.sleep(chance.uniform(0, 0.2))
    cluster.run("node", node, "start")
    cluster.node_is("up", node)
    return {"kind": kind, "node": node, "began": began, "ended": ended}


def attribute(breaks, stalls):
    """To each break its longest stall; gives the long ones that belong to none."""
    rest = [stall | {"began": seconds_of(stall["at"])} for stall in stalls]
    for one in breaks:
        during = [stall for stall in rest if stall["began"] < one["ended"]
                  and stall["began"] + stall["ms"] / 1000 > one["began"]]
        rest = [stall for stall in rest if stall["began"] >= one["ended"]
                or stall["began"] + stall["ms"] / 1000 <= one["began"]]
        longest = max(during, key=lambda stall: stall["ms"], default={"ms": 0, "stages": {}})
        one["ms"], one["stages"] = longest["ms"], longest["stages"]
    return [stall for stall in rest if stall["ms"] >= NOISE_MS]


def holdings(cluster):
    """What each process of the idle cluster has open, counted by what must not grow."""
    found = {}
    for pid in cluster.pids():
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        name = os.path.basename(words[0])
        if pid == cluster.follower.pid or name not in ("sim-cluster", "target", "portalgroup"):
            continue
        open_files = [os.readlink(entry) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        found.setdefault(name, []).append(
            len([path for path in open_files if "/volumes/" not in path]))
    zombies = subprocess.run(["ps", "--ppid", str(cluster.supervisor()), "-o", "state="],
                             capture_output=True, text=True).stdout.split().count("Z")
    return {name: sorted(counts) for name, counts in found.items()} | {"zombies": zombies}


def memory_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def settled_holdings(cluster, wanted):
    """Sessions take a moment to end: asks until it is as wanted, or gives what there is."""
    until = time.monotonic() + 5
    while (found := holdings(cluster)) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return found


def run_round(cluster, kinds, chance):
    probe = start_probe(cluster)
    breaks = []
    for kind in kinds:
        breaks.append(break_once(cluster, kind, chance))
        print(f"\r{kind:10s} of node {breaks[-1]['node']}", end="", flush=True)
    time.sleep(0.3)
    probe.terminate()
    out, errors = probe.communicate(timeout=120)
    report = json.loads(out)
    report["complaints"] = errors.splitlines()
    report["unexplained"] = attribute(breaks, report["stalls"])
    return breaks, report


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(values):
    return {"count": len(values), "min": min(values), "median": round(statistics.median(values)),
            "p90": quantile(values, 0.9), "p99": quantile(values, 0.99), "max": max(values)}


def print_table(stalls):
    columns = ["count", "min", "median", "p90", "p99", "max"]
    print("stall (ms)  " + "".join(f"{column:>8}" for column in columns))
    for kind, row in stalls.items():
        print(f"{kind:12s}" + "".join(f"{row[column]:8d}" for column in columns))


def summarize(breaks, reports, before, after):
    stalls = {kind: figures([one["ms"] for one in breaks if one["kind"] == kind])
              for kind in KINDS if any(one["kind"] == kind for one in breaks)}
    summary = {
        "breaks": len(breaks), "stalls_ms": stalls,
        "operations": sum(report["operations"] for report in reports),
        "blocks_verified": sum(report["blocks_verified"] for report in reports),
        **{name: sum(report[name] for report in reports) for name in BAD},
        "not_verified": [report["not_verified"] for report in reports if "not_verified" in report],
        "complaints": [line for report in reports for line in report["complaints"]],
        "unexplained_stalls_ms": sorted(stall["ms"] for report in reports
                                        for stall in report["unexplained"]),
        "open_before": before, "open_after": after,
    }
    wrong = [f"{summary[name]} {name}" for name in BAD if summary[name]]
    wrong += summary["not_verified"]
    if before != after:
        wrong.append(f"left open: {before} became {after}")
    wrong += [f"the median of {kind} is over {limit} ms" for kind, limit in MEDIAN_LIMIT_MS.items()
              if kind in stalls and stalls[kind]["median"] >= limit]
    return summary | {"wrong": wrong}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--round", type=int, default=20, help="breaks under one probe")
    options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    options.add_argument("--json", help="file for the figures")
    options = options.parse_args()
    print(f"{options.count} failovers, seed {options.seed}")
    chance = random.Random(options.seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(options.count)]
    chance.shuffle(kinds)
    cluster = Cluster(Net(), settings={"node_timeout_ms": 1000})
    breaks, reports, began = [], [], time.monotonic()
    try:
        cluster.up()
        before, rss = holdings(cluster), memory_kib(cluster.supervisor())
        for start in range(0, options.count, options.round):
            done, report = run_round(cluster, kinds[start:start + options.round], chance)
            breaks, reports = breaks + done, reports + [report]
            print(f"\r{len(breaks):4d} done, " + ", ".join(f"{report[name]} {name}" for name in BAD))
            for line in report["complaints"]:
                print(f"     {line}")
        after = settled_holdings(cluster, before)
        summary = summarize(breaks, reports, before, after)
        summary |= {"seed": options.seed, "seconds": round(time.monotonic() - began),
                    "supervisor_rss_kib": [rss, memory_kib(cluster.supervisor())],
                    "failovers": breaks}
    except BaseException:
        print(cluster.report())
        raise
    finally:
        cluster.finish()
    print()
    print_table(summary["stalls_ms"])
    print(f"\n{summary['seconds']} s, {summary['operations']} operations, "
          f"{summary['blocks_verified']} blocks read back; "
          + ", ".join(f"{summary[name]} {name}" for name in BAD))
    print(f"stalls of {NOISE_MS} ms and more while nothing broke: {len(summary['unexplained_stalls_ms'])}, "
          f"the longest {max(summary['unexplained_stalls_ms'], default=0)} ms; "
          f"supervisor memory {summary['supervisor_rss_kib'][0]} -> "
          f"{summary['supervisor_rss_kib'][1]} KiB")
    print("\n".join(summary["wrong"]) or "nothing lost, nothing left over")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(summary, indent=1) + "\n")
    return 1 if summary["wrong"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
