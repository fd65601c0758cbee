"""CmdSN and its window: RFC 7143 4.2.2.1. Writes that wait for data keep the window busy."""

from pdu import (FINAL, NONE_TAG, NOP_IN, NOP_OUT, R2T, READ, REJECT, SCSI_COMMAND, SCSI_RESPONSE,
                 Pdu)
from scsi import TEST_UNIT_READY, pattern, read10, write10
from session import SIMPLE

HELD = {"InitialR2T": "Yes", "ImmediateData": "No"}


def window(session):
    return (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32


def hold(session, count, first_lba=0):
    """Writes that have got their R2T and wait for data."""
    session.answer_r2t = False
    tasks = [session.start(write10(first_lba + 8 * number, 8), write=pattern(8, seed=number))
             for number in range(count)]
    while not all(task.r2ts for task in tasks):
        session.pump()
    return tasks


def release(session, task):
    r2t = task.r2ts[0]
    session.connection.send(*session.data_out(task, r2t.offset, r2t.length, r2t.ttt))
    return session.wait(task).assert_good()


def numbered(session, cmd_sn, cdb=TEST_UNIT_READY, read=0):
    """A command with this CmdSN, whatever the session's own count is."""
    kept = session.cmd_sn
    session.cmd_sn = cmd_sn % 2**32
    task = session.start(cdb, read=read)
    session.cmd_sn = kept
    return task


def test_window_is_open_after_login_and_as_deep_as_configured(start_node):
    session = start_node(queue_depth=16).log_in()
    assert window(session) == 16


def test_window_closes_with_commands_in_progress_and_opens_with_their_end(start_node):
    session = start_node(queue_depth=4).log_in(offer=HELD)
    tasks = hold(session, 4)
    assert window(session) == 0
    release(session, tasks[2])
    assert window(session) == 1
    for task in (tasks[0], tasks[3], tasks[1]):
        release(session, task)
    assert window(session) == 4


def test_command_beyond_the_window_is_ignored(start_node):
    session = start_node(queue_depth=4).log_in()
    numbered(session, session.max_cmd_sn + 1)
    numbered(session, session.max_cmd_sn + 1000)
    session.connection.expect_silence(0.3)
    session.tasks.clear()
    for _ in range(6):  # its number comes up: it must be free for another command
        session.command(TEST_UNIT_READY).assert_good()


def test_next_command_is_ignored_too_while_the_window_is_closed(start_node):
    session = start_node(queue_depth=2).log_in(offer=HELD)
    tasks = hold(session, 2)
    assert window(session) == 0
    numbered(session, session.exp_cmd_sn)
    session.connection.expect_silence(0.3)
    for task in tasks:
        release(session, task)
    session.command(TEST_UNIT_READY).assert_good()


def test_command_number_already_done_is_ignored(node):
    session = node.log_in()
    numbered(session, session.cmd_sn - 1)
    numbered(session, session.cmd_sn - 2**31 + 1)
    session.connection.expect_silence(0.3)
    session.tasks.clear()
    session.command(TEST_UNIT_READY).assert_good()


def test_commands_run_in_the_order_of_their_numbers(node):
    """The second command arrives first: it must wait, and then see what the first wrote."""
    session = node.log_in()
    data = pattern(8, seed=1)
    first = session.cmd_sn
    read = numbered(session, first + 1, read10(0, 8), read=4096)
    session.connection.expect_silence(0.3)
    write = session.start(write10(0, 8), write=data)
    session.wait(write, read)
    assert read.data_in == data
    session.cmd_sn = first + 2
    session.command(TEST_UNIT_READY).assert_good()


def test_gap_is_filled_from_the_back(node):
    session = node.log_in()
    first = session.cmd_sn
    tasks = [numbered(session, first + number) for number in (4, 2, 3, 1)]
    session.connection.expect_silence(0.2)
    tasks.append(numbered(session, first))
    session.wait(*tasks)
    assert session.exp_cmd_sn == first + 5


def test_immediate_command_does_not_use_up_a_number(node):
    session = node.log_in()
    before = session.cmd_sn
    session.command(TEST_UNIT_READY, immediate=True).assert_good()
    assert session.exp_cmd_sn == before
    session.command(TEST_UNIT_READY).assert_good()
    assert session.exp_cmd_sn == before + 1


def test_immediate_command_overtakes_one_that_waits_for_its_turn(node):
    session = node.log_in()
    first = session.cmd_sn
    late = numbered(session, first + 1)
    session.command(TEST_UNIT_READY, immediate=True).assert_good()
    assert not late.done
    session.wait(session.start(TEST_UNIT_READY), late)


def test_immediate_command_is_taken_or_rejected_while_the_window_is_closed(start_node):
    session = start_node(queue_depth=2).log_in(offer=HELD)
    tasks = hold(session, 2)
    assert window(session) == 0
    assert session.nop(b"alive", immediate=True).data == b"alive"
    for task in tasks:
        release(session, task)


def test_ping_with_a_number_takes_its_place_in_the_order(node):
    session = node.log_in()
    before = session.cmd_sn
    session.nop(b"x")
    assert session.exp_cmd_sn == before + 1


def test_ping_out_of_order_waits(node):
    session = node.log_in()
    first = session.cmd_sn
    session.connection.send(Pdu(NOP_OUT, flags=FINAL, itt=77, ttt=NONE_TAG, cmd_sn=first + 1,
                                exp_stat_sn=session.exp_stat_sn, data=b"late"))
    session.connection.expect_silence(0.2)
    session.command(TEST_UNIT_READY).assert_good()
    assert session.wait_other(NOP_IN, itt=77).data == b"late"


def test_tag_in_use_is_rejected_as_a_task_in_progress(node):
    session = node.log_in(offer=HELD)
    task, = hold(session, 1)
    session.connection.send(Pdu(SCSI_COMMAND, flags=FINAL | READ | SIMPLE, itt=task.itt, edtl=512,
                                cdb=read10(0, 1), **session.numbers()))
    answer = session.pump()
    assert answer.opcode == REJECT and answer.reason == 7
    release(session, task)
    session.command(TEST_UNIT_READY).assert_good()


def test_reads_go_on_while_a_write_waits_for_data(node):
    session = node.log_in(offer=HELD)
    task, = hold(session, 1, first_lba=1000)
    for _ in range(20):
        session.command(read10(0, 8), read=4096).assert_good()
    assert not task.done
    release(session, task)


def test_answers_of_one_session_do_not_wait_for_another(node):
    stuck, other = node.log_in(offer=HELD), node.log_in()
    tasks = hold(stuck, 8)
    for _ in range(20):
        other.command(read10(0, 8), read=4096).assert_good()
    for task in tasks:
        release(stuck, task)


def test_every_answer_acknowledges_what_was_received(node):
    session = node.log_in()
    for _ in range(5):
        task = session.command(TEST_UNIT_READY).assert_good()
        assert task.pdus[-1].opcode == SCSI_RESPONSE
        assert task.pdus[-1].exp_cmd_sn == session.cmd_sn


def test_full_window_of_writes_is_served_whatever_the_order_of_their_data(start_node):
    session = start_node(queue_depth=32).log_in(offer=HELD)
    tasks = hold(session, 32)
    assert all(pdu.opcode == R2T for task in tasks for pdu in task.pdus)
    for task in reversed(tasks):
        release(session, task)
    whole = session.command(read10(0, 256), read=256 * 512).assert_good().data_in
    assert whole == b"".join(pattern(8, seed=number) for number in range(32))
