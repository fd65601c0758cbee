"""Login stages, text in pieces, sessions and their names: RFC 7143 sections 6 and 11.12, 11.13."""

import pytest

from addresses import free_port
from login import (CANNOT_INCLUDE, FORBIDDEN, FULL_FEATURE, HOST, INITIATOR_ERROR,
                   INVALID_DURING_LOGIN, MISSING_PARAMETER, NO_SUCH_SESSION, NOT_FOUND, OFFER,
                   OPERATIONAL, OUT_OF_RESOURCES, SECURITY, SERVICE_UNAVAILABLE, SESSION_TYPE,
                   TOO_MANY_CONNECTIONS, UNSUPPORTED_VERSION, Login, Refused, identity, new_isid,
                   run_login)
from node import iqn
from pdu import CONTINUE, FINAL, LOGIN_RESPONSE, NOP_OUT, TRANSIT, Pdu, text
from scsi import TEST_UNIT_READY
from wire import Closed

TARGET = iqn("data1")


@pytest.fixture
def login(node):
    """A fresh connection in its login phase."""
    opened = []

    def start(**how):
        opened.append(Login(node.portal, **how))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def refusal(call, *arguments, **how):
    with pytest.raises(Refused) as caught:
        call(*arguments, **how)
    return caught.value


@pytest.mark.parametrize("stages", [(0, 1, 3), (0, 3), (1, 3)], ids=["0-1-3", "0-3", "1-3"])
def test_every_legal_order_of_stages_ends_in_full_feature_phase(node, stages):
    session = node.log_in(stages=stages)
    session.command(TEST_UNIT_READY).assert_good()


def test_stages_without_transit_bit_go_on_until_the_initiator_asks_to_move(login):
    one = login()
    first = one.step(SECURITY, None, identity(HOST, TARGET))
    assert not first.flags & TRANSIT and first.csg == SECURITY
    second = one.step(SECURITY, OPERATIONAL, {"AuthMethod": "None"})
    assert second.flags & TRANSIT and second.nsg == OPERATIONAL
    third = one.step(OPERATIONAL, None, {"InitialR2T": "No"})
    assert not third.flags & TRANSIT and third.csg == OPERATIONAL
    fourth = one.step(OPERATIONAL, FULL_FEATURE, {"ImmediateData": "Yes"})
    assert fourth.flags & TRANSIT and fourth.nsg == FULL_FEATURE and fourth.tsih


def test_login_may_end_from_either_stage_with_an_empty_request(login):
    one = login()
    one.step(OPERATIONAL, None, identity(HOST, TARGET) | OFFER)
    last = one.step(OPERATIONAL, FULL_FEATURE)
    assert last.flags & TRANSIT and last.tsih


def test_answers_keep_stage_version_and_command_number(login):
    one = login(cmd_sn=0x1234, exp_stat_sn=99)
    first = one.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    assert (first.csg, first.nsg, first.tsih) == (SECURITY, OPERATIONAL, 0)
    assert (first.version_max, first.version_active) == (0, 0)
    assert first.exp_cmd_sn == 0x1234
    assert (first.max_cmd_sn - first.exp_cmd_sn + 1) % 2**32 < 2**31
    last = one.step(OPERATIONAL, FULL_FEATURE, OFFER)
    assert last.exp_cmd_sn == 0x1234 and last.tsih


def test_command_number_of_the_login_is_the_first_of_the_session(node):
    session = node.log_in(cmd_sn=0xFFFFFFFE, ready=False)
    for _ in range(4):
        session.command(TEST_UNIT_READY)
    assert session.exp_cmd_sn == 2


@pytest.mark.parametrize("csg, nsg", [(0, 0), (1, 1), (1, 0), (0, 2), (2, 3), (3, 3), (1, 2)])
def test_illegal_transition_is_an_initiator_error(login, csg, nsg):
    one = login()
    keys = identity(HOST, TARGET) | {"AuthMethod": "None"}
    refused = refusal(one.step, csg, nsg, keys)
    assert refused.status in (INITIATOR_ERROR, INVALID_DURING_LOGIN)
    assert one.connection.expect_close() == []


