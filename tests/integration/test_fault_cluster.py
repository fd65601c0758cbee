"""Fault rules of a cluster: set, listed, refused, kept over restarts; faults of nodes and floating
IPs; answers under a total hang."""

import json
import re
import shutil
import subprocess
import time

import pytest

from login import Refused
from node import BUILD
from scsi import TEST_UNIT_READY
from wire import DEADLINE

BUSY, CHECK = 0x08, 0x02


def fault(cluster, *words, check=True):
    done = cluster.run("fault", *words, "--json", check=check)
    return json.loads(done.stdout) if check else done


def kinds():
    listed = subprocess.run([BUILD / "sim-cluster", "fault", "kinds", "--json"], check=True,
                            capture_output=True, text=True).stdout
    return json.loads(listed)


# Rules

def test_a_rule_is_set_listed_disabled_enabled_and_cleared(cluster):
    mark = cluster.events.mark()
    rule = fault(cluster, "set", "command.status", "id=slow", "status=busy", "count=3")
    assert rule["id"] == "slow" and rule["enabled"] and rule["left"] == 3 and rule["hits"] == 0
    cluster.events.wait("fault.set", since=mark, fault="slow")
    other = fault(cluster, "set", "pdu.drop", "pdu=NOP-In")
    assert [entry["id"] for entry in fault(cluster, "list")] == ["slow", other["id"]]
    assert "slow" in cluster.run("fault", "list").stdout
    fault(cluster, "disable", "slow")
    assert not fault(cluster, "show", "slow")["enabled"]
    fault(cluster, "enable", "slow")
    assert fault(cluster, "show", "slow")["enabled"]
    fault(cluster, "clear", "slow")
    cluster.events.wait("fault.cleared", since=mark, fault="slow", reason="cleared")
    fault(cluster, "clear", "all")
    assert fault(cluster, "list") == []


def test_a_rule_of_the_same_id_replaces_the_other(cluster):
    fault(cluster, "set", "command.status", "id=a", "status=busy")
    fault(cluster, "set", "command.status", "id=a", "status=task_set_full")
    assert ["task_set_full" in entry["rule"] for entry in fault(cluster, "list")] == [True]


@pytest.mark.parametrize("words, wrong", [
    (["pdu.dropp"], "there is no fault pdu.dropp"),
    (["pdu.drop", "node=9"], "node=9 can never match"),
    (["pdu.drop", "volume=data9"], "volume=data9 can never match"),
    (["pdu.drop", "portal_group=none"], "portal_group=none can never match"),
    (["pdu.drop", "after=nobody"], "after=nobody can never match"),
    (["pdu.drop", "probability=2"], "must be"),
    (["node.flap"], "needs node"),
    (["floating_ip.absent", "address=192.0.2.1"], "can never match"),
    (["node.slow_start", "node=1"], "needs time"),
])
def test_a_rule_that_can_never_match_is_refused_with_the_reason(cluster, words, wrong):
    done = fault(cluster, "set", *words, check=False)
    assert done.returncode == 1 and wrong in done.stderr
    assert fault(cluster, "list") == []


def test_every_example_of_the_table_is_a_rule(cluster):
    for kind in kinds():
        words = kind["example"].replace("127.0.1.100", cluster.floating_ip).split()
        if kind["kind"].split(".")[0] not in ("node", "floating_ip", "network"):
            assert fault(cluster, "set", *words)["kind"] == kind["kind"]
        fault(cluster, "clear", "all")


def test_rules_of_the_configuration_are_set_and_mistakes_are_named(make_cluster):
    cluster = make_cluster()
    text = cluster.config.read_text()
    cluster.config.write_text(text + "\n[fault full]\nrule = command.status status=busy count=1\n")
    cluster.up()
    assert [entry["id"] for entry in fault(cluster, "list")] == ["full"]
    cluster.down()
    cluster.config.write_text(text + "\n[fault full]\nrule = command.status status=wrong\n")
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 2 and re.search(r"cluster.ini:\d+: rule = ", done.stderr)
    cluster.config.write_text(text + "\n[fault full]\nrule = pdu.drop node=77\n")
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "node=77 can never match" in done.stderr


