"""What changes while the cluster runs: sizes, exports, access states; volumes that cannot be
opened."""

import json
import struct

import pytest

from cluster import iqn
from login import Refused
from node import MIB
from scsi import CHECK_CONDITION, TEST_UNIT_READY, pattern, read10, read_capacity16, write10


def target(cluster, volume):
    return next(entry for entry in cluster.status()["targets"] if entry["volume"] == volume)


# Volumes that cannot be opened

def test_a_volume_that_cannot_be_opened_keeps_no_other_waiting(cluster):
    old = cluster.controller("data1")
    if cluster.controller("data2") != old:
        cluster.run("target", "data2", "move", old)
    identity = cluster.state / "volumes" / "data1.json"
    hidden = identity.rename(identity.with_suffix(".hidden"))
    mark = cluster.node(old, "kill")
    assert cluster.new_controller(old, "data2") and cluster.controller("data1") is None
    cluster.reconnect("data2").clear_attention()
    others = {1, 2, 3} - {old}
    for node in others:
        failed = cluster.events.wait("volume.failed", since=mark, volume="data1", node=node)
        assert str(identity) in failed["reason"] and "No such file" in failed["reason"]
    assert "cannot read the identity of volume data1" in target(cluster, "data1")["problem"]
    assert "cannot read the identity" in cluster.run("status").stdout
    hidden.rename(identity)
    assert cluster.new_controller(old, "data1") in others
    assert target(cluster, "data1")["problem"] is None
    session = cluster.reconnect("data1")
    session.clear_attention()
    session.command(TEST_UNIT_READY).assert_good()


def test_a_node_opens_what_it_can_and_names_the_rest(node):
    lost = node.target("lost")
    node.map["targets"].append(lost)
    reply = node.node.control.request("map", **node.next_map())
    assert list(reply["failed"]) == [lost["name"]] and "lost.json" in reply["failed"][lost["name"]]
    node.log_in("data2").clear_attention()


def test_a_start_that_cannot_open_a_volume_says_so(make_cluster):
    cluster = make_cluster().up()
    cluster.down()
    identity = cluster.state / "volumes" / "data1.json"
    text = identity.read_text()
    identity.write_text(text.replace('"naa"', '"gone"'))
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "volume data1 lacks its serial or NAA" in done.stderr
    assert iqn("data1") not in done.stdout


# Sizes

def blocks_of(session):
    capacity = session.command(read_capacity16(), read=32).assert_good().data_in
    return struct.unpack(">Q", capacity[:8])[0] + 1


def attention(session):
    task = session.command(TEST_UNIT_READY)
    assert task.status == CHECK_CONDITION, "no unit attention"
    return task.code


