"""PDUs that go wrong on purpose: what the wire shows of each kind, and that it ends."""

import socket
import struct
import time

import pytest

from faults import clear_faults, hits, set_faults
from pdu import ASYNC, DATA_IN, FINAL, NONE_TAG, NOP_IN, NOP_OUT, R2T, REJECT, SCSI_RESPONSE, Pdu
from scsi import TEST_UNIT_READY, pattern, read10, write10
from wire import Closed, Silence

DATA = pattern(64, seed=7)
R2T_ONLY = {"InitialR2T": "Yes", "ImmediateData": "No"}


@pytest.fixture
def session(node):
    session = node.log_in()
    session.command(write10(0, 64), write=DATA).assert_good()
    return session


def read(session, blocks=64):
    return session.command(read10(0, blocks), read=blocks * 512)


def raw(session, cdb=TEST_UNIT_READY, **how):
    """Sends a command; the answer is not checked."""
    pdu, _ = session.command_pdu(cdb, **how)
    session.connection.send(pdu)
    return session.connection


def ping(session):
    session.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=99, ttt=NONE_TAG,
                                **session.numbers(True)))
    return session.connection


def test_answers_to_pings_vanish(node, session):
    set_faults(node.node, "pdu.drop pdu=NOP-In direction=out")
    ping(session).expect_silence(0.3)
    node.node.events.wait("fault.hit", pdu="NOP-In")
    clear_faults(node.node)
    assert ping(session).receive().opcode == NOP_IN


@pytest.mark.parametrize("condition, is_struck", [
    ("portal={portal}", True), ("portal={portal}:3260", True), ("portal={portal2}", False),
    ("session={tsih}", True), ("session=999", False), ("initiator=iqn.*", True),
    ("initiator=nobody*", False), ("volume=data1 portal_group=poc node=1", True),
    ("volume=data2", False), ("direction=out pdu=NOP-In", True), ("direction=in", True),
    ("direction=in pdu=SCSI_Command", False), ("size=3-5", True), ("size=5-9", False)])
def test_conditions_choose_the_victim(node, session, condition, is_struck):
    names = {"portal": node.portal, "portal2": node.portal2, "tsih": session.tsih}
    set_faults(node.node, f"pdu.drop {condition.format(**names)}")
    session.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=99, ttt=NONE_TAG,
                                data=b"ping", **session.numbers(True)))
    if is_struck:
        session.connection.expect_silence(0.2)
    else:
        assert session.connection.receive().opcode == NOP_IN
    clear_faults(node.node)
    node.log_in().command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("direction", ["direction=in", "direction=out", ""])
def test_black_hole(node, session, direction):
    set_faults(node.node, f"pdu.black_hole {direction}")
    raw(session).expect_silence(0.3)
    clear_faults(node.node)
    node.log_in().command(TEST_UNIT_READY).assert_good()


def test_black_hole_spares_others(node, session):
    other = node.log_in()
    set_faults(node.node, f"pdu.black_hole session={session.tsih}")
    raw(session).expect_silence(0.2)
    other.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("rule", ["direction=in", "direction=out", "direction=out to=350ms",
                                  "direction=in deviation=1ms"])
def test_delay_keeps_the_order(node, session, rule):
    set_faults(node.node, f"pdu.delay time=320ms {rule}")
    begin = time.monotonic()
    tasks = [session.start(read10(lba, 8), read=4096) for lba in range(0, 64, 8)]
    session.wait(*tasks)
    assert b"".join(task.data_in for task in tasks) == DATA
    assert 0.3 <= time.monotonic() - begin < 5
    clear_faults(node.node)
    begin = time.monotonic()
    assert read(session).data_in == DATA
    assert time.monotonic() - begin < 0.3


def test_duplicate_answer(node, session):
    set_faults(node.node, "pdu.duplicate pdu=SCSI_Response count=1")
    connection = raw(session)
    first, second = connection.receive(), connection.receive()
    assert first.opcode == SCSI_RESPONSE and first.bhs == second.bhs
    raw(session)
    connection.receive()
    connection.expect_silence(0.2)


def test_duplicate_command_counts_once(node, session):
    set_faults(node.node, "pdu.duplicate pdu=SCSI_Command count=1")
    session.command(TEST_UNIT_READY).assert_good()
    session.command(TEST_UNIT_READY).assert_good()
    assert hits(node.node) == {"pdu.duplicate-1": 1}


def test_reorder(node, session):
    set_faults(node.node, "pdu.reorder pdu=SCSI_Response count=1")
    connection = raw(session)
    raw(session)
    numbers = [connection.receive().stat_sn for _ in range(2)]
    assert numbers == [session.exp_stat_sn + 1, session.exp_stat_sn]
    raw(session)
    raw(session)
    numbers = [connection.receive().stat_sn for _ in range(2)]
    assert numbers == [session.exp_stat_sn + 2, session.exp_stat_sn + 3], "once only"