def test_going_back_from_the_operational_to_the_security_stage_is_refused(login):
    one = login()
    one.step(OPERATIONAL, None, identity(HOST, TARGET))
    refused = refusal(one.step, SECURITY, OPERATIONAL, {"AuthMethod": "None"})
    assert refused.status in (INITIATOR_ERROR, INVALID_DURING_LOGIN)


def test_request_in_many_pieces_is_one_text(login):
    one = login()
    whole = text(identity(HOST, TARGET) | {"AuthMethod": "None"})
    pieces = [whole[at:at + 7] for at in range(0, len(whole), 7)]
    for piece in pieces[:-1]:
        answer = one.step(SECURITY, None, piece, more=True)
        assert answer.data == b"" and not answer.flags & (TRANSIT | CONTINUE)
    last = one.step(SECURITY, OPERATIONAL, pieces[-1])
    assert last.key("AuthMethod") == "None" and last.flags & TRANSIT
    assert one.step(OPERATIONAL, FULL_FEATURE, OFFER).tsih


def test_transit_and_continue_together_are_refused(login):
    one = login()
    request = one.request(SECURITY, OPERATIONAL, identity(HOST, TARGET), more=True)
    assert request.flags & TRANSIT and request.flags & CONTINUE
    one.connection.send(request)
    assert refusal(one.receive).status in (INITIATOR_ERROR, INVALID_DURING_LOGIN)


def test_long_answer_comes_in_pieces_of_at_most_8192_bytes(login):
    """Many unknown keys: the answers need more than one Login Response (C bit)."""
    one = login()
    unknown = {f"X-org.example.key{number:04}-{'k' * 40}": "1" for number in range(200)}
    one.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    data = text(unknown)
    for at in range(0, len(data), 8000):
        one.step(OPERATIONAL, None, data[at:at + 8000], more=at + 8000 < len(data))
    sizes = [pdu.data_length for way, pdu in one.connection.trace
             if way == "<" and pdu.opcode == LOGIN_RESPONSE]
    assert max(sizes) <= 8192 and len([size for size in sizes if size > 512]) > 1
    answered = dict(one.answers)
    assert all(answered.get(key) == "NotUnderstood" for key in unknown)
    assert one.step(OPERATIONAL, FULL_FEATURE, OFFER).tsih


def test_session_handle_is_zero_until_the_last_answer_and_then_unique(node, login):
    handles = set()
    for _ in range(5):
        one = login()
        assert one.step(SECURITY, OPERATIONAL,
                        identity(HOST, TARGET) | {"AuthMethod": "None"}).tsih == 0
        handles.add(one.step(OPERATIONAL, FULL_FEATURE, OFFER).tsih)
    assert len(handles) == 5 and 0 not in handles


# Refusals: status class and detail, RFC 7143 11.13.5

def test_unknown_target_is_not_found(login):
    assert refusal(run_login, login(), target=iqn("nothing")).status == NOT_FOUND


def test_missing_initiator_name_is_a_missing_parameter(login):
    refused = refusal(login().step, SECURITY, OPERATIONAL,
                      {"TargetName": TARGET, "AuthMethod": "None"})
    assert refused.status == MISSING_PARAMETER


def test_missing_target_name_is_a_missing_parameter(login):
    refused = refusal(login().step, SECURITY, OPERATIONAL,
                      {"InitiatorName": HOST, "SessionType": "Normal", "AuthMethod": "None"})
    assert refused.status == MISSING_PARAMETER


def test_session_type_defaults_to_normal(login):
    one = login()
    one.step(SECURITY, OPERATIONAL,
             {"InitiatorName": HOST, "TargetName": TARGET, "AuthMethod": "None"})
    assert one.step(OPERATIONAL, FULL_FEATURE, OFFER).tsih


def test_unknown_session_type_is_refused(login):
    keys = {"InitiatorName": HOST, "TargetName": TARGET, "SessionType": "Bogus"}
    refused = refusal(login().step, SECURITY, OPERATIONAL, keys)
    assert refused.status in (SESSION_TYPE, INITIATOR_ERROR)


