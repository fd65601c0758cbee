#!/usr/bin/python3
"""Instructions that reads and writes cost in the target, counted by callgrind.

Alone (depth 1) and in batches (32 commands in one send, all answered before the next 32). What a
session costs besides is taken out: each figure is the difference of a long and a short run. Exit
code 1 if one is more than 5 % above the figure on record (--record puts the new ones there), or if
commands allocate memory.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

os.environ.setdefault("TEST_PATIENCE", "5")  # callgrind is slow
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from addresses import Net  # noqa: E402
from node import BUILD, Lab, Process, iqn  # noqa: E402

RECORD = pathlib.Path(__file__).with_name("instructions.json")
ROOM = 1.05
ALLOCATORS = re.compile("malloc|calloc|realloc|aligned_alloc|posix_memalign")
SELDOM = 0.01  # of the commands: what is asked of the process meanwhile
REGION, SHORT, LONG = 1 << 20, 640, 6400  # REGION: small, so that all of it is busy

CASES = {
    "4 KiB read, depth 1": ["--depth", 1],
    "4 KiB read, batches of 32": ["--depth", 32],
    "4 KiB write, depth 1": ["--depth", 1, "--writes", 100],
    "4 KiB write, batches of 32": ["--depth", 32, "--writes", 100],
    "256 KiB write, depth 1": ["--depth", 1, "--writes", 100, "--block", 256 << 10],
}


class CountedLab(Lab):
    """The target runs under callgrind."""

    sandbox = False

    def start(self, process, arguments, **start):
        out = f"--callgrind-out-file={self.state}/callgrind"
        child = Process("/usr/bin/valgrind",
                        ["--tool=callgrind", out, str(BUILD / process), *arguments],
                        self.state / "valgrind.log")
        self.processes.append(child)
        child.control.request("start", process=process, cluster="bench",
                              sandbox=self.sandbox, **start)
        return child

    def dump(self):
        """What was executed since the last one; gives the file."""
        before = set(self.state.glob("callgrind*"))
        subprocess.run(["callgrind_control", "--dump", str(self.processes[0].pid)], check=True,
                       capture_output=True, timeout=60)
        return (set(self.state.glob("callgrind*")) - before).pop()

    def load(self, words, count):
        command = [BUILD / "bench" / "load", "--portal", f"{self.portal}:3260", "--target",
                   iqn("data1"), "--region", REGION, "--lockstep", 1, "--count", count, *words]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, timeout=300)


def instructions_in(dump):
    line = next(line for line in dump.read_text().splitlines()
                if line.startswith(("summary:", "totals:")))
    return int(line.split()[1])


def by_function(dump):
    """Instructions in each function itself; callgrind_annotate gives all of a dump in the middle
    to the one that was entered before it."""
    names, costs, function, is_call = {}, collections.Counter(), None, False
    for line in dump.read_text().splitlines():
        found = re.match(r"(c?fn)=(\(\d+\))(?: (.*))?", line)
        if found:
            kind, number, name = found.groups()
            names.setdefault(number, name)
            function = number if kind == "fn" else function
        elif re.match(r"[-+*\d]", line):
            costs[function] += 0 if is_call else int(line.split()[1])
        is_call = line.startswith("calls=")
    return [(names[number], cost) for number, cost in costs.most_common()]


def allocations_in(dump):
    names, called, count = {}, None, 0
    for line in dump.read_text().splitlines():
        if found := re.match(r"c?fn=(\(\d+\))(?: (.*))?", line):
            names.setdefault(found[1], found[2])
            called = names[found[1]]
        elif line.startswith("calls=") and ALLOCATORS.fullmatch(called or ""):
            count += int(line[6:].split()[0])
    return count


def count(lab, words):
    """Instructions a command, the listing of the long run, allocations a command."""
    lab.load(words, 64)
    lab.dump()
    lab.load(words, SHORT)
    before = lab.dump()
    lab.load(words, LONG)
    dump = lab.dump()
    listing = "\n".join(f"{cost / LONG:10.1f}  {name}" for name, cost in by_function(dump)
                        if cost >= LONG)
    return ((instructions_in(dump) - instructions_in(before)) / (LONG - SHORT), listing,
            (allocations_in(dump) - allocations_in(before)) / (LONG - SHORT))


def count_all():
    lab, figures, listings, allocations = CountedLab(Net()), {}, [], {}
    try:
        lab.make_volumes()
        subprocess.run([BUILD / "bench" / "file", "--file", lab.image(), "--fill", "1",
                        "--region", str(REGION)], check=True)
        lab.start_target()
        for name, words in CASES.items():
            figures[name], listing, allocations[name] = count(lab, words)
            listings.append(f"{name}: instructions a command by function\n{listing}\n")
    finally:
        lab.finish()
    return ({name: round(figure) for name, figure in figures.items()}, "\n".join(listings),
            allocations)


def judge(figures, recorded, allocations):
    """Prints a line each; says whether all is well."""
    grown = []
    for name, figure in figures.items():
        before = recorded.get(name)
        if before and figure > before * ROOM:
            grown.append(name)
        print(f"{name:30s} {figure:8,d} instructions"
              + (f", on record {before:,d} ({figure / before - 1:+.1%})" if before else ""))
    for name in grown:
        print(f"{name}: grew by more than {ROOM - 1:.0%}")
    allocating = [name for name, count in allocations.items() if count > SELDOM]
    for name in allocating:
        print(f"{name}: {allocations[name]:.2f} allocations a command")
    return not grown and not allocating


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--record", action="store_true", help="these are the figures from now on")
    options.add_argument("--listing", help="file for the listings by function")
    options = options.parse_args()
    figures, listing, allocations = count_all()
    is_well = judge(figures, json.loads(RECORD.read_text()) if RECORD.exists() else {}, allocations)
    if options.listing:
        pathlib.Path(options.listing).write_text(listing)
    if options.record:
        RECORD.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if is_well or options.record or options.listing else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