def test_a_rule_ends_by_itself_and_says_so(cluster):
    mark = cluster.events.mark()
    fault(cluster, "set", "pdu.drop", "id=brief", "pdu=NOP-In", "for=200ms")
    cluster.events.wait("fault.cleared", since=mark, fault="brief", reason="it is over")
    assert fault(cluster, "show", "brief")["over"]


# Under a total hang

def seconds_for(cluster, words):
    """Of the command itself: what starting the program takes is taken out."""
    begun = time.monotonic()
    cluster.run(*words)
    answered = time.monotonic()
    cluster.run("--help")
    return answered - begun - (time.monotonic() - answered)


def test_control_answers_within_100_ms_under_a_total_hang(cluster):
    session = cluster.log_in()
    session.clear_attention()
    for node in (1, 2, 3):
        cluster.run("fault", "set", "pdu.black_hole", f"node={node}")
    cluster.run("node", "1", "freeze")
    for words in (["status", "--json"], ["fault", "list"], ["fault", "set", "command.hang"],
                  ["fault", "clear", "all"]):
        # What else the machine does may hold up one, not all of them.
        assert any(seconds_for(cluster, words) < 0.1 * max(1, cluster_patience())
                   for attempt in range(5)), words
    cluster.run("heal")


def cluster_patience():
    from wire import PATIENCE
    return PATIENCE


# Nodes and floating IPs

def test_a_node_flaps_and_stays_up_when_it_is_cleared(cluster):
    mark = cluster.events.mark()
    fault(cluster, "set", "node.flap", "id=loop", "node=2", "up=200ms", "down=200ms")
    for _ in range(2):
        cluster.events.wait("node.state", since=mark, node=2, state="down")
        mark = cluster.events.mark()
        cluster.events.wait("node.state", since=mark, node=2, state="up")
    assert fault(cluster, "show", "loop")["hits"] >= 2
    fault(cluster, "clear", "loop")
    cluster.events.wait("fault.cleared", fault="loop")
    cluster.events.never("node.state", 0.6, node=2, state="down")
    cluster.node_is("up", 2)


def test_a_node_flaps_as_often_as_it_is_told(cluster):
    mark = cluster.events.mark()
    fault(cluster, "set", "node.flap", "node=3", "how=kill", "up=100ms", "down=300ms", "count=1")
    down = cluster.events.wait("node.state", since=mark, node=3, state="down")
    up = cluster.events.wait("node.state", since=mark, node=3, state="up")
    assert up["time"] > down["time"]
    cluster.events.never("node.state", 0.7, node=3, state="down")
    assert len(cluster.events.all("node.failed", since=mark, node=3)) == 1


@pytest.mark.parametrize("how, state", [("freeze", "frozen"), ("power-off", "off"),
                                        ("isolate", "isolated"), ("drain", "draining")])
def test_a_node_flaps_in_every_way_and_comes_back(cluster, how, state):
    mark = cluster.events.mark()
    fault(cluster, "set", "node.flap", "id=loop", "node=2", f"how={how}", "up=100ms", "down=300ms",
          "count=1")
    cluster.events.wait("node.state", since=mark, node=2, state=state)
    cluster.events.wait("node.state", since=mark, node=2, state="up")
    cluster.events.wait("fault.cleared", since=mark, fault="loop", reason="it is over")
    cluster.reconnect().clear_attention()


def test_a_node_starts_slowly_once(cluster):
    fault(cluster, "set", "node.slow_start", "node=1", "time=800ms", "count=1")
    for least, most in ((0.75, 60), (0, 0.75)):
        cluster.node(1, "kill")
        begun = time.monotonic()
        cluster.run("node", 1, "start")
        assert least <= time.monotonic() - begun <= most


def test_a_node_that_refuses_takes_nothing_over_until_it_is_cleared(cluster):
    old = cluster.controller("data1")
    first, second = sorted({1, 2, 3} - {old})
    fault(cluster, "set", "node.refuse", "id=no", f"node={first}")
    cluster.wait_until(lambda: fault(cluster, "show", "no")["hits"], "the rule is in force")
    cluster.node(old, "kill")
    assert cluster.new_controller(old) == second
    cluster.node(second, "kill")
    cluster.events.never("target.moved", 0.3)
    assert cluster.controller() is None
    fault(cluster, "clear", "no")
    assert cluster.new_controller(second) == first


