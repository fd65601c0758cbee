"""Commands on the medium that nothing may come between, and the medium as a whole: ejected, fully
provisioned, erased."""

import select
import struct
import time

import pytest

from node import MIB
from scsi import (INVALID_FIELD, INVALID_OPCODE, LBA_OUT_OF_RANGE, TEST_UNIT_READY, inquiry,
                  mode_sense6, pattern, read10, read_capacity16, request_sense, write10)
from session import LUN_RESET

NO_MEDIUM, REMOVAL_PREVENTED, MEDIUM_CHANGED = 0x023A00, 0x055302, 0x062800
SANITIZING, FORMATTING, MISCOMPARE = 0x02041B, 0x020404, 0x0E1D00
ORDERED = 2  # task attribute, RFC 7143 11.3.1
OTHER = "iqn.2020-01.org.example:other"


def compare_and_write(lba, blocks):
    return struct.pack(">BBQIBB", 0x89, 0, lba, blocks, 0, 0)[:13] + bytes([blocks, 0, 0])


def write_atomic(lba, blocks):
    return struct.pack(">BBQHHBB", 0x9C, 0, lba, 0, blocks, 0, 0)


def orwrite(lba, blocks):
    return struct.pack(">BBQIBB", 0x8B, 0, lba, blocks, 0, 0)


def start_stop(load_eject, start):
    return bytes([0x1B, 0, 0, 0, load_eject << 1 | start, 0])


def prevent(value):
    return bytes([0x1E, 0, 0, 0, value, 0])


def sanitize(action, length=0, immediate=True):
    return bytes([0x48, immediate << 7 | action, 0, 0, 0, 0, 0]) + struct.pack(">HB", length, 0)


def read(session, lba, blocks, block_size=512):
    return session.command(read10(lba, blocks), read=blocks * block_size).assert_good().data_in


@pytest.fixture
def make_node(make_lab):
    """A node whose volume data1 is of the given kind."""
    def make(size=64 * MIB, **kind):
        lab = make_lab()
        lab.map["targets"] = [lab.target("data1", size) | kind, lab.target("data2")]
        lab.start_target()
        return lab
    return make


def test_compare_and_write_writes_only_over_what_it_compared(node):
    session = node.log_in()
    old, new = pattern(1, 1), pattern(1, 2)
    session.command(write10(9, 1), write=old).assert_good()
    session.command(compare_and_write(9, 1), write=old + new).assert_good()
    assert read(session, 9, 1) == new

    refused = session.command(compare_and_write(9, 1), write=new[:100] + old[100:] + old)
    assert refused.code == MISCOMPARE
    assert refused.sense[0] & 0x80, "the information field is valid"
    assert struct.unpack(">I", refused.sense[3:7])[0] == next(
        at for at in range(100, 512) if new[at] != old[at])
    assert read(session, 9, 1) == new


def test_compare_and_write_takes_what_the_block_limits_page_says(node):
    session = node.log_in()
    page = session.command(inquiry(0xB0), read=255).assert_good().data_in
    most = page[5]
    too_much = session.command(compare_and_write(0, most + 1), write=bytes(1024 * (most + 1)))
    assert too_much.code == INVALID_FIELD
    assert session.command(compare_and_write(0, 1), write=bytes(2048)).code == INVALID_FIELD
    session.command(compare_and_write(0, 0)).assert_good()


def test_one_of_many_that_compare_and_write_wins(node):
    """Hosts take a lock as ESXi's atomic test and set does."""
    sessions = [node.log_in(name=f"iqn.2020-01.org.example:h{number}") for number in range(4)]
    owner = bytes(512)
    for turn in range(20):
        claims = [pattern(1, 100 * turn + number + 1) for number in range(4)]
        tasks = [session.start(compare_and_write(5, 1), write=owner + claim)
                 for session, claim in zip(sessions, claims)]
        for session, task in zip(sessions, tasks):
            session.wait(task)
        winners = [claim for claim, task in zip(claims, tasks) if task.status == 0]
        assert len(winners) == 1
        assert all(task.status == 0 or task.code == MISCOMPARE for task in tasks)
        owner = read(sessions[0], 5, 1)
        assert owner == winners[0]


