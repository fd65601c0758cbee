"""A disk in Linux: space that comes back, a size that changes, reservations between two machines."""

import errno
import os

from lab import iqn

TARGET = iqn("data1")
WRITE_EXCLUSIVE_REGISTRANTS = 5
CONFLICT = 24  # exit code of sg3-utils


def disk_of(cluster, guest):
    guest.discover(cluster.floating_ip)
    guest.log_in(TARGET, cluster.floating_ip)
    disk, = guest.disks(TARGET)
    return disk


def persist(guest, disk, words, check=True):
    """PERSISTENT RESERVE OUT; gives the exit code."""
    return guest.run(f"sg_persist --out {words} --prout-type={WRITE_EXCLUSIVE_REGISTRANTS} {disk}", check=check).code


def write(guest, disk, check=True):
    return guest.run(f"dd if=/dev/zero of={disk} bs=4k count=1 oflag=direct", check=check)


def test_discarded_blocks_leave_the_file(cluster, guest):
    disk = disk_of(cluster, guest)
    guest.run(f"dd if=/dev/urandom of={disk} bs=1M count=48 oflag=direct")
    full = cluster.blocks()
    assert full >= 48 << 20
    guest.run(f"blkdiscard --offset 0 --length {24 << 20} {disk}")
    half = cluster.blocks()
    assert full - half >= 23 << 20
    guest.run(f"blkdiscard {disk}")
    assert cluster.blocks() <= 1 << 20
    assert guest.run(f"dd if={disk} bs=1M count=48 iflag=direct 2>/dev/null | tr -d '\\0' | wc -c").output == "0\n"


def test_deleted_files_leave_the_file(make_cluster, guest):
    cluster = make_cluster(size="320M").up()
    disk = disk_of(cluster, guest)
    guest.run(f"set -e; mkfs.ext4 -q {disk}; mount {disk} /mnt; dd if=/dev/urandom of=/mnt/big bs=1M count=32; sync")
    full = cluster.blocks()
    guest.run("set -e; rm /mnt/big; sync; fstrim /mnt")
    assert full - cluster.blocks() >= 30 << 20


def test_file_system_grows_with_its_volume(cluster, guest):
    disk = disk_of(cluster, guest)
    guest.run(f"set -e; mkfs.ext4 -q {disk}; mount {disk} /mnt; echo before >/mnt/file; sync")
    cluster.run("volume", "data1", "resize", "128M")
    guest.run("iscsiadm -m session --rescan")
    guest.wait_until(f"[ $(blockdev --getsize64 {disk}) = {128 << 20} ]", "the new size")
    guest.run(f"set -e; resize2fs {disk}; [ $(cat /mnt/file) = before ]; umount /mnt; e2fsck -fn {disk}")
    assert int(guest.run(f"sg_readcap -b {disk}").output.split()[0], 0) == (128 << 20) // 512


def test_reservation_between_two_machines(cluster, guest, guest2):
    """Register, reserve, conflict, failover, preempt, conflict the other way round."""
    disk, disk2 = disk_of(cluster, guest), disk_of(cluster, guest2)
    persist(guest, disk, "--register --param-sark=0x11")
    persist(guest, disk, "--reserve --param-rk=0x11")
    write(guest, disk)
    refused = write(guest2, disk2, check=False)
    assert refused.code and os.strerror(errno.EBADE) in refused.output
    old = cluster.controller()
    mark = cluster.node(old, "power-off")
    for number in range(2):
        cluster.events.wait("session.opened", 60, mark, target=TARGET)
    assert "0x11" in guest2.run(f"sg_persist --in --read-reservation {disk2}").output
    persist(guest2, disk2, "--register --param-sark=0x22")
    persist(guest2, disk2, "--preempt --param-rk=0x22 --param-sark=0x11")
    keys = guest2.run(f"sg_persist --in --read-keys {disk2}").output
    assert "0x22" in keys and "0x11" not in keys
    write(guest2, disk2)
    refused = write(guest, disk, check=False)
    assert refused.code and os.strerror(errno.EBADE) in refused.output
    assert persist(guest, disk, "--release --param-rk=0x11", check=False) == CONFLICT
