"""Several scenarios in one run: side by side, one verdict, and twins that must fail."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import xml.etree.ElementTree as xml

import pytest

from cluster import MARK, processes_with, wait_for_end
from node import BUILD, ENVIRONMENT
from wire import DEADLINE, PATIENCE

KILL = ("[scenario]\ntitle = A node dies\nduration = 1500ms\n[step kill]\nat = 200ms\n"
        "do = node @serving kill\n[expect]\nevent = node.fenced\n")
IDLE = "[scenario]\ntitle = Nothing happens\nduration = 200ms\n[expect]\nnever = node.failed\n"
WRONG = "[scenario]\ntitle = It fails\nduration = 200ms\n[expect]\nevent = node.failed\n"


def remove_kept(out):
    """A run that fails leaves its state directory behind for people."""
    for kept in re.findall(r"are in (/tmp/sim-cluster-\w+)", out):
        shutil.rmtree(kept)


@pytest.fixture
def library(tmp_path, request):
    """library(NAME=text, ...) gives a directory of scenarios; library.run runs it."""
    mark = request.node.name

    def make(**scenarios):
        directory = tmp_path / "library"
        directory.mkdir()
        for name, text in scenarios.items():
            (directory / f"{name}.ini").write_text(text)
        return directory

    def start(*words):
        return subprocess.Popen([BUILD / "sim-cluster", "run", *words], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=ENVIRONMENT | {MARK: mark})

    def run(*words):
        child = start(*words)
        child.out, child.err = child.communicate(timeout=120 * PATIENCE)
        remove_kept(child.out)
        return child
    make.start, make.run, make.mark = start, run, mark
    yield make
    left = processes_with(mark)
    assert not wait_for_end(left, 5), f"left running: {left}"


def test_a_directory_is_run_side_by_side_with_one_verdict(library, tmp_path):
    directory = library(kill=KILL, idle=IDLE, wrong=WRONG)
    junit, record, pages = tmp_path / "j.xml", tmp_path / "r.json", tmp_path / "pages"
    done = library.run(directory, "--jobs", "3", "--junit", junit, "--json", record,
                       "--report", pages)
    assert done.returncode == 1 and "2 passed, 1 failed" in done.out, done.out + done.err
    lines = {line.split()[1]: line for line in done.out.splitlines()
             if line.startswith(("passed", "FAILED"))}
    assert lines["kill"].startswith("passed") and lines["idle"].startswith("passed")
    assert lines["wrong"].startswith("FAILED") and "event = node.failed" in done.out
    suites = xml.parse(junit).getroot()
    assert suites.get("failures") == "1" and len(suites.findall("testsuite")) == 3
    told = {entry["title"]: entry["passed"] for entry in json.loads(record.read_text())}
    assert told == {"A node dies": True, "Nothing happens": True, "It fails": False}
    assert sorted(page.name for page in pages.iterdir()) == ["idle.html", "kill.html", "wrong.html"]


def test_a_twin_must_fail(library):
    directory = library(kill=KILL, idle=IDLE)
    done = library.run(directory / "kill.ini", "--twins")
    assert done.returncode == 0 and "2 passed, 0 failed" in done.out, done.out
    done = library.run(directory / "idle.ini", "--twins")
    assert done.returncode == 1 and "1 passed, 1 failed" in done.out, done.out
    assert "FAILED  idle" in done.out and "without its steps" in done.out


@pytest.mark.parametrize("words, wrong", [
    (["--jobs", "0"], "--jobs 0"),
    (["--state", "/tmp/one-for-all", "--jobs", "2"], "one scenario at a time"),
    ([], "bad.ini:1: [scenario] needs a title"),
])
def test_nothing_is_run_when_one_cannot_be(library, words, wrong):
    done = library.run(library(idle=IDLE, bad="[scenario]\nduration = 1s\n"), *words)
    assert done.returncode == 2 and wrong in done.err and not done.out, done.out + done.err


def test_one_whose_cluster_does_not_come_up_is_a_failure_in_junit(library, tmp_path):
    nowhere = IDLE.replace("duration", "setting = no_such_key 1\nduration")
    done = library.run(library(idle=IDLE, nowhere=nowhere), "--junit", tmp_path / "j.xml")
    assert done.returncode == 1 and "1 passed, 1 failed" in done.out, done.out
    suites = xml.parse(tmp_path / "j.xml").getroot()
    assert suites.get("failures") == "1" and len(suites.findall("testsuite")) == 2
    assert "no_such_key" in suites.find(".//failure").get("message")


def test_who_shares_addresses_is_not_run_side_by_side(library):
    text = "[scenario]\ntitle = T\ncluster = running\n"
    done = library.run(library(a=text, b=text), "--jobs", "2")
    assert done.returncode == 2 and "--jobs 1" in done.err


def test_an_interrupt_ends_those_that_run_and_leaves_nothing(library, tmp_path):
    at_work = tmp_path / "at-work"
    os.mkfifo(at_work)
    slow = (f"[scenario]\ntitle = T\nduration = 60s\nload = exec\n"
            f"exec = echo >{at_work}; exec tail -f /dev/null\n")
    child = library.start(library(a=slow, b=slow, c=slow), "--jobs", "2")
    reader = os.open(at_work, os.O_RDWR)
    for _ in range(2):
        assert select.select([reader], [], [], DEADLINE)[0], "the clusters did not come up"
        os.read(reader, 1)
    os.close(reader)
    child.send_signal(signal.SIGINT)
    child.out, child.err = child.communicate(timeout=60 * PATIENCE)
    assert child.returncode == 1 and "1 not run" in child.out, child.out + child.err
    remove_kept(child.out)
