"""Task management, RFC 7143 11.5 and 11.6: what is ended, what lives, who is told."""

import pytest

from login import HOST
from pdu import ASYNC, R2T, TMF_RESPONSE
from scsi import TEST_UNIT_READY, pattern, read10, write10
from session import (ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, COLD_RESET, LUN_RESET,
                     TASK_REASSIGN, WARM_RESET)

HELD = {"InitialR2T": "Yes", "ImmediateData": "No"}
COMPLETE, NO_SUCH_TASK, NO_SUCH_LUN, NO_REASSIGN, NOT_SUPPORTED = 0, 1, 2, 4, 5
REJECTED = 255
COMMANDS_CLEARED, RESET_OCCURRED = 0x062F00, 0x0629


def hold(session, lba=0):
    """A write that has got its R2T and waits for data."""
    session.answer_r2t = False
    task = session.start(write10(lba, 8), write=pattern(8, seed=lba))
    while not task.r2ts:
        session.pump()
    return task


def release(session, task):
    r2t = task.r2ts[0]
    session.connection.send(*session.data_out(task, r2t.offset, r2t.length, r2t.ttt))
    return session.wait(task)


def late_data(session, task):
    """The data of a task that is gone: dropped without a word or rejected, never written."""
    r2t = task.r2ts[0]
    session.connection.send(*session.data_out(task, r2t.offset, r2t.length, r2t.ttt))


def attention(session):
    """The code of the pending unit attention, or None."""
    return session.command(TEST_UNIT_READY).code


@pytest.fixture
def pair(node):
    """Two sessions of two hosts to the same target, both with writes that can be held."""
    return node.log_in(offer=HELD), node.log_in(name=HOST + "2", offer=HELD)


def test_abort_task_ends_this_task_and_no_other(node):
    session = node.log_in(offer=HELD)
    doomed, kept = hold(session, 0), hold(session, 64)
    assert session.manage(ABORT_TASK, ref_itt=doomed.itt) == COMPLETE
    release(session, kept).assert_good()
    assert not doomed.done
    assert session.command(read10(0, 8), read=4096).data_in == bytes(4096)
    node.node.events.wait("task_management")


def test_data_of_an_aborted_task_is_not_written(node):
    session = node.log_in(offer=HELD)
    doomed = hold(session)
    assert session.manage(ABORT_TASK, ref_itt=doomed.itt) == COMPLETE
    late_data(session, doomed)
    reader = node.log_in()
    assert reader.command(read10(0, 8), read=4096).data_in == bytes(4096)
    session.others.clear()
    session.command(TEST_UNIT_READY).assert_good()


def test_tag_of_an_aborted_task_can_be_used_again(node):
    session = node.log_in(offer=HELD)
    doomed = hold(session)
    assert session.manage(ABORT_TASK, ref_itt=doomed.itt) == COMPLETE
    del session.tasks[doomed.itt]
    session.wait(session.start(TEST_UNIT_READY, itt=doomed.itt)).assert_good()


def test_abort_of_a_task_that_has_ended_finds_no_task(node):
    session = node.log_in()
    task = session.command(TEST_UNIT_READY).assert_good()
    response = session.manage(ABORT_TASK, ref_itt=task.itt, ref_cmd_sn=session.cmd_sn - 1)
    assert response == NO_SUCH_TASK


def test_abort_of_a_task_never_sent_finds_no_task(node):
    session = node.log_in()
    assert session.manage(ABORT_TASK, ref_itt=0x5555, ref_cmd_sn=session.cmd_sn - 1) == NO_SUCH_TASK
    session.command(TEST_UNIT_READY).assert_good()


def test_abort_of_a_task_that_has_not_arrived_yet_makes_its_number_used(node):
    """RFC 7143 11.6.1: a referenced CmdSN inside the window counts as received."""
    session = node.log_in()
    lost = session.cmd_sn
    response = session.manage(ABORT_TASK, ref_itt=0x5555, ref_cmd_sn=lost)
    assert response in (COMPLETE, NO_SUCH_TASK)
    if response == COMPLETE:
        session.cmd_sn = lost + 1
    session.command(TEST_UNIT_READY).assert_good()


def test_abort_task_set_ends_the_tasks_of_this_session_only(pair):
    mine, others = pair
    doomed = [hold(mine, 8 * number) for number in range(3)]
    kept = hold(others, 64)
    assert mine.manage(ABORT_TASK_SET) == COMPLETE
    release(others, kept).assert_good()
    assert not any(task.done for task in doomed)
    mine.command(TEST_UNIT_READY).assert_good()


