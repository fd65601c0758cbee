"""Scenarios: what is run, what is judged, and that a planted violation is caught."""

import json
import xml.etree.ElementTree as xml

import pytest

KILL = """
[scenario]
title = A node dies
cluster = {config}
duration = 3s
seed = 7

[step kill]
at = 300ms
do = node @serving kill

[step return]
when = node.fenced
after = 300ms
do = node @last start

[expect]
"""


@pytest.fixture
def scenario(make_cluster, tmp_path):
    """scenario(text, *options) runs it on the cluster's configuration."""
    cluster = make_cluster(settings={"target_move_delay_ms": 200})  # a failover that is felt

    def run(text, *options):
        path = tmp_path / "scenario.ini"
        path.write_text(text.replace("{config}", str(cluster.config)))
        return cluster.run("run", path, *options, check=False)
    run.cluster = cluster
    return run


def test_a_scenario_that_holds_passes_and_leaves_its_record(scenario, tmp_path):
    junit, report, record = tmp_path / "j.xml", tmp_path / "r.html", tmp_path / "r.json"
    done = scenario(KILL + "stall_below = 10s\nredirects = 2..\nrelogin_within = 10s\n"
                    "event = node.fenced node=@serving\nno_session_on = @serving\n",
                    "--junit", junit, "--report", report, "--json", record)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7" in done.stdout
    suite = xml.parse(junit).getroot()
    assert suite.get("failures") == "0" and len(suite.findall("testcase")) == 7
    told = json.loads(record.read_text())
    assert told["passed"] and told["seed"] == 7 and told["probe"]["lost"] == 0
    assert [step["name"] for step in told["steps"]] == ["kill", "return"]
    page = report.read_text()
    drawing = xml.fromstring(page[page.index("<svg"):page.index("</svg>") + 6])
    classes = [rect.get("class") for rect in drawing.iter("{http://www.w3.org/2000/svg}rect")]
    assert "session" in classes and "state down" in classes and "stall" in classes
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert json.loads((scenario.cluster.state / "scenario.json").read_text()) == told


@pytest.mark.parametrize("violated", [
    "stall_below = 1ms", "stall_above = 60s", "redirects = 0..1", "reconnects = 0", "intact = no",
    "relogin_within = 0ms", "event = node.failed node=99", "never = node.fenced",
    "session_on = @serving", "no_session_on = @spare\nno_session_on = @holding", "load_exit = 5",
    "errors = 5..", "nop_out = 1s"])
def test_an_expectation_that_does_not_hold_fails_the_run(scenario, tmp_path, violated):
    text = KILL.replace("[step return]\nwhen = node.fenced\nafter = 300ms\ndo = node @last start\n", "")
    junit = tmp_path / "j.xml"
    done = scenario(text.replace("3s", "1500ms") + violated + "\n", "--junit", junit)
    assert done.returncode == 1 and "FAILED" in done.stdout
    assert int(xml.parse(junit).getroot().get("failures")) >= 1


def test_a_step_that_never_comes_and_one_that_fails_are_trouble(scenario):
    done = scenario("[scenario]\ntitle = T\ncluster = {config}\nduration = 500ms\n"
                    "[step a]\nwhen = node.failed\ndo = node 1 start\n"
                    "[step b]\nat = 0s\ndo = node 9 kill\n")
    assert done.returncode == 1
    assert "step a never came: no event node.failed" in done.stdout
    assert "there is no node 9" in done.stdout


def test_an_initiator_that_does_not_come_is_trouble(scenario):
    done = scenario("[scenario]\ntitle = T\ncluster = {config}\nload = none\nwait = 300ms\n")
    assert done.returncode == 1 and "no initiator logged in" in done.stdout


def test_a_command_is_the_load(scenario):
    text = "[scenario]\ntitle = T\ncluster = {config}\nload = exec\nduration = 800ms\nexec = %s\n"
    assert scenario(text % "exit 3" + "[expect]\nload_exit = 3\n").returncode == 0
    assert scenario(text % "exit 3" + "[expect]\nload_exit = 0\n").returncode == 1


def test_a_running_cluster_is_used_and_healed_and_stays(cluster, tmp_path):
    path = tmp_path / "scenario.ini"
    path.write_text("[scenario]\ntitle = T\ncluster = running\nduration = 1s\n"
                    "[step freeze]\nat = 100ms\ndo = node @spare freeze\n"
                    "[step off]\nat = 100ms\ndo = node @holding power-off\n")
    done = cluster.run("run", path, check=False)
    assert done.returncode == 0, done.stdout
    assert set(cluster.node_states().values()) == {"up"}


@pytest.mark.parametrize("text, wrong", [
    ("[scenario]\ntitle = T\n[step a]\nat = 1s\n", ":3: a step needs do"),
    ("[scenario]\nduration = 1s\n", "needs a title"),
    ("[scenario]\ntitle = T\nload = exec\n", "come together"),
    ("[scenario]\ntitle = T\n[expect]\nstall_below = 3\n", ":4: stall_below = 3: must be a duration"),
    ("[scenario]\ntitle = T\n[expect]\nredirects = 3..1\n", "must be a number or a range"),
    ("[scenario]\ntitle = T\n[expect]\nstalls = 3\n", ":4: [expect] has no key stalls"),
    ("[scenario]\ntitle = T\nload = none\n[expect]\nredirects = 1\n", "needs load = probe"),
    ("[scenario]\ntitle = T\n[step a]\nat = 9s\ndo = heal\n", "after the scenario's duration"),
])
def test_a_mistake_is_named_with_its_line(scenario, text, wrong):
    done = scenario(text)
    assert done.returncode == 2 and wrong in done.stderr, done.stderr


def test_heal_brings_all_nodes_back(cluster):
    cluster.node(1, "kill")
    cluster.node(2, "freeze")
    cluster.node(3, "isolate")
    cluster.run("heal")
    assert set(cluster.node_states().values()) == {"up"}
    assert all(target["controller"] for target in cluster.status()["targets"])


def test_events_since_a_time_are_those_that_came_later(cluster):
    first = cluster.node(1, "kill")
    at = cluster.events.wait("node.fenced", since=first)["time"]
    cluster.run("heal")
    lines = cluster.run("events", "--since", at, "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert min(event["time"] for event in events) == at
    assert "node.fenced" in [event["event"] for event in events if event["time"] == at]
    everything = cluster.run("events", "--since", "1h", "--json").stdout.splitlines()
    assert len(everything) > len(events)
    assert cluster.run("events", "--since", "soon", check=False).returncode == 2


def test_events_can_be_read_when_the_cluster_is_down_and_of_the_run_before(cluster):
    first = cluster.node(1, "kill")
    at = cluster.events.wait("node.fenced", since=first)["time"]
    cluster.down()
    kinds = [json.loads(line)["event"]
             for line in cluster.run("events", "--since", at, "--json").stdout.splitlines()]
    assert "node.fenced" in kinds and "cluster.down" in kinds
    cluster.run("up", "-c", cluster.config, "--detach")
    again = [json.loads(line)["event"]
             for line in cluster.run("events", "--since", at, "--json").stdout.splitlines()]
    assert again[:len(kinds)] == kinds and "cluster.up" in again[len(kinds):]
