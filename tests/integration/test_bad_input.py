"""Bad input: the process lives, other sessions do not notice, the offender gets what is due.

Every test ends (fixture `victim`) with a bystander's session and a new login still working.
"""

import contextlib
import random
import statistics
import time

import pytest

from login import (HOST, INITIATOR_ERROR, OPERATIONAL, SECURITY, Login, Refused,
                   identity)
from node import IS_SANITIZED, iqn
from pdu import (BHS_SIZE, CONTINUE, DATA_OUT, FINAL, LOGIN_RESPONSE, NONE_TAG, NOP_OUT, READ,
                 REJECT, SCSI_COMMAND, TEXT_REQUEST, UNDERFLOW, WRITE, Pdu, text)
from scsi import GOOD, TEST_UNIT_READY, pattern, read10, write10
from session import SIMPLE
from wire import Closed, Connection, Silence

TARGET = iqn("data1")
HELD = {"InitialR2T": "Yes", "ImmediateData": "No"}
RSS_LIMIT_KB = 32768 if IS_SANITIZED else 4096


@pytest.fixture
def victim(node):
    bystander = node.log_in("data2", name=HOST + "-bystander")
    data = pattern(64, seed=99)
    bystander.command(write10(0, 64), write=data).assert_good()
    yield node
    assert bystander.command(read10(0, 64), read=len(data)).assert_good().data_in == data
    node.log_in().command(TEST_UNIT_READY).assert_good()


def end_of(connection, deadline=5):
    """Rejects or login refusals, then the end; or only silence, if the peer keeps waiting."""
    pdus = []
    with contextlib.suppress(Closed, Silence):
        until = time.monotonic() + deadline
        while True:
            pdus.append(connection.receive(until - time.monotonic()))
    return pdus


def rejected_or_closed(session):
    """A Reject leaves the session working; otherwise the connection must end soon."""
    try:
        answer = session.connection.receive(5)
    except Closed:
        return
    assert answer.opcode == REJECT, f"neither Reject nor close: {answer}"


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


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nHost: array\r\n\r\n" * 4, b"\0" * 4096,
                                 b"\xff" * 4096, b"SSH-2.0-OpenSSH_9.2\r\n" + b"\n" * 100],
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


def test_login_requests_without_progress_end(victim):
    """Empty requests for ever would hold a half-open login open."""
    login = Login(victim.portal)
    login.step(SECURITY, None, identity(HOST, TARGET))
    with pytest.raises((Refused, Closed)):
        for _ in range(2000):
            login.step(SECURITY, None)
    login.close()


# Data

def test_read_that_expects_4_gib_gets_what_it_asked_for(victim):
    session = victim.log_in()
    task = session.command(read10(0, 8), read=1, edtl=0xFFFFFFFF)
    assert task.status == GOOD and len(task.data_in) == 4096
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF - 4096)


def test_read_flag_on_a_command_without_data_that_expects_4_gib(victim):
    session = victim.log_in()
    task = session.command(TEST_UNIT_READY, read=1, edtl=0xFFFFFFFF)
    assert task.status == GOOD
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF)


def test_write_that_announces_4_gib_is_asked_only_for_its_blocks(victim):
    session = victim.log_in(offer=HELD)
    task = session.command(write10(0, 8), write=pattern(8), edtl=0xFFFFFFFF, data=b"", final=True)
    assert sum(r2t.length for r2t in task.r2ts) <= 4096
    assert (task.residual_flags, task.residual) == (UNDERFLOW, 0xFFFFFFFF - 4096)


def held_write(session, blocks=64):
    session.answer_r2t = False
    task = session.start(write10(0, blocks), write=pattern(blocks, seed=1))
    session.pump()
    return task, task.r2ts[0]


DATA_OUTS = {
    "offset before the R2T": dict(offset=-512),
    "offset behind the R2T": dict(offset=1 << 20),
    "offset at the top": dict(offset_is=0xFFFFFE00),
    "longer than the R2T": dict(extra=4096),
    "unknown transfer tag": dict(ttt=0x77777777),
    "unsolicited where that is not allowed": dict(ttt=NONE_TAG),
    "unknown task tag": dict(itt=0x1234),
    "number out of order": dict(data_sn=5),
    "final without all the data": dict(short=True),
}