def test_higher_minimum_version_is_unsupported(login):
    one = login()
    refused = refusal(one.step, SECURITY, OPERATIONAL, identity(HOST, TARGET),
                      version_max=2, version_min=1)
    assert refused.status == UNSUPPORTED_VERSION
    assert refused.pdu.version_max == 0


def test_higher_maximum_version_is_answered_with_ours(login):
    one = login()
    answer = one.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"},
                      version_max=5)
    assert (answer.version_max, answer.version_active) == (0, 0)


def test_unknown_session_handle_does_not_exist(login):
    assert refusal(run_login, login(tsih=0x7777), target=TARGET).status == NO_SUCH_SESSION


def test_second_connection_of_a_session_is_one_too_many(node, login):
    session = node.log_in()
    one = login(tsih=session.tsih, isid=session.isid, cid=2)
    assert refusal(run_login, one, target=TARGET).status in (TOO_MANY_CONNECTIONS, CANNOT_INCLUDE)
    session.command(TEST_UNIT_READY).assert_good()


def test_initiator_without_export_is_forbidden(make_lab):
    lab = make_lab()
    lab.map["initiators"] = [{"name": HOST}, {"name": HOST + "2"}]
    lab.map["exports"] = [lab.export("data1", [HOST]), lab.export("data2", [HOST + "2"])]
    lab.start_target()
    assert refusal(lab.log_in, "data2").status == FORBIDDEN
    assert refusal(lab.log_in, name="iqn.2020-01.org.example:stranger").status == FORBIDDEN
    lab.log_in("data1")


def test_initiator_from_another_net_is_forbidden(make_lab):
    lab = make_lab()
    lab.map["initiators"] = [{"name": "*", "nets": [lab.net.address(0) + "/24"]}]
    lab.start_target()
    lab.log_in(source=lab.net.address(7))
    refused = refusal(lab.log_in, source=lab.net.address(7, second=True))
    assert refused.status == FORBIDDEN


def test_target_of_another_node_is_unavailable(make_lab):
    lab = make_lab()
    lab.map["targets"][1]["controller"] = 2
    lab.start_target(node=1)
    assert refusal(lab.log_in, "data2").status == SERVICE_UNAVAILABLE
    lab.log_in("data1")


def test_target_without_controller_is_unavailable(make_lab):
    lab = make_lab()
    lab.map["targets"][1]["controller"] = None
    lab.start_target()
    assert refusal(lab.log_in, "data2").status == SERVICE_UNAVAILABLE


def test_connections_beyond_the_limit_are_out_of_resources(start_node):
    lab = start_node(max_connections=2)
    first = lab.log_in()
    lab.log_in()
    try:
        assert refusal(lab.log_in).status == OUT_OF_RESOURCES
    except (Closed, ConnectionError) as error:
        pytest.fail(f"the third login got no answer: {error!r}")
    first.log_out()
    first.connection.expect_close()
    lab.node.events.wait("session.closed")
    lab.log_in()


def test_refused_login_is_answered_and_then_closed(node, login):
    one = login()
    refused = refusal(run_login, one, target=iqn("nothing"))
    assert refused.pdu.csg == SECURITY and not refused.pdu.flags & TRANSIT
    assert one.connection.expect_close() == []
    event = node.node.events.wait("login.refused")
    assert event["initiator"] == HOST


def test_request_that_is_not_a_login_ends_the_connection(login):
    one = login()
    one.connection.send(Pdu(NOP_OUT, flags=FINAL, itt=1, ttt=0xFFFFFFFF))
    answers = one.connection.expect_close()
    assert all(pdu.opcode == LOGIN_RESPONSE and pdu.status == INVALID_DURING_LOGIN
               for pdu in answers)


def test_second_login_request_may_not_change_the_isid(login):
    one = login()
    one.step(SECURITY, None, identity(HOST, TARGET))
    one.isid = new_isid()
    one.connection.send(one.request(SECURITY, OPERATIONAL, {"AuthMethod": "None"}))
    answers = one.connection.expect_close()
    assert all(pdu.status >> 8 == 2 for pdu in answers)


