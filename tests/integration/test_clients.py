"""Real initiators: libiscsi's tools, QEMU; and Wireshark's dissector."""

import os
import shutil
import signal
import subprocess

import pytest

from cluster import iqn
from node import MIB
from pdu import ASYNC
from scsi import inquiry, pattern, read10, write10
from session import ABORT_TASK, LUN_RESET
from windows import WindowsHost, enumerate_disk

NAME = "iqn.2020-01.org.example:client"


def needs(tool):
    return pytest.mark.skipif(not shutil.which(tool), reason=f"{tool} is not installed")


def run(*words, timeout=60, **how):
    return subprocess.run([str(word) for word in words], capture_output=True, encoding="utf-8",
                          errors="replace", timeout=timeout, stdin=subprocess.DEVNULL, **how)


def good(*words, **how):
    done = run(*words, **how)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def url(cluster, volume="data1", lun=True):
    return f"iscsi://{cluster.floating_ip}/{iqn(volume)}" + ("/0" if lun else "")


# libiscsi's tools

@needs("iscsi-ls")
def test_iscsi_ls_finds_targets_and_their_disks(cluster):
    out = good("iscsi-ls", "-s", f"iscsi://{cluster.floating_ip}/", "-i", NAME)
    for volume in ("data1", "data2"):
        assert f"Target:{iqn(volume)} Portal:{cluster.floating_ip}:3260,1" in out
    assert out.count("Lun:0") >= 2 and "StorPool" not in out.split("Lun")[0]


@needs("iscsi-inq")
def test_iscsi_inq_shows_vendor_product_and_pages(cluster):
    out = good("iscsi-inq", "-i", NAME, url(cluster))
    assert "Vendor:StorPool" in out and "Product:iSCSI DISK" in out
    assert "Unit Serial Number" in good("iscsi-inq", "-e", "1", "-c", "128", url(cluster))
    assert "NAA" in good("iscsi-inq", "-e", "1", "-c", "131", url(cluster))


@needs("iscsi-readcapacity16")
def test_iscsi_readcapacity16_shows_the_size(cluster):
    assert good("iscsi-readcapacity16", "-s", url(cluster)).strip().endswith(str(64 * MIB))


@needs("iscsi-ls")
def test_libiscsi_with_chap_both_ways(make_cluster):
    """Redirected before authentication: after it, libiscsi 1.19 goes on at the node where it
    stopped at the floating IP, with an answer to a challenge that the node never sent."""
    cluster = make_cluster(group={"redirect": "before_auth"},
                           sections="[initiator *]\nchap = user secret12chars\n"
                                    "mutual_chap = array another-secret").up()
    mutual = os.environ | {"LIBISCSI_CHAP_TARGET_USERNAME": "array",
                           "LIBISCSI_CHAP_TARGET_PASSWORD": "another-secret"}
    where = f"iscsi://user%secret12chars@{cluster.floating_ip}/{iqn('data1')}/0"
    assert "StorPool" in good("iscsi-inq", where)
    assert "StorPool" in good("iscsi-inq", where, env=mutual)
    wrong = f"iscsi://user%wrong-secret-1@{cluster.floating_ip}/{iqn('data1')}/0"
    assert run("iscsi-inq", wrong).returncode != 0


# QEMU

