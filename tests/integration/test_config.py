"""Mistakes in the configuration: `file:line: what is wrong`, exit 2, nothing started."""

import re

import pytest

from cluster import processes_with

GOOD = """\
[cluster]
name = test
base_name = iqn.2012-11.com.example:config

[portal_group poc]
floating_ip = 127.250.1.100/24
floating_ip = 127.250.2.100/24

[node 1]
portal = 127.250.1.1:3260 poc
portal = 127.250.2.1 poc

[volume data1]
size = 1G

[initiator iqn.1991-05.com.microsoft:win2016]
net = 127.0.0.0/8
chap = user secret12chars
mutual_chap = array another-secret

[export data1]
portal_group = poc
initiator = iqn.1991-05.com.microsoft:win2016
"""

# name: (what to replace, by what); the mistake is in the line that holds "@@", which is removed.
MISTAKES = {
    "unknown section": ("[cluster]", "[bogus]@@\n[cluster]"),
    "unknown key": ("name = test", "name = test\ncolour = red@@"),
    "key before any section": ("[cluster]", "name = early@@\n[cluster]"),
    "line that is nothing": ("[volume data1]", "just some words@@\n[volume data1]"),
    "unfinished section": ("[volume data1]", "[volume data1@@"),
    "line over 198 bytes": ("name = test", "name = " + "t" * 200 + "@@"),
    "key given twice": ("size = 1G", "size = 1G\nsize = 2G@@"),
    "section given twice": ("[initiator iqn", "[volume data1]@@\nsize = 1G\n[initiator iqn"),
    "empty value": ("size = 1G", "size =@@"),
    "number that is none": ("name = test", "name = test\nnode_timeout_ms = soon@@"),
    "number out of range": ("name = test", "name = test\nnode_timeout_ms = 0@@"),
    "negative number": ("name = test", "name = test\ndetect_delay_ms = -5@@"),
    "unknown network": ("name = test", "name = test\nnetwork = carrier-pigeon@@"),
    "base name that is no iqn": ("base_name = iqn.2012-11.com.example:config",
                                 "base_name = My Cluster@@"),
    "base name without a date": ("base_name = iqn.2012-11.com.example:config",
                                 "base_name = iqn.com.example:config@@"),
    "floating ip that is none": ("127.250.1.100/24", "127.250.1.999/24@@"),
    "floating ip with a bad prefix": ("127.250.1.100/24", "127.250.1.100/33@@"),
    "floating ip given twice": ("127.250.2.100/24", "127.250.1.100/24@@"),
    "floating ip that is a portal": ("127.250.1.1:3260 poc", "127.250.1.100:3260 poc@@"),
    "portal given twice": ("127.250.2.1 poc", "127.250.1.1 poc@@"),
    "portal of an unknown group": ("127.250.2.1 poc", "127.250.2.1 elsewhere@@"),
    "portal without a group": ("127.250.2.1 poc", "127.250.2.1@@"),
    "portal with a bad port": ("127.250.1.1:3260 poc", "127.250.1.1:99999 poc@@"),
    "portal with port 0": ("127.250.1.1:3260 poc", "127.250.1.1:0 poc@@"),
    "node that is no number": ("[node 1]", "[node one]@@"),
    "node 0": ("[node 1]", "[node 0]@@"),
    "node without a number": ("[node 1]", "[node]@@"),
    "node given twice": ("[volume data1]",
                         "[node 01]@@\nportal = 127.250.3.1 poc\n[volume data1]"),
    "size with an unknown unit": ("size = 1G", "size = 1X@@"),
    "size 0": ("size = 1G", "size = 0@@"),
    "size over the top": ("size = 1G", "size = 99999999999T@@"),
    "size that is no multiple of the block": ("size = 1G", "size = 1000"),
    "volume without a size": ("size = 1G", ""),
    "volume name with a slash": ("[volume data1]", "[volume ../data1]@@"),
    "unknown redirect": ("floating_ip = 127.250.2.100/24", "redirect = sometimes@@"),
    "unknown redirect status": ("floating_ip = 127.250.2.100/24", "redirect_status = maybe@@"),
    "group without a floating ip": (
        "floating_ip = 127.250.1.100/24\nfloating_ip = 127.250.2.100/24\n", ""),
    "net that is none": ("net = 127.0.0.0/8", "net = 127.0.0.0/40@@"),
    "initiator that is no iqn": ("[initiator iqn.1991-05.com.microsoft:win2016]",
                                 "[initiator Bob]@@"),
    "chap without a secret": ("chap = user secret12chars\n", "chap = user@@\n"),
    "chap secret too short": ("chap = user secret12chars\n", "chap = user short@@\n"),
    "same secret both ways": ("array another-secret", "array secret12chars"),
    "mutual chap alone": ("chap = user secret12chars\n", ""),
    "export of an unknown volume": ("[export data1]", "[export nothing]@@"),
    "export in an unknown group": ("portal_group = poc\ninit", "portal_group = none@@\ninit"),
    "export to an unknown initiator": ("initiator = iqn.1991-05.com.microsoft:win2016",
                                       "initiator = iqn.1991-05.com.microsoft:other@@"),
    "no node": ("[node 1]\nportal = 127.250.1.1:3260 poc\nportal = 127.250.2.1 poc\n", ""),
}


def refused(cluster, text):
    cluster.config.write_text(text)
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 2, f"exit {done.returncode}\n{done.stderr}"
    assert not processes_with(cluster.mark)
    assert not (cluster.state / "control.sock").exists()
    return done.stderr


@pytest.mark.parametrize("change", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_named_with_its_file_and_line(make_cluster, change):
    cluster, (old, new) = make_cluster(), change
    assert GOOD.count(old) == 1, "the mistake must be made in one place"
    text = GOOD.replace(old, new)
    marked = [number for number, line in enumerate(text.splitlines(), 1) if "@@" in line]
    errors = refused(cluster, text.replace("@@", ""))
    file = re.escape(str(cluster.config))
    place = re.match(rf"(?:sim-cluster: )?{file}:(\d+): \S.{{9,}}", errors)
    assert place, errors
    assert not marked or int(place.group(1)) == marked[0], errors
    assert "secret12chars" not in errors and "another-secret" not in errors


def test_file_that_does_not_exist_is_named(make_cluster):
    cluster = make_cluster()
    cluster.config.unlink()
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 2 and str(cluster.config) in done.stderr


def test_empty_file_is_a_mistake(make_cluster):
    assert refused(make_cluster(), "")


def test_binary_file_is_a_mistake(make_cluster):
    cluster = make_cluster()
    cluster.config.write_bytes(bytes(range(256)) * 16)
    done = cluster.run("up", "-c", cluster.config, "--detach", check=False)
    assert done.returncode == 2 and f"{cluster.config}:1: " in done.stderr


def test_comments_windows_line_ends_and_every_size_unit_are_read(make_cluster):
    cluster = make_cluster(volumes=("data1",))
    text = cluster.config.read_text().replace("size = 64M", "size = 65536k   ; 64 MiB")
    cluster.config.write_bytes(("; a comment\n# another\n" + text).replace("\n", "\r\n").encode())
    cluster.up()
    assert cluster.status()["targets"][0]["size"] == 64 << 20
