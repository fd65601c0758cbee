"""Faults of the network, seen on the wire: a process stands between a node's link and its network
for as long as a rule asks for it; and floating IPs that two nodes answer for, or nobody is told of."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from cluster import wait_for_end
from lan import inside, ip
from node import BUILD
from test_network import announces
from test_scenario_library import LIBRARY
from wire import DEADLINE


def set_fault(cluster, *words, **how):
    return cluster.run("fault", "set", *words, **how)


def end_faults(cluster):
    cluster.run("fault", "clear", "all")


def wires(cluster):
    return [pid for pid in cluster.pids("sim-cluster") if is_wire(pid)]


def is_wire(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            return words.read().split(b"\0")[1] == b"wire"
    except OSError:
        return False


def is_silent(cluster, lan, node):
    return lan.ask(cluster.portal(node), cluster.bridge(), deadline=0.5) is None


def asks(address):
    """A question for the address, from somebody else."""
    def match(frame):
        return bool(frame.arp()) and frame.arp()[0] == 1 and frame.arp()[3] == address != frame.arp()[2]
    return match


def connects(namespace, address, timeout=DEADLINE):
    """How long it took, in seconds; None: it did not."""
    begun = time.monotonic()
    with inside(namespace):
        try:
            socket.create_connection((address, 3260), timeout).close()
            return time.monotonic() - begun
        except OSError:
            return None


# What passes by a wire

def test_a_partition_is_silence_and_ends(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "node=1")
    assert is_silent(cluster, lan, 1)
    assert not is_silent(cluster, lan, 2), "another node is not meant"
    assert wires(cluster)
    end_faults(cluster)
    assert lan.ask(cluster.portal(1), cluster.bridge()) == cluster.mac(1), "its MAC is its own"
    cluster.wait_until(lambda: not wires(cluster), "no wire without a rule")
    assert cluster.node_states()[1] == "up"


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_partition_has_a_direction(make_lan_cluster, lan, direction):
    cluster = make_lan_cluster().up()
    node, asked = lan.capture("a", lan.node(1)), asks(cluster.portal(1))
    set_fault(cluster, "network.partition", "node=1", f"direction={direction}")
    assert is_silent(cluster, lan, 1)
    if direction == "out":
        node.wait(asked)
    else:
        assert not [frame for frame in node.since() if asked(frame)]


def test_a_partition_is_in_a_network(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "network=b")
    assert not is_silent(cluster, lan, 1)
    assert lan.ask(cluster.portal(1, second=True), cluster.bridge("b"), deadline=0.5) is None


def test_a_partition_is_between_two(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    other = lan.add_machine()
    lan.ip("link", "set", "eth1", "master", cluster.bridge())
    assert connects(other, cluster.portal(1))
    set_fault(cluster, "network.partition", "node=1", "peer=10.77.1.50")
    assert not connects(other, cluster.portal(1), timeout=1)
    assert connects(other, cluster.portal(2)) and connects(lan.outer, cluster.portal(1))
    end_faults(cluster)
    assert connects(other, cluster.portal(1))


def test_frames_that_are_lost_are_counted(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.loss", "node=1", "direction=in", "size=42-60", "count=1",
              "peer=0.0.0.0/32")  # a question's; others announce their floating IPs
    assert is_silent(cluster, lan, 1), "the first question is lost"
    assert not is_silent(cluster, lan, 1), "the second is not"
    hit = cluster.events.wait("fault.hit", process="wire", fault="f1")
    assert hit["hits"] == 1 and hit["node"] == 1


def test_frames_come_late(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.delay", "node=1", "direction=out", "time=400ms")
    assert connects(lan.outer, cluster.portal(1)) >= 0.4
    end_faults(cluster)
    assert not is_silent(cluster, lan, 1)


def test_frames_come_twice(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    node, asked = lan.capture("a", lan.node(1)), asks(cluster.portal(1))
    set_fault(cluster, "network.duplicate", "node=1", "direction=in")
    assert not is_silent(cluster, lan, 1)
    node.wait(asked, count=2)
    end_faults(cluster)
    for _ in range(2):
        assert not is_silent(cluster, lan, 1)
    node.wait(asked, count=4)
    assert len([frame for frame in node.since() if asked(frame)]) == 4


def test_data_passes_a_wire_whole(make_lan_cluster):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.duplicate", "probability=0.2", "seed=7")
    done = cluster.run("probe", "--seconds", "2", "--block", "65536")
    assert "0 lost, 0 stale, 0 torn, 0 foreign" in done.stdout


# Wires come and go with what they stand in

def test_a_node_that_comes_back_is_still_cut(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "node=1", "network=a")
    for verb in ("power-off", "start"):
        cluster.node(1, verb)
    cluster.wait_until(lambda: len(wires(cluster)) == 1, "a wire at the node's new link")
    assert is_silent(cluster, lan, 1)
    cluster.run("heal")
    assert not is_silent(cluster, lan, 1)


def test_a_wire_that_dies_is_replaced(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "node=1", "network=a")
    first = cluster.wait_until(lambda: wires(cluster), "a wire")
    os.kill(first[0], signal.SIGKILL)
    cluster.events.wait("process.ended", name="wire", pid=first[0])
    cluster.wait_until(lambda: wires(cluster) not in ([], first), "another wire")
    assert is_silent(cluster, lan, 1)
    assert cluster.node_states()[1] == "up"


def test_a_rule_that_is_over_leaves_no_wire(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "node=1", "for=500ms")
    cluster.events.wait("fault.cleared", fault="f1")
    cluster.wait_until(lambda: not wires(cluster), "no wire")
    assert not is_silent(cluster, lan, 1)


def test_what_a_killed_supervisor_leaves_of_a_wire_is_removed(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    set_fault(cluster, "network.partition", "node=1")
    children = cluster.pids()
    os.kill(cluster.supervisor(), signal.SIGKILL)
    wait_for_end(children, DEADLINE)
    cluster.run("cleanup")
    assert not [name for name in lan.links() if name.startswith(lan.name)]


@pytest.mark.parametrize("words", [
    ["network.loss"], ["floating_ip.duplicate", "address=FLOATING"],
    ["floating_ip.unannounced", "address=FLOATING"]])
def test_where_there_is_no_network_the_rule_is_refused(cluster, words):
    words = [word.replace("FLOATING", cluster.floating_ip) for word in words]
    refused = set_fault(cluster, *words, check=False)
    assert refused.returncode == 1 and "network = netns" in refused.stderr


def test_every_example_of_the_table_is_a_rule(make_lan_cluster):
    cluster = make_lan_cluster().up()
    kinds = json.loads(cluster.run("fault", "kinds", "--json").stdout)
    for kind in (kind for kind in kinds if kind["kind"].startswith("network.")):
        set_fault(cluster, *kind["example"].split())
        end_faults(cluster)


def test_a_network_that_is_not_there_is_refused(make_lan_cluster):
    cluster = make_lan_cluster().up()
    refused = set_fault(cluster, "network.loss", "network=c", check=False)
    assert refused.returncode == 1 and "network=c can never match" in refused.stderr


# Floating IPs

def others(cluster):
    holder = cluster.holder(cluster.floating_ip)
    return [node for node in (1, 2, 3) if node != holder]


def move(cluster, node):
    cluster.run("floating-ip", cluster.floating_ip, "move", node)
    cluster.events.wait("floating_ip.up", address=cluster.floating_ip, node=node)


def test_a_floating_ip_moves_and_nobody_is_told(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    first, second = others(cluster)
    wire = lan.capture(cluster.bridge())
    set_fault(cluster, "floating_ip.unannounced", f"address={cluster.floating_ip}", "count=1")
    move(cluster, first)
    assert lan.ask(cluster.floating_ip, cluster.bridge()) == cluster.mac(first), "who asks is told"
    move(cluster, second)
    wire.wait(announces(cluster.floating_ip, cluster.mac(second)))
    told = announces(cluster.floating_ip, cluster.mac(first))
    assert not [frame for frame in wire.since() if told(frame)]


def test_a_floating_ip_moves_and_is_announced_late(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    node = others(cluster)[0]
    wire = lan.capture(cluster.bridge())
    set_fault(cluster, "floating_ip.unannounced", f"address={cluster.floating_ip}", "time=700ms")
    move(cluster, node)
    told = announces(cluster.floating_ip, cluster.mac(node))
    assert not [frame for frame in wire.since() if told(frame)]
    wire.wait(told, count=6)


def answers(lan, cluster):
    """The MACs that answer one question."""
    wire = lan.capture(cluster.bridge())
    lan.ask(cluster.floating_ip, cluster.bridge())
    lan.ask(cluster.floating_ip, cluster.bridge())  # answers to the first are there by now
    return {frame.source for frame in wire.since() if frame.arp() and frame.arp()[0] == 2
            and frame.arp()[2] == cluster.floating_ip and frame.to == lan.mac(cluster.bridge())}


def test_two_nodes_answer_for_one_floating_ip_and_both_redirect(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    holder, (second, third) = cluster.holder(cluster.floating_ip), others(cluster)
    set_fault(cluster, "floating_ip.duplicate", f"address={cluster.floating_ip}", f"node={second}")
    cluster.events.wait("process.started", name="portalgroup", node=second)
    cluster.wait_until(lambda: answers(lan, cluster) == {cluster.mac(holder), cluster.mac(second)},
                       "answers of both")
    for node in (holder, second):
        lan.ip("neighbour", "replace", cluster.floating_ip, "lladdr",
               ":".join(f"{byte:02x}" for byte in cluster.mac(node)), "dev", cluster.bridge())
        cluster.log_in(address=cluster.floating_ip).close()
        cluster.events.wait("login.redirected", node=node)
    move(cluster, third)
    assert cluster.floating_ip in ip("address", namespace=lan.node(third))
    lan.ip("neighbour", "flush", "dev", cluster.bridge(), "nud", "all")
    end_faults(cluster)
    cluster.wait_until(lambda: answers(lan, cluster) == {cluster.mac(third)}, "one answer")


# Scenarios

@pytest.mark.parametrize("name", ["duplicate-address", "partition"])
def test_a_scenario_of_the_network_and_its_twin(lan, tmp_path, name):
    """The library's own, with a cluster name of the test's."""
    there = tmp_path / "scenarios" / "network"
    there.mkdir(parents=True)
    shutil.copy(LIBRARY / "network" / f"{name}.ini", there)
    text = (LIBRARY.parent / "lab.ini").read_text()
    (tmp_path / "lab.ini").write_text(text.replace("name = lab\n", f"name = {lan.name}\n", 1))
    done = subprocess.run(["nsenter", f"--net=/run/netns/{lan.outer}", BUILD / "sim-cluster", "run",
                           there, "--jobs", "1", "--twins"], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0 and "2 passed, 0 failed" in done.stdout, done.stdout + done.stderr
