"""Data in both directions: bursts, R2T, residuals. `Session` checks every sequence number."""

import pytest

from login import Refused
from node import MIB
from pdu import DATA_IN, FINAL, OVERFLOW, READ, SCSI_RESPONSE, UNDERFLOW
from scsi import (GOOD, INVALID_FIELD, INVALID_OPCODE, LBA_OUT_OF_RANGE, NO_SUCH_LUN,
                  TEST_UNIT_READY, inquiry, pattern, read10, read16, read_capacity10,
                  synchronize_cache10, write10, write16)
from session import SIMPLE

BLOCK = 512
SIZES = [1, 8, 128, 129, 512, 2048]
COMBINATIONS = [(r2t, immediate) for r2t in ("Yes", "No") for immediate in ("Yes", "No")]


def offer(r2t, immediate, **more):
    return {"InitialR2T": r2t, "ImmediateData": immediate} | more


@pytest.mark.parametrize("r2t, immediate", COMBINATIONS,
                         ids=[f"InitialR2T={r} ImmediateData={i}" for r, i in COMBINATIONS])
def test_what_is_written_is_read_back_in_every_size(node, r2t, immediate):
    session = node.log_in(offer=offer(r2t, immediate))
    for blocks in SIZES:
        data = pattern(blocks, seed=blocks)
        session.command(write10(100, blocks), write=data).assert_good()
        assert session.command(read10(100, blocks), read=len(data)).assert_good().data_in == data


def test_settled_r2t_and_immediate_data_follow_the_offer(node):
    session = node.log_in(offer=offer("Yes", "No"))
    assert session.initial_r2t and not session.immediate_data
    assert not node.log_in(offer=offer("No", "Yes")).initial_r2t


@pytest.mark.parametrize("r2t, immediate", COMBINATIONS)
def test_first_r2t_starts_where_the_unsolicited_data_ends(node, r2t, immediate):
    session = node.log_in(offer=offer(r2t, immediate, FirstBurstLength="8192"))
    data = pattern(256, seed=1)
    task = session.start(write10(0, 256), write=data)
    unsolicited = task.sent
    session.wait(task).assert_good()
    assert task.r2ts[0].offset == unsolicited
    end = unsolicited
    for r2t_pdu in task.r2ts:
        assert r2t_pdu.offset == end
        end += r2t_pdu.length
    assert end == len(data)


