"""`sim-cluster hosts`: a tuned and an untuned Windows host, as the wire shows them."""

import json
import pathlib
import re

import pytest

from cluster import iqn
from session import LUN_RESET
from windows import NORMAL_KEYS, PREFIX, WindowsHost

TARGET = iqn("data1")
AS_RECOMMENDED = "as recommended"
NOT_AS_RECOMMENDED = "not as recommended"
UNSEEN = "cannot be seen from here"


@pytest.fixture
def windows():
    """windows(...) makes hosts whose connections are closed at the end."""
    hosts = []

    def make(*arguments, **how):
        hosts.append(WindowsHost(*arguments, **how))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


def report(cluster, name):
    hosts = json.loads(cluster.run("hosts", "--json").stdout)
    return next(host for host in hosts if host["initiator"] == PREFIX + name)


def verdicts(host):
    return {row["name"]: row["verdict"] for row in host["recommended"]}


def offered(keys):
    return dict(pair.split("=", 1) for pair in keys.decode().split("\0") if pair)


def test_a_tuned_host_polls_and_has_a_path_through_every_floating_ip(cluster, windows):
    paths = [windows("tuned", path).log_in(address, target=TARGET)
             for path, address in enumerate((cluster.floating_ip, cluster.floating_ip2))]
    for _ in range(3):
        paths[0].nop()
    host = report(cluster, "tuned")
    assert host["windows"] and host["mpio"]
    assert (host["logins"], host["redirects"], host["refusals"]) == (2, 2, 0)
    assert host["nop_outs"] == 3 and host["nop_out_period_ms"] >= 0
    assert {(path["isid"], path["state"], path["floating_ip"], path["portal_group"],
             path["volume"], path["node"]) for path in host["paths"]} == {
        (f"40000137000{number}", "open", f"{address}:3260", "poc", "data1", cluster.controller())
        for number, address in enumerate((cluster.floating_ip, cluster.floating_ip2))}
    assert {key["key"]: key["offered"] for key in host["keys"]} == offered(NORMAL_KEYS)
    found = verdicts(host)
    for name in ("EnableNOPOut", "MPIO", "target portal", "login keys"):
        assert found[name] == AS_RECOMMENDED, host["recommended"]
    assert found["Disk TimeOutValue"] == found["LinkDownTime"] == UNSEEN


def test_an_untuned_host_gives_commands_up_and_has_one_path(cluster, windows):
    session = windows("untuned").log_in_once(cluster.portal(cluster.controller()), target=TARGET)
    session.clear_attention()
    assert session.manage(LUN_RESET) == 0
    cluster.events.wait("task_management")
    host = report(cluster, "untuned")
    assert host["task_management"] == {"LOGICAL UNIT RESET": 1} and not host["mpio"]
    found = verdicts(host)
    assert found["Disk TimeOutValue"] == found["target portal"] == NOT_AS_RECOMMENDED
    assert found["EnableNOPOut"] == UNSEEN, "it was not quiet for long enough"


def test_one_path_where_the_group_has_two_floating_ips_is_not_recommended(cluster, windows):
    windows("single").log_in(cluster.floating_ip, target=TARGET)
    assert verdicts(report(cluster, "single"))["MPIO"] == NOT_AS_RECOMMENDED


def test_the_report_outlives_the_node_and_times_the_way_back(cluster, windows):
    host = windows("win2016")
    session = host.log_in(cluster.floating_ip2, target=TARGET)
    session.nop()
    cluster.events.wait("nop_out", initiator=host.name)
    serving = cluster.controller()
    cluster.node(serving, "kill")
    cluster.new_controller(serving)
    lost = report(cluster, "win2016")
    assert [path["state"] for path in lost["paths"]] == ["lost"] and lost["nop_outs"] == 1
    cluster.wait_until(lambda: cluster.holder(cluster.floating_ip2), "the floating IP is up")
    host.log_in(cluster.floating_ip2, target=TARGET)
    back = report(cluster, "win2016")
    assert [path["state"] for path in back["paths"]] == ["open"] and back["losses"] == 1
    assert [(entry["logins"], entry["isid"]) for entry in back["returns"]] == [(1, "400001370000")]
    assert back["returns"][0]["duration_ms"] == back["longest_return_ms"] > 0
    assert verdicts(back)["EnableNOPOut"] == AS_RECOMMENDED


def test_what_is_recommended_is_what_the_windows_kit_sets(cluster, windows):
    windows().log_in(cluster.floating_ip, target=TARGET)
    kit = pathlib.Path(__file__).parents[2] / "configs" / "windows" / "IscsiHost.psd1"
    settings = dict(re.findall(r"Name = '(\w+)'; Place = '\w+'; Number = (\d+)",
                               kit.read_text(encoding="ascii")))
    recommended = {row["name"].split()[-1]: row["recommended"]
                   for row in report(cluster, "win2016")["recommended"]}
    assert settings and settings.items() <= recommended.items()


def test_hosts_for_people_and_other_initiators(cluster, windows):
    assert cluster.run("hosts").stdout == "No initiator has logged in yet.\n"
    windows().log_in(cluster.floating_ip, target=TARGET)
    cluster.log_in("data2")
    text = cluster.run("hosts").stdout
    assert f"{PREFIX}win2016 (Windows)" in text and "EnableNOPOut" in text and UNSEEN in text
    others = [host for host in json.loads(cluster.run("hosts", "--json").stdout)
              if not host["windows"]]
    assert len(others) == 1 and others[0]["recommended"] == []
    refused = cluster.run("hosts", "data1", check=False)
    assert refused.returncode == 2 and "hosts takes no data1" in refused.stderr
