"""The floating IP's process: discovery, login, redirect (RFC 7143 13.8, 11.13.5), no SCSI ever."""

import socket

import pytest

from chap import Credentials
from login import (AUTHENTICATION_FAILURE, FORBIDDEN, HOST, MISSING_PARAMETER,
                   MOVED_PERMANENTLY, MOVED_TEMPORARILY, NOT_FOUND, OPERATIONAL, SECURITY,
                   SERVICE_UNAVAILABLE, Login, Refused, identity, run_login)
from node import iqn
from pdu import SCSI_COMMAND, TRANSIT, Pdu
from scsi import TEST_UNIT_READY, pattern, read10, write10

TARGET = iqn("data1")
USER, SECRET = "host-user", "twelve-bytes"


@pytest.fixture
def start_floating(lab):
    """start_floating() starts the portalgroup process of the lab's map, alone."""
    def start(address=None, node=1):
        lab.portalgroup = lab.start_portalgroup(address, node)
        return lab
    return start


def redirected(lab, address=None, volume="data1", **how):
    with pytest.raises(Refused) as caught:
        lab.log_in(volume, address or lab.floating_ip, **how)
    return caught.value


def test_discovery_lists_floating_ips_with_their_tag_and_no_node_portal(start_floating):
    lab = start_floating()
    session = lab.log_in(None, lab.floating_ip)
    assert session.send_targets() == [
        pair for volume in ("data1", "data2") for pair in (
            ("TargetName", iqn(volume)),
            ("TargetAddress", f"{lab.floating_ip}:3260,1"),
            ("TargetAddress", f"{lab.floating_ip2}:3260,1"))]


def test_discovery_at_a_node_portal_gives_the_same_answer(floating):
    answers = [floating.log_in(None, address).send_targets()
               for address in (floating.floating_ip, floating.portal)]
    assert answers[0] == answers[1] and answers[0]


def test_discovery_of_one_target_by_name(start_floating):
    lab = start_floating()
    session = lab.log_in(None, lab.floating_ip)
    names = [value for key, value in session.send_targets(iqn("data2")) if key == "TargetName"]
    assert names == [iqn("data2")]


def test_discovery_of_an_unknown_name_gives_an_empty_answer(start_floating):
    lab = start_floating()
    assert lab.log_in(None, lab.floating_ip).send_targets(iqn("nothing")) == []


def test_discovery_lists_only_what_is_exported_to_the_asker(start_floating, lab):
    lab.map["initiators"] = [{"name": HOST}, {"name": HOST + "2"}]
    lab.map["exports"] = [lab.export("data1", [HOST]), lab.export("data2", [HOST + "2"])]
    start_floating()
    pairs = lab.log_in(None, lab.floating_ip).send_targets()
    assert [value for key, value in pairs if key == "TargetName"] == [iqn("data1")]


def test_discovery_lists_no_target_exported_in_another_portal_group(start_floating, lab):
    other = lab.net.address(200)
    lab.map["portal_groups"].append({
        "name": "other", "tpgt": 2, "redirect": "after_auth", "redirect_status": "temporary",
        "discovery_chap": "offered", "portals": [],
        "floating_ips": [{"address": other, "prefix": 24, "port": 3260, "node": 1}]})
    lab.map["exports"][1]["portal_group"] = "other"
    start_floating()
    pairs = lab.log_in(None, lab.floating_ip).send_targets()
    assert [value for key, value in pairs if key == "TargetName"] == [iqn("data1")]
    assert not any(other in value for _, value in pairs)
    assert redirected(lab, volume="data2").status in (FORBIDDEN, NOT_FOUND)


def test_login_is_redirected_to_the_portal_of_the_controller(floating):
    refused = redirected(floating)
    assert refused.status == MOVED_TEMPORARILY
    assert refused.pdu.key("TargetAddress") == f"{floating.portal}:3260"
    event = floating.portalgroup.events.wait("login.redirected")
    assert event["initiator"] == HOST and event["target"] == TARGET


def test_redirect_answer_keeps_the_stage_and_does_not_transit(start_floating):
    lab = start_floating()
    pdu = redirected(lab).pdu
    assert pdu.csg == SECURITY and not pdu.flags & TRANSIT and pdu.tsih == 0
    pdu = redirected(lab, stages=(1, 3)).pdu
    assert pdu.csg == OPERATIONAL and not pdu.flags & TRANSIT


def test_redirect_closes_the_connection(start_floating):
    lab = start_floating()
    login = Login(lab.floating_ip)
    with pytest.raises(Refused):
        run_login(login, target=TARGET)
    assert login.connection.expect_close() == []


