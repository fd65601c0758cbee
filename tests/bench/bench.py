#!/usr/bin/python3
"""The fast path against tgt and against the machine's limit, in the same run.

Interleaved rounds; medians; the server's processor time is that of all its processes. Prints a
table, writes JSON and a picture of it. A goal that is missed is printed, not an error. With --veth
servers and clients are in two network namespaces, joined by a pair of interfaces with an MTU of
9000 bytes; for root.
"""

import argparse
import json
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import time

import veth
from report import draw, print_table
from servers import BENCH, SPIN_US, Servers

SMALL = ["--block", 4096, "--depth", 32]
LARGE = ["--block", 256 << 10, "--depth", 8, "--sequential", 1]

# What is loaded, what else is looked at beside (limits, other settings), and the goals as ratios to
# tgt: rate at least, processor time (or latency) at most.
IO_ROWS = [
    ("4 KiB random read, depth 32", SMALL, ["copying", "memory", "pread", "mapping", "file"], 9, 0.10),
    ("4 KiB random write, depth 32", SMALL + ["--writes", 100],
     ["memory", "pread", "mapping", "file"], 9, 0.10),
    ("4 KiB mix 70/30, depth 32", SMALL + ["--writes", 30], ["pread"], 9, 0.10),
    ("4 KiB read, 16 sessions, depth 8", ["--depth", 8, "--sessions", 16], ["pread"], None, None),
    ("256 KiB sequential read, depth 8", LARGE,
     ["copying", "memory", "pread", "sendfile", "mapping", "file"], 3.5, 0.30),
    ("256 KiB sequential write, depth 8", LARGE + ["--writes", 100],
     ["memory", "pread", "sendfile", "mapping", "file"], 3.5, 0.27),
]
# Against ourselves without digests.
DIGEST_ROWS = [(f"{name}, both digests", words) for name, words in
               (("4 KiB random read", SMALL), ("4 KiB random write", SMALL + ["--writes", 100]),
                ("256 KiB sequential read", LARGE),
                ("256 KiB sequential write", LARGE + ["--writes", 100]))]
LATENCY_ROW = "4 KiB read, depth 1: latency"
LOGIN_ROW = "login and logout"
IDLE_ROW = "idle sessions"
FILE_OPTIONS = {"--block", "--writes", "--sequential"}


