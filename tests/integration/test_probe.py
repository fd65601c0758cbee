"""The verifying initiator against a cluster that breaks under it."""

import json
import random
import subprocess

import pytest

from cluster import iqn
from node import ENVIRONMENT as cluster_environment
from node import IS_SANITIZED

FIELDS = {"seconds", "operations", "bytes", "latency_us", "longest_stall_ms", "stalls",
          "reconnects", "redirects", "lost", "stale", "torn", "foreign"}
BAD = ("lost", "stale", "torn", "foreign")


def probe(cluster, seconds, **more):
    words = ["probe", "--portal", cluster.floating_ip, "--target", iqn("data1"), "--seconds",
             seconds, "--json"]
    for option, value in more.items():
        words += [f"--{option}", value]
    return cluster.spawn(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result(child, timeout=120):
    out, errors = child.communicate(timeout=timeout)
    report = json.loads(out[out.index("{"):])
    return child.returncode, report, errors


def test_probe_of_a_healthy_cluster_finds_everything(cluster):
    code, report, _ = result(probe(cluster, 2, depth=8, block=4096, read=30))
    assert code == 0 and report.keys() >= FIELDS
    assert report["latency_us"].keys() >= {"p50", "p99", "max"}
    assert report["operations"] > 50 and report["bytes"] >= report["operations"]
    assert report["redirects"] >= 1 and all(report[field] == 0 for field in BAD)
    assert 1.5 < report["seconds"] < 30


@pytest.mark.parametrize("redirect", ["after_auth", "before_auth"])
def test_probe_with_chap_both_ways(make_cluster, redirect, monkeypatch):
    cluster = make_cluster(group={"redirect": redirect},
                           sections="[initiator *]\nchap = user secret12chars\n"
                                    "mutual_chap = array another-secret").up()
    monkeypatch.setitem(cluster_environment, "SIM_CLUSTER_CHAP", "user secret12chars")
    monkeypatch.setitem(cluster_environment, "SIM_CLUSTER_MUTUAL_CHAP", "array another-secret")
    code, report, errors = result(probe(cluster, 1))
    assert code == 0 and report["operations"] > 10, errors


def test_probe_follows_a_permanent_redirect_and_still_comes_back(make_cluster):
    cluster = make_cluster(group={"redirect_status": "permanent"}).up()
    child = probe(cluster, 3)
    cluster.events.wait("login.redirected", permanent=True)
    cluster.wait_until(lambda: cluster.status()["sessions"], "the probe's session")
    cluster.node(cluster.controller(), "kill")
    code, report, errors = result(child)
    assert code == 0 and report["reconnects"] == 1 and report["redirects"] >= 2, errors


def test_probe_without_a_cluster_fails_with_a_sentence(make_cluster):
    cluster = make_cluster()
    done = cluster.run("probe", "--portal", cluster.net.address(200), "--target", iqn("data1"),
                       "--seconds", 1, "--json", check=False)
    assert done.returncode in (1, 2) and done.stderr.strip()


@pytest.mark.parametrize("words", [("--seconds", "soon"), ("--depth", "0"), ("--read", "101"),
                                   ("--block", "100"), ("--bogus",)])
def test_probe_with_wrong_usage_exits_with_2(make_cluster, words):
    done = make_cluster().run("probe", "--target", iqn("data1"), *words, check=False)
    assert done.returncode == 2 and done.stderr.strip()


def test_probe_notices_a_block_that_somebody_changed(cluster):
    """The judge judged: zeros written behind its back are lost blocks, exit 1."""
    child = probe(cluster, 4, depth=4, block=4096)
    cluster.wait_until(
        lambda: any(entry["commands"] > 200 for entry in cluster.status()["sessions"]),
        "the probe at work")
    image = cluster.state / "volumes" / "data1.img"
    with open(image, "r+b") as file:
        size = image.stat().st_size
        for _ in range(40):
            for at in range(0, size, 1 << 20):
                file.seek(at)
                file.write(bytes(1 << 20))
            file.flush()
            if child.poll() is not None:
                break
            with cluster.events.changed:
                cluster.events.changed.wait(0.1)
    code, report, _ = result(child)
    assert code == 1 and sum(report[field] for field in BAD) > 0


def test_nothing_is_lost_over_ten_failovers_at_random(make_cluster):
    """Kill, freeze, power-off, isolate and drain of the serving node at random moments."""
    failovers = 4 if IS_SANITIZED else 10
    cluster, chance = make_cluster(settings={"node_timeout_ms": 600}).up(), random.Random(20121101)
    child = probe(cluster, 35, depth=8, block=4096, read=30)
    cluster.wait_until(lambda: cluster.status()["sessions"], "the probe's session")
    for _ in range(failovers):
        old = cluster.controller()
        with cluster.events.changed:
            cluster.events.changed.wait(chance.uniform(0.05, 0.6))
        cluster.node(old, chance.choice(["kill", "freeze", "power-off", "isolate", "drain"]))
        cluster.new_controller(old)
        cluster.wait_until(lambda: any(
            entry["target"] == iqn("data1") and entry["node"] != old
            for entry in cluster.status()["sessions"]), "the probe back at work", deadline=20)
        cluster.run("node", old, "start")
        cluster.node_is("up", old)
        if child.poll() is not None:
            break
    code, report, errors = result(child)
    assert code == 0, (report, errors)
    assert all(report[field] == 0 for field in BAD)
    assert report["reconnects"] >= failovers - 1 and report["stalls"]
    assert report["operations"] > 100
