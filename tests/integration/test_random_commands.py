"""Two initiators, one disk, dying nodes: whatever they do, the disk is as a small model says."""

import os
import random

import pytest

from random_commands import Run

COMMANDS, BETWEEN_FAILURES = 2000, 250


@pytest.mark.parametrize("number", range(2))
def test_the_disk_is_as_its_model_while_nodes_die(make_cluster, number):
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32))) + number
    print(f"SEED={seed}")  # shown when it fails
    cluster = make_cluster(volumes=("data1",), settings={"drain_timeout_ms": 200}).up()
    counts = Run(cluster, seed, BETWEEN_FAILURES).run(COMMANDS)
    assert sum(counts.values()) >= COMMANDS