def test_a_node_without_descriptors_takes_no_connection(cluster):
    node = cluster.controller()
    fault(cluster, "set", "node.descriptors", "id=few", f"node={node}", "most=3")
    cluster.wait_until(lambda: fault(cluster, "show", "few")["hits"], "the rule is in force")
    with pytest.raises(Exception):
        cluster.log_in(deadline=0.5)
    fault(cluster, "clear", "few")
    cluster.reconnect().clear_attention()


def test_a_floating_ip_is_absent_until_it_is_cleared(cluster):
    mark = cluster.events.mark()
    fault(cluster, "set", "floating_ip.absent", "id=gone", f"address={cluster.floating_ip}")
    cluster.events.wait("floating_ip.down", since=mark, address=cluster.floating_ip)
    cluster.events.never("floating_ip.up", 0.3, address=cluster.floating_ip)
    assert cluster.holder(cluster.floating_ip) is None
    with pytest.raises(OSError):
        cluster.log_in()
    fault(cluster, "clear", "gone")
    cluster.events.wait("floating_ip.up", since=mark, address=cluster.floating_ip)
    cluster.log_in().clear_attention()


def test_redirects_are_stale_after_a_move_until_the_rule_is_cleared(cluster):
    old = cluster.controller()
    fault(cluster, "set", "login.stale", "id=late", "time=1h")
    cluster.log_in().clear_attention()
    cluster.node(old, "kill")
    new = cluster.new_controller(old)
    cluster.node(old, "start")
    with pytest.raises(Refused) as caught:
        cluster.log_in()
    assert caught.value.status == 0x0301, "the old node is asked and has it no more"
    fault(cluster, "clear", "late")
    assert cluster.reconnect().portal == f"{cluster.portal(new)}:3260"


def test_a_floating_ip_wanders_until_it_is_cleared(cluster):
    mark = cluster.events.mark()
    fault(cluster, "set", "floating_ip.wander", f"address={cluster.floating_ip}", "time=150ms")
    cluster.wait_until(lambda: len({event["node"] for event in cluster.events.all(
        "floating_ip.up", since=mark, address=cluster.floating_ip)}) == 3, "on every node")
    cluster.run("heal")
    holder = cluster.holder(cluster.floating_ip)
    cluster.events.never("floating_ip.down", 0.5, address=cluster.floating_ip)
    assert cluster.holder(cluster.floating_ip) == holder


# Over restarts

def test_a_rule_survives_its_node_and_goes_on_counting(cluster):
    node = cluster.controller()
    fault(cluster, "set", "login.refuse", "id=twice", f"node={node}", "count=2",
          f"portal={cluster.portal(node)}")
    with pytest.raises(Refused):
        cluster.log_in()
    cluster.wait_until(lambda: fault(cluster, "show", "twice")["hits"] == 1, "one hit")
    cluster.node(node, "kill")
    cluster.new_controller(node)
    cluster.node(node, "start")
    cluster.run("target", "data1", "move", node)
    with pytest.raises(Refused):
        cluster.log_in()
    cluster.log_in().clear_attention()
    cluster.wait_until(lambda: fault(cluster, "show", "twice")["left"] == 0, "two hits")


# All processes count as one

def test_a_rule_strikes_once_in_the_whole_cluster(cluster):
    fault(cluster, "set", "command.status", "id=once", "status=busy", "count=1")
    sessions = [cluster.log_in(volume, ready=False) for volume in ("data1", "data2")]
    assert sessions[0].portal != sessions[1].portal
    assert [session.command(TEST_UNIT_READY).status for session in sessions] == [BUSY, CHECK]
    assert (fault(cluster, "show", "once")["hits"], fault(cluster, "show", "once")["left"]) == (1, 0)
    cluster.events.wait("fault.cleared", fault="once", reason="it is over")


def test_a_rule_that_is_set_while_a_node_starts_strikes_once(cluster):
    fault(cluster, "set", "node.slow_start", "node=2", "time=800ms", "count=1")
    mark = cluster.node(2, "kill")
    start = cluster.spawn("node", 2, "start")
    cluster.events.wait("process.started", since=mark, node=2, name="target")
    fault(cluster, "set", "command.status", "id=once", "status=busy", "count=1")
    assert start.wait(DEADLINE) == 0
    for volume, node in (("data1", 2), ("data2", 3)):
        if cluster.controller(volume) != node:
            cluster.run("target", volume, "move", node)
    sessions = [cluster.log_in(volume, ready=False) for volume in ("data1", "data2")]
    assert sessions[0].portal != sessions[1].portal
    assert [session.command(TEST_UNIT_READY).status for session in sessions].count(BUSY) == 1
    assert fault(cluster, "show", "once")["left"] == 0


