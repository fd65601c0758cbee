"""Disks that fail on purpose: what the initiator sees, what is in the file, what the ledger says."""

import json
import struct
import time

import pytest

from faults import clear_faults, hits, set_faults
from wire import DEADLINE
from scsi import pattern, read10, synchronize_cache10, write10

DATA, OTHER = pattern(8, seed=1), pattern(8, seed=2)
READ_ERROR, WRITE_ERROR, SPACE_EXHAUSTED = 0x031100, 0x030C00, 0x072707


@pytest.fixture
def session(node):
    session = node.log_in()
    session.command(write10(0, 8), write=DATA).assert_good()
    return session


def read(session, lba=0, blocks=8):
    return session.command(read10(lba, blocks), read=blocks * 512)


def write(session, data=OTHER, lba=0, **how):
    return session.command(write10(lba, len(data) // 512, **how), write=data)


def in_file(node, lba=0, blocks=8):
    with open(node.image(), "rb") as file:
        file.seek(lba * 512)
        return file.read(blocks * 512)


def ledger(node):
    path = node.state / "volumes" / "data1.harm.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("rule, low, high", [
    ("time=300ms", 0.3, 2), ("time=300ms to=400ms", 0.3, 2), ("time=400ms deviation=10ms", 0.3, 2)])
def test_latency(node, session, rule, low, high):
    set_faults(node.node, f"disk.latency operation=read {rule}")
    begin = time.monotonic()
    write(session).assert_good()
    assert time.monotonic() - begin < low
    begin = time.monotonic()
    assert read(session).assert_good().data_in == OTHER
    assert low <= time.monotonic() - begin < high
    clear_faults(node.node)
    begin = time.monotonic()
    read(session).assert_good()
    assert time.monotonic() - begin < low


def test_latency_by_size(node, session):
    set_faults(node.node, "disk.latency time=300ms size=8k-1M")
    begin = time.monotonic()
    read(session).assert_good()
    assert time.monotonic() - begin < 0.3
    read(session, blocks=64).assert_good()
    assert time.monotonic() - begin >= 0.3


def test_bad_blocks_until_they_are_rewritten(node, session):
    set_faults(node.node, "disk.read_error volume=data1 lba=2-3")
    assert read(session).code == READ_ERROR
    read(session, 4).assert_good()
    write(session, pattern(1), lba=2).assert_good()
    assert read(session).code == READ_ERROR, "the other block is still bad"
    write(session, pattern(1), lba=3).assert_good()
    read(session).assert_good()


def test_bad_blocks_for_good(node, session):
    set_faults(node.node, "disk.read_error lba=2-3 rewritten=bad")
    write(session).assert_good()
    assert read(session).code == READ_ERROR
    clear_faults(node.node)
    assert read(session).assert_good().data_in == OTHER


@pytest.mark.parametrize("kind, code", [("disk.write_error", WRITE_ERROR),
                                        ("disk.no_space", SPACE_EXHAUSTED)])
def test_writes_that_fail(node, session, kind, code):
    set_faults(node.node, f"{kind} count=1")
    assert write(session).code == code
    assert read(session).assert_good().data_in == DATA
    write(session).assert_good()
    assert in_file(node) == OTHER


def test_bits_flip_when_read(node, session):
    set_faults(node.node, "disk.corrupt count=1 offset=5 xor=0x80")
    wrong = bytearray(DATA)
    wrong[5] ^= 0x80
    assert read(session).assert_good().data_in == wrong
    assert read(session).assert_good().data_in == DATA
    assert [entry["kind"] for entry in ledger(node)] == ["disk.corrupt"]


@pytest.mark.parametrize("at, byte", [("one", 0xFF), ("zero", 0x00)])
def test_stuck_bits(node, session, at, byte):
    set_faults(node.node, f"disk.stuck_bits lba=3 offset=9 bits=0xff at={at}")
    for data in (DATA, OTHER):
        write(session, data).assert_good()
        wrong = bytearray(data)
        wrong[3 * 512 + 9] = byte
        assert read(session).assert_good().data_in == wrong
        assert read(session, 4, 4).assert_good().data_in == data[2048:]
    clear_faults(node.node)
    assert read(session).assert_good().data_in == OTHER


def test_throttled_after_so_much(node, session):
    set_faults(node.node, "disk.throttle rate=64k free=16k")
    begin = time.monotonic()
    read(session, blocks=32).assert_good()
    assert time.monotonic() - begin < 0.25
    read(session, blocks=64).assert_good()
    assert time.monotonic() - begin >= 0.5
    clear_faults(node.node)
    begin = time.monotonic()
    read(session, blocks=64).assert_good()
    assert time.monotonic() - begin < 0.25


def test_bits_flip_when_written(node, session):
    set_faults(node.node, "disk.corrupt operation=write count=1 offset=511 xor=1")
    write(session).assert_good()
    wrong = bytearray(OTHER)
    wrong[511] ^= 1
    assert in_file(node) == wrong
    write(session).assert_good()
    assert in_file(node) == OTHER


def test_a_lost_write(node, session):
    set_faults(node.node, "disk.lost_write count=1")
    write(session).assert_good()
    assert in_file(node) == DATA
    entry, = ledger(node)
    assert (entry["offset"], entry["length"], entry["harm"]) == (0, 4096,
                                                                "acknowledged, not written")
    write(session).assert_good()
    assert in_file(node) == OTHER


def test_a_torn_write(node, session):
    set_faults(node.node, "disk.torn_write keep=1k count=1")
    write(session).assert_good()
    assert in_file(node) == OTHER[:1024] + DATA[1024:]
    write(session).assert_good()
    assert in_file(node) == OTHER


