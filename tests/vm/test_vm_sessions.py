"""open-iscsi's sessions: discovery, redirect, CHAP, what happens when the machine goes away."""

import re

import pytest

from conftest import INITIATOR
from lab import iqn

TARGET = iqn("data1")
LOGIN_FAILED, AUTH_FAILED = 19, 24  # open-iscsi's exit codes
CHAP = """[initiator *]
net = 10.77.0.0/16
chap = guest secret-of-guest
mutual_chap = array secret-of-array"""


def sessions(guest):
    """What `iscsiadm -m session -P 3` says of each session: {words before a colon: what follows}."""
    text = guest.iscsiadm("-m session -P 3")
    return [dict(re.findall(r"^\s*([\w .]+?):\s+(\S.*)$", part, re.M))
            for part in re.split(r"(?=Current Portal:)", text)[1:]]


def prepare(cluster, guest, **chap):
    """The target's records, with the user names and secrets given."""
    guest.discover(cluster.floating_ip)
    if chap:
        guest.settings(TARGET, {"node.session.auth.authmethod": "CHAP"} | {
            f"node.session.auth.{name}": value for name, value in chap.items()})


def test_discovery_gives_the_floating_ips_and_never_a_node(cluster, guest):
    found = guest.discover(cluster.floating_ip)
    assert {portal.partition(",")[0] for portal, _ in found} == {
        f"{cluster.floating_ip}:3260", f"{cluster.floating_ip2}:3260"}
    assert {target for _, target in found} == {iqn("data1"), iqn("data2")}


@pytest.mark.parametrize("status", ["temporary", "permanent"])
def test_login_is_redirected_and_comes_back_through_the_floating_ip(make_cluster, guest, status):
    cluster = make_cluster(group={"redirect_status": status}).up()
    guest.discover(cluster.floating_ip)
    guest.log_in(TARGET, cluster.floating_ip)
    session, = sessions(guest)
    old = cluster.controller()
    assert session["Persistent Portal"] == f"{cluster.floating_ip}:3260,1"
    assert session["Current Portal"] == f"{cluster.portal(old)}:3260,1"
    assert session["iSCSI Session State"] == "LOGGED_IN"
    mark = cluster.node(old, "kill")
    cluster.events.wait("session.opened", 30, mark, initiator=INITIATOR.format(1))
    session, = sessions(guest)
    assert session["Persistent Portal"] == f"{cluster.floating_ip}:3260,1"
    assert session["Current Portal"] == f"{cluster.portal(cluster.controller())}:3260,1"


def test_planned_move_takes_the_session_along(cluster, guest):
    guest.discover(cluster.floating_ip)
    guest.log_in(TARGET, cluster.floating_ip)
    disk, = guest.disks(TARGET)
    old = cluster.controller()
    new = old % 3 + 1
    mark = cluster.events.mark()
    cluster.run("target", "data1", "move", new)
    cluster.events.wait("session.opened", 30, mark, node=new, initiator=INITIATOR.format(1))
    guest.run(f"dd if=/dev/urandom of={disk} bs=64k count=16 oflag=direct")
    session, = sessions(guest)
    assert session["Current Portal"] == f"{cluster.portal(new)}:3260,1"


@pytest.mark.parametrize("mutual", [False, True])
def test_login_with_chap(make_cluster, guest, mutual):
    cluster = make_cluster(initiators=CHAP if mutual else CHAP.rpartition("\n")[0]).up()
    back = {"username_in": "array", "password_in": "secret-of-array"} if mutual else {}
    prepare(cluster, guest, username="guest", password="secret-of-guest", **back)
    guest.log_in(TARGET, cluster.floating_ip)
    session, = sessions(guest)
    assert session["Current Portal"].startswith(cluster.portal(cluster.controller()))
    assert session["username"] == "guest"


@pytest.mark.parametrize("code, wrong", [
    (AUTH_FAILED, {}), (AUTH_FAILED, {"username": "guest", "password": "another-secret"}),
    (LOGIN_FAILED, {"username": "guest", "password": "secret-of-guest", "username_in": "array",
                    "password_in": "not-of-the-array"})], ids=["none", "wrong secret", "wrong array"])
def test_no_session_without_the_right_secrets(make_cluster, guest, code, wrong):
    cluster = make_cluster(initiators=CHAP).up()
    prepare(cluster, guest, **wrong)
    done = guest.run(f"iscsiadm -m node -T {TARGET} -p {cluster.floating_ip} --login", check=False)
    assert done.code == code, done.output
    assert cluster.status()["sessions"] == []


def test_machine_that_boots_again_takes_its_place(cluster, guest, join):
    """It was reset: no logout, no FIN; the same name and ISID log in again."""
    def log_in():
        guest.discover(cluster.floating_ip)
        guest.log_in(TARGET, cluster.floating_ip)
        return guest.disks(TARGET)

    log_in()
    before, = cluster.status()["sessions"]
    mark = cluster.events.mark()
    guest.reset()
    join(guest)
    log_in()
    after, = cluster.status()["sessions"]
    assert after["initiator"] == before["initiator"] and after["since"] > before["since"]
    assert len(cluster.events.all("session.closed", mark, target=TARGET)) == 1


def test_machine_that_never_comes_back_is_forgotten(make_cluster, guest):
    cluster = make_cluster(settings={"nop_interval_s": 1, "nop_timeout_s": 1}).up()
    guest.discover(cluster.floating_ip)
    guest.log_in(TARGET, cluster.floating_ip)
    mark = cluster.events.mark()
    guest.power_off()
    cluster.events.wait("session.closed", 30, mark, target=TARGET)
    assert cluster.status()["sessions"] == []
    guest.power_on()
