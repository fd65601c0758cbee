"""What a command costs, in instructions: a figure that does not depend on what else the machine does."""

import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "bench" / "instructions.py"


def test_a_command_costs_no_more_instructions_than_on_record():
    settings = {key: value for key, value in os.environ.items() if key != "TEST_SETTINGS"}
    done = subprocess.run([sys.executable, SCRIPT], env=settings, capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
