"""What hosts see when nodes break: kill, freeze, power-off, isolate, drain, and back again."""

import os
import signal
import time

import pytest

from cluster import iqn, wait_for_end
from login import SERVICE_UNAVAILABLE, Refused
from pdu import ASYNC
from scsi import TEST_UNIT_READY, pattern, read10, write10
from wire import PATIENCE, Closed, Connection, Silence

FAILURES = ["kill", "freeze", "power-off"]


def written(session, seed=1, lba=0):
    data = pattern(256, seed=seed)
    session.command(write10(lba, 256), write=data).assert_good()
    return data


def read_back(session, data, lba=0):
    assert session.command(read10(lba, 256), read=len(data)).assert_good().data_in == data


@pytest.mark.parametrize("verb", FAILURES)
def test_acknowledged_writes_are_read_back_on_another_node(cluster, verb):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    cluster.node(old, verb)
    again = cluster.reconnect(isid=session.isid)
    new = cluster.new_controller(old)
    assert again.portal == f"{cluster.portal(new)}:3260"
    read_back(again, data)
    written(again, seed=2)
    moved = cluster.events.wait("target.moved", target=iqn("data1"))
    assert moved


def test_kill_resets_the_connections_and_is_over_soon(cluster):
    session, old = cluster.log_in(), cluster.controller()
    written(session)
    start = time.monotonic()
    cluster.node(old, "kill")
    session.connection.expect_close()
    again = cluster.reconnect()
    again.command(TEST_UNIT_READY).assert_good()
    assert time.monotonic() - start < 2 * PATIENCE
    assert cluster.node_states()[old] == "down"