def test_a_volume_grows_under_its_sessions(cluster):
    session, other = cluster.log_in("data1"), cluster.log_in("data2")
    for one in (session, other):
        one.clear_attention()
    done = cluster.run("volume", "data1", "resize", "96M")
    assert "volume data1 has 96M: done" in done.stdout
    assert attention(session) == 0x062a09
    assert blocks_of(session) == 96 * MIB // 512
    other.command(TEST_UNIT_READY).assert_good()
    session.command(write10(64 * MIB // 512, 8), write=pattern(8)).assert_good()
    assert session.command(read10(64 * MIB // 512, 8), read=4096).data_in == pattern(8)
    assert session.command(read10(96 * MIB // 512, 1), read=512).code == 0x052100
    event = cluster.events.wait("volume.resized", volume="data1")
    assert (event["size"], event["was"]) == (96 * MIB, 64 * MIB)
    assert target(cluster, "data1")["size"] == 96 * MIB
    assert (cluster.state / "volumes" / "data1.img").stat().st_size == 96 * MIB


def test_a_size_set_at_run_time_outlives_node_and_cluster(cluster):
    cluster.run("volume", "data1", "resize", "96M")
    session = cluster.log_in("data1").clear_attention()
    session.command(write10(80 * MIB // 512, 8), write=pattern(8)).assert_good()
    old = cluster.controller()
    cluster.node(old, "kill")
    cluster.new_controller(old)
    session = cluster.reconnect("data1").clear_attention()
    assert blocks_of(session) == 96 * MIB // 512
    identity = json.loads((cluster.state / "volumes" / "data1.json").read_text())
    assert identity["size"] == 96 * MIB
    cluster.down()
    cluster.up()
    session = cluster.log_in("data1").clear_attention()
    assert blocks_of(session) == 96 * MIB // 512
    assert session.command(read10(80 * MIB // 512, 8), read=4096).data_in == pattern(8)
    cluster.down()
    cluster.config.write_text(cluster.config.read_text().replace("64M", "80M"))
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "a volume does not shrink" in done.stderr


def test_a_volume_shrinks_only_by_force(cluster):
    session = cluster.log_in("data1").clear_attention()
    done = cluster.run("volume", "data1", "resize", "32M", check=False)
    assert done.returncode == 1 and "--force" in done.stderr
    assert blocks_of(session) == 64 * MIB // 512
    cluster.run("volume", "data1", "resize", "32M", "--force")
    assert attention(session) == 0x062a09
    assert blocks_of(session) == 32 * MIB // 512
    assert (cluster.state / "volumes" / "data1.img").stat().st_size == 32 * MIB


@pytest.mark.parametrize("words, complaint", [
    (("data9", "resize", "1G"), "there is no volume data9"),
    (("data1", "resize", "67108865"), "multiple of 512"),
    (("data1", "resize", "9000000T"), "SIZE must be a number of bytes"),
    (("data1", "resize", "9T"), "cannot pass a multiple of 8T"),
    (("data1", "resize"), "say which volume"),
])
def test_sizes_that_cannot_be_are_refused(cluster, words, complaint):
    generation = cluster.status()["generation"]
    done = cluster.run("volume", *words, check=False)
    assert done.returncode in (1, 2) and complaint in done.stderr
    assert cluster.status()["generation"] == generation


def test_a_thick_volume_has_its_space_from_the_start(make_cluster):
    cluster = make_cluster(volumes={"thick": {"thin": "no", "size": "8M"},
                                    "thin": {"size": "8M"}}).up()
    images = {name: cluster.state / "volumes" / f"{name}.img" for name in ("thick", "thin")}
    assert images["thick"].stat().st_blocks * 512 >= 8 * MIB
    assert images["thin"].stat().st_blocks * 512 < MIB
    cluster.run("volume", "thick", "resize", "12M")
    assert images["thick"].stat().st_blocks * 512 >= 12 * MIB
    assert not target(cluster, "thick")["thin"] and target(cluster, "thin")["thin"]


def test_a_pool_has_a_size_that_can_change(make_cluster):
    cluster = make_cluster(volumes={"data1": {"pool": "ssd"}, "data2": {}},
                           sections="[pool ssd]\nsize = 32M\n[initiator *]").up()
    assert cluster.status()["pools"] == [{"name": "ssd", "size": 32 * MIB}]
    assert [entry["pool"] for entry in cluster.status()["targets"]] == ["ssd", None]
    cluster.run("pool", "ssd", "resize", "48M")
    assert cluster.status()["pools"] == [{"name": "ssd", "size": 48 * MIB}]
    cluster.events.wait("pool.resized", pool="ssd", size=48 * MIB, was=32 * MIB)


# Exports

def visible(cluster, name):
    discovery = cluster.log_in(None, name=name)
    found = discovery.send_targets()
    discovery.close()
    return {value.rpartition(":")[2] for key, value in found if key == "TargetName"}


def test_exports_come_and_go_at_run_time(make_cluster):
    names = ["iqn.2020-01.org.example:one", "iqn.2020-01.org.example:two"]
    sections = "".join(f"[initiator {name}]\nnet = 0.0.0.0/0\n" for name in names)
    cluster = make_cluster(sections=sections).up()
    cluster.run("export", "remove", "data1", "--portal-group", "poc")
    assert [visible(cluster, name) for name in names] == [{"data2"}, {"data2"}]
    session = cluster.log_in("data2", name=names[0]).clear_attention()
    cluster.run("export", "add", "data1", "--portal-group", "poc", "--initiator", names[0])
    assert attention(session) == 0x063f0e
    assert [visible(cluster, name) for name in names] == [{"data1", "data2"}, {"data2"}]
    assert {"initiator": names[0], "portal_group": "poc", "target": iqn("data1")} in \
        cluster.status()["exports"]
    cluster.events.wait("export.added", volume="data1", initiator=names[0], portal_group="poc")
    cluster.log_in("data1", name=names[0]).clear_attention()
    with pytest.raises(Refused):
        cluster.log_in("data1", name=names[1])


def test_a_session_ends_with_its_export(cluster):
    session, other = cluster.log_in("data1"), cluster.log_in("data2")
    for one in (session, other):
        one.clear_attention()
    mark = cluster.events.mark()
    cluster.run("export", "remove", "data1", "--portal-group", "poc")
    closed = cluster.events.wait("session.closed", since=mark, target=iqn("data1"))
    assert closed["reason"] == "target is no longer exported"
    assert attention(other) == 0x063f0e
    cluster.events.wait("export.removed", volume="data1", portal_group="poc", initiator=None)


@pytest.mark.parametrize("words, complaint", [
    (("add", "data9", "--portal-group", "poc"), "there is no volume data9"),
    (("add", "data1", "--portal-group", "nowhere"), "there is no portal group nowhere"),
    (("add", "data1", "--portal-group", "poc"), "already"),
    (("remove", "data1", "--portal-group", "poc", "--initiator", "iqn.2020-01.a:b"),
     "is not exported to iqn.2020-01.a:b"),
    (("add", "data1"), "say what and where"),
])
def test_exports_that_cannot_be_are_refused(cluster, words, complaint):
    done = cluster.run("export", *words, check=False)
    assert done.returncode in (1, 2) and complaint in done.stderr


# Access states

def test_an_access_state_is_set_and_hosts_are_told(make_cluster):
    cluster = make_cluster(group={"alua": "implicit"}).up()
    session = cluster.log_in().clear_attention()
    cluster.run("alua", "poc", "non_optimized")
    assert attention(session) == 0x062a06
    report = session.command(bytes((0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0)), read=255)
    assert report.assert_good().data_in[4] & 0x0f == 1
    group = cluster.status()["portal_groups"][0]
    assert (group["alua"], group["alua_state"]) == ("implicit", "non_optimized")
    cluster.events.wait("alua.changed", portal_group="poc", state="non_optimized", was="optimized")
    cluster.node(cluster.controller(), "kill")
    again = cluster.reconnect().clear_attention()
    report = again.command(bytes((0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0)), read=255)
    assert report.assert_good().data_in[4] & 0x0f == 1


def test_access_states_need_their_switch(cluster):
    done = cluster.run("alua", "poc", "standby", check=False)
    assert done.returncode == 1 and "alua = off" in done.stderr
    done = cluster.run("alua", "poc", "asleep", check=False)
    assert done.returncode == 1 and "cannot be asleep" in done.stderr
