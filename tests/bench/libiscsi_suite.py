#!/usr/bin/python3
"""Runs libiscsi's conformance suite (iscsi-test-cu), each test in a process of its own.

Against a cluster of its own through the floating IP, or against --url. Prints pass, fail, known
(to fail, and why) or skip by name, what failed in the suite's words, and the totals by family. The suite destroys what the volume
holds.
"""

import argparse
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from addresses import Net  # noqa: E402
from cluster import Cluster, iqn  # noqa: E402

FAMILIES = ["iSCSI*", "ReadCapacity*", "Read6", "Read10", "Read12", "Read16", "Write10", "Write12",
            "Write16", "TestUnitReady", "Inquiry", "ModeSense6", "Unmap", "WriteSame*", "Reserve6"]
OUTCOMES = ["pass", "fail", "known", "skip", "timeout"]
# What fails in libiscsi 1.19 against a target that does the right thing, and why.
KNOWN = {
    "WriteSame10.UnmapUntilEnd": "sends blocks of 0xff with UNMAP and wants zeros back: with LBPRZ "
                                 "set such blocks must be written as they are",
    "iSCSIdatasn.iSCSIDataSnInvalid": "after the second of its four bad writes it has logged in "
                                      "again and sends the third as good immediate data",
    "iSCSITMF.LUNResetSimpleAsync": "looks at a flag before the answer that sets it, so that it "
                                    "passes only after AbortTaskSimpleAsync in the same process",
}


def list_tests(families):
    """Names as iscsi-test-cu takes them: ALL.Read6.Simple."""
    listed = subprocess.run(["iscsi-test-cu", "--list"], capture_output=True, text=True).stdout
    names = [line for line in listed.splitlines() if re.fullmatch(r"ALL\.[^.]+\.[^.]+", line)]
    return [name for name in names
            if any(fnmatch.fnmatch(name.split(".")[1], family) for family in families)]


def outcome_of(output):
    """The suite's words for one test: "[SKIPPED]" comes before "passed" when it was skipped."""
    found = re.search(r"^  Test: \S+ \.\.\.(.*?)^Run Summary", output, re.M | re.S)
    if not found or re.search(r"(?<!\[)FAILED(?!\])", found.group(1)):
        return "fail"
    before, passed, _ = found.group(1).partition("passed")
    return "fail" if not passed else "skip" if "[SKIPPED]" in before else "pass"


def run_test(name, url, limit):
    try:
        done = subprocess.run(["iscsi-test-cu", "--dataloss", "--test", name, url], timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired as late:
        return "timeout", (late.stdout or b"").decode(errors="replace")
    return outcome_of(done.stdout), done.stdout


def complaints(output):
    """The lines that say what was wrong."""
    return [line.strip() for line in output.splitlines()
            if "[FAILED]" in line or re.match(r"\s+\d+\. .*CU_", line)]


def run_all(names, url, limit):
    results = []
    for name in names:
        outcome, output = run_test(name, url, limit)
        result = {"test": name.removeprefix("ALL."), "outcome": outcome}
        if outcome == "fail" and result["test"] in KNOWN:
            result |= {"outcome": "known", "why": KNOWN[result["test"]]}
        print(f"{result['outcome']:8s}{result['test']}", flush=True)
        if result["outcome"] == "known":
            print(f"            {result['why']}")
        elif outcome in ("fail", "timeout"):
            result["complaints"] = complaints(output)
            for line in result["complaints"]:
                print(f"            {line}")
        results.append(result)
    return results


def totals(results):
    return {outcome: sum(result["outcome"] == outcome for result in results)
            for outcome in OUTCOMES}


def print_table(results):
    families = dict.fromkeys(result["test"].split(".")[0] for result in results)
    print("\n" + f"{'family':24s}" + "".join(f"{outcome:>9s}" for outcome in OUTCOMES))
    for family in families:
        row = totals([result for result in results if result["test"].split(".")[0] == family])
        print(f"{family:24s}" + "".join(f"{row[outcome]:9d}" for outcome in OUTCOMES))
    row = totals(results)
    print(f"{'all':24s}" + "".join(f"{row[outcome]:9d}" for outcome in OUTCOMES))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("families", nargs="*", default=FAMILIES,
                         help="patterns of families (Read6, Write*); ALL: every one")
    options.add_argument("--url", help="iscsi://ADDRESS/IQN/LUN of a volume that may be overwritten")
    options.add_argument("--limit", type=int, default=60, help="seconds for one test")
    options.add_argument("--json", help="file for the results")
    options = options.parse_args()
    names = list_tests(["*"] if options.families == ["ALL"] else options.families)
    cluster = None if options.url else Cluster(Net(), size="1G")
    try:
        if cluster:
            cluster.up()
        url = options.url or f"iscsi://{cluster.floating_ip}/{iqn('data1')}/0"
        results = run_all(names, url, options.limit)
    finally:
        if cluster:
            cluster.finish()
    print_table(results)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"totals": totals(results), "tests": results}, indent=1) + "\n")
    bad = totals(results)
    return 1 if bad["fail"] or bad["timeout"] or not results else 0


if __name__ == "__main__":
    sys.exit(main())