def test_frozen_node_is_silent_then_fenced(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    frozen = cluster.pids("target", old)
    assert len(frozen) == 1
    start = time.monotonic()
    cluster.node(old, "freeze")
    session.start(TEST_UNIT_READY)
    with pytest.raises((Silence, Closed)):
        session.pump(deadline=0.3)
    again = cluster.reconnect()
    read_back(again, data)
    assert time.monotonic() - start < 4 * PATIENCE
    assert wait_for_end(frozen, 5) == []
    cluster.events.wait("node.fenced", node=old)
    assert cluster.node_states()[old] != "up"


def test_write_caught_in_a_frozen_node_never_lands_after_the_failover(cluster):
    """Its data waits in the socket of the stopped process when the next controller serves."""
    session, old = cluster.log_in(offer={"InitialR2T": "Yes", "ImmediateData": "No"}), (
        cluster.controller())
    session.answer_r2t = False
    task = session.start(write10(0, 256), write=b"\xDD" * (256 * 512))
    session.pump()
    pid, = cluster.pids("target", old)
    cluster.node(old, "freeze")
    r2t = task.r2ts[0]
    session.connection.send(*session.data_out(task, r2t.offset, r2t.length, r2t.ttt))
    again = cluster.reconnect()
    data = written(again)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    read_back(again, data)


@pytest.mark.parametrize("verb", ["kill", "freeze", "power-off", "isolate"])
def test_old_controller_is_gone_before_the_next_one_serves(cluster, verb):
    old = cluster.controller()
    pid, = cluster.pids("target", old)
    since = cluster.node(old, verb)
    cluster.events.wait("target.moved", since=since, target=iqn("data1"))
    lines = cluster.events.lines[since:]
    kinds = [line["event"] for line in lines if line.get("node", old) == old]
    ended = next(at for at, line in enumerate(lines) if line["event"] == "process.ended"
                 and line.get("pid", pid) == pid)
    moved = next(at for at, line in enumerate(lines) if line["event"] == "target.moved"
                 and line["target"] == iqn("data1"))
    opened = next(at for at, line in enumerate(lines) if line["event"] == "volume.opened"
                  and line["target"] == iqn("data1"))
    assert ended < opened and ended < moved, kinds
    assert not os.path.exists(f"/proc/{pid}")


def test_node_thawed_before_its_timeout_goes_on_as_if_nothing_was(make_cluster):
    cluster = make_cluster(settings={"node_timeout_ms": 20000}).up()
    session, node = cluster.log_in(), cluster.controller()
    cluster.node(node, "freeze")
    cluster.node_is("frozen", node)
    task = session.start(TEST_UNIT_READY)
    session.connection.expect_silence(0.3)
    cluster.node(node, "thaw")
    session.wait(task).assert_good()
    assert cluster.controller() == node
    cluster.node_is("up", node)


def test_power_off_leaves_connections_mute_and_refuses_new_ones(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    cluster.node(old, "power-off")
    session.connection.send(session.command_pdu(TEST_UNIT_READY)[0])
    session.connection.expect_silence(0.5)
    with pytest.raises(OSError):
        Connection(cluster.portal(old), deadline=1)
    again = cluster.reconnect()
    read_back(again, data)
    session.connection.expect_silence(0.2)
    assert cluster.node_states()[old] == "off"


def test_isolated_node_loses_its_targets_though_it_lives(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    cluster.node(old, "isolate")
    with pytest.raises((Silence, Closed)):
        session.start(TEST_UNIT_READY)
        session.pump(deadline=0.5)
    again = cluster.reconnect()
    assert cluster.controller() != old
    read_back(again, data)
    assert cluster.node_states()[old] == "isolated"


def test_drain_moves_everything_and_breaks_nothing(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    drain = cluster.spawn("node", old, "drain")
    message = session.wait_other(ASYNC)
    assert message.event == 1
    session.command(TEST_UNIT_READY).assert_good()
    assert session.log_out().response == 0
    session.connection.expect_close()
    read_back(cluster.reconnect(), data)
    assert drain.wait(20) == 0
    status = cluster.wait_until(
        lambda: (found := cluster.status()) and all(
            target["controller"] != old for target in found["targets"]) and all(
            floating["node"] != old for group in found["portal_groups"]
            for floating in group["floating_ips"]) and found, "drained")
    assert {node["node"]: node["state"] for node in status["nodes"]}[old] == "draining"
    assert not cluster.events.all("node.failed")


def test_started_node_joins_empty_and_nothing_moves_back(cluster):
    old = cluster.controller()
    session = cluster.log_in()
    data = written(session)
    cluster.node(old, "kill")
    new = cluster.new_controller(old)
    cluster.node(old, "start")
    cluster.node_is("up", old)
    entry = next(node for node in cluster.status()["nodes"] if node["node"] == old)
    assert entry["targets"] == 0 and cluster.controller() == new
    with cluster.reconnect() as again:
        read_back(again, data)
    cluster.run("target", "data1", "move", old)
    read_back(cluster.reconnect(), data)


@pytest.mark.parametrize("verb", ["power-off", "isolate", "freeze", "drain"])
def test_node_starts_again_after_everything_that_can_happen_to_it(cluster, verb):
    old = cluster.controller()
    cluster.node(old, verb)
    cluster.new_controller(old)
    cluster.wait_until(lambda: cluster.node_states()[old] != "up", f"{verb} done")
    cluster.run("node", old, "start")
    cluster.node_is("up", old)
    cluster.run("target", "data1", "move", old)
    session = cluster.reconnect()
    assert session.portal == f"{cluster.portal(old)}:3260"


@pytest.mark.parametrize("verb", ["kill", "freeze"])
def test_floating_ip_comes_up_on_another_node(cluster, verb):
    holder = cluster.holder(cluster.floating_ip)
    cluster.node(holder, verb)
    cluster.wait_until(lambda: cluster.holder(cluster.floating_ip) not in (None, holder),
                       "the floating IP elsewhere")
    cluster.reconnect(address=cluster.floating_ip)
    cluster.reconnect(None, address=cluster.floating_ip).send_targets()


def test_session_of_another_node_does_not_notice(cluster):
    victim = cluster.controller("data1")
    assert cluster.controller("data2") != victim
    session = cluster.log_in("data2")
    tasks = [session.start(read10(0, 8), read=4096) for _ in range(8)]
    cluster.node(victim, "kill")
    session.wait(*tasks)
    cluster.new_controller(victim)
    session.command(TEST_UNIT_READY).assert_good()


def test_killed_target_process_is_a_failed_node(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    pid, = cluster.pids("target", old)
    os.kill(pid, signal.SIGKILL)
    cluster.events.wait("node.failed", node=old)
    read_back(cluster.reconnect(), data)


def test_stopped_target_process_is_fenced_without_being_told(cluster):
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    pid, = cluster.pids("target", old)
    os.kill(pid, signal.SIGSTOP)
    cluster.events.wait("node.fenced", node=old)
    assert wait_for_end([pid], 5) == []
    read_back(cluster.reconnect(), data)


def test_killed_portalgroup_process_comes_up_again(cluster):
    pids = cluster.pids("portalgroup")
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    cluster.wait_until(lambda: len(set(cluster.pids("portalgroup")) - set(pids)) == 2,
                       "both floating IPs again")
    for address in (cluster.floating_ip, cluster.floating_ip2):
        cluster.reconnect(address=address)


def test_nothing_moves_back_by_itself_unless_the_configuration_says_so(make_cluster):
    cluster = make_cluster(settings={"failback_s": 1}).up()
    home, holder = cluster.controller(), cluster.holder(cluster.floating_ip)
    cluster.node(home, "kill")
    with cluster.reconnect() as session:
        data = written(session)
    assert cluster.new_controller(home) != home
    cluster.node(home, "start")
    cluster.wait_until(lambda: cluster.controller() == home
                       and cluster.holder(cluster.floating_ip) == holder, "everything at home")
    read_back(cluster.reconnect(), data)


def test_drain_drops_a_session_that_does_not_log_out(make_cluster):
    cluster = make_cluster(settings={"drain_timeout_ms": 300}).up()
    session, old = cluster.log_in(), cluster.controller()
    data = written(session)
    cluster.node(old, "drain")
    last = session.connection.expect_close()
    assert last and last[0].opcode == ASYNC and last[0].event == 1
    read_back(cluster.reconnect(), data)
    assert not cluster.events.all("node.failed")


def test_while_no_node_is_left_nothing_answers_and_the_first_one_back_serves(make_cluster):
    cluster = make_cluster(nodes=2).up()
    data = written(cluster.log_in())
    for node in (1, 2):
        cluster.node(node, "kill")
    cluster.wait_until(lambda: cluster.controller() is None, "no controller")
    with pytest.raises(OSError):
        Connection(cluster.floating_ip, deadline=1)
    cluster.node(2, "start")
    read_back(cluster.reconnect(), data)
    assert cluster.controller() == 2


def test_while_a_target_moves_its_login_is_unavailable(make_cluster):
    cluster = make_cluster(settings={"target_move_delay_ms": 1500}).up()
    old = cluster.controller()
    other = next(ip for ip in (cluster.floating_ip, cluster.floating_ip2)
                 if cluster.holder(ip) != old)
    cluster.node(old, "kill")
    cluster.wait_until(lambda: cluster.controller() is None, "no controller")
    with pytest.raises(Refused) as caught:
        cluster.log_in(address=other)
    assert caught.value.status == SERVICE_UNAVAILABLE
    cluster.reconnect(address=other)


def test_write_in_flight_is_whole_or_absent_per_block(cluster):
    """Writes of blocks with their own number are cut off by a kill: no block is torn."""
    session, old = cluster.log_in(), cluster.controller()
    written(session, seed=0)
    datas = [pattern(256, seed=seed) for seed in range(1, 9)]
    tasks = [session.start(write10(0, 256), write=data) for data in datas]
    session.pump()
    cluster.node(old, "kill")
    with pytest.raises(Closed):
        session.wait(*tasks)
    again = cluster.reconnect()
    found = again.command(read10(0, 256), read=256 * 512).assert_good().data_in
    possible = [pattern(256, seed=0), *datas]
    for block in range(256):
        piece = found[block * 512:(block + 1) * 512]
        assert any(piece == data[block * 512:(block + 1) * 512] for data in possible), block


def test_controller_is_one_at_a_time_through_a_storm_of_moves(cluster):
    """At every moment at most one node serves the target: two logins never both succeed."""
    with cluster.log_in() as session:
        data = written(session)
    for target in (2, 3, 1, 3, 2, 1):
        if cluster.controller() != target:
            cluster.run("target", "data1", "move", target)
        serving = 0
        for node in (1, 2, 3):
            try:
                cluster.log_in(address=cluster.portal(node), ready=False).close()
                serving += 1
            except (Refused, Closed, OSError):
                pass
        assert serving == 1
    read_back(cluster.reconnect(), data)


def test_nothing_leaks_over_many_failovers(cluster):
    def descriptors():
        return len(os.listdir(f"/proc/{cluster.supervisor()}/fd"))

    counts = []
    for _ in range(4):
        old = cluster.controller()
        cluster.node(old, "kill")
        cluster.new_controller(old)
        cluster.node(old, "start")
        cluster.node_is("up", old)
        counts.append(descriptors())
    assert counts[-1] <= counts[0] + 1, counts
    assert len(cluster.pids("target")) == 3
