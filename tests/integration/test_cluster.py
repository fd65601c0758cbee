"""A cluster as a whole: what status and events say, moves on purpose, the life of its state."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from addresses import free_port
from chap import Credentials
from cluster import iqn, processes_with, wait_for_end
from login import HOST, SERVICE_UNAVAILABLE, Refused
from pdu import ASYNC
from scsi import TEST_UNIT_READY, pattern, read10, write10
from session import log_in
from wire import DEADLINE

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")


def shape(value):
    """The types of a JSON value, lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value)


def test_status_says_what_scripts_rely_on(cluster):
    session = cluster.log_in()
    cluster.events.wait("session.opened", target=iqn("data1"))
    status = cluster.wait_until(lambda: (now := cluster.status())["sessions"] and now, "session")
    assert status["cluster"] == "test" and status["generation"] > 0
    assert [node["node"] for node in status["nodes"]] == [1, 2, 3]
    for node in status["nodes"]:
        assert node.keys() >= {"node", "state", "targets", "sessions"} and node["state"] == "up"
    assert sum(node["targets"] for node in status["nodes"]) == 2
    group, = status["portal_groups"]
    assert group["name"] == "poc" and isinstance(group["tpgt"], int)
    assert [floating["address"] for floating in group["floating_ips"]] == [
        cluster.floating_ip, cluster.floating_ip2]
    assert all(floating["node"] in (1, 2, 3) for floating in group["floating_ips"])
    assert {(portal["address"], portal["port"], portal["node"]) for portal in group["portals"]} == {
        (cluster.portal(node, second), 3260, node) for node in (1, 2, 3) for second in (0, 1)}
    assert [(target["name"], target["volume"], target["size"]) for target in status["targets"]] == [
        (iqn("data1"), "data1", 64 << 20), (iqn("data2"), "data2", 64 << 20)]
    assert len(status["initiators"]) == 1 and len(status["exports"]) == 2
    listed, = status["sessions"]
    assert listed["initiator"] == HOST and listed["isid"] == session.isid.hex()
    assert listed["target"] == iqn("data1") and listed["node"] == cluster.controller()
    assert listed["portal"] == session.portal
    assert listed["peer"] == "%s:%d" % session.connection.local
    assert shape({key: listed[key] for key in ("since", "commands", "bytes_in", "bytes_out")}) == {
        "since": str, "commands": int, "bytes_in": int, "bytes_out": int}


def test_targets_and_floating_ips_are_spread_over_the_nodes(cluster):
    assert cluster.controller("data1") != cluster.controller("data2")
    assert cluster.holder(cluster.floating_ip) != cluster.holder(cluster.floating_ip2)


def test_status_for_people_names_nodes_targets_and_addresses(cluster):
    text = cluster.run("status").stdout
    for word in ("data1", "data2", cluster.floating_ip, cluster.floating_ip2, "up"):
        assert word in text
    assert "\x1b" not in text


def test_every_event_is_one_json_line_with_its_time_and_origin(cluster):
    cluster.log_in()
    cluster.events.wait("session.opened")
    lines = [json.loads(line) for line in cluster.run("events", "--json").stdout.splitlines()]
    kinds = {line["event"] for line in lines}
    assert {"cluster.up", "process.started", "portal.up", "volume.opened", "floating_ip.up",
            "map.applied", "login.redirected", "session.opened"} <= kinds
    for line in lines:
        assert TIME.match(line["time"]), line
        assert line["process"] in ("supervisor", "sim-cluster", "target", "portalgroup"), line
    opened = next(line for line in lines if line["event"] == "session.opened")
    assert opened["node"] == cluster.controller() and opened["initiator"] == HOST


def test_discovery_at_either_floating_ip_lists_both_and_no_portal(cluster):
    for address in (cluster.floating_ip, cluster.floating_ip2):
        pairs = cluster.log_in(None, address).send_targets()
        assert {value for key, value in pairs if key == "TargetAddress"} == {
            f"{cluster.floating_ip}:3260,1", f"{cluster.floating_ip2}:3260,1"}
        names = [value for key, value in pairs if key == "TargetName"]
        assert names == [iqn("data1"), iqn("data2")]


