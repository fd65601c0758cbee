"""Logins and redirects that go wrong on purpose, at node portals and at floating IPs."""

import time

import pytest

from chap import Credentials
from faults import clear_faults, hits, set_faults
from login import (AUTHENTICATION_FAILURE, HOST, MOVED_PERMANENTLY, MOVED_TEMPORARILY,
                   OUT_OF_RESOURCES, SERVICE_UNAVAILABLE, Login, Refused, run_login)
from node import iqn
from scsi import TEST_UNIT_READY
from wire import Closed

TARGET = iqn("data1")
USER, SECRET, OUR_USER, OUR_SECRET = "host-user", "twelve-bytes", "array-user", "other-secret"


def refused(log_in, *arguments, **how):
    with pytest.raises(Refused) as caught:
        log_in(*arguments, **how)
    return caught.value


@pytest.mark.parametrize("status, code", [
    ("service_unavailable", SERVICE_UNAVAILABLE), ("out_of_resources", OUT_OF_RESOURCES),
    ("0x0203", 0x0203), ("0x0399", 0x0399)])
def test_refused_with_any_status(node, status, code):
    set_faults(node.node, f"login.refuse status={status} count=1")
    assert refused(node.log_in).status == code
    node.log_in().command(TEST_UNIT_READY).assert_good()


def test_refused_by_name(node):
    set_faults(node.node, "login.refuse initiator=*:victim")
    node.log_in().command(TEST_UNIT_READY).assert_good()
    assert refused(node.log_in, name="iqn.2020-01.org.example:victim").status == SERVICE_UNAVAILABLE


@pytest.mark.parametrize("condition, is_struck", [
    ("portal={portal}", True), ("portal={portal2}", False), ("portal_group=poc", True),
    ("portal_group=other", False), ("volume=data1", True), ("volume=data2", False),
    ("node=1", True), ("node=2", False)])
def test_conditions_choose_the_victim(node, condition, is_struck):
    set_faults(node.node, "login.refuse " + condition.format(portal=node.portal,
                                                            portal2=node.portal2))
    if is_struck:
        assert refused(node.log_in).status == SERVICE_UNAVAILABLE
        clear_faults(node.node)
    node.log_in().command(TEST_UNIT_READY).assert_good()


def test_hang_and_its_end(node):
    set_faults(node.node, f"login.hang initiator={HOST} count=1")
    login = Login(node.portal)
    login.connection.send(login.request(1, 3, {"InitiatorName": HOST, "TargetName": TARGET}))
    login.connection.expect_silence(0.3)
    node.log_in().command(TEST_UNIT_READY).assert_good()
    login.close()


def test_slow(node):
    set_faults(node.node, "login.slow time=200ms")
    begin = time.monotonic()
    node.log_in()
    assert time.monotonic() - begin > 0.4, "two requests"
    clear_faults(node.node)
    begin = time.monotonic()
    node.log_in()
    assert time.monotonic() - begin < 0.2


def test_dropped_after_a_request(node):
    set_faults(node.node, "login.drop skip=1 count=1")
    login = Login(node.portal)
    with pytest.raises(Closed):
        run_login(login, target=TARGET)
    assert login.answered, "the first request was answered"
    node.log_in().command(TEST_UNIT_READY).assert_good()


@pytest.fixture
def secured(lab):
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET},
                              "mutual_chap": {"user": OUR_USER, "secret": OUR_SECRET}}]
    lab.node = lab.start_target()
    return lab


def mutual():
    return Credentials(USER, SECRET, target_user=OUR_USER, target_secret=OUR_SECRET)


def test_the_right_secret_is_refused(secured):
    set_faults(secured.node, "login.wrong_chap count=2")
    assert refused(secured.log_in, chap=mutual()).status == AUTHENTICATION_FAILURE
    clear_faults(secured.node)
    secured.log_in(chap=mutual()).command(TEST_UNIT_READY).assert_good()


def test_the_target_proves_itself_wrongly(secured):
    set_faults(secured.node, "login.wrong_chap side=target")
    with pytest.raises(AssertionError, match="wrong CHAP_R"):
        secured.log_in(chap=mutual())
    clear_faults(secured.node)
    secured.log_in(chap=mutual()).command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("to", [
    "192.0.2.1:3260", "127.0.0.1:1", "{floating}:3260", "{portal}:3260,1", "array.example:3260",
    "[::1]:3260", "?!,,::", "{portal2}:3260"])
@pytest.mark.parametrize("status, code", [("temporary", MOVED_TEMPORARILY),
                                          ("permanent", MOVED_PERMANENTLY)])
