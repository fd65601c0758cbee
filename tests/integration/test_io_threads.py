"""A node whose connections are spread over several loops is the same node to a host."""

import pathlib
import time

import pytest

from scsi import TEST_UNIT_READY, read10, write10
from wire import DEADLINE, Closed

BLOCK, THREADS = 512, 3


@pytest.fixture
def threaded(start_node):
    return start_node(io_threads=THREADS)


def switches_of_loops(node):
    """How often each loop has slept, by the name of its thread."""
    found = {}
    for task in pathlib.Path(f"/proc/{node.node.pid}/task").iterdir():
        status = (task / "status").read_text().splitlines()
        fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        if task.name == str(node.node.pid) or fields["Name"].startswith("loop "):
            found[fields["Name"]] = int(fields["voluntary_ctxt_switches"])
    return found


def test_connections_are_spread_over_all_loops(threaded):
    sessions = [threaded.log_in() for _ in range(THREADS)]
    before, until = switches_of_loops(threaded), time.monotonic() + DEADLINE
    assert sorted(before) == ["loop 1", "loop 2", "target"]
    while not all(switches_of_loops(threaded)[name] > count for name, count in before.items()):
        assert time.monotonic() < until, "every loop has work"
        for session in sessions:
            session.command(TEST_UNIT_READY).assert_good()


def test_hosts_of_different_loops_see_each_others_writes_at_once(threaded):
    sessions = [threaded.log_in() for _ in range(THREADS)]
    for number in range(60):
        writer, reader = sessions[number % THREADS], sessions[(number + 1) % THREADS]
        data = bytes([number]) * (64 * BLOCK)
        writer.command(write10(number, 64), write=data).assert_good()
        assert reader.command(read10(number, 64), read=len(data)).assert_good().data_in == data


def test_session_is_taken_over_from_another_loop_while_it_is_busy(threaded):
    """The same name and ISID again and again: each login ends the one before, wherever that is."""
    old = threaded.log_in(isid=b"\x80\x01\x02\x03\x04\x05")
    other = threaded.log_in("data2")
    data = bytes(64 * BLOCK)
    for _ in range(30):
        for number in range(20):
            old.start(read10(number * 64, 64), read=len(data))
            old.start(write10(number * 64, 64), write=data)
        new = threaded.log_in(isid=b"\x80\x01\x02\x03\x04\x05")
        with pytest.raises(Closed):
            while True:
                old.pump()
        other.command(TEST_UNIT_READY).assert_good()
        old = new
    old.command(TEST_UNIT_READY).assert_good()


def test_node_stops_while_all_loops_are_busy(threaded):
    sessions = [threaded.log_in() for _ in range(2 * THREADS)]
    for session in sessions:
        for number in range(30):
            session.start(read10(number * 256, 256), read=256 * BLOCK)
    threaded.node.finish()
    threaded.node.expected_dead = True
