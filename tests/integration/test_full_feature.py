"""Full feature phase beside SCSI: pings, text, logout, Reject, asynchronous messages."""

import pytest

from login import FULL_FEATURE, HOST, OPERATIONAL, SERVICE_UNAVAILABLE, Refused
from node import Refusal, iqn
from pdu import (ASYNC, CONTINUE, FINAL, LOGIN_REQUEST, NONE_TAG, NOP_OUT, REJECT, SCSI_COMMAND,
                 SNACK, TEXT_REQUEST, TEXT_RESPONSE, Pdu, text)
from scsi import TEST_UNIT_READY, pattern, write10
from wire import Closed

PROTOCOL_ERROR, NOT_SUPPORTED, SNACK_REJECT, INVALID_FIELD = 4, 5, 3, 9


# Pings

@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 512, 4096])
def test_ping_is_echoed_with_its_data(node, length):
    session = node.log_in()
    data = bytes(range(1, 256)) * 17
    answer = session.nop(data[:length])
    assert answer.data == data[:length] and answer.ttt == NONE_TAG and answer.flags == FINAL


def test_immediate_ping_is_echoed(node):
    session = node.log_in()
    assert session.nop(b"now", immediate=True).data == b"now"


def test_echo_is_cut_to_the_segment_length_we_declared(node):
    session = node.log_in(offer={"MaxRecvDataSegmentLength": "512"})
    answer = session.nop(b"z" * 2048)
    assert answer.data == b"z" * 512


def test_ping_is_an_event_and_a_flood_of_them_is_not_a_flood_of_events(node):
    session = node.log_in()
    for _ in range(50):
        session.nop(b"ping")
    event = node.node.events.wait("nop_out", initiator=HOST, target=iqn("data1"))
    session.log_out()
    node.node.events.wait("session.closed", initiator=HOST, tsih=event["tsih"])
    with node.node.events.changed:
        told = [line for line in node.node.events.lines if line.get("event") == "nop_out"]
    assert 1 <= len(told) < 50


def test_ping_that_wants_no_answer_gets_none(node):
    session = node.log_in()
    session.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, itt=NONE_TAG, ttt=NONE_TAG,
                                **session.numbers(True)))
    session.connection.expect_silence(0.3)
    session.command(TEST_UNIT_READY).assert_good()


def test_idle_session_is_pinged_and_lives_while_it_answers(start_node):
    session = start_node(nop_interval_s=1, nop_timeout_s=1).log_in()
    for _ in range(2):
        ping = session.pump(deadline=5)
        assert ping is session.pings[-1] and ping.ttt != NONE_TAG and ping.itt == NONE_TAG
    session.command(TEST_UNIT_READY).assert_good()


def test_session_that_does_not_answer_pings_is_ended(start_node):
    lab = start_node(nop_interval_s=1, nop_timeout_s=1)
    dead = lab.log_in()
    dead.answer_pings = False
    dead.pump(deadline=5)
    dead.connection.expect_close()
    event = lab.node.events.wait("session.closed", initiator=HOST)
    assert event["reason"]


def test_idle_discovery_session_is_pinged_too(start_node):
    session = start_node(nop_interval_s=1, nop_timeout_s=1).log_in(None)
    session.pump(deadline=5)
    assert session.pings
    assert session.send_targets()


def test_no_pings_when_switched_off(start_node):
    session = start_node(nop_interval_s=0).log_in()
    session.connection.expect_silence(1.5)
    session.command(TEST_UNIT_READY).assert_good()


# Text

def test_send_targets_in_a_normal_session_names_its_own_target(node):
    session = node.log_in("data1")
    for which in ("", iqn("data1")):
        pairs = session.send_targets(which)
        assert ("TargetName", iqn("data1")) in pairs
        assert ("TargetName", iqn("data2")) not in pairs


def test_send_targets_all_in_a_normal_session_is_rejected(node):
    """RFC 7143 appendix C: All is for discovery sessions."""
    session = node.log_in()
    pairs = session.send_targets("All")
    assert pairs == [("SendTargets", "Reject")] or ("TargetName", iqn("data2")) not in pairs


def test_send_targets_of_nothing_in_discovery_gives_no_foreign_target(node):
    session = node.log_in(None)
    pairs = session.send_targets("")
    assert all(key in ("SendTargets", "TargetName", "TargetAddress") for key, _ in pairs)
    assert session.send_targets()


