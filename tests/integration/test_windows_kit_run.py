"""configs/windows at work: run on a model of Windows whose initiator logs in to a real cluster."""

import json

import pytest

from cluster import iqn
from powershell_run import run
from powershell_values import Credential, PowerShellError, Secret
from windows_machine import CLASS, WindowsMachine

FLOATING = ["192.168.10.100", "192.168.20.100"]
PARAMETERS = (CLASS + r"\0003\Parameters").lower()
RECOMMENDED = {"MaxRequestHoldTime": -1, "LinkDownTime": 5, "SrbTimeoutDelta": 5,
               "PortalRetryCount": 300, "EnableNOPOut": 1}
USER, SECRET = "win2016", "secret12chars"
TARGET_SECRET = "another12chars"


@pytest.fixture
def make_host():
    """Windows machines whose sessions end with the test."""
    machines = []

    def make(*cards):
        machines.append(WindowsMachine(cards or ["192.168.10.5", "192.168.20.5"]))
        return machines[-1]

    yield make
    for machine in machines:
        machine.iscsi.close()


@pytest.fixture
def host(make_host):
    return make_host()


def prepare(host, **arguments):
    """With the restarts that it asks for."""
    run(host, "Initialize", **arguments)
    host.restart()
    run(host, "Initialize", **arguments)
    host.restart()


def verdicts(host, **arguments):
    """Item to verdict, as Test has it, and its exit code."""
    checks, code = run(host, "Test", AsObject=True, **arguments)
    return {check.Item: check.Verdict for check in checks}, code


# Prepare, test, restore

def test_a_fresh_host_is_prepared_as_the_guide_has_it(host):
    run(host, "Initialize", FloatingIP=FLOATING)
    assert "Restart Windows" in host.shown() and "once more" in host.shown()
    assert verdicts(host)[0]["LinkDownTime"] == "after a restart"
    host.restart()
    run(host, "Initialize", FloatingIP=FLOATING)
    host.restart()
    values = host.registry[PARAMETERS].plain()
    assert values == RECOMMENDED, "MaxRequestHoldTime is 0xffffffff, signed as the registry has it"
    services = r"hklm:\system\currentcontrolset\services"
    assert host.registry[rf"{services}\disk"].get("TimeOutValue") == 86400
    assert host.registry[rf"{services}\mpio\parameters"].get("PDORemovePeriod") == 86400
    service = host.services["msiscsi"]
    assert (service.StartType, service.Status) == ("Automatic", "Running")
    assert host.mpio == {"state": "Enabled", "policy": "RR",
                         "claims": {"SAS": False, "iSCSI": True}}
    found, _ = verdicts(host, FloatingIP=FLOATING)
    assert {item for item, verdict in found.items() if verdict != "as recommended"} == {"sessions"}


def test_a_second_preparation_changes_nothing(host):
    prepare(host)
    before, record = host.state(), host.record()
    run(host, "Initialize")
    assert host.state() == before and host.record() == record and not host.warnings


def test_what_if_changes_nothing(host):
    before = host.state()
    run(host, "Initialize", WhatIf=True)
    assert host.state() == before and not host.record() and host.shown().count("What if: ") == 10
    prepare(host)
    before, record = host.state(), host.record()
    run(host, "Restore", WhatIf=True)
    assert host.state() == before and host.record() == record


def test_restore_puts_back_every_former_value(host):
    before = host.state()
    prepare(host)
    _, code = run(host, "Restore")
    host.restart()
    assert code == 0 and host.state() == before and not host.record()
    _, code = run(host, "Restore")
    assert code == 0 and "Nothing to undo" in host.shown()


def test_former_values_survive_a_drift_and_a_second_preparation(host):
    before = host.state()
    prepare(host)
    host.registry[PARAMETERS]["LinkDownTime"] = 77
    assert verdicts(host)[0]["LinkDownTime"] == "not as recommended"
    entries = len(host.record())
    prepare(host)
    assert len(host.record()) == entries
    run(host, "Restore")
    host.restart()
    assert host.state() == before, "LinkDownTime is 15 again, not 77"


def test_what_cannot_be_undone_is_named_and_tried_again(host):
    before = host.state()
    prepare(host)
    works = host.Set_Service

    def denied(Name, StartupType):
        raise PowerShellError(f"access to {Name} denied")

    host.Set_Service = denied
    _, code = run(host, "Restore")
    assert code == 1 and [entry["Kind"] for entry in host.record()] == ["service"]
    assert "service MSiSCSI could not be undone: access to MSiSCSI denied" in host.shown()
    assert not host.rules
    host.Set_Service = works
    _, code = run(host, "Restore")
    host.restart()
    assert code == 0 and host.state() == before