def test_redirect_stays_in_the_subnet_of_the_floating_ip(start_floating, lab):
    lab.start_portalgroup(lab.floating_ip2)
    start_floating()
    first = redirected(lab).pdu.key("TargetAddress")
    second = redirected(lab, lab.floating_ip2).pdu.key("TargetAddress")
    assert first == f"{lab.net.address(1)}:3260"
    assert second == f"{lab.net.address(1, second=True)}:3260"


def test_redirect_leaves_the_subnet_where_the_controller_has_no_portal_in_it(start_floating, lab):
    lab.map["portal_groups"][0]["portals"] = [
        {"node": 1, "address": lab.net.address(9, second=True), "port": 3261}]
    start_floating()
    assert redirected(lab).pdu.key("TargetAddress") == f"{lab.net.address(9, second=True)}:3261"


def test_redirect_goes_to_the_new_controller_after_the_next_map(start_floating, lab):
    start_floating(node=3)
    assert redirected(lab).pdu.key("TargetAddress") == f"{lab.portal}:3260"
    lab.map["targets"][0]["controller"] = 2
    lab.send_map()
    assert redirected(lab).pdu.key("TargetAddress") == f"{lab.portal2}:3260"


def test_map_older_than_the_current_one_is_refused(start_floating, lab):
    start_floating()
    with pytest.raises(AssertionError):
        lab.portalgroup.control.request("map", **lab.next_map() | {"generation": 1})
    assert redirected(lab).status == MOVED_TEMPORARILY


def test_login_is_unavailable_while_there_is_no_controller(start_floating, lab):
    lab.map["targets"][0]["controller"] = None
    start_floating()
    refused = redirected(lab)
    assert refused.status == SERVICE_UNAVAILABLE
    lab.map["targets"][0]["controller"] = 1
    lab.send_map()
    assert redirected(lab).status == MOVED_TEMPORARILY


def test_login_is_unavailable_while_the_controller_has_no_portal_in_the_group(start_floating, lab):
    lab.map["targets"][0]["controller"] = 3
    start_floating()
    assert redirected(lab).status == SERVICE_UNAVAILABLE


def test_permanent_redirect_is_another_status(start_floating, lab):
    lab.map["portal_groups"][0]["redirect_status"] = "permanent"
    start_floating()
    refused = redirected(lab)
    assert refused.status == MOVED_PERMANENTLY
    assert refused.pdu.key("TargetAddress") == f"{lab.portal}:3260"


def test_unknown_target_is_not_found(start_floating):
    assert redirected(start_floating(), volume="nothing").status == NOT_FOUND


def test_stranger_is_forbidden(start_floating, lab):
    lab.map["initiators"] = [{"name": HOST}]
    lab.map["exports"] = [lab.export("data1", [HOST])]
    start_floating()
    assert redirected(lab, name=HOST + "2").status == FORBIDDEN
    assert redirected(lab, volume="data2").status in (FORBIDDEN, NOT_FOUND)


def test_initiator_of_another_net_is_forbidden(start_floating, lab):
    lab.map["initiators"] = [{"name": "*", "nets": [lab.net.address(0) + "/24"]}]
    start_floating()
    assert redirected(lab, source=lab.net.address(5)).status == MOVED_TEMPORARILY
    assert redirected(lab, source=lab.net.address(5, second=True)).status == FORBIDDEN


def test_missing_names_are_missing_parameters(start_floating):
    lab = start_floating()
    for keys in ({"TargetName": TARGET}, {"InitiatorName": HOST, "SessionType": "Normal"}):
        login = Login(lab.floating_ip)
        with pytest.raises(Refused) as caught:
            login.step(SECURITY, OPERATIONAL, keys | {"AuthMethod": "None"})
        assert caught.value.status == MISSING_PARAMETER
        login.close()


# Authentication comes first, unless the portal group says otherwise

@pytest.fixture
def secured(start_floating, lab):
    def start(redirect="after_auth", **group):
        lab.map["portal_groups"][0].update(redirect=redirect, **group)
        lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET}}]
        return start_floating()
    return start


def test_redirect_comes_after_authentication(secured):
    lab = secured()
    login = Login(lab.floating_ip)
    first = login.step(SECURITY, None, identity(HOST, TARGET) | {"AuthMethod": "CHAP"})
    assert first.key("AuthMethod") == "CHAP"
    login.close()
    refused = redirected(lab, chap=Credentials(USER, SECRET))
    assert refused.status == MOVED_TEMPORARILY
    assert refused.pdu.key("TargetAddress") == f"{lab.portal}:3260"


