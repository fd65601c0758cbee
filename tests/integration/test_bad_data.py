"""Data that was not asked for, and too much of everything. As in test_bad_framing, every test ends
with a bystander's session and a new login still working (fixture `victim`)."""

import contextlib
import random
import statistics
import time

import pytest

from hostile import RSS_LIMIT_KB, end_of
from login import HOST, OPERATIONAL, SECURITY, Login, identity
from node import iqn
from pdu import (DATA_OUT, FINAL, NONE_TAG, NOP_OUT, READ, REJECT, SCSI_COMMAND, UNDERFLOW, WRITE,
                 Pdu)
from scsi import GOOD, TEST_UNIT_READY, pattern, read10, write10
from session import SIMPLE
from wire import Closed, Connection, Silence

TARGET = iqn("data1")
HELD = {"InitialR2T": "Yes", "ImmediateData": "No"}


# Data

def test_read_that_expects_4_gib_gets_what_it_asked_for(victim):
    session = victim.log_in()
    task = session.command(read10(0, 8), read=1, edtl=0xFFFFFFFF)
    assert task.status == GOOD and len(task.data_in) == 4096
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF - 4096)


def test_read_flag_on_a_command_without_data_that_expects_4_gib(victim):
    session = victim.log_in()
    task = session.command(TEST_UNIT_READY, read=1, edtl=0xFFFFFFFF)
    assert task.status == GOOD
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF)


def test_write_that_announces_4_gib_is_asked_only_for_its_blocks(victim):
    session = victim.log_in(offer=HELD)
    task = session.command(write10(0, 8), write=pattern(8), edtl=0xFFFFFFFF, data=b"", final=True)
    assert sum(r2t.length for r2t in task.r2ts) <= 4096
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF - 4096)


def held_write(session, blocks=64):
    session.answer_r2t = False
    task = session.start(write10(0, blocks), write=pattern(blocks, seed=1))
    session.pump()
    return task, task.r2ts[0]


DATA_OUTS = {
    "offset before the R2T": dict(offset=-512),
    "offset behind the R2T": dict(offset=1 << 20),
    "offset at the top": dict(offset_is=0xFFFFFE00),
    "longer than the R2T": dict(extra=4096),
    "unknown transfer tag": dict(ttt=0x77777777),
    "unsolicited where that is not allowed": dict(ttt=NONE_TAG),
    "unknown task tag": dict(itt=0x1234),
    "number out of order": dict(data_sn=5),
    "number before the first": dict(data_sn=0xFFFFFFFF),
    "final without all the data": dict(length=512),
    "gap at its start": dict(offset=512, length=8192 - 512),
    "part of it, too early": dict(offset=-512, length=512, flags=0),
    "part of it, too late": dict(offset=512, length=512, flags=0),
    "all of it without the final bit": dict(flags=0),
}


@pytest.mark.parametrize("wrong", DATA_OUTS.values(), ids=DATA_OUTS.keys())
def test_data_out_that_does_not_fit_its_r2t_is_never_written(victim, wrong):
    session = victim.log_in(offer=HELD | {"MaxBurstLength": "8192", "FirstBurstLength": "8192"})
    task, r2t = held_write(session, blocks=16)
    assert r2t.length == 8192
    data = b"\xEE" * (wrong.get("length", r2t.length) + wrong.get("extra", 0))
    offset = wrong.get("offset_is", (r2t.offset + wrong.get("offset", 0)) % 2**32)
    session.connection.send(Pdu(
        DATA_OUT, flags=wrong.get("flags", FINAL), itt=wrong.get("itt", task.itt),
        ttt=wrong.get("ttt", r2t.ttt), data_sn=wrong.get("data_sn", 0), offset=offset, data=data))
    answers = end_of(session.connection, deadline=1)
    assert not any(pdu.opcode == 0x21 and pdu.status == GOOD for pdu in answers)
    session.close()
    assert b"\xEE" * 512 not in victim.image().read_bytes()


def test_immediate_data_beyond_the_first_burst_is_refused(victim):
    session = victim.log_in(offer={"FirstBurstLength": "512", "MaxBurstLength": "8192"})
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), data=pattern(4))
    session.connection.send(pdu)
    refused_or_ended(session, task)


def test_immediate_data_where_none_is_allowed_is_refused(victim):
    session = victim.log_in(offer=HELD)
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), data=pattern(1))
    session.connection.send(pdu)
    refused_or_ended(session, task)


def test_more_immediate_data_than_expected_is_refused(victim):
    session = victim.log_in()
    pdu, task = session.command_pdu(write10(0, 1), write=pattern(8), edtl=512, data=pattern(8),
                                    final=True)
    session.connection.send(pdu)
    refused_or_ended(session, task)


def refused_or_ended(session, task):
    """Reject, a sense code or the end of the connection; never GOOD."""
    answers = end_of(session.connection, deadline=1)
    assert not any(pdu.opcode == 0x21 and pdu.status == GOOD for pdu in answers)
    assert not task.done


def test_unsolicited_data_beyond_the_first_burst_is_refused(victim):
    session = victim.log_in(offer={"InitialR2T": "No", "ImmediateData": "No",
                                   "FirstBurstLength": "4096", "MaxBurstLength": "8192"})
    pdu, task = session.command_pdu(write10(0, 64), write=pattern(64), final=False)
    session.connection.send(pdu, *session.data_out(task, 0, 16384))
    refused_or_ended(session, task)


def test_unsolicited_data_where_none_is_allowed_is_refused(victim):
    session = victim.log_in(offer=HELD)
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), final=False)
    session.connection.send(pdu, *session.data_out(task, 0, 8192))
    refused_or_ended(session, task)


