#!/usr/bin/python3
"""Two loop threads of a target against one: 4 KiB reads and writes of 16 sessions at depth 8.

The client needs processors, too. So that it never is the limit, each loop thread gets a quota of a
processor (threads whose names start with "loop", and the process's first); workers and the rest do
not. Interleaved rounds of two clusters, medians, ratios of rounds. Exit code 1 if the rate does not
grow as it should, 2 if threads can have no quota here. For root.
"""

import argparse
import json
import pathlib
import signal
import sys
import types

import quotas
from bench import machine, measure_io, median, median_ratio
from servers import Net, Ours

GOAL = 1.6
USED_MIN = 0.9  # of the quota, or it was not the limit
MANY = ["--depth", 8, "--sessions", 16]
ROWS = {"4 KiB read": MANY, "4 KiB write": [*MANY, "--writes", 100]}


def settings_of(words):
    return dict(word.split("=", 1) for word in words)


def loops_of(cluster):
    """Thread ids; the first thread has the name of the process."""
    return [int(task.name) for pid in cluster.pids("target")
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            if int(task.name) == pid or (task / "comm").read_text().startswith("loop")]


class Sides:
    """A cluster of one node for each of the two settings, its loops on their quota; a context."""

    def __init__(self, options, limits):
        self.region, self.by_name, self.loops = options.region << 20, {}, {}
        try:
            for words in options.sides:
                settings = settings_of(options.set) | settings_of(words.split())
                side = self.by_name[words] = Ours(Net(), self.region, settings)
                self.loops[words] = loops_of(side.cluster)
                for thread in self.loops[words]:
                    limits.limit(thread, options.quota)
        except BaseException:
            self.finish()
            raise

    def finish(self):
        for side in self.by_name.values():
            side.finish()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()


def run_rounds(sides, options):
    """Lists of samples by row and side, A B A B."""
    samples = {row: {side: [] for side in sides.by_name} for row in ROWS}
    for number in range(options.rounds):
        for row, words in ROWS.items():
            for side in sides.by_name if number % 2 == 0 else reversed(sides.by_name):
                samples[row][side].append(measure_io(sides, words, side, options))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return samples


def used(samples, loops, options):
    """The part of its quota that a side made use of."""
    return median(samples, "rate") * median(samples, "cpu") / 100000 / (loops * options.quota)


def conclude(samples, sides, options):
    one, two = samples.values()
    result = {"sides": {side: {"rate": median(found, "rate"), "cpu": median(found, "cpu"),
                               "used": used(found, len(sides.loops[side]), options)}
                        for side, found in samples.items()},
              "ratio": {field: median_ratio(two, one, field) for field in ("rate", "cpu")},
              "samples": samples}
    result["is_limited"] = all(side["used"] >= USED_MIN for side in result["sides"].values())
    result["met"] = result["ratio"]["rate"] >= GOAL
    return result


def verdict(row):
    return (f"goal: {GOAL}" + ("" if row["met"] else ", missed")
            + ("" if row["is_limited"] else "; something else than the quota was the limit"))


def print_table(result):
    print(f"{result['machine']}; {result['rounds']} rounds of {result['milliseconds']} ms, "
          f"medians; each loop has {result['quota']:g} of a processor")
    for name, row in result["rows"].items():
        print(f"{name}, 16 sessions, depth 8")
        for side, found in row["sides"].items():
            print(f"  {side or 'as configured':20} {found['rate']:10,.0f} /s  "
                  f"{found['cpu']:.3f} s/100k  {found['used']:.0%} of the quota used, "
                  f"loops: {result['loops'][side]}")
        print(f"  {'ratio':20} {row['ratio']['rate']:10.2f}     {row['ratio']['cpu']:.2f}         "
              f"{verdict(row)}")


def parse():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--milliseconds", type=int, default=1000, help="of each measurement")
    options.add_argument("--region", type=int, default=256, help="MiB of the files")
    options.add_argument("--quota", type=float, default=0.3, help="of a processor, for each loop")
    options.add_argument("--sides", nargs=2, default=["io_threads=1", "io_threads=2"],
                         metavar="SETTINGS", help="what differs: words KEY=VALUE of [cluster]")
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                         help="of both clusters' configuration")
    options.add_argument("--json", help="file for the figures")
    return options.parse_args()


def main():
    options, limits = parse(), quotas.find()
    if not limits:
        print("threads.py: loop threads need quotas: run it as root where cgroups have the cpu "
              "controller", file=sys.stderr)
        return 2
    with limits, Sides(options, limits) as sides:
        samples = run_rounds(sides, options)
        result = {"machine": machine(), "rounds": options.rounds, "quota": options.quota,
                  "milliseconds": options.milliseconds,
                  "loops": {side: len(threads) for side, threads in sides.loops.items()},
                  "rows": {row: conclude(found, sides, options) for row, found in samples.items()}}
    print_table(result)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(row["met"] for row in result["rows"].values()) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
