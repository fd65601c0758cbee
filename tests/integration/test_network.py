"""Real addresses: nodes that are machines of their own, floating IPs that move between them and are
announced, silence where there was a power loss, and nothing left behind."""

import json
import os
import signal
import socket

import pytest

from cluster import wait_for_end
from lan import FIN, RST, inside, ip
from scsi import pattern, read10, write10
from wire import DEADLINE, PATIENCE

BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("333300000001")


def announces(address, source):
    """Gratuitous ARP of either form, or an advertisement that overrides."""
    def match(frame):
        if frame.source != source:
            return False
        if frame.arp():
            _, sender, has, target = frame.arp()
            return frame.to == BROADCAST and sender == source and has == target == address
        return frame.to == ALL_NODES and frame.advertisement() == (address, source, True)
    return match


def holder_of(cluster):
    return cluster.holder(cluster.floating_ip)


def new_holder(cluster, old):
    return cluster.wait_until(lambda: holder_of(cluster) not in (None, old) and holder_of(cluster),
                              f"the floating IP away from node {old}")


def end_of(frames, source):
    """Frames of a machine that end a TCP connection."""
    return [frame for frame in frames if frame.source == source and frame.tcp_flags() & (FIN | RST)]


# A floating IP moves

def test_after_a_power_off_the_floating_ip_answers_from_the_new_nodes_mac(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    old = holder_of(cluster)
    wire = lan.capture(cluster.bridge())
    assert lan.ask(cluster.floating_ip, cluster.bridge()) == cluster.mac(old)
    cluster.node(old, "power-off")
    new = new_holder(cluster, old)
    announced = wire.wait(announces(cluster.floating_ip, cluster.mac(new)), count=6)
    assert {frame.arp()[0] for frame in announced} == {1, 2}, "a request and a reply"
    assert lan.ask(cluster.floating_ip, cluster.bridge()) == cluster.mac(new) != cluster.mac(old)


def test_a_node_without_power_says_nothing_at_all(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    session = cluster.log_in()
    session.command(write10(0, 8), write=pattern(8, seed=1)).assert_good()
    old = cluster.controller()
    wires, dead = [lan.capture(cluster.bridge(name)) for name in "ab"], [
        cluster.mac(old, "a"), cluster.mac(old, "b")]
    before = [wire.mark() for wire in wires]
    cluster.node(old, "power-off")
    marks = [wire.mark() for wire in wires]
    cluster.new_controller(old)
    assert lan.ask(cluster.portal(old), cluster.bridge(), deadline=1) is None
    for wire, start, mark, source in zip(wires, before, marks, dead):
        assert not end_of(wire.since(start), source)
        assert not [frame for frame in wire.since(mark) if frame.source == source]
    cluster.node(old, "start")
    assert lan.ask(cluster.portal(old), cluster.bridge()) == dead[0], "its MAC is its own for good"


def test_a_killed_nodes_machine_ends_its_connections(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    session, old = cluster.log_in(), cluster.controller()
    wire = lan.capture(cluster.bridge())
    cluster.node(old, "kill")
    session.connection.expect_close()
    assert end_of(wire.since(), cluster.mac(old))
    assert lan.ask(cluster.portal(old), cluster.bridge()) == cluster.mac(old)


def test_the_old_holder_is_rid_of_the_address_before_the_new_one_announces_it(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    old = holder_of(cluster)
    cluster.node(old, "kill")
    new = new_holder(cluster, old)
    assert cluster.floating_ip not in ip("address", namespace=lan.node(old))
    assert cluster.floating_ip in ip("address", namespace=lan.node(new))


def test_a_planned_move_is_announced_too(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    old = holder_of(cluster)
    new = next(node for node in (1, 2, 3) if node != old)
    wire = lan.capture(cluster.bridge())
    cluster.run("floating-ip", cluster.floating_ip, "move", new)
    wire.wait(announces(cluster.floating_ip, cluster.mac(new)))
    assert lan.ask(cluster.floating_ip, cluster.bridge()) == cluster.mac(new)


def test_ipv6_moves_as_well(make_lan_cluster, lan):
    cluster = make_lan_cluster(networks="""
[network a]
address = 10.77.1.254/24
address = fd00:77::254/64

[network b]
address = 10.77.2.254/24

[portal_group six]
floating_ip = fd00:77::100/64

[node 8]
portal = fd00:77::8 six

[node 9]
portal = fd00:77::9 six
""").up()
    wire = lan.capture(cluster.bridge())
    old = cluster.holder("fd00:77::100")
    cluster.node(old, "power-off")
    new = cluster.wait_until(lambda: cluster.holder("fd00:77::100") not in (None, old)
                             and cluster.holder("fd00:77::100"), "the IPv6 address elsewhere")
    wire.wait(announces("fd00:77::100", cluster.mac(new)), count=3)
    with inside(lan.outer):
        socket.create_connection(("fd00:77::100", 3260), DEADLINE).close()


# A load through all of it

@pytest.mark.parametrize("verb", ["power-off", "freeze", "isolate", "isolate in", "isolate out"])
def test_a_load_survives_and_nothing_is_lost(make_lan_cluster, verb):
    cluster = make_lan_cluster().up()
    probe = cluster.spawn("probe", "--json", "--seconds", int(3 + 3 * PATIENCE), stdout=-1)
    cluster.events.wait("session.opened")
    for node in (cluster.controller(), holder_of(cluster)):
        if cluster.node_states()[node] == "up":
            cluster.run("node", node, *verb.split())
    report = json.loads(probe.communicate()[0])
    assert probe.returncode == 0 and report["operations"]
    assert not any(report[what] for what in ("lost", "stale", "torn", "foreign"))
    assert report["reconnects"]


# One direction

@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_node_is_cut_off_in_one_direction(make_lan_cluster, lan, direction):
    cluster = make_lan_cluster(settings={"node_timeout_ms": 60000}).up()
    cluster.run("node", 2, "isolate", direction)
    there, here = lan.capture("a", lan.node(2)), lan.capture(cluster.bridge())
    frame = BROADCAST + b"%b\x88\xb5" + b"sim-cluster test".ljust(46)  # IEEE 802, for experiments
    own, node = lan.mac(cluster.bridge()), cluster.mac(2)
    here.socket.send(frame % own)
    there.socket.send(frame % node)
    lan.ask(cluster.portal(3), cluster.bridge())  # by then a frame has had its time
    arrived = {"in": any(seen.source == own for seen in there.since()),
               "out": any(seen.source == node for seen in here.since())}
    assert arrived == {"in": direction == "out", "out": direction == "in"}
    assert lan.ask(cluster.portal(2), cluster.bridge(), deadline=0.5) is None


def test_an_isolated_node_is_fenced_in_silence_and_comes_back(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    session, old = cluster.log_in(), cluster.controller()
    wire, dead = lan.capture(cluster.bridge()), cluster.mac(old)
    cluster.run("node", old, "isolate", "in")
    cluster.events.wait("node.fenced", node=old)
    assert not end_of(wire.since(), dead)
    cluster.node(old, "start")
    assert lan.ask(cluster.portal(old), cluster.bridge()) == dead
    assert session


# Uplinks

def test_a_machine_is_plugged_into_the_private_bridge_that_goes_without_saying(make_lan_cluster,
                                                                               lan):
    cluster = make_lan_cluster(networks="").up()
    other = lan.add_machine()
    lan.ip("link", "set", "eth1", "master", cluster.bridge("lan"))
    session = cluster.log_in(namespace=other)
    session.command(read10(0, 8), read=4096).assert_good()
    session.close()
    assert lan.ask(cluster.portal(2), "eth0", other) == cluster.mac(2, "lan")
    cluster.down()
    assert set(lan.links()) == {"lo", "eth1"}


def test_nodes_join_a_bridge_of_this_machine_which_stays_as_it_was(make_lan_cluster, lan):
    lan.ip("link", "add", "br0", "type", "bridge")
    lan.ip("link", "set", "br0", "up")
    other = lan.add_machine("10.77.1.50/16")
    lan.ip("link", "set", "eth1", "master", "br0")
    cluster = make_lan_cluster(networks="\n[network a]\nuplink = bridge br0\n"
                                        "address = 10.77.3.254/16\n").up()
    assert "10.77.3.254" in str(lan.links()["br0"])
    session = cluster.log_in(namespace=other)
    session.command(read10(0, 8), read=4096).assert_good()
    session.close()
    cluster.down()
    assert set(lan.links()) == {"lo", "br0", "eth1"}
    assert "10.77.3.254" not in str(lan.links())
    assert "master br0" in lan.ip("link", "show", "eth1")


def test_nodes_are_put_on_an_interface_by_macvlan(make_lan_cluster, lan):
    other = lan.add_machine("10.77.1.50/16")
    cluster = make_lan_cluster(networks="\n[network a]\nuplink = macvlan eth1\n"
                                        "address = 10.77.3.254/16\nmtu = 1400\n").up()
    for namespace in (other, lan.outer):
        session = cluster.log_in(namespace=namespace)
        session.command(read10(0, 8), read=4096).assert_good()
        session.close()
    assert "mtu 1400" in ip("link", "show", "a", namespace=lan.node(1))
    assert lan.ask(cluster.portal(1), "eth0", other) == cluster.mac(1)
    wire = lan.capture("eth0", other)
    old = holder_of(cluster)
    cluster.node(old, "power-off")
    mark, dead = wire.mark(), cluster.mac(old)
    wire.wait(announces(cluster.floating_ip, cluster.mac(new_holder(cluster, old))))
    assert not [frame for frame in wire.since(mark) if frame.source == dead]
    refused = cluster.run("node", new_holder(cluster, old), "isolate", "out", check=False)
    assert refused.returncode == 1 and "macvlan" in refused.stderr
    cluster.down()
    assert set(lan.links()) == {"lo", "eth1"}


def test_an_interface_that_loses_its_link_is_told(make_lan_cluster, lan):
    other = lan.add_machine("10.77.1.50/16")
    cluster = make_lan_cluster(networks="\n[network a]\nuplink = macvlan eth1\n"
                                        "subnet = 10.77.0.0/16\n").up()
    for state, was in (("down", "up"), ("up", "down")):
        ip("link", "set", "eth0", state, namespace=other)
        cluster.events.wait("network.link", network="a", interface="eth1", state=state, was=was)
    session = cluster.log_in(namespace=other)
    session.command(read10(0, 8), read=4096).assert_good()
    session.close()
    lan.ip("link", "delete", "eth1")
    cluster.events.wait("network.link", interface="eth1", state="gone")
    cluster.node(1, "power-off")
    refused = cluster.run("node", 1, "start", check=False)
    assert refused.returncode == 1 and "cannot be connected to network a" in refused.stderr


# Addresses of the machine itself

def host_networks(interface):
    return f"\n[network a]\ninterface = {interface}\nsubnet = 10.77.0.0/16\n"


def host_lan(lan):
    """Another machine, and an interface that may lose addresses one by one."""
    other = lan.add_machine("10.77.1.50/16")
    with inside(lan.outer), open("/proc/sys/net/ipv4/conf/eth1/promote_secondaries", "w") as setting:
        setting.write("1")
    return other


def addresses(lan, interface="eth1"):
    return {entry["local"] for entry in lan.links()[interface]["addr_info"]
            if entry["family"] == "inet"}


def test_addresses_of_an_interface_come_and_go_with_their_holder(make_lan_cluster, lan):
    other = host_lan(lan)
    cluster = make_lan_cluster(network="host", networks=host_networks("eth1")).up()
    everything = addresses(lan)
    assert everything == {cluster.floating_ip, cluster.floating_ip2} | {
        cluster.portal(node, second) for node in (1, 2, 3) for second in (False, True)}
    wire = lan.capture("eth0", other)
    session = cluster.log_in(namespace=other)
    session.command(write10(0, 8), write=pattern(8, seed=1)).assert_good()
    old, mark = cluster.controller(), wire.mark()
    cluster.node(old, "power-off")
    assert not addresses(lan) & {cluster.portal(old), cluster.portal(old, True)}
    assert lan.ask(cluster.portal(old), "eth0", other, deadline=0.5) is None
    cluster.new_controller(old)
    cluster.wait_until(lambda: len(addresses(lan)) == 6, "both floating IPs up")
    assert not end_of(wire.since(mark), lan.mac("eth1"))
    cluster.node(old, "start")
    wire.wait(announces(cluster.portal(old), lan.mac("eth1")), count=2)
    assert addresses(lan) == everything
    cluster.run("node", old, "isolate")
    assert lan.ask(cluster.portal(old), "eth0", other, deadline=0.5) is None
    cluster.down()
    assert not addresses(lan)


def test_addresses_of_a_killed_supervisor_go_with_the_next_cleanup(make_lan_cluster, lan):
    host_lan(lan)
    cluster = make_lan_cluster(network="host", networks=host_networks("eth1")).up()
    lan.ip("address", "add", "10.77.1.200/16", "dev", "eth1")
    kill_supervisor(cluster)
    assert len(addresses(lan)) == 9
    cluster.run("cleanup")
    assert addresses(lan) == {"10.77.1.200"}


# Nothing is left, and nothing of others is touched

def kill_supervisor(cluster):
    pid = cluster.supervisor()
    os.kill(pid, signal.SIGKILL)
    assert not wait_for_end([pid] + cluster.pids(), DEADLINE)


def test_down_leaves_nothing(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    assert len(lan.spaces()) == 3
    assert cluster.bridge() in lan.links()
    cluster.down()
    assert not lan.spaces() and set(lan.links()) == {"lo"}


def test_what_a_killed_supervisor_left_is_removed_by_the_next_up(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    kill_supervisor(cluster)
    assert len(lan.spaces()) == 3
    cluster.up()
    cluster.log_in().command(read10(0, 8), read=4096).assert_good()


def test_cleanup_removes_what_is_ours_and_nothing_else(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    kill_supervisor(cluster)
    ip("netns", "delete", lan.node(2))
    ip("netns", "add", lan.node(2))  # somebody else's by now
    ip("link", "add", "theirs", "type", "bridge", namespace=lan.node(2))
    lan.ip("link", "delete", cluster.bridge("b"))
    lan.ip("link", "add", cluster.bridge("b"), "type", "bridge")
    lan.ip("link", "add", "br0", "type", "bridge")
    done = cluster.run("cleanup")
    assert f"removed namespace {lan.node(1)}" in done.stdout
    assert lan.spaces() == [lan.node(2)]
    assert "theirs" in ip("link", namespace=lan.node(2))
    assert set(lan.links()) == {"lo", "br0", cluster.bridge("b")}
    assert json.loads(cluster.run("cleanup", "--json").stdout) == {"removed": []}
    ip("netns", "delete", lan.node(2))
    lan.ip("link", "delete", cluster.bridge("b"))


def test_cleanup_leaves_a_cluster_that_runs_alone(make_lan_cluster, lan):
    cluster = make_lan_cluster().up()
    refused = cluster.run("cleanup", check=False)
    assert refused.returncode == 1 and "already runs" in refused.stderr
    assert len(lan.spaces()) == 3


# Bad input: one sentence, nothing changed

def take_namespace(lan, cluster):
    ip("netns", "add", lan.node(2))
    return f"there is a network namespace {lan.node(2)} that is not this cluster's"


def take_bridge(lan, cluster):
    lan.ip("link", "add", cluster.bridge(), "type", "bridge")
    return f"there is an interface {cluster.bridge()} that is not this cluster's"


def take_port(lan, cluster):
    lan.ip("link", "add", f"{cluster.bridge()}-3", "type", "bridge")
    return f"there is an interface {cluster.bridge()}-3 that is not this cluster's"


def take_address(lan, cluster):
    lan.ip("address", "add", "10.77.1.2/32", "dev", "lo")
    return "10.77.1.2 is in use already, by this machine itself (interface lo)"


@pytest.mark.parametrize("spoil", [take_namespace, take_bridge, take_port, take_address])
def test_what_is_taken_is_refused(make_lan_cluster, lan, spoil):
    cluster = make_lan_cluster()
    sentence = spoil(lan, cluster)
    before = set(lan.links()), lan.spaces()
    refused = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert refused.returncode == 1 and sentence in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert (set(lan.links()), lan.spaces()) == before
    for name in lan.spaces():
        ip("netns", "delete", name)
    for name in set(lan.links()) - {"lo"}:
        lan.ip("link", "delete", name)


def test_a_packet_fits_through_the_uplink(make_lan_cluster, lan):
    lan.add_machine(interface="eth1")
    cluster = make_lan_cluster(networks="\n[network a]\nuplink = macvlan eth1\nmtu = 9000\n"
                                        "subnet = 10.77.0.0/16\n")
    refused = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert refused.returncode == 1 and "mtu = 9000 is more than interface eth1 has, 1500" in (
        refused.stderr)


def test_the_uplink_has_to_be_there_and_right(make_lan_cluster, lan):
    lan.add_machine(interface="eth1")
    lan.ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "eth0", "down", namespace=lan.others[0])
    cases = {"bridge br7": "there is no interface br7", "macvlan eth7": "there is no interface eth7",
             "bridge eth1": "eth1 is no bridge", "bridge br0": "interface br0 is down",
             "macvlan eth1": "interface eth1 has no link"}
    for uplink, sentence in cases.items():
        cluster = make_lan_cluster(networks=f"\n[network a]\nuplink = {uplink}\n"
                                            "subnet = 10.77.0.0/16\n")
        before = set(lan.links())
        refused = cluster.run("up", "-c", cluster.config, "--detach", check=False)
        assert refused.returncode == 1 and sentence in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert set(lan.links()) == before and not lan.spaces()


@pytest.mark.parametrize("address", ["10.77.1.2/16", "fd00:77::2/64"])
def test_an_address_that_somebody_on_the_lan_has_is_refused(make_lan_cluster, lan, address):
    other = lan.add_machine("10.77.1.50/16")
    ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []),
       namespace=other)
    extra = "[portal_group six]\nfloating_ip = fd00:77::2/64\n[node 9]\nportal = fd00:77::9 six\n"
    cluster = make_lan_cluster(networks="\n[network a]\nuplink = macvlan eth1\nsubnet = "
                                        "10.77.0.0/16\nsubnet = fd00:77::/64\n" + extra)
    refused = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    taken = lan.mac("eth0", other).hex(":")
    assert f"{address.split('/')[0]} is in use already, by {taken}" in refused.stderr
    assert set(lan.links()) == {"lo", "eth1"} and not lan.spaces()


def test_without_privileges_it_says_which_and_offers_loopback(make_lan_cluster, lan):
    cluster = make_lan_cluster()
    command = cluster.command("up", "-c", cluster.config, "--detach")
    cluster.command = lambda *words: [*command[:2], "setpriv", "--inh-caps=-all",
                                      "--bounding-set=-net_admin,-sys_admin", *command[2:]]
    refused = cluster.run("up", check=False)
    del cluster.command
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "CAP_SYS_ADMIN" in refused.stderr and "CAP_NET_ADMIN" in refused.stderr
    assert "CAP_NET_RAW" not in refused.stderr and "network = loopback" in refused.stderr
    assert set(lan.links()) == {"lo"} and not lan.spaces()


def test_an_interface_that_would_lose_addresses_together_is_refused(make_lan_cluster, lan):
    lan.add_machine("10.77.1.50/16")
    with inside(lan.outer):
        for name in ("all", "eth1"):
            with open(f"/proc/sys/net/ipv4/conf/{name}/promote_secondaries", "w") as setting:
                setting.write("0")
    cluster = make_lan_cluster(network="host", networks=host_networks("eth1"))
    refused = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert refused.returncode == 1
    assert "net.ipv4.conf.eth1.promote_secondaries=1" in refused.stderr
    assert not addresses(lan)


def test_one_direction_needs_links(cluster):
    refused = cluster.run("node", 1, "isolate", "in", check=False)
    assert refused.returncode == 1 and "network = netns" in refused.stderr
    assert cluster.node_states()[1] == "up"
