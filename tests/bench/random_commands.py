#!/usr/bin/python3
"""Random commands from two initiators against a model of the disk, while nodes die.

Prints the seed, what was done, and how long it took; a disagreement ends it with the last commands
and exit code 1. The same seed gives the same commands; when a node dies is another matter.
"""

import argparse
import importlib
import pathlib
import random
import signal
import sys
import time

# The module of this name beside the tests is meant.
sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1] / "integration")

Net = importlib.import_module("addresses").Net
Cluster = importlib.import_module("cluster").Cluster
commands = importlib.import_module("random_commands")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--commands", type=int, default=100000)
    options.add_argument("--between-failures", type=int, default=1000, help="commands, on average")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = options.parse_args()
    print(f"seed {options.seed}", flush=True)
    cluster = Cluster(Net(), volumes=("data1",), settings={"drain_timeout_ms": 200})
    started = time.monotonic()
    try:
        cluster.up()
        counts = commands.Run(cluster, options.seed,
                                   options.between_failures).run(options.commands)
    except commands.Disagreement as disagreement:
        print(disagreement)
        return 1
    finally:
        cluster.finish()
    print(f"{options.commands} commands in {time.monotonic() - started:.0f} s, disk and model "
          "agree: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    sys.exit(main())