def test_login_is_redirected_within_the_subnet_of_the_floating_ip(cluster):
    node = cluster.controller()
    assert cluster.log_in(address=cluster.floating_ip).portal == f"{cluster.portal(node)}:3260"
    assert cluster.log_in(address=cluster.floating_ip2).portal == (
        f"{cluster.portal(node, True)}:3260")


def test_login_at_the_wrong_node_is_unavailable(cluster):
    wrong = next(node for node in (1, 2, 3) if node != cluster.controller())
    with pytest.raises(Refused) as caught:
        cluster.log_in(address=cluster.portal(wrong))
    assert caught.value.status == SERVICE_UNAVAILABLE


# Moves on purpose

def log_out_when_asked(session):
    message = session.wait_other(ASYNC)
    assert message.event == 1
    assert session.log_out().response == 0
    session.connection.expect_close()


def test_target_moves_when_told_and_its_data_with_it(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = pattern(128, seed=1)
    session.command(write10(0, 128), write=data).assert_good()
    new = next(node for node in (1, 2, 3) if node != old)
    move = cluster.spawn("target", "data1", "move", new)
    log_out_when_asked(session)
    assert move.wait(DEADLINE) == 0
    again = cluster.reconnect()
    assert cluster.controller() == new and again.portal == f"{cluster.portal(new)}:3260"
    assert again.command(read10(0, 128), read=len(data)).assert_good().data_in == data
    cluster.events.wait("target.moved")


def test_nobody_is_sent_to_the_old_node_while_its_sessions_leave(cluster):
    session, old = cluster.log_in(), cluster.controller()
    cluster.spawn("target", "data1", "move", next(node for node in (1, 2, 3) if node != old))
    session.wait_other(ASYNC)
    with pytest.raises(Refused) as caught:
        log_in(cluster.floating_ip, 3260, iqn("data1"))
    assert caught.value.status == SERVICE_UNAVAILABLE
    session.log_out()
    cluster.reconnect()


def test_move_of_one_target_does_not_touch_the_sessions_of_another(cluster):
    kept = cluster.log_in("data2")
    new = next(node for node in (1, 2, 3) if node != cluster.controller())
    cluster.run("target", "data1", "move", new)
    assert cluster.controller() == new
    kept.command(TEST_UNIT_READY).assert_good()


def test_floating_ip_moves_when_told_and_sessions_stay(cluster):
    session = cluster.log_in()
    new = next(node for node in (1, 2, 3) if node != cluster.holder(cluster.floating_ip))
    cluster.run("floating-ip", cluster.floating_ip, "move", new)
    assert cluster.holder(cluster.floating_ip) == new
    session.command(TEST_UNIT_READY).assert_good()
    cluster.log_in()


@pytest.mark.parametrize("words", [
    ("target", "nothing", "move", 1), ("target", "data1", "move", 9), ("node", 9, "kill"),
    ("floating-ip", "127.0.0.1", "move", 1)])
def test_command_about_something_that_is_not_there_fails_with_a_sentence(cluster, words):
    done = cluster.run(*words, check=False)
    assert done.returncode in (1, 2) and len(done.stderr.strip()) > 10
    assert set(cluster.node_states().values()) == {"up"}


@pytest.mark.parametrize("words", [
    ("bogus",), ("node",), ("node", "1"), ("node", "1", "explode"), ("node", "x", "kill"),
    ("target", "data1"), ("status", "--bogus"), ("up", "--bogus"), ("events", "now")])
def test_wrong_usage_exits_with_2(make_cluster, words):
    done = make_cluster().run(*words, check=False)
    assert done.returncode == 2 and done.stderr.strip() and not done.stdout


@pytest.mark.parametrize("words", [("status",), ("node", "1", "kill"), ("down",)])
def test_commands_without_a_cluster_fail_with_a_sentence(make_cluster, words):
    done = make_cluster().run(*words, check=False)
    assert done.returncode in ((0, 1) if words == ("down",) else (1,))
    assert done.returncode == 0 or len(done.stderr.strip()) > 10


# Up, down, up again

def test_down_leaves_no_process_and_keeps_the_volumes(cluster):
    session = cluster.log_in()
    data = pattern(64, seed=2)
    session.command(write10(0, 64), write=data).assert_good()
    running = [pid for pid in processes_with(cluster.mark) if pid != cluster.follower.pid]
    assert len(running) >= 6
    cluster.down()
    assert wait_for_end(running, 5) == []
    with pytest.raises(OSError):
        cluster.log_in()
    cluster.up()
    again = cluster.reconnect()
    assert again.command(read10(0, 64), read=len(data)).assert_good().data_in == data


def test_identity_of_a_volume_outlives_the_cluster(cluster):
    def identity():
        text = (cluster.state / "volumes" / "data1.json").read_text()
        found = json.loads(text)
        return found["serial"], found["naa"]

    before = identity()
    cluster.down()
    cluster.up()
    assert identity() == before and before[1].startswith("6") and len(before[1]) == 32


def test_second_up_on_the_same_state_is_refused_and_harms_nothing(cluster):
    session = cluster.log_in()
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and str(cluster.state) in done.stderr
    session.command(TEST_UNIT_READY).assert_good()
    assert set(cluster.node_states().values()) == {"up"}


def test_killed_supervisor_leaves_nothing_and_the_next_up_works(cluster):
    session = cluster.log_in()
    data = pattern(64, seed=3)
    session.command(write10(0, 64), write=data).assert_good()
    running = [pid for pid in processes_with(cluster.mark) if pid != cluster.follower.pid]
    os.kill(cluster.supervisor(), signal.SIGKILL)
    assert wait_for_end(running, 5) == []
    cluster.up()
    again = cluster.reconnect()
    assert again.command(read10(0, 64), read=len(data)).assert_good().data_in == data


def test_killed_supervisor_takes_a_frozen_node_with_it(make_cluster):
    """A stopped process does not see its control channel close; it must end all the same."""
    cluster = make_cluster(settings={"node_timeout_ms": 60000}).up()
    running = [pid for pid in processes_with(cluster.mark) if pid != cluster.follower.pid]
    cluster.node(1, "freeze")
    os.kill(cluster.supervisor(), signal.SIGKILL)
    assert wait_for_end(running, 5) == []


def test_down_ends_a_frozen_node_too(make_cluster):
    cluster = make_cluster(settings={"node_timeout_ms": 60000}).up()
    running = [pid for pid in processes_with(cluster.mark) if pid != cluster.follower.pid]
    cluster.node(2, "freeze")
    cluster.down()
    assert wait_for_end(running, 5) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_in_the_foreground_ends_with_a_signal_and_leaves_nothing(make_cluster, number):
    cluster = make_cluster()
    up = cluster.spawn("up", "-c", cluster.config, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    seen = []
    for line in up.stdout:
        seen.append(line)
        if len(seen) >= 8 and (cluster.state / "control.sock").exists():
            break
    cluster.follow()
    cluster.log_in().command(TEST_UNIT_READY).assert_good()
    running = [pid for pid in processes_with(cluster.mark) if pid != cluster.follower.pid]
    up.send_signal(number)
    rest = up.stdout.read()
    assert up.wait(DEADLINE) == 0, rest
    assert wait_for_end(running, 5) == []
    assert all(len(line) < 400 for line in seen) and not any(line.startswith("{") for line in seen)


def test_port_in_use_stops_the_start_with_a_sentence(make_cluster):
    cluster = make_cluster()
    with socket.create_server((cluster.portal(2), 3260)):
        done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1
    assert f"{cluster.portal(2)}:3260" in done.stderr and "in use" in done.stderr
    assert wait_for_end(processes_with(cluster.mark), 5) == []


def test_floating_ip_in_use_stops_the_start_with_a_sentence(make_cluster):
    cluster = make_cluster()
    with socket.create_server((cluster.floating_ip2, 3260)):
        done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and f"{cluster.floating_ip2}:3260" in done.stderr
    assert wait_for_end(processes_with(cluster.mark), 5) == []


def in_own_mounts(cluster, options, *words):
    """Runs a command where the state directory is a small file system of its own."""
    cluster.state.mkdir()
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    return subprocess.run(["unshare", "-m", "sh", "-c", script, str(cluster.state),
                           *cluster.command(*words)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=cluster.environment())


needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"],
                   capture_output=True).returncode != 0, reason="cannot mount a file system here")


@needs_mounts
@pytest.mark.parametrize("options", ["ro", "nr_inodes=2"], ids=["read-only", "full"])
def test_state_directory_that_cannot_be_written_stops_the_start(make_cluster, options):
    cluster = make_cluster()
    done = in_own_mounts(cluster, options, "up", "-c", cluster.config, "--detach")
    assert done.returncode == 1 and str(cluster.state) in done.stderr
    assert processes_with(cluster.mark) == {}


@needs_mounts
def test_record_of_events_on_a_full_disk_does_not_stop_the_cluster(make_cluster):
    """The state fits, what follows does not: the cluster runs and says what it cannot record."""
    cluster = make_cluster()
    script = (f'mount -t tmpfs -o size=256k none "{cluster.state}" && "$@" && '
              f'dd if=/dev/zero of="{cluster.state}/filler" bs=4k 2>/dev/null; '
              f'{" ".join(cluster.command("node", "1", "kill"))} && '
              f'{" ".join(cluster.command("status", "--json"))}; '
              f'{" ".join(cluster.command("down"))}')
    cluster.state.mkdir()
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh",
                           *cluster.command("up", "-c", cluster.config, "--detach")],
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env=cluster.environment())
    status = json.loads(done.stdout[done.stdout.index("{"):done.stdout.rindex("}") + 1])
    assert {node["node"]: node["state"] for node in status["nodes"]}[2] == "up", done.stderr
    assert wait_for_end(processes_with(cluster.mark), 5) == []


