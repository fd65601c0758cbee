"""The scenarios that come with the product: each can be read, and each has a twin in which nothing
is done, which must fail: its expectations see that the fault was not there."""

import pathlib
import subprocess

import pytest

from node import BUILD

LIBRARY = pathlib.Path(__file__).parents[2] / "configs" / "scenarios"
SCENARIOS = sorted(LIBRARY.glob("*.ini"))


def run(path, *options):
    return subprocess.run([BUILD / "sim-cluster", "run", path, *options], capture_output=True,
                          text=True, timeout=180, check=False)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_in_which_nothing_is_done_fails(path):
    done = run(path, "--without-steps")
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stdout + done.stderr
    assert "no steady state" not in done.stdout, done.stdout


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.ini")), ids=lambda path: path.stem)
def test_a_scenario_is_short_and_says_what_it_stands_for(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("; ") and 5 <= len(lines) <= 40
    assert run(path, "--seed", "0").returncode == 2, "read, then refused for the seed"
    assert "--seed 0" in run(path, "--seed", "0").stderr