def test_redirected_anywhere(floating, to, status, code):
    to = to.format(floating=floating.floating_ip, portal=floating.portal, portal2=floating.portal2)
    set_faults(floating.portalgroup, f'login.redirect "to={to}" status={status} count=1')
    failure = refused(floating.log_in, "data1", floating.floating_ip)
    assert (failure.status, failure.pdu.key("TargetAddress")) == (code, to)
    assert floating.portalgroup.events.wait("login.redirected")["to"] == to
    failure = refused(floating.log_in, "data1", floating.floating_ip)
    assert failure.pdu.key("TargetAddress") == f"{floating.portal}:3260"


def test_a_loop_between_floating_ip_and_node(floating):
    set_faults(floating.node, f"login.redirect to={floating.floating_ip}:3260")
    for address, to in ((floating.floating_ip, floating.portal),
                        (floating.portal, floating.floating_ip)):
        failure = refused(floating.log_in, "data1", address)
        assert (failure.status, failure.pdu.key("TargetAddress")) == (MOVED_TEMPORARILY,
                                                                    f"{to}:3260")
    clear_faults(floating.node)
    floating.log_in().command(TEST_UNIT_READY).assert_good()


def test_redirected_to_itself(floating):
    set_faults(floating.portalgroup, "login.redirect volume=data1 portal_group=poc")
    failure = refused(floating.log_in, "data1", floating.floating_ip)
    assert failure.pdu.key("TargetAddress") == f"{floating.floating_ip}:3260"
    failure = refused(floating.log_in, "data2", floating.floating_ip)
    assert failure.pdu.key("TargetAddress") == f"{floating.portal}:3260"


@pytest.mark.parametrize("what, names", [
    ("nothing", []), ("garbage", ["not a name at all"]),
    ("foreign", ["iqn.2012-11.com.example:not-there"])])
def test_discovery(floating, what, names):
    session = floating.log_in(None, floating.floating_ip)
    set_faults(floating.portalgroup, f"login.discovery list={what} count=1")
    assert [value for key, value in session.send_targets() if key == "TargetName"] == names
    assert len(session.send_targets()) == 6
    assert hits(floating.portalgroup) == {"login.discovery-1": 1}


@pytest.mark.parametrize("at", ["floating_ip", "portal"])
def test_discovery_of_what_must_not_be_seen(floating, at):
    floating.map["exports"] = [floating.export("data1")]
    floating.send_map()
    session = floating.log_in(None, getattr(floating, at))
    for process in floating.processes:
        set_faults(process, "login.discovery list=everything count=1")
    assert ("TargetName", iqn("data2")) in session.send_targets()
    for process in floating.processes:
        set_faults(process, "login.discovery list=node_portals count=1")
    assert ("TargetAddress", f"{floating.portal2}:3260,1") in session.send_targets()
    assert session.send_targets()[0] == ("TargetName", TARGET)
    assert len(session.send_targets()) == 3


def test_the_right_redirect_for_good(floating):
    set_faults(floating.portalgroup, "login.permanent count=1")
    for status in (MOVED_PERMANENTLY, MOVED_TEMPORARILY):
        failure = refused(floating.log_in, "data1", floating.floating_ip)
        assert failure.status == status
        assert failure.pdu.key("TargetAddress") == f"{floating.portal}:3260"


def redirect_of(lab):
    return refused(lab.log_in, "data1", lab.floating_ip).pdu.key("TargetAddress")


@pytest.mark.parametrize("controller", [1, None])
def test_a_redirect_is_stale_until_its_time_has_passed(floating, controller):
    floating.map["targets"][0].update(controller=controller, former=2, moved=0)
    if controller:
        floating.map["targets"][0]["moved"] = time.time() - 20
    floating.send_map(floating.portalgroup)
    set_faults(floating.portalgroup, "login.stale time=1m")
    assert redirect_of(floating) == f"{floating.portal2}:3260"
    assert refused(floating.log_in, "data2",
                   floating.floating_ip).pdu.key("TargetAddress") == f"{floating.portal}:3260"
    floating.map["targets"][0].update(controller=1, moved=time.time() - 61)
    floating.send_map(floating.portalgroup)
    assert redirect_of(floating) == f"{floating.portal}:3260"


def test_pdus_of_the_floating_ip_too(floating):
    set_faults(floating.portalgroup, "pdu.delay pdu=Login_Response time=300ms")
    begin = time.monotonic()
    refused(floating.log_in, "data1", floating.floating_ip)
    assert time.monotonic() - begin > 0.3


def test_a_reset_login_is_no_end_of_the_process(node):
    set_faults(node.node, "pdu.reset pdu=Login_Request count=1")
    with pytest.raises(Closed):
        node.log_in()
    node.log_in().command(TEST_UNIT_READY).assert_good()