@pytest.mark.parametrize("wrong", DATA_OUTS.values(), ids=DATA_OUTS.keys())
def test_data_out_that_does_not_fit_its_r2t_is_never_written(victim, wrong):
    session = victim.log_in(offer=HELD | {"MaxBurstLength": "8192", "FirstBurstLength": "8192"})
    task, r2t = held_write(session)
    data = b"\xEE" * (512 if wrong.get("short") else r2t.length + wrong.get("extra", 0))
    offset = wrong.get("offset_is", (r2t.offset + wrong.get("offset", 0)) % 2**32)
    session.connection.send(Pdu(
        DATA_OUT, flags=FINAL, itt=wrong.get("itt", task.itt), ttt=wrong.get("ttt", r2t.ttt),
        data_sn=wrong.get("data_sn", 0), offset=offset, data=data))
    answers = end_of(session.connection, deadline=1)
    assert not any(pdu.opcode == 0x21 and pdu.status == GOOD for pdu in answers)
    session.close()
    image = victim.image().read_bytes()[:64 * 512 + 65536]
    assert b"\xEE" * 512 not in image[8192:]


def test_immediate_data_beyond_the_first_burst_is_refused(victim):
    session = victim.log_in(offer={"FirstBurstLength": "512", "MaxBurstLength": "8192"})
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), data=pattern(4))
    session.connection.send(pdu)
    refused_or_ended(session, task)


def test_immediate_data_where_none_is_allowed_is_refused(victim):
    session = victim.log_in(offer=HELD)
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), data=pattern(1))
    session.connection.send(pdu)
    refused_or_ended(session, task)


def test_more_immediate_data_than_expected_is_refused(victim):
    session = victim.log_in()
    pdu, task = session.command_pdu(write10(0, 1), write=pattern(8), edtl=512, data=pattern(8),
                                    final=True)
    session.connection.send(pdu)
    refused_or_ended(session, task)


def refused_or_ended(session, task):
    """Reject, a sense code or the end of the connection; never GOOD."""
    answers = end_of(session.connection, deadline=1)
    assert not any(pdu.opcode == 0x21 and pdu.status == GOOD for pdu in answers)
    assert not task.done


def test_unsolicited_data_beyond_the_first_burst_is_refused(victim):
    session = victim.log_in(offer={"InitialR2T": "No", "ImmediateData": "No",
                                   "FirstBurstLength": "4096", "MaxBurstLength": "8192"})
    pdu, task = session.command_pdu(write10(0, 64), write=pattern(64), final=False)
    session.connection.send(pdu, *session.data_out(task, 0, 16384))
    refused_or_ended(session, task)


def test_unsolicited_data_where_none_is_allowed_is_refused(victim):
    session = victim.log_in(offer=HELD)
    pdu, task = session.command_pdu(write10(0, 16), write=pattern(16), final=False)
    session.connection.send(pdu, *session.data_out(task, 0, 8192))
    refused_or_ended(session, task)


def test_data_out_for_a_read_is_refused(victim):
    session = victim.log_in()
    task = session.command(read10(0, 8), read=4096).assert_good()
    session.connection.send(Pdu(DATA_OUT, flags=FINAL, itt=task.itt, ttt=NONE_TAG, data=b"x" * 512))
    assert all(pdu.opcode == REJECT for pdu in end_of(session.connection, deadline=0.5))


@pytest.mark.parametrize("flags", [FINAL | SIMPLE, FINAL | READ | WRITE | SIMPLE, SIMPLE, 0, 0xFF])
def test_command_with_strange_flags_is_answered(victim, flags):
    session = victim.log_in()
    for cdb in (read10(0, 8), write10(0, 8), TEST_UNIT_READY):
        session.connection.send(Pdu(SCSI_COMMAND, flags=flags, itt=next(session.tags), edtl=4096,
                                    cdb=cdb, **session.numbers()))
    answers = end_of(session.connection, deadline=0.5)
    assert all(pdu.opcode in (0x21, 0x25, 0x31, REJECT) for pdu in answers)