def test_a_misdirected_write(node, session):
    set_faults(node.node, "disk.misdirected_write by=64 count=1")
    write(session).assert_good()
    assert in_file(node) == DATA and in_file(node, 64) == OTHER
    assert ledger(node)[0]["harm"] == "written elsewhere"
    write(session, lba=8).assert_good()
    assert in_file(node, 8) == OTHER


def test_a_stale_write_until_its_rule_is_gone(node, session):
    set_faults(node.node, "disk.stale_write count=1")
    write(session).assert_good()
    assert in_file(node) == OTHER
    assert read(session, blocks=16).assert_good().data_in == DATA + bytes(4096)
    write(session, pattern(1, seed=9), lba=3).assert_good()
    whole = DATA[:1536] + pattern(1, seed=9) + DATA[2048:]
    assert read(session).assert_good().data_in == whole, "a later write is seen"
    entry, = ledger(node)
    assert (entry["kind"], entry["offset"], entry["length"]) == ("disk.stale_write", 0, 4096)
    clear_faults(node.node)
    assert read(session).assert_good().data_in == OTHER[:1536] + pattern(1, seed=9) + OTHER[2048:]


def test_a_stale_write_until_others_follow(node, session):
    set_faults(node.node, "disk.stale_write writes=2 count=1")
    write(session).assert_good()
    for _ in range(2):
        assert read(session).assert_good().data_in == DATA
        write(session, lba=64).assert_good()
    assert read(session).assert_good().data_in == OTHER


def test_a_stale_write_for_a_time(node, session):
    set_faults(node.node, "disk.stale_write time=400ms count=1")
    write(session).assert_good()
    assert read(session).assert_good().data_in == DATA
    until = time.monotonic() + DEADLINE
    while read(session).assert_good().data_in == DATA:
        assert time.monotonic() < until
    assert read(session).assert_good().data_in == OTHER


def test_a_full_disk_of_a_node(node, session):
    set_faults(node.node, "node.disk_full node=1")
    other = node.log_in("data2")
    for victim in (session, other):
        assert write(victim).code == SPACE_EXHAUSTED
    assert read(session).assert_good().data_in == DATA
    set_faults(node.node, "node.disk_full node=2")
    write(session).assert_good()
    set_faults(node.node, "node.disk_full node=1")
    assert write(session, DATA).code == SPACE_EXHAUSTED
    clear_faults(node.node)
    write(session, DATA).assert_good()


def test_what_a_lying_flush_kept_and_the_disk_does_not_take_later_is_reported(lab):
    lab.map["targets"] = [lab.target("data1") | {"pool": "small"}]
    lab.map["pools"] = [{"name": "small", "size": 1 << 20}]
    lab.map["exports"] = [lab.export("data1")]
    lab.node = lab.start_target()
    session = lab.log_in()
    set_faults(lab.node, "disk.lying_flush")
    for lba in range(0, 4096, 1024):
        write(session, pattern(1024, seed=lba), lba=lba).assert_good()
    clear_faults(lab.node)
    damage = lab.node.events.wait("volume.damaged", volume="data1", fault="disk.lying_flush-1")
    assert (damage["offset"] % 65536, damage["length"]) == (0, 65536)
    harms = [entry["harm"] for entry in ledger(lab)]
    assert harms.count("acknowledged, then could not be written") >= 1
    read(session).assert_good()


def test_a_flush_that_lies_loses_all_when_the_process_dies(node, session):
    set_faults(node.node, "disk.lying_flush")
    write(session).assert_good()
    session.command(synchronize_cache10()).assert_good()
    assert read(session, blocks=16).assert_good().data_in == OTHER + bytes(4096)
    assert in_file(node) == DATA
    node.node.expected_dead = True
    node.node.child.kill()
    node.node.child.wait()
    assert in_file(node) == DATA
    assert ledger(node)[0]["kind"] == "disk.lying_flush"


def test_a_flush_that_lies_ends_well_with_its_rule(node, session):
    set_faults(node.node, "disk.lying_flush")
    write(session).assert_good()
    write(session, pattern(2, seed=5), lba=2, fua=True).assert_good()
    clear_faults(node.node)
    session.command(synchronize_cache10()).assert_good()
    whole = OTHER[:1024] + pattern(2, seed=5) + OTHER[2048:]
    assert in_file(node) == whole and read(session).assert_good().data_in == whole


def test_blocks_that_are_unmapped_stay_so_under_a_lying_flush(node, session):
    set_faults(node.node, "disk.lying_flush")
    write(session).assert_good()
    unmap = struct.pack(">BBBBBBBHB", 0x42, 0, 0, 0, 0, 0, 0, 24, 0)
    session.command(unmap, write=struct.pack(">HHIQII", 22, 16, 0, 0, 8, 0)).assert_good()
    assert read(session).assert_good().data_in == bytes(4096)
    write(session).assert_good()
    clear_faults(node.node)
    session.command(synchronize_cache10()).assert_good()
    assert in_file(node) == OTHER


def test_what_a_lying_flush_kept_survives_a_planned_move(node, session):
    set_faults(node.node, "disk.lying_flush")
    write(session).assert_good()
    session.close()
    node.node.events.wait("session.closed")
    node.map["targets"][0]["controller"] = 2
    node.send_map()
    node.node.events.wait("volume.closed")
    assert in_file(node) == OTHER


def test_other_volumes_are_spared(node, session):
    set_faults(node.node, "disk.read_error volume=data2")
    read(session).assert_good()
    assert read(node.log_in("data2")).code == READ_ERROR
    assert hits(node.node) == {"disk.read_error-1": 1}
