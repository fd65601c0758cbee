"""CRC32C digests, RFC 7143 13.1: right ones both ways, wrong ones as ErrorRecoveryLevel 0 wants."""

import pytest

from pdu import FINAL, NONE_TAG, NOP_OUT, REJECT, Pdu, crc32c
from scsi import TEST_UNIT_READY, inquiry, pattern, read10, write10

CHOICES = [("CRC32C", "None"), ("None", "CRC32C"), ("CRC32C", "CRC32C")]
DATA_DIGEST_ERROR = 2


def digests(header, data, **more):
    return {"HeaderDigest": header, "DataDigest": data} | more


def test_crc32c_agrees_with_the_examples_of_the_rfc():
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("header, data", CHOICES)
def test_io_with_digests(node, header, data):
    session = node.log_in(offer=digests(header, data))
    assert session.connection.header_digest == (header == "CRC32C")
    assert session.connection.data_digest == (data == "CRC32C")
    for blocks in (1, 129, 300):
        content = pattern(blocks, seed=blocks)
        session.command(write10(0, blocks), write=content).assert_good()
        assert session.command(read10(0, blocks), read=len(content)).data_in == content


@pytest.mark.parametrize("header, data", CHOICES)
def test_digests_cover_padding_and_answers_of_any_length(node, header, data):
    session = node.log_in(offer=digests(header, data))
    for length in range(1, 9):
        assert session.nop(b"p" * length).data == b"p" * length
        task = session.command(inquiry(allocation=length + 4), read=length + 4).assert_good()
        assert len(task.data_in) == length + 4


def test_digests_begin_only_after_the_login(node):
    """The login itself never carries digests; the first PDU after it does."""
    session = node.log_in(offer=digests("CRC32C", "CRC32C"), ready=False)
    assert session.nop(b"first").data == b"first"


def test_discovery_with_digests(node):
    session = node.log_in(None, keys=digests("CRC32C", "CRC32C", MaxRecvDataSegmentLength="65536"))
    assert session.connection.header_digest
    assert session.send_targets()


def spoiled(raw, offset):
    raw = bytearray(raw)
    raw[offset] ^= 0x10
    return bytes(raw)


def test_wrong_header_digest_ends_the_connection(node):
    session, other = node.log_in(offer=digests("CRC32C", "None")), node.log_in()
    raw = session.command_pdu(TEST_UNIT_READY)[0].encode(True, False)
    session.connection.send_raw(spoiled(raw, 48))
    assert session.connection.expect_close() == []
    other.command(TEST_UNIT_READY).assert_good()


def test_changed_header_is_noticed(node):
    session = node.log_in(offer=digests("CRC32C", "CRC32C"))
    raw = session.command_pdu(TEST_UNIT_READY)[0].encode(True, True)
    session.connection.send_raw(spoiled(raw, 35))
    assert session.connection.expect_close() == []


def test_wrong_data_digest_of_a_write_is_rejected_and_nothing_is_written(node):
    """RFC 7143 7.8: Reject with reason 2, then the task or the session ends; never GOOD."""
    session = node.log_in(offer=digests("None", "CRC32C"))
    pdu, task = session.command_pdu(write10(0, 8), write=pattern(8, seed=1))
    session.tasks[task.itt] = task
    session.connection.send_raw(spoiled(pdu.encode(False, True), 48 + 100))
    answer = session.connection.receive()
    assert answer.opcode == REJECT and answer.reason == DATA_DIGEST_ERROR
    assert answer.data[:48] == bytes(pdu.bhs)
    reader = node.log_in()
    assert reader.command(read10(0, 8), read=4096).data_in == bytes(4096)


def test_wrong_data_digest_of_a_data_out_never_ends_as_good(node):
    session = node.log_in(offer=digests("None", "CRC32C", InitialR2T="Yes", ImmediateData="No"))
    session.answer_r2t = False
    task = session.start(write10(0, 8), write=pattern(8, seed=1))
    r2t = session.pump()
    pdus = session.data_out(task, r2t.offset, r2t.length, r2t.ttt)
    session.connection.send_raw(spoiled(pdus[0].encode(False, True), 48 + 10))
    answer = session.connection.receive()
    assert answer.opcode == REJECT and answer.reason == DATA_DIGEST_ERROR
    reader = node.log_in()
    assert reader.command(read10(0, 8), read=4096).data_in == bytes(4096)


def test_wrong_data_digest_of_a_ping_does_not_get_an_echo(node):
    session = node.log_in(offer=digests("None", "CRC32C"))
    pdu = Pdu(NOP_OUT, flags=FINAL, itt=50, ttt=NONE_TAG, data=b"abcd", **session.numbers())
    session.connection.send_raw(spoiled(pdu.encode(False, True), 49))
    answer = session.connection.receive()
    assert answer.opcode == REJECT and answer.reason == DATA_DIGEST_ERROR