@needs("qemu-img")
def test_qemu_img_copies_an_image_in_and_out(cluster, tmp_path):
    source, copy = tmp_path / "source.raw", tmp_path / "copy.raw"
    source.write_bytes(pattern(16384, seed=1) + bytes(56 * MIB))
    assert '"virtual-size": 67108864' in good("qemu-img", "info", "--output=json", url(cluster))
    good("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, url(cluster))
    good("qemu-img", "convert", "-f", "raw", "-O", "raw", url(cluster), copy)
    assert copy.read_bytes() == source.read_bytes()
    compared = good("qemu-img", "compare", "-f", "raw", "-F", "raw", source, url(cluster))
    assert "identical" in compared


@needs("qemu-io")
def test_qemu_io_writes_reads_and_discards(cluster):
    out = good("qemu-io", "-f", "raw", "-d", "unmap", "-c", "write -P 0x5a 1M 3M", "-c",
               "read -P 0x5a 1M 3M", "-c", "discard 2M 1M", "-c", "read -P 0 2M 1M", "-c",
               "write -z 1M 512k", "-c", "read -P 0 1M 512k", "-c", "flush", url(cluster))
    assert "Pattern verification failed" not in out
    image = (cluster.state / "volumes" / "data1.img").read_bytes()
    assert image[3 * MIB:4 * MIB] == b"\x5a" * MIB and image[2 * MIB:3 * MIB] == bytes(MIB)


@needs("qemu-io")
def test_qemu_goes_on_after_a_kill_of_its_node(cluster):
    child = subprocess.Popen(["qemu-io", "-f", "raw", url(cluster)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        child.stdin.write("write -P 0x11 0 1M\n")
        child.stdin.flush()
        cluster.events.wait("session.opened")
        image = cluster.state / "volumes" / "data1.img"
        cluster.wait_until(lambda: image.read_bytes()[MIB - 1] == 0x11, "the first write")
        cluster.node(cluster.controller(), "kill")
        out, _ = child.communicate("read -P 0x11 0 1M\nwrite -P 0x22 1M 1M\n"
                                   "read -P 0x22 1M 1M\nquit\n", timeout=60)
        assert "failed" not in out and out.count("1 MiB, 1 ops") == 4, out
    finally:
        child.kill()
        child.wait()


# Wireshark

@pytest.fixture
def capture(tmp_path):
    """capture(net) records packets of the test's own addresses until stop(); gives the file."""
    children = []

    def start(net):
        file = tmp_path / "run.pcapng"
        child = subprocess.Popen(
            ["dumpcap", "-q", "-i", "lo", "-B", "64", "-a", "filesize:200000", "-a", "duration:60",
             "-w", str(file), "-f", f"net {net.address(0)}/23 and tcp"],
            stderr=subprocess.PIPE, text=True)
        children.append(child)
        for line in child.stderr:
            if line.startswith("File:"):
                break

        def stop():
            child.send_signal(signal.SIGINT)
            child.wait(10)
            return file

        return stop

    yield start
    for child in children:
        child.kill()
        child.wait()


def can_capture():
    if not (shutil.which("dumpcap") and shutil.which("tshark")):
        return False
    return run("dumpcap", "-L", "-i", "lo", timeout=10).returncode == 0


@pytest.mark.skipif(not can_capture(), reason="cannot capture on lo")
@pytest.mark.parametrize("digest", ["None", "CRC32C"])
def test_wireshark_finds_nothing_wrong_in_a_whole_run(floating, capture, digest):
    stop = capture(floating.net)
    host = WindowsHost()
    host.discover(floating.floating_ip)
    windows = host.log_in(floating.floating_ip, target=floating.map["targets"][0]["name"])
    enumerate_disk(windows)
    windows.command(write10(0, 512), write=pattern(512)).assert_good()
    session = floating.log_in(offer={"HeaderDigest": digest, "DataDigest": digest})
    for _ in range(3):
        session.command(write10(0, 300), write=pattern(300)).assert_good()
        session.command(read10(0, 300), read=300 * 512).assert_good()
    session.command(inquiry(0x83), read=255).assert_good()
    session.command(read10(2**31, 1), read=512)
    session.nop(b"ping")
    session.text_request({"X-org.example.thing": "1"})
    session.manage(ABORT_TASK, ref_itt=0x77)
    session.manage(LUN_RESET)
    session.clear_attention()
    request = floating.node.control.send("release", target=floating.map["targets"][0]["name"],
                                         timeout_ms=3000)
    session.wait_other(ASYNC)
    windows.wait_other(ASYNC)
    for one in (session, windows):
        one.log_out()
        one.connection.expect_close()
    floating.node.control.reply(request)
    host.close()
    file = stop()
    found = good("tshark", "-r", file, "-d", "tcp.port==3260,iscsi", "-Y",
                 "_ws.malformed or (iscsi and _ws.expert.severity == error)", "-T", "fields",
                 "-e", "frame.number", "-e", "_ws.col.Info", "-e", "_ws.expert.message")
    assert not found.strip(), found
    opcodes = set(good("tshark", "-r", file, "-Y", "iscsi", "-T", "fields", "-e",
                       "iscsi.opcode").replace(",", "\n").split())
    assert {"0x21", "0x22", "0x23", "0x24", "0x25", "0x26", "0x31", "0x32"} <= opcodes
