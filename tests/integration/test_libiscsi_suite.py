"""libiscsi's conformance suite, all of it: every test passes on one kind of volume at least, and
fails on none, but for those that are wrong themselves (suite.py says why)."""

import shutil

import pytest

import suite
from cluster import iqn as cluster_iqn
from node import iqn
from wire import PATIENCE

pytestmark = pytest.mark.skipif(not shutil.which("iscsi-test-cu"),
                                reason="iscsi-test-cu is not installed")
LIMIT = 120 * PATIENCE
# Sanitize.Reset sleeps for a minute and answers no ping; it would come back to a lost nexus forever.
SETTINGS = {"nop_interval_s": 0}


def judge(by_volume, record_property):
    combined = suite.combine(by_volume)
    outcomes = suite.totals(outcome for outcome, _ in combined.values())
    record_property("conformance", ", ".join(f"{count} {outcome}" for outcome, count
                                             in outcomes.items() if count))
    wrong = {test: said for test, (outcome, said) in combined.items() if outcome in suite.BAD}
    assert not wrong, "\n".join([f"{len(wrong)} fail:"] + [
        line for test, said in wrong.items() for line in [test] + [f"    {line}" for line in said]])
    untried = [test for test, (outcome, _) in combined.items() if outcome == "skip"]
    assert not untried, f"{len(untried)} are skipped on every volume: {untried}"


def describe(lab, volume):
    """The volume's keys as the map has them."""
    flags = {key: volume.keys[key] == "yes" for key in ("thin", "removable", "read_only")
             if key in volume.keys}
    sizes = {key: volume.keys[key] for key in ("size", "block_size") if key in volume.keys}
    return lab.target(volume.name) | flags | sizes


def test_conformance_suite_at_the_portals_of_a_node(make_lab, record_property):
    lab = make_lab()
    lab.map["targets"] = [describe(lab, volume) for volume in suite.VOLUMES]
    lab.map["exports"] = [lab.export(volume.name) for volume in suite.VOLUMES]
    lab.start_target(settings=SETTINGS)
    paths = [lab.portal, lab.net.address(1, second=True)]
    judge(suite.run_volumes(suite.VOLUMES,
                            lambda name: [f"iscsi://{path}/{iqn(name)}/0" for path in paths],
                            suite.list_tests(), LIMIT), record_property)


def test_conformance_suite_through_floating_ips_with_an_account(make_cluster, record_property):
    """As MPIO has it: one path through each floating IP. libiscsi 1.19 takes a redirect before
    authentication only."""
    cluster = make_cluster(volumes={volume.name: volume.keys for volume in suite.VOLUMES},
                           group={"redirect": "before_auth"}, settings=SETTINGS,
                           sections="[initiator *]\nchap = user secret12chars").up()
    paths = [cluster.floating_ip, cluster.floating_ip2]
    judge(suite.run_volumes(
        suite.VOLUMES,
        lambda name: [f"iscsi://user%secret12chars@{path}/{cluster_iqn(name)}/0" for path in paths],
        suite.list_tests(), LIMIT), record_property)
