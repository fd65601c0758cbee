"""Commands that go wrong on purpose: what the initiator sees of each kind, and that it ends."""

import time

import pytest

from faults import clear_faults, hits, set_faults
from login import HOST
from node import Refusal
from scsi import (CHECK_CONDITION, TEST_UNIT_READY, pattern, read10, synchronize_cache10, write10)
from session import ABORT_TASK, LUN_RESET
from wire import Silence

BUSY, TASK_SET_FULL, RESERVATION_CONFLICT = 0x08, 0x28, 0x18
DATA = pattern(8, seed=7)


@pytest.fixture
def session(node):
    session = node.log_in()
    session.command(write10(0, 8), write=DATA).assert_good()
    return session


def read(session, lba=0):
    return session.command(read10(lba, 8), read=4096)


def is_unanswered(session, task, seconds=0.3):
    try:
        while not task.done:
            session.pump(seconds)
    except Silence:
        return True
    return False


@pytest.mark.parametrize("sense, code", [
    ("medium_error", 0x031100), ("not_ready_becoming", 0x020401), ("capacity_changed", 0x062A09),
    ("0x0b4b00", 0x0B4B00)])
def test_sense_by_name_or_number(node, session, sense, code):
    set_faults(node.node, f"command.sense command=READ(10) sense={sense}")
    task = read(session)
    assert (task.status, task.code, task.data_in) == (CHECK_CONDITION, code, b"")
    session.command(TEST_UNIT_READY).assert_good()
    clear_faults(node.node)
    assert read(session).assert_good().data_in == DATA


def test_sense_only_in_a_range_of_blocks(node, session):
    set_faults(node.node, "command.sense sense=medium_error lba=100-107")
    read(session).assert_good()
    assert read(session, 96).code == 0x031100
    assert read(session, 107).code == 0x031100
    read(session, 108).assert_good()
    assert hits(node.node) == {"command.sense-1": 2}


def test_unit_attention_once(node, session):
    set_faults(node.node, "command.unit_attention count=1")
    assert session.command(TEST_UNIT_READY).code == 0x062900
    session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("status, code", [("busy", BUSY), ("task_set_full", TASK_SET_FULL),
                                          ("reservation_conflict", RESERVATION_CONFLICT)])
def test_status(node, session, status, code):
    set_faults(node.node, f"command.status status={status} count=2")
    other = pattern(8, seed=8)
    assert session.command(write10(0, 8), write=other).status == code
    assert read(session).status == code
    assert read(session).assert_good().data_in == DATA, "the refused write was done"


def test_task_set_full_at_a_depth(node, session):
    set_faults(node.node, "command.task_set_full depth=3", "command.hang command=TEST_UNIT_READY")
    held = [session.start(TEST_UNIT_READY) for _ in range(3)]
    assert session.command(TEST_UNIT_READY).status == TASK_SET_FULL
    clear_faults(node.node)
    session.wait(*held)
    assert {task.status for task in held} == {0}


def test_hang_lasts_as_long_as_its_rule(node, session):
    set_faults(node.node, "command.hang command=WRITE(10)")
    other = pattern(8, seed=8)
    task = session.start(write10(0, 8), write=other)
    assert is_unanswered(session, task)
    assert read(session).assert_good().data_in == DATA
    node.node.events.wait("fault.hit", fault="command.hang-1", initiator=HOST, volume="data1")
    clear_faults(node.node)
    session.wait(task).assert_good()
    assert read(session).assert_good().data_in == other


def test_hang_ends_with_its_time(node, session):
    set_faults(node.node, "command.hang for=500ms")
    begin = time.monotonic()
    read(session).assert_good()
    assert time.monotonic() - begin > 0.3
    read(session).assert_good()


@pytest.mark.parametrize("function", [ABORT_TASK, LUN_RESET])
def test_a_hung_command_can_be_aborted(node, session, function):
    set_faults(node.node, "command.hang command=READ(10)")
    task = session.start(read10(0, 8), read=4096)
    assert session.manage(function, ref_itt=task.itt if function == ABORT_TASK else 0xFFFFFFFF) == 0
    clear_faults(node.node)
    assert is_unanswered(session, task)
    del session.tasks[task.itt]
    session.clear_attention()
    read(session).assert_good()


def test_control_answers_while_everything_hangs(node, session):
    set_faults(node.node, "command.hang")
    for _ in range(20):
        session.start(read10(0, 8), read=4096)
    session.nop()
    begin = time.monotonic()
    node.node.control.sessions()
    assert hits(node.node)["command.hang-1"] == 20
    assert time.monotonic() - begin < 0.1
    session.close()