def test_an_atomic_write_is_of_whole_physical_blocks(node):
    session = node.log_in()
    page = session.command(inquiry(0xB0), read=255).assert_good().data_in
    most, alignment, granularity = struct.unpack(">III", page[44:56])
    assert alignment == granularity == 8 and most >= 256
    data = pattern(256, 3)
    session.command(write_atomic(8, 256), write=data).assert_good()
    assert read(session, 8, 256) == data
    assert session.command(write_atomic(1, 8), write=bytes(4096)).code == INVALID_FIELD
    assert session.command(write_atomic(0, 1), write=bytes(512)).code == INVALID_FIELD
    beyond = session.command(write_atomic(64 * MIB // 512, 8), write=bytes(4096))
    assert beyond.code == LBA_OUT_OF_RANGE


def test_nobody_reads_half_of_an_atomic_write(node):
    writer, reader = node.log_in(), node.log_in(name=OTHER)
    writer.command(write_atomic(0, 2048), write=bytes([1]) * MIB).assert_good()
    for turn in range(2, 30):
        write = writer.start(write_atomic(0, 2048), write=bytes([turn]) * MIB)
        reads = [reader.start(read10(0, 2048), read=MIB) for _ in range(3)]
        reader.wait(*reads)
        writer.wait(write).assert_good()
        for task in reads:
            assert len(set(task.assert_good().data_in)) == 1, f"torn in turn {turn}"


def test_an_atomic_write_is_whole_or_not_there_when_its_node_is_killed(node):
    size = MIB // 512
    node.log_in().command(write_atomic(0, size), write=bytes([255]) * MIB).assert_good()
    for turn in range(8):
        child, session = node.processes[-1], node.log_in()
        task = session.start(write_atomic(0, size), write=bytes([turn]) * MIB)
        while task.sent < MIB:
            session.pump()
        time.sleep(0.0002 * turn)
        child.expected_dead = True
        child.child.kill()
        child.child.wait()
        node.start_target()
        found = set(read(node.log_in(), 0, size))
        assert len(found) == 1, f"turn {turn}: {sorted(found)}"


def test_an_ordered_command_comes_after_what_was_sent_before(node):
    session = node.log_in()
    first = session.start(write10(0, 512), write=pattern(512, 1))
    ordered = session.start(read10(0, 512), read=512 * 512, attribute=ORDERED)
    last = session.start(write10(0, 512), write=pattern(512, 2))
    session.wait(first, ordered, last)
    assert ordered.assert_good().data_in == pattern(512, 1)
    first.assert_good(), last.assert_good()
    assert read(session, 0, 512) == pattern(512, 2)


def test_orwrite_adds_bits(node):
    session = node.log_in()
    session.command(write10(3, 2), write=b"\x0f" * 1024).assert_good()
    session.command(orwrite(3, 2), write=b"\xa0" * 1024).assert_good()
    assert read(session, 3, 2) == b"\xaf" * 1024


def test_the_defect_lists_are_empty(node):
    session = node.log_in()
    short = session.command(bytes([0x37, 0, 0x1D, 0, 0, 0, 0, 0, 64, 0]), read=64).assert_good()
    assert short.data_in == b"\0\x1d\0\0"
    long = session.command(bytes([0xB7, 0x0D] + [0] * 7 + [64, 0, 0]), read=64).assert_good()
    assert long.data_in == b"\0\x0d" + bytes(6)


def test_a_removable_medium_is_ejected_and_loaded(make_node):
    lab = make_node(removable=True)
    session, other = lab.log_in(), lab.log_in(name=OTHER)
    assert session.command(inquiry(), read=255).data_in[1] & 0x80
    session.command(start_stop(1, 0)).assert_good()
    for cdb in TEST_UNIT_READY, read10(0, 1), read_capacity16(), write10(0, 1):
        assert other.command(cdb, read=512 if cdb[0] != 0x2A else 0,
                             write=bytes(512) if cdb[0] == 0x2A else b"").code == NO_MEDIUM
    other.command(mode_sense6(0x3F), read=192).assert_good()
    session.command(start_stop(1, 1)).assert_good()
    session.command(TEST_UNIT_READY).assert_good()
    assert other.command(TEST_UNIT_READY).code == MEDIUM_CHANGED
    other.command(TEST_UNIT_READY).assert_good()


def test_removal_is_prevented_until_all_allow_it_or_are_gone(make_node):
    lab = make_node(removable=True)
    session, other = lab.log_in(), lab.log_in(name=OTHER)
    session.command(prevent(1)).assert_good()
    other.command(prevent(1)).assert_good()
    session.command(prevent(0)).assert_good()
    assert session.command(start_stop(1, 0)).code == REMOVAL_PREVENTED
    other.log_out()
    session.stay_alive_until(lambda: session.command(start_stop(1, 0)).status == 0)
    session.command(start_stop(1, 1)).assert_good()
    session.command(prevent(1)).assert_good()
    session.manage(LUN_RESET)
    session.clear_attention()
    session.command(start_stop(1, 0)).assert_good()


def test_a_disk_that_is_not_removable_has_no_such_commands(node):
    session = node.log_in()
    assert session.command(prevent(1)).code == INVALID_OPCODE
    assert session.command(start_stop(1, 0)).code == INVALID_FIELD
    session.command(start_stop(0, 0)).assert_good()


def test_a_fully_provisioned_volume_says_so_everywhere(make_node):
    session = make_node(thin=False).log_in()
    assert session.command(read_capacity16(), read=32).data_in[14] == 0
    assert session.command(inquiry(0xB2), read=255).data_in[5:7] == b"\0\0"
    limits = session.command(inquiry(0xB0), read=255).data_in
    assert limits[20:36] == bytes(16), "nothing about UNMAP"
    assert session.command(b"\x42" + bytes(6) + b"\0\x18\0", write=bytes(24)).code == INVALID_OPCODE
    unmap_same = struct.pack(">BBIBHB", 0x41, 8, 0, 0, 8, 0)
    assert session.command(unmap_same, write=bytes(512)).code == INVALID_FIELD
    session.command(struct.pack(">BBIBHB", 0x41, 0, 0, 0, 8, 0), write=bytes(512)).assert_good()


@pytest.mark.parametrize("size", [1 * MIB, 64 << 40])
def test_volumes_from_one_mebibyte_to_64_tebibytes(make_node, size):
    lab = make_node(size, block_size=4096 if size > MIB else 512)
    block = 4096 if size > MIB else 512
    before = lab.processes[0].status("VmRSS")
    session = lab.log_in()
    last = struct.unpack(">Q", session.command(read_capacity16(), read=32).data_in[:8])[0]
    assert last == size // block - 1
    data = pattern(1, 7, block)
    session.command(struct.pack(">BBQIBB", 0x8A, 0, last, 1, 0, 0), write=data).assert_good()
    back = session.command(struct.pack(">BBQIBB", 0x88, 0, last, 1, 0, 0), read=block)
    assert back.assert_good().data_in == data
    assert lab.processes[0].status("VmRSS") - before < 8 * 1024


def test_sanitize_goes_on_whatever_happens_to_its_host(make_node):
    lab = make_node(8 * MIB)
    session = lab.log_in()
    session.command(write10(0, 8), write=pattern(8)).assert_good()
    overwrite = b"\x01\0\0\x04" + b"\xde\xad\xbe\xef"
    session.command(sanitize(1, len(overwrite)), write=overwrite).assert_good()
    assert session.command(TEST_UNIT_READY).code == SANITIZING
    assert session.command(read10(0, 1), read=512).code == SANITIZING
    session.command(inquiry(), read=255).assert_good()
    sense = session.command(request_sense(), read=252).assert_good().data_in
    assert (sense[2], sense[12:14], sense[15] & 0x80) == (2, b"\x04\x1b", 0x80)
    session.manage(LUN_RESET)
    session.close()
    session = lab.log_in(ready=False)
    while session.command(TEST_UNIT_READY).code >> 16 == 6:
        pass
    assert session.command(TEST_UNIT_READY).code == SANITIZING
    until = time.monotonic() + 30
    while session.command(TEST_UNIT_READY).code == SANITIZING and time.monotonic() < until:
        select.select([session.connection.socket], [], [], 0.2)  # pings are answered meanwhile
    assert read(session, 0, 8) == b"\xde\xad\xbe\xef" * 1024
    assert read(session, 8 * MIB // 512 - 1, 1) == b"\xde\xad\xbe\xef" * 128


@pytest.mark.parametrize("command", [sanitize(2, immediate=False), sanitize(3, immediate=False),
                                     bytes([0x04, 0, 0, 0, 0, 0])])
def test_erased_and_formatted_volumes_are_zero_and_take_no_space(node, command):
    session = node.log_in()
    session.command(write10(0, 64), write=pattern(64)).assert_good()
    session.command(command).assert_good()
    assert read(session, 0, 64) == bytes(64 * 512)
    assert node.image().stat().st_blocks == 0


def test_format_unit_that_answers_at_once_tells_its_progress(node):
    session = node.log_in()
    session.command(bytes([0x04, 0x10, 0, 0, 0, 0]), write=b"\0\x02\0\0").assert_good()
    session.stay_alive_until(
        lambda: session.command(TEST_UNIT_READY).code in (None, FORMATTING)
        and session.command(TEST_UNIT_READY).status == 0)
    assert session.command(bytes([0x04, 0x10, 0, 0, 0, 0]), write=b"\0\0\0\x08").code == 0x052600