def test_long_target_list_comes_in_pieces_within_our_segment_length(make_lab):
    lab = make_lab()
    volumes = [f"volume-with-a-long-name-{number:03}" for number in range(120)]
    lab.map["targets"] = [lab.target(volume, size=1 << 20) for volume in volumes]
    lab.map["exports"] = [lab.export(volume) for volume in volumes]
    lab.start_target()
    session = lab.log_in(None, keys={"MaxRecvDataSegmentLength": "1024"})
    pairs = session.send_targets()
    assert [value for key, value in pairs if key == "TargetName"] == [iqn(name) for name in volumes]
    answers = [pdu for way, pdu in session.connection.trace
               if way == "<" and pdu.opcode == TEXT_RESPONSE]
    assert len(answers) > 10 and all(pdu.data_length <= 1024 for pdu in answers)
    assert all(pdu.ttt != NONE_TAG for pdu in answers[:-1])
    assert answers[-1].ttt == NONE_TAG and answers[-1].flags & FINAL


def test_text_request_in_pieces_is_read_whole(node):
    session = node.log_in(None)
    itt, whole = 90, text({"SendTargets": "All"})
    session.connection.send(Pdu(TEXT_REQUEST, flags=CONTINUE, itt=itt, ttt=NONE_TAG,
                                data=whole[:5], **session.numbers()))
    answer = session.wait_other(TEXT_RESPONSE, itt=itt)
    assert answer.data == b"" and answer.ttt != NONE_TAG and not answer.flags & FINAL
    last = session.text_request(whole[5:], ttt=answer.ttt, itt=itt)
    assert last.key("TargetName") == iqn("data2") and last.flags & FINAL


def test_unknown_key_in_full_feature_phase_is_not_understood(node):
    session = node.log_in()
    assert session.text_request({"X-org.example.thing": "1"}).keys == [
        ("X-org.example.thing", "NotUnderstood")]


def test_empty_text_request_is_answered_empty(node):
    answer = node.log_in().text_request(b"")
    assert answer.data == b"" and answer.flags & FINAL and answer.ttt == NONE_TAG


def test_new_text_request_ends_the_unfinished_one(node):
    session = node.log_in(None)
    session.connection.send(Pdu(TEXT_REQUEST, flags=CONTINUE, itt=90, ttt=NONE_TAG,
                                data=b"SendTar", **session.numbers()))
    session.wait_other(TEXT_RESPONSE, itt=90)
    assert ("TargetName", iqn("data1")) in session.send_targets()


def test_unknown_transfer_tag_of_a_text_request_is_rejected(node):
    session = node.log_in()
    session.connection.send(Pdu(TEXT_REQUEST, flags=FINAL, itt=91, ttt=0x1234,
                                **session.numbers()))
    answer = session.connection.receive()
    assert answer.opcode == REJECT and answer.reason in (PROTOCOL_ERROR, INVALID_FIELD)


# Logout: RFC 7143 11.14, 11.15

@pytest.mark.parametrize("reason", [0, 1], ids=["session", "connection"])
def test_logout_is_answered_and_then_the_connection_closes(node, reason):
    session = node.log_in()
    assert session.log_out(reason).response == 0
    assert session.connection.expect_close() == []
    closed = node.node.events.wait("session.closed", initiator=HOST)
    assert closed["target"] == iqn("data1")


def test_logout_of_an_unknown_connection_is_refused(node):
    session = node.log_in()
    assert session.log_out(1, cid=99).response == 1
    session.command(TEST_UNIT_READY).assert_good()


def test_logout_for_recovery_is_refused_at_recovery_level_0(node):
    session = node.log_in()
    assert session.log_out(2).response == 2
    session.command(TEST_UNIT_READY).assert_good()


def test_logout_with_an_unknown_reason_is_refused(node):
    session = node.log_in()
    session.connection.send(Pdu(0x06, immediate=True, flags=FINAL | 0x55, itt=60, cid=1,
                                **session.numbers(True)))
    answer = session.connection.receive()
    assert answer.opcode == REJECT or answer.response != 0
    session.exp_stat_sn += 1
    session.command(TEST_UNIT_READY).assert_good()


def test_logout_ends_tasks_that_wait_for_data(node):
    session = node.log_in(offer={"InitialR2T": "Yes", "ImmediateData": "No"})
    session.answer_r2t = False
    session.start(write10(0, 8), write=pattern(8))
    session.pump()
    assert session.log_out().response == 0
    assert session.connection.expect_close() == []


def test_commands_after_the_logout_are_not_executed(node):
    session = node.log_in()
    session.connection.send(Pdu(0x06, immediate=True, flags=FINAL, itt=60, cid=1,
                                **session.numbers(True)),
                            session.command_pdu(write10(0, 8), write=pattern(8))[0])
    assert [pdu.opcode for pdu in session.connection.expect_close()] == [0x26]
    assert node.image().read_bytes()[:4096] == bytes(4096)