def test_write_within_the_first_burst_needs_no_r2t(node):
    session = node.log_in(offer=offer("No", "Yes"))
    for blocks in (1, 16, session.first_burst // BLOCK):
        task = session.command(write10(0, blocks), write=pattern(blocks)).assert_good()
        assert task.r2ts == []


@pytest.mark.parametrize("burst", [512, 4096, 65536])
def test_burst_length_limits_r2t_and_data_in(node, burst):
    session = node.log_in(offer={"MaxBurstLength": str(burst), "FirstBurstLength": "512"})
    assert session.burst == burst
    data = pattern(512, seed=burst)
    task = session.command(write10(0, 512), write=data).assert_good()
    assert len(task.r2ts) >= (len(data) - 512) // burst
    assert session.command(read10(0, 512), read=len(data)).assert_good().data_in == data


@pytest.mark.parametrize("segment", [512, 1024, 8192, 16777215])
def test_data_in_keeps_to_the_segment_length_we_declare(node, segment):
    session = node.log_in(offer={"MaxRecvDataSegmentLength": str(segment)})
    data = pattern(1024, seed=segment)
    session.command(write10(0, 1024), write=data).assert_good()
    task = session.command(read10(0, 1024), read=len(data)).assert_good()
    assert task.data_in == data
    assert len(task.pdus) >= len(data) // min(segment, session.burst)


def test_undeclared_segment_length_means_8192(node):
    session = node.log_in(offer={"MaxRecvDataSegmentLength": None})
    task = session.command(read10(0, 64), read=64 * BLOCK).assert_good()
    assert max(len(pdu.data) for pdu in task.pdus) <= 8192


def test_every_burst_of_a_long_read_ends_with_the_final_bit(node):
    session = node.log_in(offer={"MaxBurstLength": "65536", "MaxRecvDataSegmentLength": "16384"})
    task = session.command(read10(0, 512), read=256 * 1024).assert_good()
    finals = [pdu.offset + len(pdu.data) for pdu in task.pdus if pdu.flags & FINAL]
    assert finals[-1] == 256 * 1024 and len(finals) >= 4


def test_good_status_of_a_read_comes_with_the_last_data(node):
    session = node.log_in()
    task = session.command(read10(0, 8), read=4096).assert_good()
    assert [pdu.opcode for pdu in task.pdus] == [DATA_IN]


def test_small_segments_from_the_initiator_are_put_together(node):
    session = node.log_in(offer=offer("Yes", "No"))
    session.segment = 700
    data = pattern(256, seed=5)
    session.command(write10(0, 256), write=data).assert_good()
    assert session.command(read10(0, 256), read=len(data)).data_in == data


def outstanding(session, task):
    """The R2Ts that come while none is answered."""
    session.answer_r2t = False
    while session.connection.has_input(0.3):
        session.pump()
    return [pdu for pdu in task.pdus]


@pytest.mark.parametrize("limit", [1, 4])
def test_no_more_r2ts_are_outstanding_than_settled(node, limit):
    session = node.log_in(offer=offer("Yes", "No", MaxBurstLength="4096", FirstBurstLength="4096",
                                      MaxOutstandingR2T=str(limit)))
    settled = int(session.values["MaxOutstandingR2T"])
    assert 1 <= settled <= limit
    session.answer_r2t = False
    data = pattern(128, seed=2)
    task = session.start(write10(0, 128), write=data)
    r2ts = outstanding(session, task)
    assert 1 <= len(r2ts) <= settled
    session.answer_r2t = True
    for pdu in r2ts:
        session.connection.send(*session.data_out(task, pdu.offset, pdu.length, pdu.ttt))
    session.wait(task).assert_good()
    assert session.command(read10(0, 128), read=len(data)).data_in == data


def test_unsolicited_data_may_end_before_the_first_burst_is_full(node):
    """F=1 in the command: nothing unsolicited follows, the rest is asked for by R2T."""
    session = node.log_in(offer=offer("No", "Yes"))
    data = pattern(64, seed=3)
    task = session.start(write10(0, 64), write=data, data=data[:512], final=True)
    assert task.sent == 512
    session.wait(task).assert_good()
    assert session.command(read10(0, 64), read=len(data)).data_in == data


def test_write_without_any_unsolicited_data_is_asked_for_whole(node):
    session = node.log_in(offer=offer("No", "Yes"))
    data = pattern(16, seed=4)
    pdu, task = session.command_pdu(write10(0, 16), write=data, data=b"", final=True)
    task.sent = 0
    session.tasks[task.itt] = task
    session.connection.send(pdu)
    session.wait(task).assert_good()
    assert (task.r2ts[0].offset, task.r2ts[0].length) == (0, len(data))


def test_writes_of_many_tasks_may_be_sent_interleaved(node):
    session = node.log_in(offer=offer("Yes", "No"))
    session.answer_r2t = False
    datas = [pattern(64, seed=seed) for seed in range(4)]
    tasks = [session.start(write10(number * 64, 64), write=data)
             for number, data in enumerate(datas)]
    while not all(task.r2ts for task in tasks):
        session.pump()
    sequences = [session.data_out(task, task.r2ts[0].offset, task.r2ts[0].length,
                                  task.r2ts[0].ttt, segment=4096) for task in tasks]
    session.answer_r2t = True
    for pdus in zip(*sequences):
        session.connection.send(*reversed(pdus))
    session.wait(*tasks)
    everything = session.command(read10(0, 256), read=256 * BLOCK).assert_good()
    assert everything.data_in == b"".join(datas)


def test_many_commands_in_one_segment_are_all_answered(node):
    session = node.log_in()
    window = (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32
    pairs = [session.command_pdu(read10(lba, 1), read=BLOCK) for lba in range(min(window, 64))]
    for _, task in pairs:
        session.tasks[task.itt] = task
    session.connection.send(*[pdu for pdu, _ in pairs])
    session.wait(*[task for _, task in pairs])
    assert len(pairs) > 1 and all(task.status == GOOD for _, task in pairs)


def test_command_sent_byte_by_byte_is_answered(node):
    session = node.log_in()
    data = pattern(1, seed=9)
    pdu, task = session.command_pdu(write10(7, 1), write=data)
    session.tasks[task.itt] = task
    for byte in pdu.encode():
        session.connection.send_raw(bytes([byte]))
    session.wait(task).assert_good()
    assert session.command(read10(7, 1), read=BLOCK).data_in == data


# Residuals: RFC 7143 11.4.5

@pytest.mark.parametrize("blocks, expected, flag, residual", [
    (8, 8 * BLOCK, 0, 0), (8, 12 * BLOCK, UNDERFLOW, 4 * BLOCK),
    (8, 3 * BLOCK, OVERFLOW, 5 * BLOCK),
    (8, 1000, OVERFLOW, 8 * BLOCK - 1000), (1, 511, OVERFLOW, 1), (1, 513, UNDERFLOW, 1),
    (0, 512, UNDERFLOW, 512), (600, 512, OVERFLOW, 599 * BLOCK)])
def test_read_residual_is_exact(node, blocks, expected, flag, residual):
    session = node.log_in()
    session.command(write10(0, 8), write=pattern(8, seed=8)).assert_good()
    task = session.command(read10(0, blocks), read=expected).assert_good()
    assert (task.residual_flags, task.residual) == (flag, residual)
    whole = pattern(8, seed=8) + bytes(600 * BLOCK)
    assert task.data_in == whole[:min(expected, blocks * BLOCK)]


def test_read_that_expects_nothing_overflows_by_everything(node):
    session = node.log_in()
    task = session.command(read10(0, 8), edtl=0, flags=FINAL | READ | SIMPLE)
    assert task.status == GOOD and task.data_in == b""
    assert (task.residual_flags, task.residual) == (OVERFLOW, 8 * BLOCK)


@pytest.mark.parametrize("blocks, sent, flag, residual", [
    (8, 8, 0, 0), (2, 8, UNDERFLOW, 6 * BLOCK), (8, 2, OVERFLOW, 6 * BLOCK),
    (0, 1, UNDERFLOW, BLOCK)])
def test_write_residual_is_exact_and_only_what_was_sent_is_written(node, blocks, sent, flag,
                                                                   residual):
    session = node.log_in()
    before, data = pattern(16, seed=1), pattern(sent, seed=2)
    session.command(write10(0, 16), write=before).assert_good()
    task = session.command(write10(0, blocks), write=data)
    assert (task.residual_flags, task.residual) == (flag, residual)
    after = session.command(read10(0, 16), read=16 * BLOCK).assert_good().data_in
    if task.status == GOOD:
        written = min(blocks, sent) * BLOCK
        assert after == data[:written] + before[written:]
    else:
        assert after == before


def test_inquiry_shorter_than_its_allocation_underflows(node):
    session = node.log_in()
    task = session.command(inquiry(allocation=255), read=255).assert_good()
    assert task.residual_flags == UNDERFLOW and task.residual == 255 - len(task.data_in)


def test_inquiry_longer_than_expected_overflows(node):
    session = node.log_in()
    task = session.command(inquiry(allocation=36), read=7).assert_good()
    assert len(task.data_in) == 7
    assert (task.residual_flags, task.residual) == (OVERFLOW, 29)


def test_data_expected_of_a_command_without_data_underflows(node):
    session = node.log_in()
    task = session.command(TEST_UNIT_READY, read=100)
    assert task.status == GOOD
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 100)


# Refused commands

def test_read_past_the_end_gets_sense_and_no_data(node):
    session = node.log_in()
    last = int.from_bytes(session.command(read_capacity10(), read=8).data_in[:4], "big")
    assert last == 64 * MIB // BLOCK - 1
    session.command(read10(last, 1), read=BLOCK).assert_good()
    task = session.command(read10(last, 2), read=2 * BLOCK)
    assert task.code == LBA_OUT_OF_RANGE and task.data_in == b""
    assert task.pdus[-1].opcode == SCSI_RESPONSE
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 2 * BLOCK)