def run_tool(name, *words):
    done = subprocess.run([*veth.client(), str(BENCH / name), *map(str, words)],
                          capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{name} {words}: {done.stderr}")
    return json.loads(done.stdout)


def run_load(servers, name, words, options):
    if name == "file":
        pairs = [pair for pair in zip(words[::2], words[1::2]) if pair[0] in FILE_OPTIONS]
        return run_tool("file", "--file", servers.path, "--region", servers.region,
                        "--milliseconds", options.milliseconds // 2,
                        *(word for pair in pairs for word in pair))
    server = servers.by_name[name]
    words = [*words, *server.extra]
    return run_tool("load", *server.words(), "--lun", server.lun, "--region", servers.region,
                    "--milliseconds", options.milliseconds, "--warm", options.milliseconds // 4,
                    *words)


def measure_io(servers, words, name, options):
    """Rate in commands or MiB a second, processor seconds per 100,000 commands or GiB."""
    found, large = run_load(servers, name, words, options), "--sequential" in words
    amount = found["bytes"] / (1 << 20) if large else found["commands"]
    unit = found["bytes"] / (1 << 30) if large else found["commands"] / 100000
    return {"rate": amount / found["seconds"], "cpu": found["server_cpu"] / unit,
            "client_cpu": found.get("client_cpu", 0) / unit, "p99_us": found.get("p99_us")}


def measure_latency(servers, _, name, options):
    found = run_load(servers, name, ["--depth", 1], options)
    return {"rate": found["commands"] / found["seconds"], "cpu": found["mean_us"],
            "p99_us": found["p99_us"]}


def measure_logins(servers, _, name, options):
    found = run_tool("logins", *servers.by_name[name].words(),
                     "--milliseconds", options.milliseconds)
    return {"rate": found["logins"] / found["seconds"],
            "cpu": found["server_cpu"] * 1e6 / found["logins"]}


def rows(options):
    """Each: name, unit, what measures, its words, who, goals."""
    table = [(name, "MiB/s, s/GiB" if "--sequential" in words else "/s, s/100k", measure_io, words,
              ["tgt", "ours", *limits], rate, cpu) for name, words, limits, rate, cpu in IO_ROWS]
    table += [(name, "MiB/s, s/GiB" if "--sequential" in words else "/s, s/100k", measure_io, words,
               ["ours", "digests"], 0.6, None) for name, words in DIGEST_ROWS]
    table.append((LATENCY_ROW, "/s, us", measure_latency, [],
                  ["tgt", "ours", "memory", "pread"], None, 0.75))
    table.append((LATENCY_ROW + f", spin_us = {SPIN_US}", "/s, us", measure_latency, [],
                  ["tgt", "spinning"], None, 0.40))
    table.append((LOGIN_ROW, "/s, us", measure_logins, [],
                  ["tgt", "ours, redirected", "ours"], 0.5, None))
    return [row for row in table if options.rows in row[0]]


def run_rounds(servers, options):
    """Lists of samples by row and server, A B A B."""
    samples = {row[0]: {name: [] for name in row[4]} for row in rows(options)}
    for number in range(options.rounds):
        for name, _, measure, words, who, *_ in rows(options):
            for server in who if number % 2 == 0 else reversed(who):
                samples[name][server].append(measure(servers, words, server, options))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return samples


def median(samples, field):
    values = [sample[field] for sample in samples if sample.get(field) is not None]
    return statistics.median(values) if values else None


def median_ratio(ours, tgt, field):
    """Of rounds, not of medians: what disturbed a round disturbed both."""
    pairs = [(a[field], b[field]) for a, b in zip(ours, tgt) if b[field]]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def conclude(row, samples):
    name, unit, _, _, who, rate_goal, cpu_goal = row
    tgt, ours = samples[who[0]], samples[who[1]]
    result = {"name": name, "unit": unit, "goal": {"rate": rate_goal, "cpu": cpu_goal},
              "ratio": {field: median_ratio(ours, tgt, field) for field in ("rate", "cpu")},
              "servers": {server: {field: median(samples[server], field) for field in
                                   ("rate", "cpu", "client_cpu", "p99_us")} for server in who},
              "samples": samples}
    rate, cpu = result["ratio"]["rate"], result["ratio"]["cpu"]
    result["met"] = ((not rate_goal or rate >= rate_goal)
                     and (not cpu_goal or cpu is not None and cpu <= cpu_goal))
    return result


def measure_idle(servers, name, options):
    """Memory of a session that does nothing, and what wakes the server up meanwhile."""
    server, seconds = servers.by_name[name], options.milliseconds / 250
    server.memory_kib()
    run_tool("logins", *server.words(), "--count", 200)
    before = server.memory_kib()
    with subprocess.Popen([*veth.client(), str(BENCH / "logins"), *server.words(), "--hold", str(options.idle)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        if not holder.stdout.readline():
            raise RuntimeError("the sessions do not stand")
        time.sleep(0.5)
        memory, woken = server.memory_kib() - before, server.wakeups()
        time.sleep(seconds)
        woken = (server.wakeups() - woken) / seconds
        holder.stdin.close()
    result = {"sessions": options.idle, "kib_per_session": memory / options.idle,
              "wakeups_per_second": woken}
    if options.leak:
        time.sleep(1)
        before = server.memory_kib()
        run_tool("logins", *server.words(), "--count", options.leak)
        result["kib_after_logins"] = {str(options.leak): server.memory_kib() - before}
    return result


def machine():
    cpus = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line]
    return f"{len(cpus)} x {cpus[0]}, Linux {platform.release()}"


def parse():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--milliseconds", type=int, default=2000,
                         help="of each measurement, after a quarter as many to warm up")
    options.add_argument("--region", type=int, default=512, help="MiB of the files")
    options.add_argument("--idle", type=int, default=1000, help="sessions")
    options.add_argument("--leak", type=int, default=10000, help="logins after which memory is "
                                                                "looked at")
    options.add_argument("--quick", action="store_true", help="in two minutes")
    options.add_argument("--rows", default="", help="only those with this in their name")
    options.add_argument("--tune-tgt", action="store_true", help="tgt with segments of 256 KiB")
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                         help="of the cluster's configuration")
    options.add_argument("--veth", action="store_true", help="not over loopback")
    options.add_argument("--json", help="file for the figures")
    options.add_argument("--svg", help="file for the picture")
    options = options.parse_args()
    if options.quick:
        options.milliseconds, options.region, options.idle, options.leak = 400, 256, 200, 0
    return options


def main():
    options, began = parse(), time.monotonic()
    net = veth.enter() if options.veth else None
    settings = dict(pair.split("=", 1) for pair in options.set)
    with Servers(options.region << 20, settings, options.tune_tgt, net) as servers:
        samples = run_rounds(servers, options)
        idle = {name: measure_idle(servers, name, options) for name in ("tgt", "ours")
                if options.rows in IDLE_ROW}
    result = {"machine": machine() + (f", {veth.NAME}" if net else ""), "rounds": options.rounds, "milliseconds": options.milliseconds,
              "rows": [conclude(row, samples[row[0]]) for row in rows(options)], "idle": idle,
              "seconds": round(time.monotonic() - began)}
    print_table(result)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    if options.svg:
        pathlib.Path(options.svg).write_text(draw(result))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