# Reject: RFC 7143 11.17

@pytest.mark.parametrize("opcode", [0x07, 0x0A, 0x1C, 0x1D, 0x1E])
def test_opcode_that_nobody_defines_is_rejected(node, opcode):
    session = node.log_in()
    pdu = Pdu(opcode, immediate=True, flags=FINAL, itt=70)
    pdu.bhs[24:28] = session.cmd_sn.to_bytes(4, "big")
    session.connection.send(pdu)
    answer = session.connection.receive()
    assert answer.opcode == REJECT and answer.reason in (PROTOCOL_ERROR, NOT_SUPPORTED)
    assert answer.data[:48] == bytes(pdu.bhs) and answer.itt == NONE_TAG


def test_snack_is_rejected_at_recovery_level_0(node):
    session = node.log_in()
    session.connection.send(Pdu(SNACK, flags=FINAL, itt=NONE_TAG, ttt=NONE_TAG,
                                exp_stat_sn=session.exp_stat_sn))
    answer = session.connection.receive()
    assert answer.opcode == REJECT
    assert answer.reason in (SNACK_REJECT, PROTOCOL_ERROR, NOT_SUPPORTED)


@pytest.mark.parametrize("opcode", [0x20, 0x21, 0x25, 0x31, 0x3F])
def test_pdu_of_a_target_sent_by_an_initiator_is_a_protocol_error(node, opcode):
    session, other = node.log_in(), node.log_in()
    session.connection.send(Pdu(opcode, flags=FINAL, itt=71))
    answers = []
    try:
        answers.append(session.connection.receive(3))
    except Closed:
        pass
    assert all(pdu.opcode == REJECT and pdu.reason in (PROTOCOL_ERROR, NOT_SUPPORTED)
               for pdu in answers)
    other.command(TEST_UNIT_READY).assert_good()


def test_login_request_in_full_feature_phase_is_a_protocol_error(node):
    session = node.log_in()
    pdu = session.login.request(OPERATIONAL, FULL_FEATURE, {"InitialR2T": "Yes"})
    assert pdu.opcode == LOGIN_REQUEST
    session.connection.send(pdu)
    try:
        answer = session.connection.receive(3)
        assert answer.opcode == REJECT and answer.reason == PROTOCOL_ERROR
    except Closed:
        pass


def test_scsi_command_in_a_discovery_session_is_rejected(node):
    session = node.log_in(None)
    session.connection.send(Pdu(SCSI_COMMAND, flags=FINAL, itt=9, cdb=TEST_UNIT_READY,
                                **session.numbers()))
    try:
        assert session.connection.receive(3).opcode == REJECT
    except Closed:
        pass


# Asynchronous messages: RFC 7143 11.9

def test_planned_move_asks_the_session_to_log_out_and_waits_for_it(node):
    session = node.log_in()
    request = node.node.control.send("release", target=iqn("data1"), timeout_ms=5000)
    message = session.wait_other(ASYNC)
    assert message.event == 1 and message.itt == NONE_TAG and message.lun == 0
    assert message.parameter3 > 0
    session.command(TEST_UNIT_READY).assert_good()
    with pytest.raises(Refused) as caught:
        node.log_in()
    assert caught.value.status == SERVICE_UNAVAILABLE
    assert session.log_out().response == 0
    session.connection.expect_close()
    reply = node.node.control.reply(request)
    assert (reply["sessions"], reply["logged_out"], reply["dropped"]) == (1, 1, 0)


def test_session_that_does_not_log_out_is_dropped_in_time(node):
    session, other = node.log_in("data1"), node.log_in("data2")
    request = node.node.control.send("release", target=iqn("data1"), timeout_ms=300)
    session.wait_other(ASYNC, event=1)
    session.connection.expect_close()
    reply = node.node.control.reply(request)
    assert (reply["sessions"], reply["logged_out"], reply["dropped"]) == (1, 0, 1)
    other.command(TEST_UNIT_READY).assert_good()


def test_release_without_sessions_answers_at_once(node):
    reply = node.node.control.request("release", target=iqn("data1"), timeout_ms=60000)
    assert (reply["sessions"], reply["logged_out"], reply["dropped"]) == (0, 0, 0)


def test_release_of_an_unknown_target_is_an_error(node):
    with pytest.raises(Refusal):
        node.node.control.request("release", target=iqn("nothing"), timeout_ms=100)


def test_stop_tells_the_sessions_and_closes_them(node):
    session = node.log_in()
    node.node.control.send("stop")
    last = session.connection.expect_close()
    assert last and last[0].opcode == ASYNC and last[0].event in (2, 3)
    assert node.node.child.wait(10) == 0
    node.node.expected_dead = True