def test_clear_task_set_ends_the_tasks_of_all_sessions(pair):
    mine, others = pair
    hold(mine)
    lost = hold(others, 64)
    assert mine.manage(CLEAR_TASK_SET) == COMPLETE
    assert attention(others) == COMMANDS_CLEARED
    assert not lost.done
    late_data(others, lost)
    others.others.clear()
    assert others.command(read10(64, 8), read=4096).data_in == bytes(4096)
    mine.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("function", [LUN_RESET, WARM_RESET], ids=["LUN RESET", "WARM RESET"])
def test_reset_ends_every_task_and_tells_every_session(pair, function):
    mine, others = pair
    tasks = [hold(mine), hold(others, 64)]
    assert mine.manage(function) == COMPLETE
    for session in pair:
        assert attention(session) >> 8 == RESET_OCCURRED
        session.command(TEST_UNIT_READY).assert_good()
        assert session.command(read10(64, 8), read=4096).data_in == bytes(4096)
    assert not any(task.done for task in tasks)


def test_lun_reset_leaves_other_targets_alone(node):
    mine, others = node.log_in("data1"), node.log_in("data2", offer=HELD)
    kept = hold(others)
    assert mine.manage(LUN_RESET) == COMPLETE
    release(others, kept).assert_good()


def test_cold_reset_is_answered_and_then_ends_every_session_of_the_target(node):
    mine, others = node.log_in("data1"), node.log_in("data1", name=HOST + "2")
    elsewhere = node.log_in("data2")
    assert mine.manage(COLD_RESET) == COMPLETE
    assert all(pdu.opcode == ASYNC for pdu in mine.connection.expect_close())
    assert all(pdu.opcode == ASYNC for pdu in others.connection.expect_close())
    elsewhere.command(TEST_UNIT_READY).assert_good()
    again = node.log_in("data1")
    again.command(TEST_UNIT_READY).assert_good()


def test_reset_of_a_lun_that_does_not_exist_is_refused(node):
    session = node.log_in()
    assert session.manage(LUN_RESET, lun=3) == NO_SUCH_LUN
    session.command(TEST_UNIT_READY).assert_good()


def test_task_reassign_is_refused_at_recovery_level_0(node):
    session = node.log_in()
    assert session.manage(TASK_REASSIGN, ref_itt=1) in (NO_REASSIGN, NOT_SUPPORTED)
    session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("function", [CLEAR_ACA, 9, 127])
def test_function_that_is_not_supported_is_refused(node, function):
    session = node.log_in()
    assert session.manage(function) in (NOT_SUPPORTED, REJECTED)
    session.command(TEST_UNIT_READY).assert_good()


def test_function_with_a_number_waits_for_its_turn(node):
    """A task management request that is not immediate obeys CmdSN like a command."""
    session = node.log_in(offer=HELD)
    doomed = hold(session)
    first = session.cmd_sn
    session.cmd_sn = first + 1
    itt = session.start_manage(ABORT_TASK, ref_itt=doomed.itt, immediate=False)
    session.connection.expect_silence(0.2)
    session.cmd_sn = first
    session.wait(session.start(TEST_UNIT_READY)).assert_good()
    assert session.wait_other(TMF_RESPONSE, itt=itt).response == COMPLETE


def test_no_r2t_follows_the_end_of_a_task(node):
    session = node.log_in(offer=HELD | {"MaxBurstLength": "4096", "FirstBurstLength": "4096"})
    session.answer_r2t = False
    doomed = session.start(write10(0, 64), write=pattern(64))
    session.pump()
    assert session.manage(ABORT_TASK, ref_itt=doomed.itt) == COMPLETE
    late_data(session, doomed)
    session.nop(b"after")
    assert len(doomed.r2ts) == 1 and doomed.pdus[-1].opcode == R2T


def test_ended_tasks_give_their_places_in_the_window_back(start_node):
    session = start_node(queue_depth=4).log_in(offer=HELD)
    for number in range(4):
        hold(session, 8 * number)
    assert (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32 == 0
    assert session.manage(ABORT_TASK_SET) == COMPLETE
    assert (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32 == 4
    session.command(TEST_UNIT_READY).assert_good()
