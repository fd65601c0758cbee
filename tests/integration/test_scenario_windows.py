"""The scenarios for a Windows host, against one that is set by StorPool's guide, which passes, and
one that is not, which does not. All times are divided by SPEED, those of the scenario and its own;
with SCENARIO_SPEED=1 in the environment the files are run as they are."""

import dataclasses
import os
import pathlib
import re

import pytest

from cluster import iqn
from windows_life import DEFAULTS, GUIDE, WindowsLife
from wire import PATIENCE

LIBRARY = pathlib.Path(__file__).parents[2] / "configs" / "scenarios" / "windows"
SPEED = float(os.environ.get("SCENARIO_SPEED", 20 / PATIENCE))
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}


@dataclasses.dataclass(frozen=True)
class Case:
    """How the host lives, and what another one has to make the scenario fail."""
    wrong: dict
    paths: int = 1
    wrong_paths: int = 0
    is_idle: bool = False
    settings: dict = dataclasses.field(default_factory=dict)


def default(*names):
    return {name: getattr(DEFAULTS, name) for name in names}


CASES = {
    "cluster-validation-node-loss": Case({"reconnects": False}),
    "enable-nop-out": Case(default("enable_nop_out"), is_idle=True),
    "link-down-time": Case({"reconnects": False}),
    "logout-response-missing": Case({"logout_wait": 120}),
    "max-request-hold-time": Case(default("max_request_hold"),
                                  settings={"target_move_delay_ms": int(180000 / SPEED)}),
    "one-of-two-paths": Case({}, paths=2, wrong_paths=1),
    "pdo-remove-period": Case(default("pdo_remove_period"), paths=2),
    "portal-retry-count": Case(default("portal_retry_count")),
    "srb-timeout-delta": Case({"time_out_value": 60, "srb_timeout_delta": 5}),
    "time-out-value": Case(default("time_out_value", "srb_timeout_delta")),
}


def faster(text):
    """Durations in keys and in the parameters of faults, divided; data does not move faster."""
    def divide(match):
        if match[1] == "io_goes_on":
            return "io_goes_on = 3s"
        return f"{match[1]}{match[2]}{max(1, round(int(match[3]) * UNITS[match[4]] / SPEED))}ms"
    return re.sub(r"\b(\w+)(\s*=\s*)(\d+)(ms|s|m|h)\b", divide, text)


@pytest.fixture
def play(make_cluster, tmp_path):
    """play(NAME, registry, paths) gives how the scenario ended with such a host."""
    lives = []

    def run(name, registry, paths):
        case = CASES[name]
        cluster = make_cluster(settings=case.settings).up()
        path = tmp_path / f"{name}.ini"
        path.write_text(faster((LIBRARY / f"{name}.ini").read_text()))
        addresses = [cluster.floating_ip, cluster.floating_ip2][:paths]
        lives.append(WindowsLife(iqn("data1"), addresses, registry, speed=SPEED,
                                 is_idle=case.is_idle).start())
        cluster.wait_until(lambda: len(cluster.status()["sessions"]) == paths, "all paths are up")
        return cluster.run("run", path, check=False, timeout=60 * PATIENCE + 600 / SPEED), lives[-1]
    yield run
    for life in lives:
        life.stop()
        assert life.broken is None, life.broken


@pytest.mark.parametrize("name", CASES)
def test_a_host_set_by_the_guide_passes(play, name):
    done, life = play(name, GUIDE, CASES[name].paths)
    assert done.returncode == 0, done.stdout
    assert life.disk.failed is None


@pytest.mark.parametrize("name", CASES)
def test_a_host_that_is_not_fails(play, name):
    case = CASES[name]
    done, _ = play(name, dataclasses.replace(GUIDE, **case.wrong), case.wrong_paths or case.paths)
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stdout
    assert "no steady state" not in done.stdout


def test_every_scenario_for_windows_has_its_host():
    assert set(CASES) == {path.stem for path in LIBRARY.glob("*.ini")}
