#!/usr/bin/python3
"""The ways in which a target could read and write the file of a volume, side by side.

One filled file, all of it in the page cache; interleaved rounds; processor time of the process with
the threads that io_uring adds to it. What puts the file to disk later is not in it. Prints a table
of medians with their ratio to pread and pwrite, and writes JSON. The file is in $TMPDIR: file
systems differ.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from bench import machine, median, median_ratio, run_tool
from servers import fill

WAYS = {"pread": "pread, pwrite", "nowait": "preadv2, pwritev2 with RWF_NOWAIT",
        "uring": "io_uring", "mapping": "mapping, memcpy",
        "vm": "mapping, process_vm_readv, _writev"}
LARGE = ["--block", 256 << 10, "--sequential", 1]

# What is moved, and the unit of processor time with its size in commands, or in bytes.
ROWS = [("4 KiB random read", [], "us a command", "commands", 1e-6),
        ("4 KiB random write", ["--writes", 1], "us a command", "commands", 1e-6),
        ("256 KiB sequential read", LARGE, "s a GiB", "bytes", 1 / (1 << 30)),
        ("256 KiB sequential write", [*LARGE, "--writes", 1], "s a GiB", "bytes", 1 / (1 << 30))]


def measure(path, row, way, options):
    """Processor time in the row's unit; or why there is none."""
    _, words, _, what, unit = row
    found = run_tool("file", "--file", path, "--way", way, "--region", options.region << 20,
                     "--milliseconds", options.milliseconds, *words)
    if "refused" in found:
        return found
    return {"cpu": found["server_cpu"] / (found[what] * unit), "again": found["again"],
            "rate": found[what] / found["seconds"]}


def run_rounds(path, options):
    """Lists of samples by row and way, A B A B."""
    samples = {row[0]: {way: [] for way in WAYS} for row in ROWS}
    for number in range(options.rounds):
        for row in ROWS:
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                samples[row[0]][way].append(measure(path, row, way, options))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return samples


def conclude(samples):
    """Of one row: medians and ratios by way, or the refusal."""
    result = {}
    for way, found in samples.items():
        refused = next((sample["refused"] for sample in found if "refused" in sample), None)
        result[way] = {"refused": refused} if refused else {
            "cpu": median(found, "cpu"), "ratio": median_ratio(found, samples["pread"], "cpu"),
            "again": sum(sample["again"] for sample in found)}
    return result


def cell(way):
    if "refused" in way:
        return way["refused"].rpartition(": ")[2]
    again = f", {way['again']} again" if way["again"] else ""
    return f"{way['cpu']:.3f} ({way['ratio']:.2f}{again})"


def print_table(result):
    print(f"{result['machine']}, {result['file_system']}; {result['rounds']} rounds of "
          f"{result['milliseconds']} ms, medians of processor time (ratio to pread, pwrite)")
    table = [["", *(f"{name}, {unit}" for name, _, unit, *_ in ROWS)]]
    table += [[name, *(cell(result["rows"][row[0]][way]) for row in ROWS)]
              for way, name in WAYS.items()]
    widths = [max(map(len, column)) for column in zip(*table)]
    for cells in table:
        print("  ".join(text.ljust(width) for text, width in zip(cells, widths)).rstrip())


def file_system_of(path):
    found = subprocess.run(["findmnt", "--noheadings", "--output", "FSTYPE", "--target", path],
                           capture_output=True, text=True, check=True)
    return found.stdout.split()[-1]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--milliseconds", type=int, default=400, help="of each measurement")
    options.add_argument("--region", type=int, default=256, help="MiB of the file")
    options.add_argument("--json", help="file for the figures")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        path = pathlib.Path(home) / "file.img"
        fill(path, options.region << 20)
        samples = run_rounds(path, options)
        result = {"machine": machine(), "file_system": file_system_of(home),
                  "rounds": options.rounds, "milliseconds": options.milliseconds,
                  "rows": {name: conclude(ways) for name, ways in samples.items()},
                  "samples": samples}
    print_table(result)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
