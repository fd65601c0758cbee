"""What changes while the cluster runs: volumes that cannot be opened."""

from cluster import iqn
from scsi import TEST_UNIT_READY


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
    node.generation += 1
    reply = node.node.control.request("map", generation=node.generation, **node.map)
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
