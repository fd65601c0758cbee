"""ODX as Windows uses it: VPD page 8Fh, POPULATE TOKEN, WRITE USING TOKEN, RECEIVE ROD TOKEN
INFORMATION. WHCP, Device.Storage.Hd.OffloadedDataTransfer: 4 s a command, 64 MiB by default."""

import os
import time

import pytest

from node import MIB
from offload import (COMPLETED, CORRUPT, DELETED, EXPIRED, FAILED, POINT_IN_TIME, REVOKED,
                     TOKEN_LENGTH, TOKEN_SIZE, TOKEN_TYPE, UNKNOWN, UNUSABLE, ZERO_TOKEN, ask,
                     make_token, naa, populate_token, token_information, use_token,
                     write_using_token)
from scsi import (INVALID_FIELD, LBA_OUT_OF_RANGE, TEST_UNIT_READY, inquiry, pattern, read10,
                  write10)

BLOCK = 512
IN_LIST = 0x052600


@pytest.fixture
def session(node):
    return node.log_in()


def fill(session, lba, count, seed=1, block=BLOCK):
    data = pattern(count, seed, block)
    session.command(write10(lba, count), write=data).assert_good()
    return data


def read(session, lba, count, block=BLOCK):
    return session.command(read10(lba, count), read=count * block).assert_good().data_in


def descriptors(page):
    """The third-party copy descriptors of VPD page 8Fh by type."""
    found, at = {}, 4
    while at < len(page):
        length = int.from_bytes(page[at + 2:at + 4], "big")
        found[int.from_bytes(page[at:at + 2], "big")] = page[at + 4:at + 4 + length]
        at += 4 + length
    assert at == len(page) and list(found) == sorted(found)
    return found


def test_windows_finds_the_token_limits(session):
    """classpnp reads page 8Fh if page 00h lists it, and wants the first descriptor of type 0."""
    pages = session.command(inquiry(0), read=255).assert_good().data_in[4:]
    assert 0x8F in pages and list(pages) == sorted(pages)
    found = descriptors(session.command(inquiry(0x8F, 4096), read=4096).assert_good().data_in)
    limits = found[0]
    assert len(limits) == 0x20
    assert int.from_bytes(limits[6:8], "big") >= 1, "ranges"
    assert int.from_bytes(limits[12:16], "big") > 0, "default time-out"
    assert int.from_bytes(limits[16:24], "big") * BLOCK == 256 * MIB
    assert int.from_bytes(limits[24:32], "big") * BLOCK == 64 * MIB
    assert {1, 4, 8, 0x0C, 0x0106, 0x0108, 0x8001} <= set(found)
    standard = session.command(inquiry(), read=255).assert_good().data_in
    assert standard[5] & 0x08, "3PC"


def test_every_supported_command_is_named(session):
    found = descriptors(session.command(inquiry(0x8F, 4096), read=4096).assert_good().data_in)
    commands = found[1]
    length = commands[0]
    out = commands[1:3 + commands[2]]
    assert out[0] == 0x83 and {0x00, 0x01, 0x10, 0x11, 0x1C} == set(out[2:])
    rest = commands[1 + len(out):1 + length]
    assert rest[0] == 0x84 and {0x00, 0x03, 0x04, 0x05, 0x07} == set(rest[2:])


def test_a_file_is_copied_by_token(session):
    """What CopyFile does on an NTFS volume: one token of several extents, written to others."""
    first, second = fill(session, 1000, 2048), fill(session, 8000, 100, seed=2)
    cdb, data = populate_token((1000, 2048), (8000, 100), identifier=0x11)
    session.command(cdb, write=data).assert_good()
    made = ask(session, 0x11)
    assert (made.action, made.status, made.completion) == (0x10, COMPLETED, 0)
    assert (made.units, made.transferred) == (0xF1, 2148)
    assert len(made.token) == TOKEN_SIZE
    assert int.from_bytes(made.token[:4], "big") == POINT_IN_TIME
    assert int.from_bytes(made.token[6:8], "big") == TOKEN_SIZE - 8
    cdb, data = write_using_token(made.token, (50000, 48), (60000, 2100), identifier=0x12)
    session.command(cdb, write=data).assert_good()
    written = ask(session, 0x12)
    assert (written.action, written.status, written.transferred) == (0x11, COMPLETED, 2148)
    assert written.token is None
    assert read(session, 50000, 48) + read(session, 60000, 2100) == first + second


def test_a_part_of_a_token_is_written(session):
    data = fill(session, 0, 256)
    token = make_token(session, (0, 128), (128, 128))
    use_token(session, token, (5000, 100), offset=100).assert_good()
    assert read(session, 5000, 100) == data[100 * BLOCK:200 * BLOCK]


