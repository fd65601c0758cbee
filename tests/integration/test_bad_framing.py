"""Bad PDUs and bad text: the process lives, other sessions do not notice, and the offender gets
what is due. Every test ends (fixture `victim`) with a bystander and a new login still working."""

import contextlib
import random
import time

import pytest

from hostile import RSS_LIMIT_KB, end_of, rejected_or_closed
from login import (HOST, INITIATOR_ERROR, OPERATIONAL, SECURITY, Login, Refused, identity)
from node import iqn
from pdu import (BHS_SIZE, CONTINUE, DATA_OUT, FINAL, LOGIN_RESPONSE, NONE_TAG, NOP_OUT, REJECT,
                 SCSI_COMMAND, TEXT_REQUEST, Pdu, text)
from scsi import TEST_UNIT_READY, pattern, read10, write10
from wire import Closed, Connection, Silence

TARGET = iqn("data1")


# Framing

@pytest.mark.parametrize("size", [1, 20, 47, 48, 50, 100])
def test_truncated_login_request_is_dropped_with_its_connection(victim, size):
    login = Login(victim.portal)
    raw = login.request(SECURITY, OPERATIONAL, identity(HOST, TARGET)).encode()
    login.connection.send_raw(raw[:size])
    login.connection.socket.shutdown(1)
    assert login.connection.expect_close() == []


@pytest.mark.parametrize("size", [1, 47, 48, 49, 560])
def test_truncated_command_is_not_executed(victim, size):
    session = victim.log_in()
    raw = session.command_pdu(write10(0, 2), write=pattern(2))[0].encode()
    assert size < len(raw)
    session.connection.send_raw(raw[:size])
    session.connection.socket.shutdown(1)
    assert session.connection.expect_close() == []
    assert victim.log_in().command(read10(0, 2), read=1024).data_in == bytes(1024)


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nHost: array\r\n\r\n" * 99, b"\0" * 4096,
                                 b"\xff" * 4096, b"SSH-2.0-OpenSSH_9.2\r\n" * 99],
                         ids=["http", "zeros", "ones", "ssh"])
def test_another_protocol_is_turned_away(victim, raw):
    with Connection(victim.portal) as connection:
        with contextlib.suppress(Closed):
            connection.send_raw(raw)
        answers = connection.expect_close()
        assert all(pdu.opcode == LOGIN_RESPONSE and pdu.status for pdu in answers)


def claimed(pdu, length):
    pdu.set("data_length", length)
    return bytes(pdu.bhs)


@pytest.mark.parametrize("length", [8193, 65536, 1 << 20, (16 << 20) - 1])
def test_login_segment_over_the_limit_is_refused_before_it_is_sent(victim, length):
    before = victim.node.status("VmRSS")
    login = Login(victim.portal)
    login.connection.send_raw(claimed(login.request(SECURITY, OPERATIONAL), length))
    with contextlib.suppress(Closed):
        login.connection.send_raw(bytes(min(length, 1 << 16)))
    answers = end_of(login.connection)
    assert all(pdu.status == INITIATOR_ERROR for pdu in answers)
    if length > 1 << 17:
        with pytest.raises((Closed, Silence, OSError)):
            login.connection.send_raw(bytes(8 << 20), deadline=3)
    login.close()
    assert victim.node.status("VmRSS") - before < RSS_LIMIT_KB


@pytest.mark.parametrize("opcode", [SCSI_COMMAND, NOP_OUT, TEXT_REQUEST, DATA_OUT])
@pytest.mark.parametrize("length", ["limit + 1", (16 << 20) - 1])
def test_segment_over_the_declared_limit_ends_the_connection(victim, opcode, length):
    before = victim.node.status("VmRSS")
    session = victim.log_in()
    length = session.segment + 1 if length == "limit + 1" else length
    pdu = Pdu(opcode, flags=FINAL, itt=5)
    session.connection.send_raw(claimed(pdu, length))
    answers = end_of(session.connection)
    assert all(answer.opcode == REJECT for answer in answers)
    with pytest.raises((Closed, Silence, OSError)):
        for _ in range(64):
            session.connection.send_raw(bytes(1 << 20), deadline=1)
        raise Closed("took 64 MiB" if session.connection.receive(1) else "")
    assert victim.node.status("VmRSS") - before < RSS_LIMIT_KB


@pytest.mark.parametrize("words", [1, 2, 5, 16, 255])
@pytest.mark.parametrize("kind", [1, 2, 3, 0, 0xFF])
def test_additional_headers_of_any_length_keep_the_stream_in_step(victim, words, kind):
    """Extended CDB (1), bidirectional length (2), and types nobody defines: RFC 7143 11.2.2."""
    session = victim.log_in()
    ahs = (words * 4 - 3).to_bytes(2, "big") + bytes([kind]) + b"\xa5" * (words * 4 - 3)
    pdu, task = session.command_pdu(TEST_UNIT_READY)
    session.tasks[task.itt] = task
    extended = Pdu.parse(pdu.bhs, ahs=ahs)
    extended.set("total_ahs_length", words)
    session.connection.send(extended)
    try:
        session.nop(b"in step")
    except Closed:
        assert kind not in (1, 2) or words > 5


