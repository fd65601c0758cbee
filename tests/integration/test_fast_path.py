"""What the fast path must not cost: whole blocks, sense instead of a crash, volumes apart."""

import os
import signal
import time

import pytest

from faults import set_faults
from pdu import DATA_OUT, FINAL, Pdu
from scsi import TEST_UNIT_READY, read10, synchronize_cache10, write10
from wire import DEADLINE, Closed

BLOCK, PIECE, REGION = 512, 256, 2048  # PIECE, REGION: blocks
READ_ERROR = 0x031100


@pytest.fixture(params=[{"zero_copy": True}, {"zero_copy": False},
                        {"zero_copy": True, "io_threads": 2}],
                ids=["zero copy", "copying", "two loops"])
def path_node(request, start_node):
    return start_node(**request.param)


def fill(session, number, lba=0, blocks=REGION):
    """Every block full of one number, in commands of `blocks` blocks."""
    session.command(write10(lba, blocks), write=bytes([number]) * (blocks * BLOCK)).assert_good()


def warm(session):
    """Reads all of the region until it is known to be in memory."""
    for lba in [*range(0, REGION, PIECE), *range(0, 512, 8)]:
        blocks = 8 if lba % PIECE else PIECE
        session.command(read10(lba, blocks), read=blocks * BLOCK).assert_good()


def start_many_reads(session, blocks):
    """As many as the window allows: of large ones more than the sockets hold."""
    return [session.start(read10(number * blocks % REGION, blocks), read=blocks * BLOCK)
            for number in range(120)]


def assert_blocks_are_whole(data, numbers):
    for at in range(0, len(data), BLOCK):
        block = data[at:at + BLOCK]
        assert block == block[:1] * BLOCK and block[0] in numbers, f"mixed block at {at}"


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
@pytest.mark.parametrize("blocks", [8, PIECE], ids=["small", "large"])
def test_reads_that_wait_for_a_slow_reader_show_no_mixed_block(path_node, blocks, digest):
    writer = path_node.log_in()
    fill(writer, 1)
    warm(writer)
    slow = path_node.log_in(receive_buffer=4096,
                            offer={"HeaderDigest": digest, "DataDigest": digest})
    tasks = start_many_reads(slow, blocks)
    for number in range(2, 8):
        fill(writer, number)
        for lba in range(number, REGION - 99, 300):
            fill(writer, number + 10, lba, 99)
    slow.wait(*tasks)
    for task in tasks:
        assert_blocks_are_whole(task.assert_good().data_in, range(1, 18))
    last = writer.command(read10(0, REGION), read=REGION * BLOCK).assert_good().data_in
    assert_blocks_are_whole(last, (7, 17))


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
@pytest.mark.parametrize("blocks", [8, PIECE], ids=["small", "large"])
def test_volume_file_that_is_cut_gives_sense(path_node, blocks, digest):
    session = path_node.log_in(offer={"DataDigest": digest})
    fill(session, 1)
    warm(session)
    os.truncate(path_node.image(), 4096)
    try:
        task = session.command(read10(PIECE, blocks), read=blocks * BLOCK)
    except Closed:  # what the header had promised could not follow; the host comes again
        session = path_node.log_in()
        task = session.command(read10(PIECE, blocks), read=blocks * BLOCK)
    assert task.code == READ_ERROR
    session.command(read10(0, 8), read=8 * BLOCK).assert_good()


def test_volume_file_that_is_cut_under_a_slow_reader_ends_its_connection_only(path_node):
    other = path_node.log_in("data2")
    session = path_node.log_in(receive_buffer=4096)
    fill(session, 1)
    warm(session)
    tasks = start_many_reads(session, PIECE)
    other.command(TEST_UNIT_READY).assert_good()
    os.truncate(path_node.image(), 4096)
    try:
        session.wait(*tasks)
        assert tasks[-1].code == READ_ERROR
    except Closed:
        pass
    other.command(read10(0, 8), read=8 * BLOCK).assert_good()


def block_in_file(node, lba):
    with open(node.image(), "rb") as file:
        file.seek(lba * BLOCK)
        return file.read(BLOCK)


def begin_write(session, how):
    """A write of 64 blocks whose data follows; gives the Data-Out PDU with all of it."""
    data = bytes([2]) * (64 * BLOCK)
    pdu, task = session.command_pdu(write10(0, 64), write=data, data=b"",
                                    final=how == "solicited")
    session.tasks[task.itt] = task
    session.answer_r2t = False
    session.connection.send(pdu)
    while how == "solicited" and not task.r2ts:
        session.pump()
    return Pdu(DATA_OUT, flags=FINAL, itt=task.itt, exp_stat_sn=session.exp_stat_sn, data=data,
               ttt=task.r2ts[0].ttt if task.r2ts else 0xFFFFFFFF)