def test_state_path_too_long_for_a_socket_is_said(make_cluster):
    cluster = make_cluster()
    cluster.state = cluster.home / ("d" * 110)
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "too long" in done.stderr


def test_help_and_version_need_no_cluster(make_cluster):
    done = make_cluster().run("--help", check=False)
    assert done.returncode == 0 and "up" in done.stdout and "probe" in done.stdout


def test_commands_are_answered_soon_while_a_node_is_frozen(make_cluster):
    cluster = make_cluster(settings={"node_timeout_ms": 30000}).up()
    cluster.node(1, "freeze")
    times = []
    for _ in range(5):
        start = time.monotonic()
        assert cluster.node_states()[1] == "frozen"
        times.append(time.monotonic() - start)
    assert min(times) < 0.25
    cluster.node(1, "thaw")
    cluster.node_is("up", 1)


def test_cluster_on_ipv6_redirects_with_brackets(make_cluster):
    cluster = make_cluster(nodes=1, volumes=("data1",))
    floating, portal = free_port("::1"), free_port("::1")
    cluster.config.write_text(
        "[cluster]\nname = test\nbase_name = iqn.2012-11.com.example:cluster\n"
        f"[portal_group poc]\nfloating_ip = [::1]:{floating}/128\n"
        f"[node 1]\nportal = [::1]:{portal} poc\n[volume data1]\nsize = 64M\n"
        "[export data1]\nportal_group = poc\n")
    cluster.up()
    with pytest.raises(Refused) as caught:
        log_in("::1", floating, iqn("data1"))
    assert caught.value.pdu.key("TargetAddress") == f"[::1]:{portal}"
    with log_in("::1", floating) as discovery:
        assert ("TargetAddress", f"[::1]:{floating},1") in discovery.send_targets()
    with log_in("::1", portal, iqn("data1")) as session:
        session.command(TEST_UNIT_READY).assert_good()


def test_children_know_no_secret_in_their_arguments(make_cluster):
    secret = "secret-of-the-host"
    cluster = make_cluster(sections=f"[initiator *]\nchap = user {secret}").up()
    assert not any(secret in line for line in processes_with(cluster.mark).values())
    cluster.log_in(chap=Credentials("user", secret)).command(TEST_UNIT_READY).assert_good()
    with pytest.raises(Refused):
        cluster.log_in()
    cluster.events.wait("login.refused")
    for text in (cluster.run("events", "--json").stdout, cluster.run("status", "--json").stdout,
                 cluster.run("status").stdout):
        assert secret not in text
    for path in cluster.state.rglob("*"):
        if path.is_file() and path.suffix != ".img":
            assert secret.encode() not in path.read_bytes(), path