def lost(node, session, what):
    """Under a black hole: which of a write, a command without data, a ping and a LUN RESET are
    lost. What was lost stays so when the rule is gone; later commands are answered."""
    set_faults(node.node, f"command.black_hole what={what}")
    write = session.start(write10(0, 8), write=pattern(8, seed=8))
    ready = session.start(TEST_UNIT_READY)
    silent = {"write": is_unanswered(session, write), "ready": is_unanswered(session, ready)}
    session.nop()
    session.start_manage(LUN_RESET)
    try:
        session.pump(0.3)
    except Silence:
        silent["reset"] = True
    clear_faults(node.node)
    assert is_unanswered(session, write)
    other = node.log_in()
    other.clear_attention()
    assert read(other).assert_good().data_in == DATA, "a lost write was done"
    assert other.manage(LUN_RESET) == 0
    return {name for name, is_lost in silent.items() if is_lost}


@pytest.mark.parametrize("what, names", [
    ("commands", {"write", "ready"}), ("data_commands", {"write"}),
    ("commands_and_management", {"write", "ready", "reset"}),
    ("data_commands_and_management", {"write", "reset"})])
def test_black_holes(node, session, what, names):
    assert lost(node, session, what) == names


def test_what_a_black_hole_took_can_be_aborted(node, session):
    set_faults(node.node, "command.black_hole count=1")
    task = session.start(read10(0, 8), read=4096)
    assert session.manage(ABORT_TASK, ref_itt=task.itt) == 0
    del session.tasks[task.itt]
    read(session).assert_good()
    session.close()
    node.node.events.wait("session.closed")


def test_delay(node, session):
    set_faults(node.node, "command.delay time=300ms command=READ(10)")
    begin = time.monotonic()
    assert read(session).assert_good().data_in == DATA
    assert time.monotonic() - begin >= 0.3
    clear_faults(node.node)
    begin = time.monotonic()
    read(session).assert_good()
    assert time.monotonic() - begin < 0.3


def test_answered_without_being_done(node, session):
    set_faults(node.node, "command.answer_without_doing count=3")
    session.command(write10(0, 8), write=pattern(8, seed=8)).assert_good()
    assert read(session).assert_good().data_in == bytes(4096)
    session.command(synchronize_cache10()).assert_good()
    assert read(session).assert_good().data_in == DATA


def test_done_without_being_answered(node, session):
    set_faults(node.node, "command.do_without_answering count=1")
    other = pattern(8, seed=8)
    task = session.start(write10(0, 8), write=other)
    assert is_unanswered(session, task)
    assert read(session).assert_good().data_in == other
    assert session.manage(ABORT_TASK, ref_itt=task.itt) in (0, 1)


def test_conditions_choose_the_victim(node, session):
    set_faults(node.node, "command.status initiator=*:victim")
    victim = node.log_in(name=HOST.rsplit(":", 1)[0] + ":victim", ready=False)
    assert victim.command(TEST_UNIT_READY).status == BUSY
    session.command(TEST_UNIT_READY).assert_good()
    set_faults(node.node, f"command.status session={session.tsih}")
    assert session.command(TEST_UNIT_READY).status == BUSY
    set_faults(node.node, "command.status volume=data2 portal_group=poc node=1")
    session.command(TEST_UNIT_READY).assert_good()
    assert node.log_in("data2", ready=False).command(TEST_UNIT_READY).status == BUSY
    set_faults(node.node, f"command.status portal={node.net.address(1, second=True)}")
    session.command(TEST_UNIT_READY).assert_good()
    beside = node.log_in(address=node.net.address(1, second=True), ready=False)
    assert beside.command(TEST_UNIT_READY).status == BUSY
    set_faults(node.node, "command.status size=8k-16k")
    read(session).assert_good()
    assert session.command(read10(0, 16), read=8192).status == BUSY
    session.command(read10(0, 64), read=64 * 512).assert_good()
    set_faults(node.node, "command.status every=3 skip=1")
    assert [session.command(TEST_UNIT_READY).status for _ in range(7)] == [0, 0, 0, BUSY, 0, 0, BUSY]


def test_a_rule_may_wait_for_another(node, session):
    set_faults(node.node, "command.status status=busy id=first count=1 command=WRITE(10)",
               "command.status status=task_set_full after=first command=TEST_UNIT_READY")
    session.command(TEST_UNIT_READY).assert_good()
    assert session.command(write10(0, 8), write=DATA).status == BUSY
    assert session.command(TEST_UNIT_READY).status == TASK_SET_FULL


def test_a_rule_that_stays_keeps_its_count(node, session):
    set_faults(node.node, "command.status id=a count=1")
    assert session.command(TEST_UNIT_READY).status == BUSY
    set_faults(node.node, "command.status id=a count=1", "command.delay time=1ms")
    session.command(TEST_UNIT_READY).assert_good()


def test_a_wrong_rule_changes_nothing(node, session):
    set_faults(node.node, "command.status id=a")
    with pytest.raises(Refusal, match="needs sense"):
        set_faults(node.node, "command.sense")
    assert session.command(TEST_UNIT_READY).status == BUSY
