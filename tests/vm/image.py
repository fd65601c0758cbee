#!/usr/bin/python3
"""The guest of these tests: kernel and initramfs, made of Debian packages by mmdebstrap.

Owns what is in the image; reused until the recipe (this file and guest/) changes. Usage: image.py DIRECTORY
"""

import hashlib
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SUITE = "bookworm"
PACKAGES = ["linux-image-amd64", "busybox-static", "bash", "open-iscsi", "multipath-tools", "sg3-utils",
            "sg3-utils-udev", "e2fsprogs", "xfsprogs", "fio", "util-linux", "mount", "kmod", "iproute2", "udev"]
PROGRAMS = ["bin/bash", "bin/busybox", "bin/kmod", "bin/ip", "bin/mount", "bin/umount", "bin/udevadm", "bin/lsblk",
            "sbin/blkdiscard", "sbin/blockdev", "sbin/blkid", "sbin/dmsetup", "sbin/fstrim", "sbin/iscsiadm",
            "sbin/iscsid", "sbin/kpartx", "sbin/mke2fs", "sbin/e2fsck", "sbin/resize2fs", "sbin/mkfs.xfs",
            "sbin/xfs_repair", "sbin/multipath", "sbin/multipathd", "usr/bin/fio", "usr/bin/sg_inq", "usr/bin/sg_vpd",
            "usr/bin/sg_persist", "usr/bin/sg_readcap", "usr/bin/sg_turs", "usr/bin/sg_map", "usr/bin/sg_reset",
            "usr/bin/sg_get_lba_status", "lib/udev/scsi_id", "lib/udev/ata_id"]
LINKS = {"sbin/modprobe": "/bin/kmod", "sbin/depmod": "/bin/kmod", "sbin/mkfs.ext4": "mke2fs",
         "sbin/fsck.ext4": "e2fsck", "lib/systemd/systemd-udevd": "/bin/udevadm"}
TREES = ["etc/iscsi", "etc/mke2fs.conf", "lib/udev/rules.d", "lib/multipath"]
MODULES = ["virtio_pci", "virtio_net", "virtio_console", "iscsi_tcp", "sd_mod", "sg", "dm_multipath", "dm_round_robin",
           "dm_service_time", "scsi_dh_alua", "ext4", "xfs", "crc32c_generic", "crc32c_intel", "crct10dif_common"]
XZ = b"\xfd7zXZ\0"


def recipe():
    """What the image depends on, as one word."""
    parts = [pathlib.Path(__file__), *sorted((HERE / "guest").iterdir())]
    return hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()


def is_current(directory):
    made_by = pathlib.Path(directory) / "recipe"
    return made_by.exists() and made_by.read_text() == recipe()


def chroot(root, *words):
    return subprocess.run(["chroot", root, *words], check=True, capture_output=True, text=True).stdout


def copy(root, image, name):
    """A file by its path in `root`, and what it is a link to."""
    source, target = root / name, image / name
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def copy_libraries(root, image, names):
    """The shared libraries that these programs load."""
    for name in names:
        for word in chroot(root, "/lib64/ld-linux-x86-64.so.2", "--list", f"/{name}").split():
            if word.startswith("/"):
                copy(root, image, word.lstrip("/"))


def copy_programs(root, image):
    for name in PROGRAMS:
        copy(root, image, name)
    for name in TREES:
        copy(root, image, name)
    for applet in chroot(root, "/bin/busybox", "--list").split():
        link = image / "bin" / applet
        if not any((image / place / applet).exists() for place in ("bin", "sbin", "usr/bin")):
            link.symlink_to("busybox")
    for name, target in LINKS.items():
        (image / name).unlink(missing_ok=True)
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).symlink_to(target)
    copy(root, image, "lib64/ld-linux-x86-64.so.2")
    copy_libraries(root, image, [name for name in PROGRAMS if name != "bin/busybox"]
                   + [str(path.relative_to(root)) for path in (root / "lib/multipath").iterdir()])


def copy_modules(root, image, version):
    """Modules with what they need, and an index of just these."""
    chroot(root, "/sbin/depmod", version)
    source = root / "lib/modules" / version
    needs = dict(line.split(":") for line in (source / "modules.dep").read_text().splitlines())
    wanted = [path for path in needs if pathlib.Path(path).stem in MODULES
              or pathlib.Path(path).stem.replace("-", "_") in MODULES]
    for path in wanted:
        for name in [path, *needs[path].split()]:
            copy(root, image, f"lib/modules/{version}/{name}")
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        copy(root, image, f"lib/modules/{version}/{name}")
    chroot(image, "/sbin/depmod", version)


def unpack_kernel(compressed, destination):
    """QEMU starts an unpacked kernel at once; a guest without KVM would unpack it for seconds."""
    data, start = compressed.read_bytes(), 0
    while (start := data.find(XZ, start + 1)) > 0:
        try:
            kernel = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start:])
        except lzma.LZMAError:
            continue
        if kernel.startswith(b"\x7fELF"):
            destination.write_bytes(kernel)
            return
    raise SystemExit(f"{compressed}: no kernel compressed by xz in it")


def fill(root, image, directory):
    kernel = next((root / "boot").glob("vmlinuz-*"))
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "var/lib", "etc", "bin", "sbin", "lib", "usr/bin"):
        (image / name).mkdir(parents=True, exist_ok=True)
    for name in ("var/run", "var/lock"):
        (image / name).symlink_to("/run")
    copy_programs(root, image)
    copy_modules(root, image, kernel.name.partition("-")[2])
    for name in ("init", "agent", "shell"):
        shutil.copy2(HERE / "guest" / name, image / name)
    shutil.copy(HERE / "guest/multipath.conf", image / "etc/multipath.conf")
    (image / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (image / "etc/group").write_text("".join(f"{name}:x:{number}:\n" for number, name in enumerate(
        "root tty disk dialout kmem lp audio video render input kvm sgx cdrom tape floppy".split())))
    unpack_kernel(kernel, directory / "vmlinux")
    names = b"\0".join(sorted(bytes(path.relative_to(image)) for path in image.rglob("*")))
    with open(directory / "initramfs", "wb") as output:
        subprocess.run(["cpio", "--create", "--format=newc", "--null", "--quiet"], cwd=image, input=names,
                       stdout=output, check=True)


def build(directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "recipe").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        root, image = pathlib.Path(scratch) / "root", pathlib.Path(scratch) / "image"
        debian = subprocess.run(["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}",
                                 SUITE, root])
        if debian.returncode:
            raise SystemExit("mmdebstrap could not fetch the guest's packages: it needs root and a Debian mirror")
        image.mkdir()
        fill(root, image, directory)
    (directory / "recipe").write_text(recipe())


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1])
    if not is_current(where):
        if os.geteuid():
            raise SystemExit("the guest is built as root, in a directory of its own: sudo make vm-image")
        build(where)
