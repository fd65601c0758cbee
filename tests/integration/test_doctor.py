"""`sim-cluster doctor`: what a machine lacks for a configuration, where it does lack it."""

import json
import os
import shutil
import socket
import subprocess

import pytest

import lan
from cluster import processes_with

SOMEBODY = "4711"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: cannot become somebody else")


def doctor(cluster, before=(), code=None):
    """Findings by name; `before`: words that run the command elsewhere, or as somebody else."""
    command = [*before, *cluster.command("doctor", "-c", cluster.config, "--json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=cluster.environment())
    if before and "Permission denied" in done.stderr:
        pytest.skip("the program is where only root may go")
    assert code is None or done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return {finding["check"]: finding for finding in report["checks"]}


def missing(findings):
    return {name for name, finding in findings.items() if finding["state"] == "missing"}


def as_somebody():
    return ("setpriv", "--reuid", SOMEBODY, "--regid", SOMEBODY, "--clear-groups")


def use_namespaces(cluster, uplink):
    cluster.config.write_text(
        "[cluster]\nname = doc\nbase_name = iqn.2012-11.com.example:doc\nnetwork = netns\n"
        f"[network a]\nuplink = {uplink}\nsubnet = 10.99.0.0/24\n"
        "[portal_group poc]\nfloating_ip = 10.99.0.100/24\n[node 1]\nportal = 10.99.0.1 poc\n"
        "[volume data1]\nsize = 64M\n[export data1]\nportal_group = poc\n")


def test_nothing_is_missing_where_the_cluster_runs(make_cluster):
    cluster = make_cluster()
    assert missing(doctor(cluster, code=0)) == set()
    cluster.up()
    findings = doctor(cluster, code=0)
    assert missing(findings) == set() and findings["ports"]["state"] == "ok"


def test_doctor_changes_nothing(make_cluster):
    cluster = make_cluster()
    before = sorted(cluster.home.rglob("*"))
    doctor(cluster, code=0)
    assert sorted(cluster.home.rglob("*")) == before and processes_with(cluster.mark) == {}


def test_every_thing_that_is_not_well_has_a_remedy(make_cluster):
    cluster = make_cluster(size="900T", settings={"queue_depth": 1})
    findings = doctor(cluster)
    assert findings["space"]["state"] == "warning"
    assert all(finding["remedy"] for finding in findings.values() if finding["state"] != "ok")


def test_a_table_for_people_ends_with_a_verdict(make_cluster):
    cluster = make_cluster()
    done = cluster.run("doctor", "-c", cluster.config)
    assert "can run on this machine" in done.stdout.splitlines()[-1]
    with socket.create_server((cluster.portal(2), 3260)):
        done = cluster.run("doctor", "-c", cluster.config, check=False)
    assert done.returncode == 1 and "cannot run here" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("where", ["portal", "floating IP"])
def test_a_taken_port_is_named_with_who_has_it(make_cluster, where):
    cluster = make_cluster()
    address = cluster.portal(2) if where == "portal" else cluster.floating_ip2
    with socket.create_server((address, 3260)):
        found = doctor(cluster, code=1)["ports"]
    assert found["state"] == "missing" and f"{address}:3260" in found["what"]
    assert f"process {os.getpid()} " in found["what"] and found["remedy"]


def test_a_port_taken_on_all_addresses_of_both_families_is_found(make_cluster):
    cluster = make_cluster(nodes=1)
    script = ("import socket,subprocess,sys; s=socket.create_server(('::',3260),"
              "family=socket.AF_INET6,dualstack_ipv6=True); "
              "sys.exit(subprocess.run(sys.argv[1:]).returncode)")
    if os.geteuid():
        pytest.skip("not root: no network namespace of its own")
    found = doctor(cluster, ("unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                             "/usr/bin/python3", "-c", script), code=1)["ports"]
    assert "python3" in found["what"]


def test_an_address_of_another_machine_is_named(make_cluster):
    cluster = make_cluster()
    cluster.config.write_text(cluster.config.read_text().replace(
        cluster.portal(3), "203.0.113.7"))
    found = doctor(cluster, code=1)
    assert missing(found) == {"addresses"} and "203.0.113.7" in found["addresses"]["what"]


@needs_root
def test_an_ordinary_user_needs_nothing_for_loopback(make_cluster):
    cluster = make_cluster()
    cluster.home.chmod(0o777)
    cluster.state.mkdir()
    os.chown(cluster.state, int(SOMEBODY), int(SOMEBODY))
    findings = doctor(cluster, as_somebody(), code=0)
    assert findings["privileges"]["state"] == "ok" and SOMEBODY in findings["user of nodes"]["what"]


@needs_root
def test_privileges_for_namespaces_are_named_with_the_way_out(make_cluster):
    cluster = make_cluster()
    cluster.home.chmod(0o777)
    use_namespaces(cluster, "none")
    findings = doctor(cluster, as_somebody(), code=1)
    assert {"privileges", "network namespaces", "links"} <= missing(findings)
    for name in ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW", "network = loopback"):
        assert name in findings["privileges"]["remedy"]


@needs_root
def test_a_directory_that_cannot_be_written_is_missing(make_cluster):
    cluster = make_cluster()
    cluster.home.chmod(0o755)
    found = doctor(cluster, as_somebody(), code=1)["state directory"]
    assert found["state"] == "missing" and "--state" in found["remedy"]


@needs_root
def test_thick_volumes_that_do_not_fit_are_missing(make_cluster):
    cluster = make_cluster(volumes={"data1": {"thin": "no", "size": "64M"}})
    cluster.state.mkdir()
    script = f'mount -t tmpfs -o size=8m none "{cluster.state}" && exec "$@"'
    found = doctor(cluster, ("unshare", "-m", "sh", "-c", script, "sh"), code=1)
    assert missing(found) == {"space"} and "64M" in found["space"]["what"]


@needs_root
def test_a_file_system_without_room_for_a_try_is_said(make_cluster):
    cluster = make_cluster()
    cluster.state.mkdir()
    script = (f'mount -t tmpfs -o size=64k none "{cluster.state}" && exec "$@"')
    found = doctor(cluster, ("unshare", "-m", "sh", "-c", script, "sh"), code=1)
    assert "files with holes" in missing(found)


def test_limits_that_are_too_low_are_missing(make_cluster):
    cluster = make_cluster()
    script = 'ulimit -u 3; ulimit -Sn 30; ulimit -Hn 30; ulimit -f 100; exec "$@"'
    before = ("bash", "-c", "trap '' XFSZ; " + script, "bash")
    assert {"descriptors", "processes", "file size"} <= missing(doctor(cluster, before, code=1))


def test_a_port_below_1024_is_not_for_nodes(make_cluster):
    cluster = make_cluster()
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as first:
        if int(first.read()) <= 860:
            pytest.skip("every port is for everybody here")
    cluster.config.write_text(cluster.config.read_text().replace(":3260", ":860"))
    found = doctor(cluster, code=1)
    assert "ports below 1024" in missing(found)
    assert ":860" in found["ports below 1024"]["what"]


@pytest.mark.skipif(lan.missing() is not None, reason=str(lan.missing()))
def test_an_address_that_the_machine_has_is_not_for_a_namespace(make_cluster):
    cluster = make_cluster(nodes=1)
    use_namespaces(cluster, "bridge br0")
    script = ("ip link set lo up; ip link add br0 type bridge; ip address add 10.99.0.1/24 dev br0;"
              ' exec "$@"')
    found = doctor(cluster, ("unshare", "-n", "sh", "-c", script, "sh"), code=1)
    assert missing(found) == {"addresses", "interfaces"}
    assert "10.99.0.1" in found["addresses"]["what"]
    assert "ip link set br0 up" in found["interfaces"]["remedy"]
    found = doctor(cluster, ("unshare", "-n"), code=1)
    assert missing(found) == {"interfaces"} and "br0" in found["interfaces"]["remedy"]


@pytest.mark.skipif(lan.missing() is not None, reason=str(lan.missing()))
@pytest.mark.skipif(not shutil.which("nft"), reason="there is no nft")
def test_a_chain_that_drops_by_default_is_a_warning(make_cluster):
    cluster = make_cluster()
    chain = "add table inet f; add chain inet f guard { type filter hook input priority 0; policy drop; }"
    script = f'ip link set lo up; nft "{chain}"; exec "$@"'
    found = doctor(cluster, ("unshare", "-n", "sh", "-c", script, "sh"), code=0)
    assert found["firewall"]["state"] == "warning" and "guard" in found["firewall"]["what"]


@pytest.mark.parametrize("words", [("doctor", "now"), ("doctor", "--bogus")])
def test_wrong_usage_exits_with_2(make_cluster, words):
    assert make_cluster().run(*words, check=False).returncode == 2


def test_a_mistake_in_the_configuration_is_said_as_by_up(make_cluster):
    cluster = make_cluster(settings={"bogus": 1})
    done = cluster.run("doctor", "-c", cluster.config, check=False)
    assert done.returncode == 2 and f"{cluster.config}:" in done.stderr
