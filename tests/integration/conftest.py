"""Fixtures: `lab` (addresses and a map, nothing started), `node` (one target process),
`floating` (one portalgroup beside it), `cluster` (the whole product), `lan` (a network of its own
for a cluster with real addresses)."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from addresses import Net  # noqa: E402
from cluster import Cluster  # noqa: E402
from lan import Lan, LanCluster, missing  # noqa: E402
from node import BUILD, Lab  # noqa: E402
from scsi import TEST_UNIT_READY, pattern, read10, write10  # noqa: E402


SLOW = ("test_scenario_windows", "test_libiscsi_suite", "test_scenario", "test_scenario_library",
        "test_fault_network", "test_random_commands")


def pytest_collection_modifyitems(items):
    """What takes long comes first: else one worker has it left when the others are done."""
    items.sort(key=lambda item: item.path.stem not in SLOW)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    item.failed = getattr(item, "failed", False) or report.failed


def pytest_terminal_summary(terminalreporter):
    """What a test has recorded to be read: a line each."""
    for report in (report for reports in terminalreporter.stats.values() for report in reports
                   if getattr(report, "when", None) == "call"):
        for name, value in report.user_properties:
            if name == "conformance":
                terminalreporter.line(f"{report.nodeid.partition('::')[2]}: {value}")


@pytest.fixture
def make_lab(request):
    """Builds labs; each is taken down at the end, with its story printed after a failure."""
    labs = []

    def make(**changes):
        labs.append(Lab(Net(), **changes))
        return labs[-1]

    if not (BUILD / "target").exists():
        pytest.fail(f"{BUILD}/target does not exist: run make")
    yield make
    failure = None
    for lab in labs:
        if getattr(request.node, "failed", False):
            print(lab.report())
        try:
            lab.finish()
        except BaseException as error:
            failure = failure or error
    if failure:
        raise failure


@pytest.fixture
def lab(make_lab):
    return make_lab()


@pytest.fixture
def start_node(lab):
    """start_node(settings) starts the lab's target process and gives the lab."""
    def start(**settings):
        lab.node = lab.start_target(settings=settings)
        return lab
    return start


@pytest.fixture
def node(start_node):
    """A lab whose target process runs with the default settings."""
    return start_node()


@pytest.fixture
def floating(node):
    """`node` plus the portal group's process at its first floating IP."""
    node.portalgroup = node.start_portalgroup()
    return node


@pytest.fixture
def victim(node):
    """`node` with a bystander's session that must not notice what the test does."""
    bystander = node.log_in("data2", name="iqn.2020-01.org.example:bystander")
    data = pattern(64, seed=99)
    bystander.command(write10(0, 64), write=data).assert_good()
    yield node
    assert bystander.command(read10(0, 64), read=len(data)).assert_good().data_in == data
    node.log_in().command(TEST_UNIT_READY).assert_good()


def clusters_of(request, build):
    """Gives a function that makes clusters; each is taken down at the end and proven gone."""
    clusters = []

    def make(**how):
        clusters.append(build(**how))
        return clusters[-1]

    if not (BUILD / "sim-cluster").exists():
        pytest.fail(f"{BUILD}/sim-cluster does not exist: run make")
    yield make
    failure = None
    for cluster in clusters:
        if getattr(request.node, "failed", False):
            print(cluster.report())
        try:
            cluster.finish()
        except BaseException as error:
            failure = failure or error
    if failure:
        raise failure


@pytest.fixture
def make_cluster(request):
    """On loopback addresses of its own."""
    yield from clusters_of(request, lambda **how: Cluster(Net(), **how))


@pytest.fixture
def lan():
    """A network namespace; cut from everything, and gone after the test."""
    if missing():
        pytest.skip(missing())
    made = Lan()
    yield made
    made.release()


@pytest.fixture
def make_lan_cluster(request, lan):
    """With nodes that are machines of their own in `lan`, or addresses of its interfaces."""
    yield from clusters_of(request, lambda **how: LanCluster(lan, **how))


@pytest.fixture
def cluster(make_cluster):
    """Three nodes, two floating IPs, two volumes, up."""
    return make_cluster().up()