@pytest.mark.parametrize("lba, blocks", [(2**64 - 1, 1), (2**63, 2), (2**64 - 1, 2**32 - 1)])
def test_extent_that_wraps_around_is_refused(node, lba, blocks):
    session = node.log_in()
    # SBC-3 5.10: more than MAXIMUM TRANSFER LENGTH is an invalid field, whichever is seen first.
    codes = (LBA_OUT_OF_RANGE, INVALID_FIELD)
    assert session.command(read16(lba, blocks), read=BLOCK).code in codes
    assert session.command(write16(lba, blocks), write=bytes(BLOCK)).code in codes


@pytest.mark.parametrize("r2t, immediate", COMBINATIONS)
def test_refused_write_is_answered_once_and_the_session_goes_on(node, r2t, immediate):
    session = node.log_in(offer=offer(r2t, immediate))
    end = 64 * MIB // BLOCK
    for _ in range(3):
        task = session.command(write10(end, 256), write=pattern(256))
        assert task.code == LBA_OUT_OF_RANGE
        session.command(TEST_UNIT_READY).assert_good()


def test_unknown_command_is_refused_with_its_data_drained(node):
    session = node.log_in()
    task = session.command(b"\xc7" + bytes(9), write=pattern(128))
    assert task.code == INVALID_OPCODE
    session.command(TEST_UNIT_READY).assert_good()


