"""What faults cost a node that has none: instructions per command, counted by callgrind.

The same reads and writes of 4 KiB, one at a time, on nodes that differ in one thing only:

plain      a build without the wrap: PDUs go straight into the queue, no table in between
never      the build as it is, and no rule was ever set
cleared    rules at every seam were set and cleared
over       rules at every seam struck, the last time they could, and ended by themselves
unrelated  rules whose conditions match somebody else, for comparison

A figure is the difference of a long run and a short one, by the commands between: start, login and
end do not count. Fails when `never`, `cleared` or `over` differ from `plain` by more than 1 %.
`plain` is built from a copy of the sources in which target/iscsi/conn.c calls what the table of
conn_way would call when nobody stands in between (the lines of STRAIGHT). The tables of commands
(port_operations) and disks (disk_operations) are the seams of the layers and no cost of faults:
a rule exchanges one of them, and while none is set they are those of a node without faults.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

os.environ.setdefault("TEST_PATIENCE", "20")  # valgrind is slow
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import node  # noqa: E402
from addresses import Net  # noqa: E402
from faults import clear_faults, hits, set_faults  # noqa: E402
from scsi import pattern, read10, synchronize_cache10, write10  # noqa: E402

TREE = pathlib.Path(__file__).resolve().parents[2]
STRAIGHT = {
    "conn->way->commit(conn, size);": "commit_straight(conn, size);",
    "conn->way->send(conn, chunk, bytes, length);": "send_straight(conn, chunk, bytes, length);",
    "conn->way->send_span(conn, span);": "send_span_straight(conn, span);",
}
ELSEWHERE = ["login.refuse initiator=nobody", "pdu.drop initiator=nobody",
             "command.hang initiator=nobody", "disk.lost_write volume=nothing"]
ONCE = ["login.slow time=1ms count=1", "pdu.delay time=1ms pdu=SCSI_Command count=1",
        "pdu.delay time=1ms direction=out count=1", "command.delay time=1ms count=1",
        "disk.latency time=1ms operation=write count=1"]
WARM_UP, COMMANDS, BOUND = 50, 2000, 0.01


def never(lab):
    pass


def cleared(lab):
    set_faults(lab.node, *ELSEWHERE)
    clear_faults(lab.node)


def over(lab):
    """All of them strike a session of its own, and are still set."""
    set_faults(lab.node, *ONCE)
    write_read(lab.log_in(), 1)
    assert set(hits(lab.node).values()) == {1}, hits(lab.node)


def unrelated(lab):
    set_faults(lab.node, *ELSEWHERE)


def write_read(session, number):
    """Reads are of other blocks, on disk since before: how they leave must not hang on the cache."""
    lba = number % 64 * 8
    session.command(write10(1024 + lba, 8), write=pattern(8, seed=number)).assert_good()
    session.command(read10(lba, 8), read=4096).assert_good()


def build_plain(directory):
    """The build without the wrap; objects that do not change are taken from ours."""
    tree = directory / "plain"
    tree.mkdir()
    for name in ("Makefile", "target", "portalgroup", "sim-cluster"):
        subprocess.run(["cp", "-a", TREE / name, tree], check=True)
    subprocess.run(["cp", "-a", node.BUILD, tree / "build"], check=True)
    source = tree / "target/iscsi/conn.c"
    text = source.read_text()
    for line, straight in STRAIGHT.items():
        assert text.count(line) == 1, f"{source.name} has changed: say here what is straight: {line}"
        text = text.replace(line, straight)
    source.write_text(text)
    subprocess.run(["make", "-s", "-C", tree, "build/target"], check=True)
    return tree / "build"


def count(prepare, commands):
    """Instructions of a target process from its start to its end."""
    lab = node.Lab(Net())
    lab.sandbox = False  # valgrind makes calls of its own
    lab.node = lab.start_target()
    session = lab.log_in()
    session.command(write10(0, 512), write=pattern(512)).assert_good()
    session.command(synchronize_cache10()).assert_good()
    prepare(lab)
    for number in range(commands):
        write_read(session, number)
    for each in lab.sessions:
        each.close()
    lab.node.finish()
    collected = re.search(r"Collected : (\d+)", lab.node.log_text())
    lab.processes.clear()
    lab.finish()
    return int(collected[1])


def per_command(build, directory, prepare):
    wrapper = directory / "target"
    wrapper.write_text("#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file=/dev/null "
                       f"{build / 'target'} \"$@\"\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    node.BUILD = directory
    return round((count(prepare, COMMANDS) - count(prepare, WARM_UP)) / (2 * (COMMANDS - WARM_UP)),
                 1)


def measure(directory):
    build = node.BUILD
    plain = build_plain(directory)
    figures = {"plain": per_command(plain, directory, never)}
    for case in (never, cleared, over, unrelated):
        figures[case.__name__] = per_command(build, directory, case)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="write the figures to this file, too")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not there: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(pathlib.Path(directory))
    changes = {name: round(figures[name] / figures["plain"] - 1, 5)
               for name in ("never", "cleared", "over")}
    result = {"instructions_per_command": figures, "changes": changes, "bound": BOUND}
    print(json.dumps(result, indent=2))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result) + "\n")
    sys.exit(max(map(abs, changes.values())) > BOUND)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all that was started ends, too
    main()
