"""EXTENDED COPY as ESXi and others use it, and what RECEIVE COPY RESULTS tells of it."""

import pytest

from node import MIB
from offload import (ABORTED, COMPLETED, COPY_FAILED, DEVICE_FAILURE, DISCARD, INEXACT,
                     NO_IDENTIFIER, NOT_REACHABLE, THIS_UNIT, UNREACHABLE, WRONG_DEVICE,
                     block_bytes, blocks, by_identifier, copy_parameters, copy_status,
                     copy_status4, extended_copy, extended_copy4, failure_details, naa)
from reservations import EXCLUSIVE_ACCESS, REGISTER, RESERVE, WRITE_EXCLUSIVE, reserve_out
from scsi import INVALID_FIELD, pattern, read10, write10
from session import ABORT_TASK_SET

BLOCK = 512


@pytest.fixture
def session(node):
    return node.log_in()


def fill(session, lba, count, seed=1):
    data = pattern(count, seed)
    session.command(write10(lba, count), write=data).assert_good()
    return data


def read(session, lba, count):
    return session.command(read10(lba, count), read=count * BLOCK).assert_good().data_in


def copy(session, targets, segments, **how):
    cdb, data = extended_copy(targets, segments, **how)
    return session.command(cdb, write=data)


def this(session):
    return by_identifier(naa(session))


def test_blocks_are_copied_within_a_volume(session):
    data = fill(session, 0, 2048)
    copy(session, [this(session)], [blocks(2048, 0, 65536)]).assert_good()
    assert read(session, 65536, 2048) == data
    status = session.command(copy_status(), read=255).assert_good().data_in
    assert status == bytes.fromhex("00000008 01 0001 00") + (1 << 20).to_bytes(4, "big")
    assert session.command(copy_status(), read=255).code == INVALID_FIELD


def test_all_segments_of_a_list_are_copied_in_order(session):
    """A clone as VAAI asks for it: many segments of 4 MiB, one list."""
    data = fill(session, 0, 2048)
    copy(session, [this(session)],
         [blocks(2048, 0, 10000), blocks(1000, 10000, 20000), blocks(0, 0, 0),
          blocks(24, 20000, 30000)], usage=DISCARD).assert_good()
    assert read(session, 20000, 1000) == data[:1000 * BLOCK]
    assert read(session, 30000, 24) == data[:24 * BLOCK]


@pytest.mark.parametrize("source, destination", [(5000, 5001), (5001, 5000), (5000, 8000)])
def test_overlapping_blocks_arrive_as_they_were(session, source, destination):
    data = fill(session, source, 4096)
    copy(session, [this(session)], [blocks(4096, source, destination)]).assert_good()
    assert read(session, destination, 4096) == data


def test_a_hole_stays_a_hole(node, session):
    data = fill(session, 4096, 8)
    fill(session, 100000, 8)
    before = node.image().stat().st_blocks
    copy(session, [this(session)], [blocks(65535, 0, 65536)]).assert_good()
    assert read(session, 65536 + 4096, 8) == data
    assert read(session, 100000, 8) == bytes(8 * BLOCK)
    assert node.image().stat().st_blocks <= before + 16