def test_64_mib_are_copied_within_the_time(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1", size=256 * MIB), lab.target("data2")]
    lab.start_target()
    session = lab.log_in()
    for part in range(0, 64 * MIB, MIB):
        fill(session, part // BLOCK, MIB // BLOCK, seed=part)
    start = time.monotonic()
    token = make_token(session, (0, 64 * MIB // BLOCK))
    use_token(session, token, (128 * MIB // BLOCK, 64 * MIB // BLOCK)).assert_good()
    assert time.monotonic() - start < 4
    assert ask(session, 2).transferred == 64 * MIB // BLOCK
    at = 128 * MIB // BLOCK
    for part in range(0, 64 * MIB, 8 * MIB):
        assert read(session, at + part // BLOCK, 2048) == pattern(2048, part)


def test_the_disk_answers_while_a_copy_runs(session):
    fill(session, 0, 2048)
    cdb, data = populate_token((0, 65536))
    session.command(cdb, write=data).assert_good()
    cdb, data = write_using_token(ask(session, 1).token, (65536, 65536))
    copy = session.start(cdb, write=data)
    others = [session.start(TEST_UNIT_READY) for _ in range(8)]
    session.wait(copy, *others)
    copy.assert_good()
    assert all(other.status == 0 for other in others)


def test_the_zero_token_writes_zeros(node, session):
    data = fill(session, 0, 2048)
    before = node.image().stat().st_blocks
    use_token(session, ZERO_TOKEN, (8, 1000), (1024, 1000)).assert_good()
    assert ask(session, 2).transferred == 2000
    assert read(session, 8, 1000) == bytes(1000 * BLOCK)
    assert read(session, 0, 8) == data[:8 * BLOCK]
    assert node.image().stat().st_blocks < before


def test_a_token_is_good_at_another_volume_and_for_another_host(node, session):
    data = fill(session, 77, 300)
    token = make_token(session, (77, 300))
    other = node.log_in("data2", name="iqn.2020-01.org.example:other")
    use_token(other, token, (9, 300)).assert_good()
    assert read(other, 9, 300) == data


@pytest.fixture
def two_nodes(make_lab):
    """data1 at node 1, data2 at node 2."""
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1"), lab.target("data2", controller=2)]
    lab.start_target(1)
    lab.start_target(2)
    lab.send_map()
    return lab


def test_a_token_is_good_at_another_node(two_nodes):
    source, destination = two_nodes.log_in(), two_nodes.log_in("data2", two_nodes.portal2)
    data = fill(source, 500, 3000)
    token = make_token(source, (500, 3000))
    use_token(destination, token, (0, 3000)).assert_good()
    assert read(destination, 0, 3000) == data


def test_a_token_whose_source_has_changed_is_refused_at_every_node(two_nodes):
    source, destination = two_nodes.log_in(), two_nodes.log_in("data2", two_nodes.portal2)
    fill(source, 500, 3000)
    token, untouched = make_token(source, (500, 3000)), make_token(source, (4000, 8))
    source.command(write10(3499, 1), write=bytes(BLOCK)).assert_good()
    for session in source, destination:
        assert use_token(session, token, (60000, 3000)).code == REVOKED
        use_token(session, untouched, (60000, 8)).assert_good()


def test_a_token_survives_its_volume_changing_the_node(two_nodes):
    source = two_nodes.log_in()
    data = fill(source, 500, 3000)
    token = make_token(source, (500, 3000))
    stale = make_token(source, (10000, 8))
    two_nodes.processes[0].control.request("release", target=two_nodes.map["targets"][0]["name"],
                                           timeout_ms=200)
    two_nodes.map["targets"][0]["controller"] = 2
    two_nodes.send_map()
    moved = two_nodes.log_in(address=two_nodes.portal2)
    use_token(moved, token, (20000, 3000)).assert_good()
    assert read(moved, 20000, 3000) == data
    fill(moved, 10000, 1)
    assert use_token(moved, stale, (0, 8)).code == REVOKED


@pytest.mark.parametrize("change", ["write", "unmap", "zero token"])
def test_every_change_of_the_source_revokes_its_token(session, change):
    fill(session, 0, 64)
    token = make_token(session, (0, 64))
    if change == "write":
        fill(session, 63, 2)
    elif change == "unmap":
        session.command(bytes.fromhex("42000000000000001800"),
                        write=bytes.fromhex("0016 0010 00000000 000000000000000a 00000001 00000000")
                        ).assert_good()
    else:
        use_token(session, ZERO_TOKEN, (0, 8), identifier=9).assert_good()
    assert use_token(session, token, (1000, 64)).code == REVOKED
    failed = ask(session, 2)
    assert failed.status == FAILED and failed.completion == 2 and failed.sense


def test_a_token_expires_when_it_is_not_used(node, session):
    fill(session, 0, 8)
    token = make_token(session, (0, 8), inactivity=30)
    file, = (node.state / "volumes" / "data1.tokens").iterdir()
    os.utime(file, (time.time() - 29, time.time() - 29))
    use_token(session, token, (100, 8)).assert_good()
    assert time.time() - file.stat().st_mtime < 20, "each use counts anew"
    os.utime(file, (time.time() - 32, time.time() - 32))
    assert use_token(session, token, (100, 8)).code == EXPIRED


@pytest.mark.parametrize("where, value, code", [
    (0, 0x40, TOKEN_TYPE), (7, 0xF0, TOKEN_LENGTH), (12, None, UNKNOWN), (30, None, UNKNOWN),
    (500, None, CORRUPT)])
def test_a_foreign_token_is_refused(session, where, value, code):
    fill(session, 0, 8)
    before = fill(session, 100, 8, seed=5)
    token = bytearray(make_token(session, (0, 8)))
    token[where] = token[where] ^ 0xFF if value is None else value
    assert use_token(session, bytes(token), (100, 8)).code == code
    assert read(session, 100, 8) == before


def test_a_token_is_deleted_after_its_last_use(node, session):
    data = fill(session, 0, 8)
    token = make_token(session, (0, 8))
    use_token(session, token, (100, 8), delete=True).assert_good()
    assert read(session, 100, 8) == data
    folder = node.state / "volumes" / "data1.tokens"
    session.stay_alive_until(lambda: [file.suffix for file in folder.iterdir()] == [".deleted"])
    assert use_token(session, token, (200, 8)).code == DELETED


def test_a_token_never_gives_data_that_came_after_it(two_nodes):
    """While the source is written at one node, another one copies from it by token: either all of
    the data is that of the token, or the token is refused."""
    source, destination = two_nodes.log_in(), two_nodes.log_in("data2", two_nodes.portal2)
    count, outcomes = 4096, set()
    for turn in range(20):
        source.command(write10(0, count), write=bytes([turn]) * count * BLOCK).assert_good()
        token = make_token(source, (0, count))
        cdb, data = write_using_token(token, (0, count))
        copy = destination.start(cdb, write=data)
        change = source.start(write10(turn * 128, 8), write=b"x" * 8 * BLOCK)
        destination.wait(copy)
        source.wait(change).assert_good()
        outcomes.add(copy.code)
        if copy.code is None:
            assert read(destination, 0, count) == bytes([turn]) * count * BLOCK
        assert use_token(destination, token, (0, count)).code == REVOKED
    assert outcomes <= {None, REVOKED}


@pytest.mark.parametrize("verb", ["kill", "power-off"])
def test_tokens_outlive_the_node_that_made_them(cluster, verb):
    session, old = cluster.log_in(), cluster.controller()
    data = fill(session, 0, 2048)
    token, stale = make_token(session, (0, 2048)), make_token(session, (9000, 8))
    fill(session, 9007, 1)
    cluster.node(old, verb)
    again = cluster.reconnect()
    other = cluster.reconnect("data2")
    use_token(other, token, (77, 2048)).assert_good()
    assert read(other, 77, 2048) == data
    use_token(again, token, (50000, 2048)).assert_good()
    assert read(again, 50000, 2048) == data
    assert use_token(again, stale, (0, 8)).code == REVOKED
    fill(again, 2047, 1)
    assert use_token(other, token, (77, 2048)).code == REVOKED


def test_a_token_is_not_written_over_its_own_source(session):
    fill(session, 0, 64)
    token = make_token(session, (0, 64))
    assert use_token(session, token, (32, 64)).code == UNUSABLE


@pytest.mark.parametrize("make, code", [
    (lambda: populate_token((0, 8), (4, 8)), IN_LIST),
    (lambda: populate_token((131071, 2)), LBA_OUT_OF_RANGE),
    (lambda: populate_token(), IN_LIST),
    (lambda: populate_token((0, 8), length=20), IN_LIST),
    (lambda: populate_token((0, 8), inactivity=601), IN_LIST),
    (lambda: populate_token((0, 8), rod_type=0x00010000), IN_LIST),
    (lambda: populate_token(*((lba * 2, 1) for lba in range(65))), 0x052608),
    (lambda: write_using_token(ZERO_TOKEN, (131071, 2)), LBA_OUT_OF_RANGE),
])
def test_what_is_wrong_in_a_list_is_refused(session, make, code):
    cdb, data = make()
    assert session.command(cdb, write=data).code == code
    assert session.command(token_information(1), read=1024).code == INVALID_FIELD


def test_more_than_the_token_stands_for_is_refused(session):
    fill(session, 0, 8)
    token = make_token(session, (0, 8))
    assert use_token(session, token, (100, 9)).code == IN_LIST
    assert use_token(session, token, (100, 1), offset=8).code == IN_LIST


def test_blocks_of_4096_bytes_are_counted_as_such(make_lab):
    lab = make_lab()
    lab.map["targets"] = [lab.target("data1", block_size=4096), lab.target("data2")]
    lab.start_target()
    session, small = lab.log_in(), lab.log_in("data2")
    data = fill(session, 3, 20, block=4096)
    token = make_token(session, (3, 20))
    assert ask(session, 1).transferred == 20
    use_token(session, token, (1000, 20)).assert_good()
    assert read(session, 1000, 20, 4096) == data
    use_token(small, token, (64, 152), offset=8).assert_good()
    assert read(small, 64, 152) == data[4096:]


def test_identifiers_of_one_host_are_not_those_of_another(node, session):
    fill(session, 0, 8)
    make_token(session, (0, 8), identifier=5)
    other = node.log_in(name="iqn.2020-01.org.example:other")
    assert other.command(token_information(5), read=1024).code == INVALID_FIELD
    assert ask(session, 5).token, "told again to who asks again"
    assert naa(session) == naa(other)