def test_second_login_request_may_not_change_the_initiator_name(login):
    one = login()
    one.step(SECURITY, None, identity(HOST, TARGET))
    refused = refusal(one.step, SECURITY, OPERATIONAL, {"InitiatorName": HOST + "2"})
    assert refused.status >> 8 == 2


# Names

@pytest.mark.parametrize("name", ["iqn.2020-01.org.example:HOST", "eui.0123456789abcdef",
                                  "naa.5000c500a1b2c3d4", "iqn.2020-01.org.example:" + "h" * 199])
def test_initiator_names_of_every_form_are_accepted(node, name):
    node.log_in(name=name)


def test_initiator_name_longer_than_223_bytes_is_refused(login):
    refused = refusal(run_login, login(), name="iqn.2020-01.org.example:" + "h" * 220,
                      target=TARGET)
    assert refused.status >> 8 == 2


# Session reinstatement: RFC 7143 6.3.5

def test_same_name_and_isid_reinstates_the_session(node):
    old = node.log_in()
    new = node.log_in(isid=old.isid)
    assert new.tsih != old.tsih
    old.connection.expect_close()
    new.command(TEST_UNIT_READY).assert_good()
    closed = node.node.events.wait("session.closed")
    assert closed["reason"]


def test_other_isid_is_another_session(node):
    first, second = node.log_in(), node.log_in()
    assert first.tsih != second.tsih
    first.command(TEST_UNIT_READY).assert_good()
    second.command(TEST_UNIT_READY).assert_good()


def test_same_isid_of_another_initiator_is_another_session(node):
    first = node.log_in()
    node.log_in(name=HOST + "2", isid=first.isid)
    first.command(TEST_UNIT_READY).assert_good()


def test_same_isid_to_another_target_is_another_session(node):
    first = node.log_in("data1")
    node.log_in("data2", isid=first.isid)
    first.command(TEST_UNIT_READY).assert_good()


def test_login_that_fails_does_not_end_the_session_it_names(node, login):
    old = node.log_in()
    one = login(isid=old.isid)
    one.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    refusal(one.step, OPERATIONAL, FULL_FEATURE, {"MaxBurstLength": "nonsense", "SessionType": "x"})
    old.command(TEST_UNIT_READY).assert_good()


def test_discovery_sessions_of_one_initiator_coexist(node):
    first = node.log_in(None)
    second = node.log_in(None)
    assert first.send_targets() == second.send_targets()


# Time

def test_half_open_login_is_closed_after_its_timeout(start_node):
    lab = start_node(login_timeout_s=1)
    silent, slow = Login(lab.portal), Login(lab.portal)
    slow.step(SECURITY, None, identity(HOST, TARGET))
    session = lab.log_in()
    silent.connection.expect_close()
    slow.connection.expect_close()
    session.command(TEST_UNIT_READY).assert_good()


def test_login_timeout_does_not_touch_a_session(start_node):
    lab = start_node(login_timeout_s=1)
    session = lab.log_in()
    idle = Login(lab.portal)
    idle.connection.expect_close()
    session.command(TEST_UNIT_READY).assert_good()


def test_session_is_listed_while_it_lives(node):
    session = node.log_in()
    listed = node.node.control.sessions()
    assert len(listed) == 1
    entry = listed[0]
    assert entry["initiator"] == HOST and entry["target"] == TARGET
    assert entry["isid"] == session.isid.hex() and entry["tsih"] == session.tsih
    assert entry["type"] == "normal"
    assert entry["portal"] == f"{node.portal}:3260"
    assert entry["peer"] == "%s:%d" % session.connection.local
    assert entry["commands"] >= 1
    session.log_out()
    session.connection.expect_close()
    node.node.events.wait("session.closed", initiator=HOST)
    assert node.node.control.sessions() == []


def test_login_over_ipv6(make_lab):
    lab, port = make_lab(), free_port("::1")
    lab.map["portal_groups"][0]["portals"].append({"node": 1, "address": "::1", "port": port})
    lab.node = lab.start_target()
    session = lab.log_in(address="::1", port=port)
    session.command(TEST_UNIT_READY).assert_good()
    listed = lab.node.control.sessions()
    assert listed[0]["portal"] == f"[::1]:{port}"
