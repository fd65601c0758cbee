"""What faults cost a node that has none: instructions per command, counted by callgrind.

Three nodes run the same reads and writes: one that never had a rule, one that had rules at every
seam and lost them again, and one whose rules match somebody else. Fails when the second differs
from the first by more than 1 %; the third is told for comparison.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import stat
import sys
import tempfile

os.environ.setdefault("TEST_PATIENCE", "20")  # valgrind is slow
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import node  # noqa: E402
from addresses import Net  # noqa: E402
from faults import clear_faults, set_faults  # noqa: E402
from scsi import pattern, read10, write10  # noqa: E402

RULES = ["login.refuse initiator=nobody", "pdu.drop initiator=nobody",
         "command.hang initiator=nobody", "disk.lost_write volume=nothing"]
WARM_UP, COMMANDS, BOUND = 50, 2000, 0.01


def never(_):
    pass


def lost(target):
    set_faults(target, *RULES)
    clear_faults(target)


def unrelated(target):
    set_faults(target, *RULES)


def count(prepare, commands):
    """Instructions of a target process from its start to its end."""
    lab = node.Lab(Net())
    lab.sandbox = False
    lab.node = lab.start_target()
    session = lab.log_in()
    prepare(lab.node)
    for number in range(commands):
        lba = number % 64 * 8
        session.command(write10(lba, 8), write=pattern(8, seed=number)).assert_good()
        session.command(read10(lba, 8), read=4096).assert_good()
    session.close()
    lab.node.finish()
    collected = re.search(r"Collected : (\d+)", lab.node.log_text())
    lab.processes.clear()
    lab.finish()
    return int(collected[1])


def per_command(prepare):
    return (count(prepare, COMMANDS) - count(prepare, WARM_UP)) / (2 * (COMMANDS - WARM_UP))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="write the figures to this file, too")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not there: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as directory:
        wrapper = pathlib.Path(directory, "target")
        wrapper.write_text("#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file=/dev/null "
                           f"{node.BUILD / 'target'} \"$@\"\n")
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        node.BUILD = pathlib.Path(directory)
        figures = {case.__name__: round(per_command(case), 1) for case in (never, lost, unrelated)}
    change = figures["lost"] / figures["never"] - 1
    result = {"instructions_per_command": figures, "change": round(change, 5), "bound": BOUND}
    print(json.dumps(result, indent=2))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result) + "\n")
    sys.exit(abs(change) > BOUND)


if __name__ == "__main__":
    main()
