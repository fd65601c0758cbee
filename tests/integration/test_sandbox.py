"""What the processes of a cluster may do: nothing that they do not need, and nothing of it is lost
on the way (CHAP secrets stay where they belong)."""

import json
import os
import pathlib
import pwd
import subprocess

import pytest

from chap import Credentials
from cluster import processes_with
from node import IS_SANITIZED
from scsi import TEST_UNIT_READY, pattern, read10, write10

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody").pw_uid
needs_root = pytest.mark.skipif(not IS_ROOT, reason="not root: cannot start as another user")
plain_build = pytest.mark.skipif(IS_SANITIZED, reason="sanitizers need other system calls")


def state_of(pid):
    """/proc/PID/status as a dictionary of texts."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def children(cluster):
    return cluster.pids("target") + cluster.pids("portalgroup")


def json_events(cluster, name):
    lines = cluster.run("events", "--json").stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def test_children_have_no_capability_and_cannot_get_one(cluster):
    for pid in children(cluster):
        state = state_of(pid)
        assert {int(state[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert state["NoNewPrivs"] == "1"
        if IS_ROOT:
            assert int(state["CapBnd"], 16) == 0


@needs_root
def test_the_process_of_a_wire_has_no_more_than_the_others(make_lan_cluster):
    cluster = make_lan_cluster().up()
    cluster.run("fault", "set", "network.delay", "node=1", "time=1ms")
    wire = cluster.events.wait("process.started", name="wire")["pid"]
    cluster.events.wait("process.sandboxed", process="wire")
    state = state_of(wire)
    assert int(state["CapPrm"], 16) == int(state["CapBnd"], 16) == 0
    assert state["NoNewPrivs"] == "1" and state["Uid"].split()[0] != "0"
    assert state["Seccomp"] == ("0" if IS_SANITIZED else "2")
    cluster.run("fault", "clear", "all")


@plain_build
def test_children_may_make_only_the_system_calls_they_need(cluster):
    assert {state_of(pid)["Seccomp"] for pid in children(cluster)} == {"2"}


@needs_root
def test_children_of_root_run_as_nobody_and_only_the_volumes_are_theirs(cluster):
    for pid in children(cluster):
        assert set(state_of(pid)["Uid"].split()) == {str(NOBODY)}
        assert state_of(pid)["Groups"] == ""
    volumes = cluster.state / "volumes"
    assert {path.stat().st_uid for path in [volumes, *volumes.rglob("*")]} == {NOBODY}
    others = [cluster.state, *(path for path in cluster.state.rglob("*") if volumes not in
                               [path, *path.parents])]
    assert {path.stat().st_uid for path in others} == {0}
    cluster.log_in().command(TEST_UNIT_READY).assert_good()


@needs_root
def test_the_user_is_configured_and_old_volumes_come_along(make_cluster):
    cluster = make_cluster(settings={"user": "root"}).up()
    assert {state_of(pid)["Uid"].split()[0] for pid in children(cluster)} == {"0"}
    data = pattern(8, seed=1)
    cluster.log_in().command(write10(0, 8), write=data).assert_good()
    cluster.down()
    for before, user in (("root", "daemon"), ("daemon", "root")):
        cluster.config.write_text(cluster.config.read_text().replace(f"user = {before}",
                                                                     f"user = {user}"))
        cluster.up()
        uid = str(pwd.getpwnam(user).pw_uid)
        assert {state_of(pid)["Uid"].split()[0] for pid in children(cluster)} == {uid}
        session = cluster.log_in().clear_attention()
        assert session.command(read10(0, 8), read=len(data)).assert_good().data_in == data
        cluster.down()


@needs_root
def test_root_that_may_not_reach_into_other_users_processes_stays_root(make_cluster):
    """As in many containers: power-off matters more than the user."""
    cluster = make_cluster(nodes=1).up()
    cluster.down()
    less = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace",
            *cluster.command("up", "-c", cluster.config, "--detach")]
    done = subprocess.run(less, env=cluster.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    cluster.follow()
    assert {state_of(pid)["Uid"].split()[0] for pid in children(cluster)} == {"0"}
    assert {int(state_of(pid)["CapPrm"], 16) for pid in children(cluster)} == {0}
    session = cluster.log_in()
    session.command(TEST_UNIT_READY).assert_good()
    mark = cluster.node(1, "power-off")
    assert cluster.events.wait("connections.muted", since=mark, node=1)["connections"] == 1
    session.connection.expect_silence(0.3)


@needs_root
def test_volumes_of_an_ordinary_user_stay_hers(make_cluster):
    cluster = make_cluster()
    (cluster.state / "volumes").mkdir(parents=True)
    os.chown(cluster.state / "volumes", 4711, 4711)
    cluster.up()
    assert {state_of(pid)["Uid"].split()[0] for pid in children(cluster)} == {"4711"}
    assert (cluster.state / "volumes" / "data1.img").stat().st_uid == 4711


@needs_root
def test_nothing_but_volumes_changes_its_owner(make_cluster):
    cluster = make_cluster()
    (cluster.state / "volumes").mkdir(parents=True)
    notes = cluster.state / "volumes" / "notes.txt"
    notes.write_text("mine")
    cluster.up()
    assert notes.stat().st_uid == 0
    cluster.log_in().command(TEST_UNIT_READY).assert_good()


@needs_root
@pytest.mark.parametrize("owner", [0, 4711])
def test_a_directory_elsewhere_stays_its_owners(make_cluster, owner):
    """Nodes run as the owner of what `volumes` leads to."""
    cluster = make_cluster()
    elsewhere, notes = cluster.home / "elsewhere", cluster.home / "elsewhere" / "data1.notes"
    elsewhere.mkdir()
    notes.write_text("mine")
    os.chown(elsewhere, owner, owner)
    os.chown(notes, 4712, 4712)
    cluster.state.mkdir()
    (cluster.state / "volumes").symlink_to(elsewhere)
    cluster.up()
    assert {state_of(pid)["Uid"].split()[0] for pid in children(cluster)} == {str(owner)}
    assert elsewhere.stat().st_uid == owner and notes.stat().st_uid == 4712
    cluster.log_in().command(TEST_UNIT_READY).assert_good()


@needs_root
def test_a_file_with_a_name_elsewhere_keeps_its_owner(make_cluster):
    cluster = make_cluster()
    (cluster.state / "volumes").mkdir(parents=True)
    mine = cluster.home / "mine"
    mine.write_bytes(bytes(512))
    os.link(mine, cluster.state / "volumes" / "data1.img")
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 1 and "hard link" in done.stderr and "user =" in done.stderr
    assert mine.stat().st_uid == 0 and processes_with(cluster.mark) == {}


@needs_root
def test_what_a_killed_node_left_changes_hands_with_its_second_name(make_cluster):
    cluster = make_cluster()
    volumes = cluster.state / "volumes"
    volumes.mkdir(parents=True)
    record = volumes / "data1.img.redo"
    record.write_bytes(bytes(8192))
    os.link(record, volumes / ".landing-3")
    cluster.up()
    cluster.log_in().command(TEST_UNIT_READY).assert_good()
    assert not record.exists()


def test_an_unknown_user_is_a_mistake_in_the_configuration(make_cluster):
    cluster = make_cluster(settings={"user": "nobody-of-that-name"})
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 2 and "user" in done.stderr and f"{cluster.config}:" in done.stderr


@needs_root
def test_an_ordinary_user_has_the_sandbox_too(make_cluster):
    cluster = make_cluster(nodes=1)
    for path in (cluster.home, cluster.config):
        os.chown(path, 4711, 4711)
    up = ["setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups",
          *cluster.command("up", "-c", cluster.config, "--detach")]
    done = subprocess.run(up, env=cluster.environment(), capture_output=True, text=True, timeout=60)
    if "Permission denied" in done.stderr:
        pytest.skip("the programs are where only root may go")
    assert done.returncode == 0, done.stderr
    cluster.follow()
    for event in json_events(cluster, "process.sandboxed"):
        assert event["uid"] == 4711 and event["no_new_privs"] and not event["capabilities"]
    session = cluster.log_in()
    session.command(TEST_UNIT_READY).assert_good()
    mark = cluster.node(1, "power-off")
    assert cluster.events.wait("connections.muted", since=mark, node=1)["connections"] == 1
    session.connection.expect_silence(0.3)


def test_what_is_in_force_is_an_event(make_cluster):
    cluster = make_cluster(nodes=1).up()
    for event in json_events(cluster, "process.sandboxed"):
        assert event["no_new_privs"] and not event["capabilities"]
        assert event["seccomp"] == (not IS_SANITIZED)
        assert (event["missing"] is None) == (event["seccomp"] and event["landlock"] > 0)
    cluster.down()
    cluster.config.write_text(cluster.config.read_text().replace("[cluster]",
                                                                 "[cluster]\nsandbox = no"))
    cluster.up()
    last = json_events(cluster, "process.sandboxed")[-1]
    assert not last["no_new_privs"] and not last["seccomp"] and last["missing"]


@plain_build
def test_a_volume_that_is_a_link_out_of_the_directory_is_not_opened(make_cluster):
    """Even where everybody may read what it leads to."""
    cluster = make_cluster(nodes=2, volumes=("data1",)).up()
    if not json_events(cluster, "process.sandboxed")[0]["landlock"]:
        pytest.skip("this kernel has no Landlock")
    image, other = cluster.state / "volumes" / "data1.img", cluster.home / "other.img"
    cluster.home.chmod(0o755)
    other.write_bytes(bytes(64 << 20))
    other.chmod(0o666)
    image.unlink()
    image.symlink_to(other)
    cluster.run("node", cluster.controller(), "kill")
    problem = cluster.wait_until(lambda: cluster.status()["targets"][0]["problem"], "a problem")
    assert str(image) in problem and cluster.controller() is None


def test_a_secret_is_in_no_argument_environment_or_core(make_cluster):
    secret = "secret-of-the-host"
    cluster = make_cluster(sections=f"[initiator *]\nchap = user {secret}").up()
    cluster.log_in(chap=Credentials("user", secret)).command(TEST_UNIT_READY).assert_good()
    for pid in [*children(cluster), cluster.supervisor()]:
        for name in ("cmdline", "environ"):
            assert secret.encode() not in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert set(core.split()[4:6]) <= {"0", "1"}