def test_a_rule_skips_and_counts_over_all_nodes_and_survives_them(cluster):
    fault(cluster, "set", "login.refuse", "id=third", f"portal={cluster.floating_ip}", "skip=1",
          "every=2", "count=2")
    answers = []
    for number in range(6):
        try:
            cluster.log_in().close()
            answers.append("in")
        except Refused:
            answers.append("refused")
        if number == 2:  # whoever takes the floating IP over goes on where the other stopped
            holder = cluster.holder(cluster.floating_ip)
            cluster.node(holder, "kill")
            cluster.wait_until(lambda: cluster.holder(cluster.floating_ip) not in (None, holder),
                               "the floating IP elsewhere")
            cluster.wait_until(lambda: cluster.controller() is not None, "data1 is served")
    assert answers == ["in", "in", "refused", "in", "refused", "in"]


def test_a_rule_waits_for_one_that_strikes_in_another_process(cluster):
    fault(cluster, "set", "login.refuse", "id=first", f"portal={cluster.floating_ip}", "count=1")
    fault(cluster, "set", "command.status", "id=then", "status=busy", "after=first", "count=1")
    with pytest.raises(Refused):
        cluster.log_in()
    session = cluster.log_in(ready=False)
    assert session.command(TEST_UNIT_READY).status == BUSY
    session.clear_attention()


def test_what_a_killed_node_has_counted_is_not_lost(cluster):
    node = cluster.controller()
    fault(cluster, "set", "command.status", "id=three", "status=busy", "count=3")
    session = cluster.log_in(ready=False)
    assert session.command(TEST_UNIT_READY).status == BUSY
    cluster.node(node, "kill")
    assert fault(cluster, "show", "three")["hits"] == 1
    cluster.node(node, "start")
    cluster.new_controller(node)
    session = cluster.reconnect(ready=False)
    assert [session.command(TEST_UNIT_READY).status == BUSY for _ in range(3)] == [True, True, False]


def test_a_process_that_hangs_has_the_rule_from_the_moment_it_goes_on(make_cluster):
    cluster = make_cluster(settings={"node_timeout_ms": 600000}).up()
    node = cluster.controller()
    cluster.node(node, "freeze")
    fault(cluster, "set", "login.refuse", f"portal={cluster.portal(node)}", "count=1")
    cluster.node(node, "thaw")
    with pytest.raises(Refused):
        cluster.log_in()
    cluster.log_in().clear_attention()


# A process that refuses

@pytest.fixture
def deaf_cluster(make_cluster, tmp_path):
    """A cluster whose target processes have lost the board that faults are counted on."""
    for name in ("sim-cluster", "portalgroup"):
        shutil.copy(BUILD / name, tmp_path)
    target = tmp_path / "target"
    target.write_text(f'#!/bin/sh\nexec 5<&-\nexec {BUILD}/target "$@"\n')
    target.chmod(0o755)
    cluster = make_cluster()
    cluster.programs = tmp_path
    return cluster


def test_what_a_process_refuses_is_said_and_set_nowhere(deaf_cluster):
    cluster = deaf_cluster.up()
    done = fault(cluster, "set", "login.refuse", "id=a", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert re.search(r"the target process of node \d refuses it: .*cannot be mapped", done.stderr)
    assert fault(cluster, "list") == []
    cluster.log_in().clear_attention()
    cluster.events.wait("fault.cleared", fault="a", reason="refused")
    fault(cluster, "set", "node.refuse", "id=a", "node=3")
    assert fault(cluster, "set", "login.refuse", "id=a", check=False).returncode == 1
    assert [entry["kind"] for entry in fault(cluster, "list")] == ["node.refuse"], "the old one"


def test_a_rule_of_the_configuration_that_a_process_refuses_stops_the_start(deaf_cluster):
    cluster = deaf_cluster
    with cluster.config.open("a") as config:
        config.write("\n[fault full]\nrule = command.status status=busy count=1\n")
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "cannot be mapped" in done.stderr
