"""Fixtures: `make_cluster` (configurations, each taken down at the end), `cluster` (up, with cables to
the guests), `guest` and `guest2` (freshly booted machines with addresses and a name)."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), str(pathlib.Path(__file__).resolve().parents[1] / "integration")]

import image  # noqa: E402
from guest import BUILD, IMAGE  # noqa: E402
from lab import NET, Lab, VmCluster  # noqa: E402

INITIATOR = "iqn.1993-08.org.debian:01:guest{}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed


def pytest_terminal_summary(terminalreporter):
    """What a test has recorded to be read."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            terminalreporter.line(f"{report.nodeid.partition('::')[2]}: {name}")
            terminalreporter.line(value)


def why_not():
    """Why this machine cannot run these tests, or None."""
    for program in ("qemu-system-x86_64", "ip", "nsenter", "setpriv", "dnsmasq"):
        if not shutil.which(program):
            return f"{program} is not installed: make vm-test installs it"
    if os.geteuid():
        return "network namespaces and taps need root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun: the kernel has no taps"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "this kernel or container makes no network namespaces"
    return None


@pytest.fixture(scope="session")
def lab():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    if not image.is_current(IMAGE):
        pytest.skip(f"{IMAGE} holds no current image: make vm-image builds it from Debian's packages")
    if not (BUILD / "sim-cluster").exists():
        pytest.fail(f"{BUILD}/sim-cluster does not exist: run make")
    lab = Lab()
    try:
        lab.connect()
        yield lab
    finally:
        lab.finish()


@pytest.fixture
def make_cluster(request, lab):
    clusters = []

    def make(**how):
        clusters.append(VmCluster(lab, **how))
        return clusters[-1]

    yield make
    for cluster in clusters:
        if getattr(request.node, "failed", False):
            print(cluster.report())
        cluster.finish()


@pytest.fixture
def cluster(make_cluster):
    """Three nodes, two floating IPs in two networks, two volumes."""
    return make_cluster().up()


def join_lab(guest):
    number = guest.number
    guest.join([f"{NET}.{network}.{50 + number}" for network in (1, 2)], INITIATOR.format(number))


@pytest.fixture
def join():
    """join(guest): its addresses and name, after it booted again."""
    return join_lab


def machine(lab, number):
    """A machine that has just booted; the next test's boots when this one's is done."""
    guest = lab.guest(number)
    join_lab(guest)
    yield guest
    guest.power_off()
    guest.power_on()


@pytest.fixture
def guest(lab):
    yield from machine(lab, 1)


@pytest.fixture
def guest2(lab):
    yield from machine(lab, 2)