def test_a_hole_is_promised_space_on_a_thick_volume(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1") | {"thin": False}, lab.target("data2")]
    lab.start_target()
    session = lab.log_in()
    fill(session, 65536, 8)
    before = lab.image().stat().st_blocks
    copy(session, [this(session)], [blocks(4096, 0, 65536)]).assert_good()
    assert read(session, 65536, 8) == bytes(8 * BLOCK)
    assert lab.image().stat().st_blocks >= before


@pytest.mark.parametrize("dc, count", [(False, 3), (True, 24)])
def test_blocks_of_both_sizes_are_counted_at_the_end_that_is_named(make_lab, dc, count):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1"), lab.target("data2", block_size=4096)]
    lab.start_target()
    session, large = lab.log_in(), lab.log_in("data2")
    data = pattern(3, 7, 4096)
    large.command(write10(10, 3), write=data).assert_good()
    targets = [this(session), by_identifier(naa(large), 4096)]
    copy(session, targets, [blocks(count, 10, 99, by=(1, 0), dc=dc)]).assert_good()
    assert read(session, 99, 24) == data
    assert copy(session, targets, [blocks(7, 10, 99, by=(1, 0), dc=True)]).code == INEXACT
    targets[1] = by_identifier(naa(large), 512)
    assert copy(session, targets, [blocks(1, 10, 99, by=(1, 0))]).code == WRONG_DEVICE


def test_byte_offsets_are_kept(session):
    data = fill(session, 0, 16)
    old = fill(session, 100, 16, seed=2)
    copy(session, [this(session)], [block_bytes(1000, 1, 100, (7, 500))]).assert_good()
    expected = bytearray(old)
    expected[500:1500] = data[512 + 7:512 + 7 + 1000]
    assert read(session, 100, 16) == bytes(expected)


def test_another_volume_of_the_node_is_a_source_and_a_destination(node, session):
    other = node.log_in("data2")
    data = fill(other, 0, 256, seed=3)
    targets = [this(session), by_identifier(naa(other))]
    copy(session, targets, [blocks(256, 0, 512, by=(1, 0))]).assert_good()
    assert read(session, 512, 256) == data
    copy(session, targets, [blocks(256, 512, 9000, by=(0, 1))]).assert_good()
    assert read(other, 9000, 256) == data


def test_a_volume_of_another_node_is_a_source_but_no_destination(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1"), lab.target("data2", controller=2)]
    lab.start_target(1)
    lab.start_target(2)
    lab.send_map()
    session, other = lab.log_in(), lab.log_in("data2", lab.portal2)
    data = fill(other, 64, 4096, seed=4)
    targets = [this(session), by_identifier(naa(other))]
    copy(session, targets, [blocks(4096, 64, 0, by=(1, 0))]).assert_good()
    assert read(session, 0, 4096) == data
    assert copy(session, targets, [blocks(8, 0, 64, by=(0, 1))]).code == NOT_REACHABLE


def test_a_volume_that_the_initiator_may_not_see_is_not_there(make_lab):
    lab = make_lab()
    lab.map["exports"] = [lab.export("data1"), lab.export("data2", ["iqn.2020-01.org.example:b"])]
    lab.start_target()
    other = lab.log_in("data2", name="iqn.2020-01.org.example:b")
    fill(other, 0, 8)
    session = lab.log_in()
    task = copy(session, [this(session), by_identifier(naa(other))],
                [blocks(8, 0, 0, by=(0, 0)), blocks(8, 0, 0, by=(1, 0))])
    assert task.code == NOT_REACHABLE
    assert task.sense[8:12] == b"\0\0\0\1", "the segment is told"


@pytest.mark.parametrize("kind, as_source", [(WRITE_EXCLUSIVE, True), (EXCLUSIVE_ACCESS, False)])
def test_the_reservation_of_another_volume_is_heeded(node, session, kind, as_source):
    owner = node.log_in("data2", name="iqn.2020-01.org.example:owner")
    reserve_out(owner, REGISTER, service_key=5).assert_good()
    reserve_out(owner, RESERVE, key=5, kind=kind).assert_good()
    targets = [this(session), by_identifier(naa(owner))]
    into = copy(session, targets, [blocks(8, 0, 0, by=(0, 1))])
    assert into.code == DEVICE_FAILURE, "nobody else writes there"
    assert (copy(session, targets, [blocks(8, 0, 0, by=(1, 0))]).status == 0) == as_source


def test_the_long_identifier_form_knows_the_unit_itself(session):
    data = fill(session, 0, 64)
    cdb, parameters = extended_copy4([], [blocks(64, 0, 4096, by=(THIS_UNIT, THIS_UNIT))],
                                     identifier=0x12345678)
    session.command(cdb, write=parameters).assert_good()
    assert read(session, 4096, 64) == data
    status = session.command(copy_status4(0x12345678), read=255).assert_good().data_in
    assert status[4:6] == bytes([1, COMPLETED])
    assert int.from_bytes(status[16:24], "big") == 64 * BLOCK


@pytest.mark.parametrize("what, segments, how, code", [
    ("no such descriptor", [blocks(8, 0, 64, by=(0, 1))], {}, UNREACHABLE),
    ("beyond the end", [blocks(8, 0, 131071)], {}, COPY_FAILED),
    ("beyond every end", [blocks(8, 1 << 62, 0)], {}, COPY_FAILED),
    ("inline data", [], {"inline": 1}, 0x05260B),
    ("reserved usage", [], {"usage": 1}, 0x052600),
    ("an identifier without use", [], {"usage": NO_IDENTIFIER}, 0x052600),
    ("a stream", [b"\x03" + bytes(27)], {}, 0x052609),
])
def test_what_cannot_be_copied_is_refused(session, what, segments, how, code):
    before = fill(session, 64, 8)
    task = copy(session, [this(session)], segments, **how)
    assert task.code == code, what
    assert read(session, 64, 8) == before


def test_a_failed_copy_tells_its_sense_once(session):
    task = copy(session, [this(session)], [blocks(8, 0, 0), blocks(8, 0, 131071)], identifier=7)
    details = session.command(failure_details(7), read=255).assert_good().data_in
    assert details[56] == 2 and details[60:] == bytes(task.sense)
    assert session.command(failure_details(7), read=255).code == INVALID_FIELD


def test_operating_parameters_are_those_that_esxi_needs(session):
    parameters = session.command(copy_parameters(), read=255).assert_good().data_in
    assert int.from_bytes(parameters[:4], "big") == len(parameters) - 4
    assert int.from_bytes(parameters[16:20], "big") >= 4 * MIB, "longest segment"
    assert set(parameters[44:]) == {0x02, 0x0A, 0xE4} and parameters[43] == 3


def test_results_are_of_the_nexus_that_copied(node, session):
    copy(session, [this(session)], [blocks(8, 0, 64)]).assert_good()
    other = node.log_in(name="iqn.2020-01.org.example:other")
    assert other.command(copy_status(), read=255).code == INVALID_FIELD
    session.command(copy_status(), read=255).assert_good()


def test_a_copy_is_aborted_between_two_pieces(node, session):
    """The list says so and the disk goes on."""
    fill(session, 0, 2048)
    target = this(session)
    cdb, data = extended_copy([target], [blocks(32768, 0, 65536)] * 64, identifier=9)
    session.start(cdb, write=data)
    assert session.manage(ABORT_TASK_SET) == 0
    session.tasks.clear()
    status = session.command(copy_status4(9), read=255).assert_good().data_in
    assert status[5] == ABORTED
    assert copy(session, [target], [blocks(8, 0, 64)]).assert_good()
