"""Space that runs out: of a pool that promises more than it has, and of the host's file system."""

import contextlib
import os
import struct
import subprocess

import pytest

from node import MIB
from scsi import TEST_UNIT_READY, pattern, read10, write10
from session import LUN_RESET

EXHAUSTED, RUNS_SHORT = 0x072707, 0x063807
SANITIZING, SANITIZE_FAILED = 0x02041B, 0x033103
CHUNK = 1 * MIB
BLOCKS = CHUNK // 512


def unmap(lba, blocks):
    return (struct.pack(">BBIBHB", 0x42, 0, 0, 0, 24, 0),
            struct.pack(">HHIQII", 22, 16, 0, lba, blocks, 0))


def command(session, cdb, **how):
    """Once more after the warning that a pool runs short."""
    task = session.command(cdb, **how)
    return session.command(cdb, **how) if task.code == RUNS_SHORT else task


def write(session, number, seed=1):
    return command(session, write10(number * BLOCKS, BLOCKS), write=pattern(BLOCKS, seed + number))


def fill(session, most=64, seed=1):
    """Writes chunk after chunk until there is no space; how many there were."""
    for number in range(most):
        task = write(session, number, seed)
        if task.status:
            assert task.code == EXHAUSTED
            return number
    raise AssertionError("there was space for everything")


def check(session, count, seed=1):
    for number in range(count):
        data = command(session, read10(number * BLOCKS, BLOCKS), read=CHUNK).assert_good().data_in
        assert data == pattern(BLOCKS, seed + number), f"chunk {number}"


@pytest.fixture
def pool(make_lab):
    """Two volumes on two nodes that share 16 MiB; pool.grow(bytes) changes that."""
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1") | {"pool": "fast"},
                          lab.target("data2", controller=2) | {"pool": "fast"}]
    lab.map["pools"] = [{"name": "fast", "size": 16 * MIB}]
    lab.start_target(1)
    lab.start_target(2)

    def grow(size):
        lab.map["pools"][0]["size"] = size
        lab.send_map()

    lab.grow = grow
    return lab


def test_a_pool_that_is_full_refuses_new_space_only(pool):
    session = pool.log_in()
    count = fill(session)
    assert count == 16
    assert write(session, count).code == EXHAUSTED
    write(session, 0, seed=100).assert_good()
    check(session, 1, seed=100)
    command(session, write10(0, BLOCKS), write=pattern(BLOCKS, 1)).assert_good()
    check(session, count)
    command(session, TEST_UNIT_READY).assert_good()


def test_volumes_of_a_pool_take_from_each_other_across_nodes(pool):
    first, second = pool.log_in(), pool.log_in("data2", address=pool.portal2)
    for number in range(10):
        write(first, number).assert_good()
    assert fill(second) == 6
    assert write(first, 10).code == EXHAUSTED
    check(first, 10)
    check(second, 6)


def test_a_full_pool_recovers_after_unmap_and_when_it_grows(pool):
    first, second = pool.log_in(), pool.log_in("data2", address=pool.portal2)
    assert fill(first) == 16
    assert write(second, 0).code == EXHAUSTED
    cdb, data = unmap(0, 2 * BLOCKS)
    command(first, cdb, write=data).assert_good()
    write(second, 0).assert_good()
    write(second, 1).assert_good()
    assert write(second, 2).code == EXHAUSTED
    pool.grow(20 * MIB)
    assert fill(second) == 6
    check(second, 6)
    zeros = command(first, read10(0, BLOCKS), read=CHUNK).assert_good().data_in
    assert zeros == bytes(CHUNK)


