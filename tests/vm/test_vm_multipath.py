"""dm-multipath over two floating IPs in two networks: what breaks, and what the writer above it sees."""

import pytest

from lab import NETWORKS
from writer import TARGET, check, file_system, finish, two_paths, wait_for_paths, wait_for_writes, write


def test_two_floating_ips_are_two_paths_to_one_disk(cluster, guest):
    device = two_paths(cluster, guest)
    node = cluster.controller()
    assert sorted(session["portal"] for session in cluster.status()["sessions"]) == [
        f"{cluster.portal(node, second)}:3260" for second in (False, True)]
    paths = guest.run(f"ls /sys/block/{device.rpartition('/')[2]}/slaves").output.split()
    assert len(paths) == 2
    assert guest.run(f"blockdev --getsize64 {device}").output.strip() == str(64 << 20)


@pytest.mark.parametrize("kind, verb", [("ext4", "power-off"), ("xfs", "kill")])
def test_writer_survives_the_loss_of_the_serving_node(make_cluster, guest, kind, verb):
    cluster = make_cluster(size="320M").up()
    device = two_paths(cluster, guest)
    file_system(guest, device, kind)
    old, job = cluster.controller(), write(guest, 12, 1)
    wait_for_writes(cluster)
    cluster.node(old, verb)
    finish(guest, job)
    assert {session["node"] for session in cluster.status()["sessions"]} == {cluster.new_controller(old)}
    wait_for_paths(guest, 2)
    if kind == "ext4":
        check(guest, device)
    else:
        guest.run(f"set -e; sha256sum -c /run/first; umount /mnt; xfs_repair -n {device}")


def test_writer_survives_the_loss_of_both_floating_ips(cluster, guest):
    """Their holder, which serves nothing: sessions go on; a login after it finds them elsewhere."""
    device = two_paths(cluster, guest)
    file_system(guest, device)
    serving = cluster.controller()
    holder = serving % 3 + 1
    for address in (cluster.floating_ip, cluster.floating_ip2):
        if cluster.holder(address) != holder:
            cluster.run("floating-ip", address, "move", holder)
    job = write(guest, 12, 2)
    wait_for_writes(cluster)
    mark = cluster.node(holder, "power-off")
    for address in (cluster.floating_ip, cluster.floating_ip2):
        cluster.events.wait("floating_ip.up", 30, mark, address=address)
    finish(guest, job)
    assert cluster.events.all("session.closed", mark, target=TARGET) == []
    guest.run(f"iscsiadm -m node -T {TARGET} --logout; multipath -ll", deadline=60)
    assert cluster.status()["sessions"] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_writer_survives_the_loss_of_a_network(cluster, guest, network):
    device = two_paths(cluster, guest)
    file_system(guest, device)
    job = write(guest, 12, 3)
    wait_for_writes(cluster)
    cluster.unplug(network)
    wait_for_paths(guest, 1)
    finish(guest, job)
    cluster.plug(network)
    wait_for_paths(guest, 2)
    check(guest, device)
