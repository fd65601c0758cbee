"""A disk with two paths in a guest, and the load on it: fio, which reads back what it wrote."""

import json

from lab import iqn

TARGET = iqn("data1")
MAP, FILE = "/dev/disk/by-id/dm-uuid-mpath-*", "/mnt/written"
# A host that notices silence after 2 s and gives a path up 1 s later: the tests need not wait for its defaults.
PATIENCE_OF_HOST = {"node.session.timeo.replacement_timeout": 1, "node.conn[0].timeo.noop_out_interval": 1,
                    "node.conn[0].timeo.noop_out_timeout": 1, "node.conn[0].timeo.login_timeout": 3}


def two_paths(cluster, guest):
    """Logs in through both floating IPs; gives the multipath device when both paths are in use."""
    guest.discover(cluster.floating_ip)
    guest.settings(TARGET, PATIENCE_OF_HOST)
    guest.run("multipathd")
    guest.log_in(TARGET)
    wait_for_paths(guest, 2)
    return guest.wait_until(f"ls {MAP} >/dev/null && readlink -f {MAP}", "the multipath device").strip()


def wait_for_paths(guest, count, deadline=60):
    guest.wait_until(f'multipath -ll; [ "$(multipath -ll | grep -c "active *ready *running")" = {count} ]',
                     f"{count} paths in use", deadline)


def file_system(guest, device, kind="ext4"):
    """Made, mounted, with a file on it that is checked at the end."""
    guest.run(f"set -e; mkfs.{kind} -q {device}; mount {device} /mnt; dd if=/dev/urandom of=/mnt/first bs=64k "
              "count=32 2>/dev/null; sync; sha256sum /mnt/first >/run/first")


def write(guest, megabytes, number):
    """Starts fio; finish() tells how it went."""
    return guest.start(
        f"fio --name=writer --filename={FILE} --rw=randwrite --bs=4k --size={megabytes}M --direct=1 "
        f"--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed={number} "
        "--output=/run/fio.json --output-format=json && cat /run/fio.json")


def wait_for_writes(cluster, megabytes=1):
    """Until the sessions there are now have taken so many megabytes more."""
    def taken():
        return sum(session["bytes_in"] for session in cluster.status()["sessions"])
    goal = taken() + (megabytes << 20)
    cluster.wait_until(lambda: taken() >= goal, f"{megabytes} MB written", 60)


def finish(guest, job, deadline=240):
    """Fails unless all was read back as it was written; gives the longest time of one request in ms."""
    output = guest.finish_job(job, deadline)
    result = json.loads(output[output.index("{"):])["jobs"][0]
    assert result["error"] == 0, output
    return max(result[way]["lat_ns"]["max"] for way in ("read", "write")) / 1e6


def check(guest, device):
    """What was written first is there, and the file system is whole."""
    guest.run(f"set -e; sha256sum -c /run/first; umount /mnt; e2fsck -fn {device}")