def test_hosts_are_told_once_when_less_than_a_fifth_of_a_pool_is_left(pool):
    first, second = pool.log_in(), pool.log_in("data2", address=pool.portal2)
    for number in range(8):
        write(first, number).assert_good()
    for number in range(4):
        write(second, number).assert_good()
        second.command(TEST_UNIT_READY).assert_good()
    write(first, 8).assert_good()
    assert first.command(TEST_UNIT_READY).code == RUNS_SHORT
    write(first, 9).assert_good()
    first.command(TEST_UNIT_READY).assert_good()
    cdb, data = unmap(0, 4 * BLOCKS)
    first.command(cdb, write=data).assert_good()
    for number in range(3):
        write(first, number).assert_good()
    assert first.command(TEST_UNIT_READY).code == RUNS_SHORT


def test_a_fully_provisioned_volume_has_its_space_for_itself(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1", 8 * MIB) | {"pool": "fast", "thin": False},
                          lab.target("data2") | {"pool": "fast"}]
    lab.map["pools"] = [{"name": "fast", "size": 12 * MIB}]
    lab.start_target()
    thick, thin = lab.log_in(), lab.log_in("data2")
    assert fill(thin) == 4
    for number in range(8):
        write(thick, number).assert_good()
    check(thick, 8)


@pytest.mark.parametrize("may_exit", [False, True])
def test_a_sanitize_that_fails_keeps_the_medium_away_until_it_is_mended(pool, may_exit):
    """SBC-3 4.11.3: by AUSE=1 and EXIT FAILURE MODE, or by one that does not fail."""
    session = pool.log_in()
    write(session, 0).assert_good()
    pattern_list = b"\x01\0\0\x01\xaa"
    cdb = bytes([0x48, 0x81 | may_exit << 5, 0, 0, 0, 0, 0, 0, len(pattern_list), 0])
    command(session, cdb, write=pattern_list).assert_good()
    session.stay_alive_until(
        lambda: command(session, TEST_UNIT_READY).code not in (SANITIZING, RUNS_SHORT))
    assert command(session, TEST_UNIT_READY).code == SANITIZE_FAILED
    assert command(session, read10(0, 1), read=512).code == SANITIZE_FAILED
    left = command(session, bytes([0x48, 0x1F] + [0] * 8))
    if may_exit:
        left.assert_good()
    else:
        assert left.code == SANITIZE_FAILED
        command(session, bytes([0x48, 0x02] + [0] * 8)).assert_good()
        assert command(session, read10(0, 1), read=512).assert_good().data_in == bytes(512)
    session.clear_attention()


@pytest.fixture
def small_disk(make_lab):
    """A node whose volumes are in a file system of 24 MiB."""
    lab = make_lab()
    volumes = lab.state / "volumes"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(volumes)])
    if done.returncode:
        pytest.skip("mounting needs root")
    try:
        lab.start_target()
        yield lab
    finally:
        for child in lab.processes:
            with contextlib.suppress(Exception):
                child.finish()
            child.expected_dead = True
        subprocess.run(["umount", str(volumes)], check=True)


def test_a_full_host_is_said_to_the_initiator_and_the_node_lives(small_disk):
    session, other = small_disk.log_in(), small_disk.log_in("data2")
    count = fill(session)
    assert 15 < count < 24
    check(session, count)
    assert write(other, 0).code == EXHAUSTED
    forced = command(other, write10(0, 8, fua=True), write=pattern(8))
    assert forced.code == EXHAUSTED
    session.manage(LUN_RESET)
    session.clear_attention()
    cdb, data = unmap(0, 4 * BLOCKS)
    command(session, cdb, write=data).assert_good()
    write(other, 0).assert_good()
    check(other, 1)
    assert small_disk.processes[0].is_alive()


def test_a_file_that_was_cut_is_a_read_error_and_nothing_worse(node):
    session = node.log_in()
    write(session, 0).assert_good()
    os.truncate(node.image(), CHUNK // 2)
    refused = command(session, read10(BLOCKS - 8, 8), read=4096)
    assert refused.code == 0x031100
    assert command(session, read10(0, 8), read=4096).assert_good().data_in == pattern(8, 1)
    os.truncate(node.image(), 64 * MIB)