def test_reorder_with_nothing_behind_it_ends(node, session):
    set_faults(node.node, "pdu.reorder pdu=SCSI_Response count=1")
    session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
def test_fragments_change_nothing(node, digest):
    session = node.log_in(offer={"HeaderDigest": digest, "DataDigest": digest})
    set_faults(node.node, "pdu.fragment most=17")
    session.command(write10(0, 64), write=DATA).assert_good()
    assert read(session).assert_good().data_in == DATA
    assert hits(node.node)["pdu.fragment-1"] > 0


def segments(session):
    """TCP segments with data that an answer of 48 bytes came in."""
    def count():
        info = session.connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        return struct.unpack_from("I", info, 152)[0]  # tcpi_data_segs_in

    before = count()
    ping(session).receive()
    return count() - before


def test_fragments_on_the_wire_and_their_end(node, session):
    set_faults(node.node, "pdu.fragment most=1 count=1")
    assert 2 <= segments(session) <= 48
    assert segments(session) == 1
    clear_faults(node.node)
    assert segments(session) == 1


def test_throttle(node, session):
    set_faults(node.node, "pdu.throttle direction=out rate=64k")
    begin = time.monotonic()
    assert read(session).data_in == DATA
    assert read(session).data_in == DATA
    assert time.monotonic() - begin > 0.8
    clear_faults(node.node)
    begin = time.monotonic()
    assert read(session).data_in == DATA
    assert time.monotonic() - begin < 0.4


def test_a_large_read_through_a_wrapped_connection(node, session):
    data = pattern(4096, seed=3)
    session.command(write10(0, 4096), write=data).assert_good()
    set_faults(node.node, "pdu.drop pdu=R2T")
    assert read(session, 4096).assert_good().data_in == data
    clear_faults(node.node)
    assert read(session, 4096).assert_good().data_in == data


def test_rules_may_come_and_go_in_the_middle_of_a_pdu(node):
    session = node.log_in()
    pdu, task = session.command_pdu(write10(0, 64), write=DATA)
    session.tasks[task.itt] = task
    wire = pdu.encode()
    session.connection.send_raw(wire[:20000])
    for _ in range(2):  # two turns of its loop: it has read what is there
        node.node.control.request("ping")
    set_faults(node.node, "pdu.drop pdu=NOP-Out")
    session.connection.send_raw(wire[20000:])
    session.wait(task).assert_good()
    assert read(session).data_in == DATA


def test_corrupt_data_that_no_digest_shows(node, session):
    set_faults(node.node, "pdu.corrupt pdu=Data-In offset=3 xor=0x10 count=1")
    wrong = bytearray(DATA)
    wrong[3] ^= 0x10
    assert read(session).data_in == wrong
    assert read(session).data_in == DATA