@pytest.mark.parametrize("end", ["reset", "SIGKILL"])
@pytest.mark.parametrize("how", ["solicited", "unsolicited"])
@pytest.mark.parametrize("count", [48 + 1, 48 + 511, 48 + 513, 48 + 3 * 512 + 7, 48 + 64 * 512 - 1])
def test_block_whose_end_never_comes_stays_old(start_node, end, how, count):
    """The data comes in segments cut at odd places, then the connection or the process dies."""
    node = start_node()
    session = node.log_in(offer={"InitialR2T": "No", "MaxRecvDataSegmentLength": "65536"})
    fill(session, 1, 0, 64)
    sent = begin_write(session, how).encode()[:count]
    for at in range(0, count, 331):
        session.connection.send_raw(sent[at:at + 331])
    whole, until = (count - 48) // BLOCK, time.monotonic() + DEADLINE
    while whole and block_in_file(node, whole - 1)[0] != 2:
        assert time.monotonic() < until, "what came whole is written"
    if end == "reset":
        session.connection.reset()
        node.log_in().command(TEST_UNIT_READY).assert_good()
    else:
        node.node.expected_dead = True
        os.kill(node.node.pid, signal.SIGKILL)
        node.node.child.wait(DEADLINE)
    for lba in range(64):
        assert block_in_file(node, lba) == bytes([2 if lba < whole else 1]) * BLOCK, lba


def is_written_in_memory(node):
    return node.image().with_name(node.image().name + ".redo").exists()


@pytest.mark.parametrize("attempt", range(3))
def test_what_is_written_again_and_again_survives_the_process(start_node, attempt):
    """Such blocks are copied into the mapped file: none is mixed, and no acknowledged one is lost."""
    node = start_node(zero_copy=True)
    session, number, until = node.log_in(), 0, time.monotonic() + DEADLINE
    while not is_written_in_memory(node) or number % 256 < 30 + 7 * attempt:
        assert time.monotonic() < until, "places that are busy are written in memory"
        number += 1
        fill(session, number % 256, 0, 512)
    session.start(write10(0, 512), write=bytes([(number + 1) % 256]) * (512 * BLOCK))
    node.node.expected_dead = True
    os.kill(node.node.pid, signal.SIGKILL)
    node.node.child.wait(DEADLINE)
    node.node = node.start_target()
    data = node.log_in().command(read10(0, 512), read=512 * BLOCK).assert_good().data_in
    assert_blocks_are_whole(data, (number % 256, (number + 1) % 256))
    assert not is_written_in_memory(node)


def test_node_outlives_the_file_that_its_input_lands_in(start_node):
    node = start_node(zero_copy=True)
    session, until = node.log_in(), time.monotonic() + DEADLINE
    while not is_written_in_memory(node):
        assert time.monotonic() < until, "places that are busy are written in memory"
        fill(session, 1, 0, 512)
    os.truncate(node.image().with_name(".landing-1"), 0)
    with pytest.raises(Closed):
        fill(session, 2, 0, 512)
    session = node.log_in()
    fill(session, 3, 0, 512)
    data = session.command(read10(0, 512), read=512 * BLOCK).assert_good().data_in
    assert data == bytes([3]) * (512 * BLOCK)


def test_volume_that_only_copies_is_not_written_in_memory(start_node):
    node = start_node(zero_copy=False)
    session = node.log_in()
    for number in range(40):
        fill(session, number, 0, 512)
    assert not is_written_in_memory(node)


def test_flush_that_takes_long_holds_up_no_other_volume(path_node):
    set_faults(path_node.node, "disk.latency operation=flush volume=data1 time=3s count=1")
    slow, quick = path_node.log_in("data1"), path_node.log_in("data2")
    fill(slow, 1, 0, 64)
    flush = slow.start(synchronize_cache10(0, 0))
    for number in range(100):
        fill(quick, number, number, 8)
        quick.command(read10(number, 8), read=8 * BLOCK).assert_good()
    quick.command(synchronize_cache10(0, 0)).assert_good()
    slow.nop()  # its own session hears, too
    assert not flush.done
    slow.wait(flush).assert_good()