def test_data_out_for_a_read_is_refused(victim):
    session = victim.log_in()
    task = session.command(read10(0, 8), read=4096).assert_good()
    session.connection.send(Pdu(DATA_OUT, flags=FINAL, itt=task.itt, ttt=NONE_TAG, data=b"x" * 512))
    assert all(pdu.opcode == REJECT for pdu in end_of(session.connection, deadline=0.5))


@pytest.mark.parametrize("flags", [FINAL | SIMPLE, FINAL | READ | WRITE | SIMPLE, SIMPLE, 0, 0xFF])
def test_command_with_strange_flags_is_answered(victim, flags):
    session = victim.log_in()
    for cdb in (read10(0, 8), write10(0, 8), TEST_UNIT_READY):
        session.connection.send(Pdu(SCSI_COMMAND, flags=flags, itt=next(session.tags), edtl=4096,
                                    cdb=cdb, **session.numbers()))
    answers = end_of(session.connection, deadline=0.5)
    assert all(pdu.opcode in (0x21, 0x25, 0x31, REJECT) for pdu in answers)


def test_reserved_task_tag_of_a_command_is_rejected(victim):
    session = victim.log_in()
    session.connection.send(Pdu(SCSI_COMMAND, flags=FINAL | SIMPLE, itt=NONE_TAG,
                                cdb=TEST_UNIT_READY, **session.numbers()))
    try:
        assert session.connection.receive().opcode in (REJECT, 0x21)
    except Closed:
        pass


@pytest.mark.parametrize("seed", range(4))
def test_every_operation_code_with_random_bytes_is_answered(victim, seed):
    session, chance = victim.log_in(), random.Random(seed)
    for opcode in range(256):
        cdb = bytes([opcode]) + chance.randbytes(15)
        how = {"read": 512} if chance.random() < 0.5 else {"write": bytes(512)}
        session.command(cdb, **how)


# Numbers

def memory_stays_bounded(victim, session, read, tries=10):
    """Asks for as much as the window allows and reads nothing; gives the growth in kB."""
    before = victim.node.status("VmRSS")
    window = (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32
    pdus = [session.command_pdu(read10(0, 65535), read=65535 * 512)[0] for _ in range(window)]
    session.connection.send(*pdus)
    other, grown = victim.log_in(), []
    for _ in range(tries):
        for _ in range(20):
            other.command(read10(0, 8), read=4096).assert_good()
        grown.append(victim.node.status("VmRSS") - before)
    assert read > 1 << 31
    return max(grown)


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
def test_reader_that_reads_nothing_holds_bounded_memory(victim, digest):
    """128 reads of 32 MiB are 4 GiB asked for."""
    session = victim.log_in(offer={"DataDigest": digest, "HeaderDigest": digest},
                            receive_buffer=4096)
    session.command(write10(0, 512), write=pattern(512)).assert_good()
    assert memory_stays_bounded(victim, session, 128 * 65535 * 512) <= RSS_LIMIT_KB
    session.connection.reset()


def test_ping_flood_that_is_never_read_holds_bounded_memory(victim):
    session = victim.log_in(receive_buffer=4096)
    before = victim.node.status("VmRSS")
    ping = Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=1, ttt=NONE_TAG, data=bytes(8192),
               **session.numbers(True)).encode()
    with contextlib.suppress(Closed, Silence):
        for _ in range(256):
            session.connection.send_raw(ping * 16, deadline=0.5)
    assert victim.node.status("VmRSS") - before <= RSS_LIMIT_KB
    session.connection.reset()


def pace(session, commands=200):
    """Seconds for each of many small reads."""
    times = []
    for _ in range(commands):
        start = time.monotonic()
        session.command(read10(0, 8), read=4096).assert_good()
        times.append(time.monotonic() - start)
    return times


def test_thousand_half_open_connections_do_not_slow_a_session(victim):
    session = victim.log_in()
    pace(session, 50)
    alone = statistics.median(pace(session))
    before = victim.node.status("VmRSS")
    half_open = [Connection(victim.portal) for _ in range(1000)]
    for number, connection in enumerate(half_open):
        if number % 2:
            connection.send_raw(b"\x43\x81" + bytes(number % 46))
    crowded = pace(session)
    assert statistics.median(crowded) < max(5 * alone, alone + 0.005)
    assert max(crowded) < 1
    assert victim.node.status("VmRSS") - before < 1000 * 64
    for connection in half_open:
        connection.reset()
    session.command(TEST_UNIT_READY).assert_good()


def test_connections_that_come_and_go_leave_no_descriptor(victim):
    session = victim.log_in()
    session.command(TEST_UNIT_READY).assert_good()
    before = victim.node.descriptors()
    for number in range(300):
        login = Login(victim.portal)
        if number % 3 == 0:
            login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
        if number % 2:
            login.connection.reset()
        login.close()
    for _ in range(50):
        one = victim.log_in(ready=False)
        one.connection.reset()
    session.stay_alive_until(lambda: victim.node.descriptors() <= before)


def test_trickle_of_bytes_does_not_keep_a_login_open(start_node):
    lab = start_node(login_timeout_s=1)
    login = Login(lab.portal)
    raw = login.request(SECURITY, OPERATIONAL, identity(HOST, TARGET)).encode()
    closed = False
    for byte in raw * 20:
        try:
            login.connection.send_raw(bytes([byte]))
            if login.connection.has_input(0.02):
                login.connection.receive(1)
        except (Closed, Silence):
            closed = True
            break
    assert closed