def test_additional_headers_on_a_ping_and_on_a_login(victim):
    session = victim.log_in()
    pdu = Pdu(NOP_OUT, flags=FINAL, itt=33, ttt=NONE_TAG, data=b"x", ahs=b"\0\1\1\0",
              **session.numbers())
    session.connection.send(pdu)
    with contextlib.suppress(Closed):
        session.connection.receive()
    login = Login(victim.portal)
    request = login.request(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    request.ahs = bytes(255 * 4)
    request.set("total_ahs_length", 255)
    login.connection.send(request)
    with contextlib.suppress(Closed, Refused):
        login.receive()
    login.close()


def test_random_bytes_after_the_login_never_hurt_others(victim):
    chance = random.Random(7143)
    for _ in range(40):
        session = victim.log_in(ready=False)
        with contextlib.suppress(Closed, Silence):
            session.connection.send_raw(chance.randbytes(chance.randrange(48, 4096)), deadline=1)
        session.close()


def test_pdus_with_one_changed_byte_never_hurt_others(victim):
    """Every header byte of a write set to a few values, each on a session of its own."""
    chance = random.Random(3720)
    for offset in range(BHS_SIZE):
        session = victim.log_in(ready=False)
        raw = bytearray(session.command_pdu(write10(0, 1), write=pattern(1))[0].encode())
        raw[offset] ^= 1 << chance.randrange(8)
        with contextlib.suppress(Closed, Silence):
            session.connection.send_raw(bytes(raw), deadline=1)
            session.connection.send_raw(
                session.command_pdu(TEST_UNIT_READY, immediate=True)[0].encode(), deadline=1)
            session.connection.receive(0.05)
        session.close()


# Text

@pytest.mark.parametrize("stage", [SECURITY, OPERATIONAL])
def test_endless_login_text_is_cut_off(victim, stage):
    """The C bit for ever: 64 KiB may be taken or refused, 1 MiB must not be kept."""
    before = victim.node.status("VmRSS")
    login = Login(victim.portal)
    if stage == OPERATIONAL:
        login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    piece = text({f"X-org.example.k{number}": "v" * 50 for number in range(100)})[:8000]
    with pytest.raises((Refused, Closed)) as caught:
        for _ in range(128):
            login.step(stage, None, piece, more=True)
    if isinstance(caught.value, Refused):
        assert caught.value.status >> 8 in (2, 3)
    login.close()
    assert victim.node.status("VmRSS") - before < RSS_LIMIT_KB


def test_login_text_of_64_kib_is_answered_or_refused(victim):
    login = Login(victim.portal)
    login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    data = text({f"X-org.example.k{number}": "v" * 100 for number in range(560)})
    assert len(data) > 65536
    try:
        for at in range(0, len(data), 8192):
            login.step(OPERATIONAL, None, data[at:at + 8192], more=at + 8192 < len(data))
    except Refused as refused:
        assert refused.status >> 8 in (2, 3)
    login.close()


def test_single_value_of_64_kib_is_refused(victim):
    login = Login(victim.portal)
    data = b"InitiatorName=" + b"n" * 65536 + b"\0"
    with pytest.raises((Refused, Closed)):
        for at in range(0, len(data), 8192):
            login.step(SECURITY, None, data[at:at + 8192], more=at + 8192 < len(data))
    login.close()


def test_text_of_64_kib_in_full_feature_phase(victim):
    session = victim.log_in()
    data = text({f"X-org.example.k{number}": "v" * 100 for number in range(560)})
    pdu = Pdu(TEXT_REQUEST, flags=FINAL, itt=40, ttt=NONE_TAG, data=data[:session.segment],
              **session.numbers())
    session.connection.send(pdu)
    with contextlib.suppress(Closed):
        session.connection.receive()


def test_empty_text_request_with_the_continue_bit(victim):
    session = victim.log_in()
    for _ in range(3):
        session.connection.send(Pdu(TEXT_REQUEST, flags=CONTINUE, itt=41, ttt=NONE_TAG,
                                    **session.numbers()))
        try:
            answer = session.connection.receive()
            assert answer.opcode in (0x24, REJECT) and answer.data[:0] == b""
        except Closed:
            return


def test_empty_text_request_with_continue_and_final_bits_is_rejected(victim):
    session = victim.log_in()
    session.connection.send(Pdu(TEXT_REQUEST, flags=CONTINUE | FINAL, itt=41, ttt=NONE_TAG,
                                **session.numbers()))
    rejected_or_closed(session)


def test_empty_login_request_with_the_continue_bit(victim):
    login = Login(victim.portal)
    with contextlib.suppress(Refused, Closed):
        for _ in range(5):
            login.step(SECURITY, None, b"", more=True)
        login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    login.close()


def test_login_requests_without_progress_end_with_the_login_timeout(start_node):
    """Empty requests for ever would hold a half-open login open."""
    lab = start_node(login_timeout_s=1)
    login, until = Login(lab.portal), time.monotonic() + 5
    login.step(SECURITY, None, identity(HOST, TARGET))
    with pytest.raises((Refused, Closed)):
        while time.monotonic() < until:
            login.step(SECURITY, None)
    login.close()
