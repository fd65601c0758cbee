"""A cluster that nobody uses costs nothing."""

import os
import pathlib


def switches(pid):
    """How often the threads of a process went to sleep by themselves."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = pathlib.Path(f"/proc/{pid}/task/{thread}/status").read_text()
        total += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return total


def test_nodes_and_floating_ips_are_not_woken_while_nobody_uses_them(make_cluster):
    """Though they are watched: as long as the supervisor takes for ten looks at each of them."""
    cluster = make_cluster(settings={"nop_interval_s": 0}).up()
    cluster.log_in()
    children = cluster.pids("target") + cluster.pids("portalgroup")
    seen = []

    def rests():
        """Whether nobody was woken between ten turns of the supervisor."""
        turns = switches(cluster.supervisor())
        if not seen or turns >= seen[-1][0] + 10:
            seen.append((turns, sum(map(switches, children))))
        return len(seen) > 1 and seen[-1][1] == seen[-2][1]

    cluster.wait_until(rests, "ten turns of the supervisor that wake no child")
    assert len(children) == 5
    assert {node["state"] for node in cluster.status()["nodes"]} == {"up"}