def test_a_record_that_somebody_else_wrote_writes_nowhere_else(host):
    prepare(host)
    record = json.loads(host.files[host.RECORD])
    foreign = CLASS + r"\0000\DriverDesc"
    record["Entries"][0] |= {"Kind": "registry", "Name": foreign, "Former": 1}
    host.files[host.RECORD] = json.dumps(record)
    _, code = run(host, "Restore")
    assert code == 1 and f"{foreign} could not be undone: this is no value" in host.shown()
    assert host.registry[(CLASS + r"\0000").lower()].get("DriverDesc") == "Some RAID controller"


def test_a_host_with_one_path_keeps_its_mpio(host):
    prepare(host, NoMpio=True)
    assert host.mpio["state"] == "Disabled" and not any("MPIO" in line for line in host.warnings)
    found, _ = verdicts(host, NoMpio=True)
    assert not any("MPIO" in item or item == "PDORemovePeriod" for item in found)
    assert found["MaxRequestHoldTime"] == "as recommended"


def test_what_a_network_card_has_too_much_is_named_and_left(host):
    host.routes = [(5, "0.0.0.0/0", "192.168.10.1"), (5, "192.168.10.0/24", "0.0.0.0")]
    host.dns = {6: ["8.8.8.8"]}
    run(host, "Initialize", FloatingIP=FLOATING)
    assert "an address and a mask and nothing else" in host.shown()
    found, _ = verdicts(host, FloatingIP=FLOATING)
    wrong = {item for item, verdict in found.items()
             if ": " in item and verdict != "as recommended"}
    assert wrong == {"iSCSI 5: gateways", "iSCSI 6: DNS servers", "iSCSI 6: registers in DNS"}
    assert host.routes and host.dns


@pytest.mark.parametrize("script, arguments, sentence", [
    ("Initialize", {"FloatingIP": ["10.9.9.9"]}, "No network card has an address in the subnet of 10.9.9.9"),
    ("Connect", {"FloatingIP": ["10.9.9.9"]}, "No network card has an address in the subnet of 10.9.9.9"),
    ("Connect", {"FloatingIP": FLOATING, "Credential": Credential(USER, "short")}, "has 5 characters"),
    ("Connect", {"FloatingIP": FLOATING, "TargetSecret": Secret(SECRET)}, "Mutual CHAP needs -Credential"),
    ("Connect", {"FloatingIP": FLOATING}, "The service MSiSCSI is not running: run Initialize-IscsiHost.ps1 first"),
    ("Connect", {"FloatingIP": ["192.168.10.100:3260"]}, "'192.168.10.100:3260' is not an IP address"),
    ("Connect", {}, "needs FloatingIP"),
])
def test_a_mistake_is_named(host, script, arguments, sentence):
    if "service" not in sentence:
        host.services["msiscsi"]["Status"] = "Running"
    with pytest.raises(PowerShellError, match=sentence):
        run(host, script, **arguments)
    assert not host.iscsi.portals


def test_a_host_that_nobody_prepared_can_be_tested(host):
    found, code = verdicts(host)
    assert code == 1
    for item in ("service MSiSCSI", "MPIO", "LinkDownTime", "sessions"):
        assert found[item] == "not as recommended"
    assert found["MPIO claims and policy"] == "unknown"


def test_a_machine_without_the_initiator_is_named(host):
    host.registry[(CLASS + r"\0003").lower()]["DriverDesc"] = "Something else"
    with pytest.raises(PowerShellError, match="There is no 'Microsoft iSCSI Initiator'"):
        run(host, "Initialize")


# Connect, to a cluster

@pytest.fixture
def lab(make_cluster, make_host):
    """lab(**cluster) gives a cluster that is up, a prepared host with a card for each of its
    floating IPs, and these as an argument."""
    def make(**how):
        cluster = make_cluster(**({"volumes": ("data1",)} | how)).up()
        host = make_host(cluster.net.address(50), cluster.net.address(50, second=True))
        prepare(host)
        return cluster, host, {"FloatingIP": [cluster.floating_ip, cluster.floating_ip2]}

    return make


def sessions(cluster):
    """Pairs of ISID and portal, as the cluster has them."""
    return sorted((session["isid"], session["portal"]) for session in cluster.status()["sessions"]
                  if session["initiator"] == "iqn.1991-05.com.microsoft:win2016")


@pytest.mark.parametrize("tells", [True, False], ids=["redirect told", "redirect not told"])
def test_two_floating_ips_make_two_paths_once(lab, tells):
    cluster, host, both = lab()
    host.iscsi.tells_redirect = tells
    run(host, "Connect", **both)
    node = cluster.controller()
    expected = [("400001370000", f"{cluster.portal(node)}:3260"),
                ("400001370001", f"{cluster.portal(node, True)}:3260")]
    assert sessions(cluster) == expected
    for path in host.iscsi.sessions:
        assert path.login.IsMultipathEnabled and path.login.IsPersistent
    run(host, "Connect", **both)
    assert sessions(cluster) == expected and len(host.iscsi.portals) == 2
    seen, = json.loads(cluster.run("hosts", "--json").stdout)
    judged = {row["name"]: row["verdict"] for row in seen["recommended"]}
    for name in ("MPIO", "target portal", "login keys"):
        assert judged[name] == "as recommended", "on the cluster's side"
    found, code = verdicts(host, **both)
    assert code == 0
    assert set(found.values()) == ({"as recommended"} if tells else {"as recommended", "unknown"})