def test_reserved_task_tag_of_a_command_is_rejected(victim):
    session = victim.log_in()
    session.connection.send(Pdu(SCSI_COMMAND, flags=FINAL | SIMPLE, itt=NONE_TAG,
                                cdb=TEST_UNIT_READY, **session.numbers()))
    try:
        assert session.connection.receive().opcode in (REJECT, 0x21)
    except Closed:
        pass


@pytest.mark.parametrize("seed", range(4))
def test_every_operation_code_with_random_bytes_is_answered(victim, seed):
    session, chance = victim.log_in(), random.Random(seed)
    for opcode in range(256):
        cdb = bytes([opcode]) + chance.randbytes(15)
        how = {"read": 512} if chance.random() < 0.5 else {"write": bytes(512)}
        session.command(cdb, **how)


# Numbers

def memory_stays_bounded(victim, session, read, tries=10):
    """Asks for as much as the window allows and reads nothing; gives the growth in kB."""
    before = victim.node.status("VmRSS")
    window = (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32
    pdus = [session.command_pdu(read10(0, 65535), read=65535 * 512)[0] for _ in range(window)]
    session.connection.send(*pdus)
    other, grown = victim.log_in(), []
    for _ in range(tries):
        for _ in range(20):
            other.command(read10(0, 8), read=4096).assert_good()
        grown.append(victim.node.status("VmRSS") - before)
    assert read > 1 << 31
    return max(grown)


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
def test_reader_that_reads_nothing_holds_bounded_memory(victim, digest):
    """128 reads of 32 MiB are 4 GiB asked for."""
    session = victim.log_in(offer={"DataDigest": digest, "HeaderDigest": digest},
                            receive_buffer=4096)
    session.command(write10(0, 512), write=pattern(512)).assert_good()
    assert memory_stays_bounded(victim, session, 128 * 65535 * 512) <= RSS_LIMIT_KB
    session.connection.reset()


def test_ping_flood_that_is_never_read_holds_bounded_memory(victim):
    session = victim.log_in(receive_buffer=4096)
    before = victim.node.status("VmRSS")
    ping = Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=1, ttt=NONE_TAG, data=bytes(8192),
               **session.numbers(True)).encode()
    with contextlib.suppress(Closed, Silence):
        for _ in range(256):
            session.connection.send_raw(ping * 16, deadline=0.5)
    assert victim.node.status("VmRSS") - before <= RSS_LIMIT_KB
    session.connection.reset()


def pace(session, commands=200):
    """Seconds for each of many small reads."""
    times = []
    for _ in range(commands):
        start = time.monotonic()
        session.command(read10(0, 8), read=4096).assert_good()
        times.append(time.monotonic() - start)
    return times


def test_thousand_half_open_connections_do_not_slow_a_session(victim):
    session = victim.log_in()
    pace(session, 50)
    alone = statistics.median(pace(session))
    before = victim.node.status("VmRSS")
    half_open = [Connection(victim.portal) for _ in range(1000)]
    for number, connection in enumerate(half_open):
        if number % 2:
            connection.send_raw(b"\x43\x81" + bytes(number % 46))
    crowded = pace(session)
    assert statistics.median(crowded) < max(5 * alone, alone + 0.005)
    assert max(crowded) < 1
    assert victim.node.status("VmRSS") - before < 1000 * 64
    for connection in half_open:
        connection.reset()
    session.command(TEST_UNIT_READY).assert_good()


def test_connections_that_come_and_go_leave_no_descriptor(victim):
    session = victim.log_in()
    session.command(TEST_UNIT_READY).assert_good()
    before = victim.node.descriptors()
    for number in range(300):
        login = Login(victim.portal)
        if number % 3 == 0:
            login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
        if number % 2:
            login.connection.reset()
        login.close()
    for _ in range(50):
        one = victim.log_in(ready=False)
        one.connection.reset()
    session.stay_alive_until(lambda: victim.node.descriptors() <= before)


def test_trickle_of_bytes_does_not_keep_a_login_open(start_node):
    lab = start_node(login_timeout_s=1)
    login = Login(lab.portal)
    raw = login.request(SECURITY, OPERATIONAL, identity(HOST, TARGET)).encode()
    closed = False
    for byte in raw * 20:
        try:
            login.connection.send_raw(bytes([byte]))
            if login.connection.has_input(0.02):
                login.connection.receive(1)
        except (Closed, Silence):
            closed = True
            break
    assert closed