@pytest.mark.parametrize("part", ["header", "data", "digest"])
def test_corrupt_output_is_shown_by_its_digest(node, part):
    session = node.log_in(offer={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"})
    set_faults(node.node, f"pdu.corrupt pdu=Data-In part={part} offset=1")
    with pytest.raises(AssertionError, match="wrong (header|data) digest"):
        read(session)
    session.close()


def test_corrupt_before_the_digest_is_not_shown(node):
    session = node.log_in(offer={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"})
    session.command(write10(0, 64), write=DATA).assert_good()
    set_faults(node.node, "pdu.corrupt pdu=Data-In when=before_digest count=1")
    assert read(session).data_in == bytes([DATA[0] ^ 0xFF]) + DATA[1:]


def test_corrupt_padding(node, session):
    set_faults(node.node, "pdu.corrupt pdu=SCSI_Response part=padding count=1",
               "pdu.corrupt pdu=NOP-In part=padding count=1")
    with pytest.raises(AssertionError, match="padding"):
        session.nop(b"xyz")


def test_corrupt_input_breaks_its_digest(node):
    session = node.log_in(offer={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"})
    set_faults(node.node, "pdu.corrupt pdu=SCSI_Command part=data")
    pdu, _ = session.command_pdu(write10(0, 64), write=DATA)
    session.connection.send(pdu)
    assert [answer.opcode for answer in session.connection.expect_close()][0] == REJECT


@pytest.mark.parametrize("pdu, field, by, name", [
    ("SCSI_Response", "stat_sn", 5, "stat_sn"), ("SCSI_Response", "task_tag", 1000, "itt"),
    ("SCSI_Response", "exp_cmd_sn", -1, "exp_cmd_sn"),
    ("SCSI_Response", "max_cmd_sn", 3, "max_cmd_sn"), ("SCSI_Response", "residual", 7, "residual"),
    ("Data-In", "data_sn", 1, "data_sn"), ("Data-In", "offset", 512, "offset"),
    ("R2T", "r2t_sn", 1, "r2t_sn"), ("R2T", "offset", 1 << 20, "offset"),
    ("R2T", "length", 512, "length"), ("R2T", "transfer_tag", 1, "ttt")])
def test_wrong_field(node, pdu, field, by, name):
    session = node.log_in(offer=R2T_ONLY)
    cdb, how = {"SCSI_Response": (TEST_UNIT_READY, {}), "Data-In": (read10(0, 8), {"read": 4096}),
                "R2T": (write10(0, 8), {"write": DATA[:4096]})}[pdu]
    set_faults(node.node, f"pdu.duplicate pdu={pdu}", f"pdu.field pdu={pdu} field={field} by={by}")
    wrong = raw(session, cdb, **how).receive()
    session.close()
    clear_faults(node.node)
    session = node.log_in(offer=R2T_ONLY)
    right = raw(session, cdb, **how).receive()
    expected = (right.get(name) + by) % 2**32
    if name in ("ttt", "stat_sn"):
        assert wrong.get(name) != right.get(name) or by == 0
    else:
        assert wrong.get(name) == expected


def test_window_closed(node, session):
    set_faults(node.node, "pdu.close_window count=1")
    answer = raw(session).receive()
    assert answer.max_cmd_sn == answer.exp_cmd_sn - 1
    answer = raw(session).receive()
    assert answer.max_cmd_sn > answer.exp_cmd_sn


@pytest.mark.parametrize("what, event", [
    ("async_logout", 1), ("async_drop_connection", 2), ("async_drop_session", 3),
    ("async_negotiate", 4)])
def test_async_messages(node, session, what, event):
    set_faults(node.node, f"pdu.send what={what} count=1")
    assert session.wait_other(ASYNC).event == event
    session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("sense, code", [("", 0x062A09), (" sense=0x062900", 0x062900)])
def test_asynchronous_scsi_event(node, session, sense, code):
    set_faults(node.node, f"pdu.send what=async_scsi{sense} count=1")
    message = session.wait_other(ASYNC)
    assert (message.event, message.data[0]) == (0, 0)
    data = message.data[2:2 + message.data[1]]
    assert (data[0], data[2] << 16 | data[12] << 8 | data[13]) == (0x70, code)
    session.command(TEST_UNIT_READY).assert_good()
    session.connection.expect_silence(0.1)


def test_r2t_for_a_range_that_the_command_does_not_have(node, session):
    set_faults(node.node, "pdu.send what=r2t pdu=SCSI_Command offset=1048576 length=512 count=1")
    connection = raw(session, read10(0, 8), read=4096)
    bad = connection.receive()
    assert (bad.opcode, bad.get("offset"), bad.get("length")) == (R2T, 1 << 20, 512)
    answer = connection.receive()
    assert (answer.opcode, answer.itt, answer.data) == (DATA_IN, bad.itt, DATA[:4096])
    assert raw(session, read10(0, 8), read=4096).receive().opcode == DATA_IN


def test_unsolicited_nop_in(node, session):
    set_faults(node.node, "pdu.send what=nop_in count=1")
    session.pump()
    assert len(session.pings) == 1
    read(session).assert_good()


def test_unsolicited_reject_behind_an_answer(node, session):
    set_faults(node.node, "pdu.send what=reject pdu=SCSI_Response count=1")
    session.connection.expect_silence(0.1)
    session.command(TEST_UNIT_READY).assert_good()
    session.wait_other(REJECT)
    session.command(TEST_UNIT_READY).assert_good()


def test_half_close(node, session):
    set_faults(node.node, "pdu.half_close pdu=SCSI_Command count=1")
    session.nop()
    with pytest.raises(Closed):
        session.command(TEST_UNIT_READY)
    again = node.log_in()
    again.command(TEST_UNIT_READY).assert_good()
    assert hits(node.node) == {"pdu.half_close-1": 1}
    again.connection.expect_silence(0.1)


def test_reset_now_and_by_pdu(node, session):
    set_faults(node.node, "pdu.reset count=1")
    with pytest.raises(Closed, match="reset"):
        session.connection.receive()
    assert node.node.events.wait("session.closed")["reason"] == "reset by a fault"
    session = node.log_in()
    set_faults(node.node, "pdu.reset pdu=SCSI_Command count=1")
    session.nop()
    with pytest.raises(Closed, match="reset"):
        session.command(TEST_UNIT_READY)
    node.log_in().command(TEST_UNIT_READY).assert_good()


def test_the_same_seed_drops_the_same(node):
    def dropped():
        set_faults(node.node)
        set_faults(node.node, "pdu.drop pdu=NOP-Out probability=0.5 seed=11")
        session = node.log_in()
        answered = []
        for number in range(20):
            session.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=number,
                                        ttt=NONE_TAG, **session.numbers(True)))
        try:
            while True:
                answered.append(session.connection.receive(0.3).itt)
        except Silence:
            return answered
    first = dropped()
    assert 0 < len(first) < 20 and first == dropped()