def test_redirect_proves_the_target_to_the_initiator_first(start_floating, lab):
    """Mutual CHAP: the redirect carries CHAP_N and CHAP_R, or follows an answer that did."""
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET},
                              "mutual_chap": {"user": "array", "secret": "another-secret"}}]
    start_floating()
    credentials = Credentials(USER, SECRET, target_user="array", target_secret="another-secret")
    login = Login(lab.floating_ip)
    with pytest.raises(Refused) as caught:
        run_login(login, target=TARGET, chap=credentials)
    answers = dict(login.answers) | dict(caught.value.pdu.keys)
    login.close()
    assert caught.value.status == MOVED_TEMPORARILY
    credentials.check(answers)


def test_wrong_secret_is_not_redirected(secured):
    refused = redirected(secured(), chap=Credentials(USER, "wrong-secret-here"))
    assert refused.status == AUTHENTICATION_FAILURE
    assert refused.pdu.key("TargetAddress") is None


def test_no_authentication_is_not_redirected(secured):
    lab = secured()
    assert redirected(lab).status == AUTHENTICATION_FAILURE
    assert redirected(lab, stages=(1, 3)).status == AUTHENTICATION_FAILURE


def test_redirect_before_authentication_answers_the_first_request(secured):
    lab = secured(redirect="before_auth")
    login = Login(lab.floating_ip)
    with pytest.raises(Refused) as caught:
        login.step(SECURITY, None, identity(HOST, TARGET) | {"AuthMethod": "CHAP"})
    login.close()
    assert caught.value.status == MOVED_TEMPORARILY
    assert caught.value.pdu.key("TargetAddress") == f"{lab.portal}:3260"


def test_redirect_before_authentication_still_checks_the_export(secured, lab):
    lab.map["exports"] = [lab.export("data1")]
    secured(redirect="before_auth")
    assert redirected(lab, volume="nothing").status == NOT_FOUND
    assert redirected(lab, volume="data2").status in (FORBIDDEN, NOT_FOUND)


def test_discovery_with_chap_offered_takes_both(secured):
    lab = secured()
    with_chap = lab.log_in(None, lab.floating_ip, chap=Credentials(USER, SECRET))
    without = lab.log_in(None, lab.floating_ip)
    assert with_chap.send_targets() == without.send_targets()


def test_discovery_with_chap_required_refuses_none(secured):
    lab = secured(discovery_chap="required")
    assert redirected(lab, volume=None).status == AUTHENTICATION_FAILURE
    lab.log_in(None, lab.floating_ip, chap=Credentials(USER, SECRET)).send_targets()


# No SCSI

def test_scsi_command_in_a_discovery_session_is_not_served(start_floating):
    lab = start_floating()
    session = lab.log_in(None, lab.floating_ip)
    session.connection.send(Pdu(SCSI_COMMAND, flags=0x80, itt=9, cdb=TEST_UNIT_READY,
                                **session.numbers()))
    answers = session.connection.expect_close() if not session.connection.has_input(2) else [
        session.connection.receive()]
    assert all(pdu.opcode == 0x3F for pdu in answers), answers
    lab.log_in(None, lab.floating_ip).send_targets()


def test_discovery_session_answers_pings_and_logs_out(start_floating):
    lab = start_floating()
    session = lab.log_in(None, lab.floating_ip)
    assert session.nop(b"ping").data == b"ping"
    assert session.log_out().response == 0
    assert session.connection.expect_close() == []


def test_redirect_is_followed_to_a_working_session(floating):
    refused = redirected(floating)
    address, port = refused.pdu.key("TargetAddress").rsplit(":", 1)
    session = floating.log_in(address=address, port=int(port))
    data = pattern(16, seed=1)
    session.command(write10(0, 16), write=data).assert_good()
    assert session.command(read10(0, 16), read=len(data)).assert_good().data_in == data


def test_floating_ip_of_ipv6_redirects_with_brackets(start_floating, lab):
    lab.map["portal_groups"][0]["portals"] = [{"node": 1, "address": "::1", "port": 3260}]
    start_floating()
    assert redirected(lab).pdu.key("TargetAddress") == "[::1]:3260"


def test_isolated_floating_ip_is_mute_and_lives(start_floating):
    lab = start_floating()
    session = lab.log_in(None, lab.floating_ip)
    lab.portalgroup.control.request("isolate")
    session.connection.send_raw(session.command_pdu(TEST_UNIT_READY)[0].encode())
    session.connection.expect_silence(0.3)
    with pytest.raises(OSError):
        Login(lab.floating_ip, deadline=0.5)
    assert lab.portalgroup.control.request("ping")["ok"]


def test_port_that_is_taken_is_an_error_and_nothing_listens_elsewhere(lab):
    with socket.create_server((lab.floating_ip, 3260)):
        with pytest.raises(AssertionError, match=f"cannot listen on {lab.floating_ip}:3260"):
            lab.start_portalgroup()