def test_a_path_that_is_missing_is_added_alone(lab):
    cluster, host, both = lab()
    run(host, "Connect", FloatingIP=[cluster.floating_ip2])
    assert not host.iscsi.sessions[0].login.IsMultipathEnabled, "as Quick Connect does it"
    found, code = verdicts(host, **both)
    missing = f"{host.iscsi.sessions[0].login.NodeAddress} through {cluster.floating_ip}"
    assert code == 1 and found[missing] == "not as recommended"
    run(host, "Connect", **both)
    through = [path.login.TargetPortalAddress for path in host.iscsi.sessions]
    assert through == [cluster.floating_ip2, cluster.floating_ip]


@pytest.mark.parametrize("mutual", [False, True], ids=["one-way", "mutual"])
def test_chap_is_asked_for_and_its_secrets_stay_secret(lab, mutual):
    wanted = f"[initiator *]\nchap = {USER} {SECRET}\n"
    back = f"mutual_chap = array {TARGET_SECRET}\n" if mutual else ""
    cluster, host, both = lab(sections=wanted + back)
    with pytest.raises(PowerShellError, match="login failed: 0x0201"):
        run(host, "Connect", **both, Credential=Credential(USER, "not the secret"))
    secrets = {"TargetSecret": Secret(TARGET_SECRET)} if mutual else {}
    run(host, "Connect", **both, Credential=Credential(USER, SECRET), **secrets)
    assert len(sessions(cluster)) == 2
    assert all(path.login.credentials.mutual == mutual for path in host.iscsi.sessions)
    told = host.shown() + "".join(host.files.values())
    assert SECRET not in told and TARGET_SECRET not in told


def test_discovery_may_want_chap_too(lab):
    cluster, host, both = lab(sections=f"[initiator *]\nchap = {USER} {SECRET}",
                              group={"discovery_chap": "required"})
    with pytest.raises(PowerShellError, match="login failed: 0x0201"):
        run(host, "Connect", **both, Credential=Credential(USER, SECRET))
    run(host, "Connect", **both, Credential=Credential(USER, SECRET), DiscoveryChap=True)
    assert len(sessions(cluster)) == 2


def test_several_targets_are_a_choice(lab):
    cluster, host, both = lab(volumes=("data1", "data2"))
    with pytest.raises(PowerShellError, match="Choose with -Target .*data1, .*data2"):
        run(host, "Connect", **both)
    with pytest.raises(PowerShellError, match="No target .* 'data3'; offered: .*data1, .*data2"):
        run(host, "Connect", **both, Target="data3")
    run(host, "Connect", **both, Target="*:data2")
    assert {path.login.NodeAddress for path in host.iscsi.sessions} == {iqn("data2")}
    run(host, "Connect", **both, Target="*")
    assert len(sessions(cluster)) == 4


def test_connect_with_what_if_sends_nothing(lab):
    cluster, host, both = lab()
    before, record = host.state(), host.record()
    run(host, "Connect", **both, WhatIf=True)
    assert host.state() == before and host.record() == record
    assert host.shown().count("What if: ") == 3


def test_what_somebody_else_connected_stays(lab):
    cluster, host, both = lab()
    host.iscsi.New_IscsiTargetPortal(cluster.floating_ip)
    host.iscsi.Connect_IscsiTarget(iqn("data1"), cluster.floating_ip, cluster.net.address(50),
                                   False, True, False, False)
    before = sessions(cluster)
    run(host, "Connect", **both)
    assert len(sessions(cluster)) == 2
    run(host, "Restore")
    assert list(host.iscsi.portals) == [cluster.floating_ip] and sessions(cluster) == before
    assert host.iscsi.disks[iqn("data1")].OperationalStatus == "Online"


def test_restore_logs_out_and_leaves_no_trace(lab):
    cluster, host, both = lab()
    fresh, mark = WindowsMachine().state(), cluster.events.mark()
    run(host, "Connect", **both)
    foreign = ("iqn.2000-01.org.example:other", "192.0.2.1")
    host.iscsi.persistent.append(foreign)
    _, code = run(host, "Restore")
    assert code == 0 and not host.iscsi.sessions and not host.iscsi.portals and not host.record()
    assert host.iscsi.persistent == [foreign], "what is not the kit's stays"
    host.iscsi.persistent.clear()
    host.restart()
    assert host.state() == fresh
    for isid in ("400001370000", "400001370001"):
        closed = cluster.events.wait("session.closed", since=mark, isid=isid, target=iqn("data1"))
        assert closed["reason"] == "logged out"
    assert not sessions(cluster)