def test_other_lun_does_not_exist(node):
    session = node.log_in()
    assert session.command(TEST_UNIT_READY, lun=1).code == NO_SUCH_LUN
    assert session.command(read10(0, 1), read=BLOCK, lun=255).code == NO_SUCH_LUN
    task = session.command(inquiry(), read=255, lun=1).assert_good()
    assert task.data_in[0] >> 5 in (1, 3)


# What reaches the disk

def test_written_data_is_in_the_image_file(node):
    session = node.log_in()
    data = pattern(64, seed=11)
    session.command(write10(1000, 64, fua=True), write=data).assert_good()
    session.command(synchronize_cache10()).assert_good()
    with open(node.image(), "rb") as image:
        image.seek(1000 * BLOCK)
        assert image.read(len(data)) == data


def test_unwritten_blocks_read_as_zeros_and_take_no_space(node):
    session = node.log_in()
    assert session.command(read10(5000, 256), read=256 * BLOCK).data_in == bytes(256 * BLOCK)
    assert node.image().stat().st_blocks == 0


def test_sessions_see_each_others_writes(node):
    writer, reader = node.log_in(), node.log_in()
    data = pattern(256, seed=12)
    writer.command(write10(0, 256), write=data).assert_good()
    assert reader.command(read10(0, 256), read=len(data)).data_in == data


def test_targets_do_not_see_each_others_data(node):
    first, second = node.log_in("data1"), node.log_in("data2")
    first.command(write10(0, 8), write=pattern(8, seed=13)).assert_good()
    assert second.command(read10(0, 8), read=8 * BLOCK).data_in == bytes(8 * BLOCK)


def test_volume_of_4096_byte_blocks(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1", block_size=4096)]
    lab.map["exports"] = [lab.export("data1")]
    lab.start_target()
    session = lab.log_in()
    capacity = session.command(read_capacity10(), read=8).data_in
    assert int.from_bytes(capacity[4:], "big") == 4096
    assert int.from_bytes(capacity[:4], "big") == 64 * MIB // 4096 - 1
    data = pattern(4, seed=14, block_size=4096)
    session.command(write10(3, 4), write=data).assert_good()
    assert session.command(read10(3, 4), read=len(data)).assert_good().data_in == data


def test_read_only_target_refuses_writes(make_lab):
    lab = make_lab()
    lab.map["targets"][0]["read_only"] = True
    lab.start_target()
    session = lab.log_in()
    assert session.command(write10(0, 8), write=pattern(8)).code == 0x072700
    session.command(read10(0, 8), read=4096).assert_good()


def test_export_withdrawn_by_a_map_ends_its_sessions(node):
    kept, ended = node.log_in("data1"), node.log_in("data2")
    node.map["exports"] = [node.export("data1")]
    node.send_map()
    ended.connection.expect_close()
    assert kept.command(TEST_UNIT_READY).code == 0x063F0E, "reported LUNs data has changed"
    kept.command(TEST_UNIT_READY).assert_good()
    with pytest.raises(Refused):
        node.log_in("data2")
