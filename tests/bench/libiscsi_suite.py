#!/usr/bin/python3
"""Runs libiscsi's conformance suite (iscsi-test-cu), each test in a process of its own.

On every kind of volume of a cluster of its own, through both floating IPs, or on the volume at
--url. Prints pass, fail, known (to fail, and why) or skip by name, what failed in the suite's
words, and the totals by family over all volumes. The suite destroys what the volumes hold.
"""

import argparse
import json
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import suite  # noqa: E402
from addresses import Net  # noqa: E402
from cluster import Cluster, iqn  # noqa: E402

printing = threading.Lock()


def print_result(volume, result):
    with printing:
        print(f"{result['outcome']:8s}{result['test']:36s}{volume.name}", flush=True)
        for line in [result["why"]] if "why" in result else result.get("complaints", []):
            if result["outcome"] != "skip":
                print(f"            {line}")


def print_table(combined):
    families = dict.fromkeys(test.split(".")[0] for test in combined)
    rows = {family: suite.totals(outcome for test, (outcome, _) in combined.items()
                                 if test.split(".")[0] == family) for family in families}
    rows["all"] = suite.totals(outcome for outcome, _ in combined.values())
    print("\n" + f"{'family':24s}" + "".join(f"{outcome:>9s}" for outcome in suite.OUTCOMES))
    for family, row in rows.items():
        print(f"{family:24s}" + "".join(f"{row[outcome]:9d}" for outcome in suite.OUTCOMES))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("families", nargs="*", default=["*"],
                         help="patterns of families (Read6, Write*); without one: all")
    options.add_argument("--url", action="append",
                         help="iscsi://ADDRESS/IQN/LUN of a volume that may be overwritten; a "
                              "second one is another path to it")
    options.add_argument("--limit", type=int, default=120, help="seconds for one test")
    options.add_argument("--json", help="file for the results")
    options = options.parse_args()
    names = suite.list_tests(options.families)
    volumes = [suite.Volume("url", {})] if options.url else suite.VOLUMES
    cluster = None
    if not options.url:
        cluster = Cluster(Net(), volumes={volume.name: volume.keys for volume in volumes},
                          settings={"nop_interval_s": 0})

    def urls_of(name):
        return options.url or [f"iscsi://{address}/{iqn(name)}/0" for address
                               in (cluster.floating_ip, cluster.floating_ip2)]

    try:
        if cluster:
            cluster.up()
        by_volume = suite.run_volumes(volumes, urls_of, names, options.limit, print_result)
    finally:
        if cluster:
            cluster.finish()
    combined = suite.combine(by_volume)
    print_table(combined)
    outcomes = suite.totals(outcome for outcome, _ in combined.values())
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"totals": outcomes, "volumes": by_volume}, indent=1) + "\n")
    return 1 if any(outcomes[outcome] for outcome in suite.BAD) or not combined else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
