#!/usr/bin/python3
"""The guest with a shell, on the two networks of configs/lab.ini: for people. Usage: shell.py"""

import contextlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

from guest import IMAGE, KERNEL, network_cards, qemu  # noqa: E402
from lab import ip  # noqa: E402

CARDS = [("vm-a", "52:54:00:77:61:50"), ("vm-b", "52:54:00:77:62:50")]
BRIDGES = ["lab-a", "lab-b"]


def check():
    if os.geteuid():
        raise SystemExit("taps need root: sudo make vm")
    for bridge in BRIDGES:
        if ip("link", "show", bridge, check=False).returncode:
            raise SystemExit(f"there is no bridge {bridge}: first start the cluster that has it, with "
                             "\"sudo build/sim-cluster up -c configs/lab.ini --detach\"")


def main():
    check()
    with contextlib.ExitStack() as taps:
        for (tap, _), bridge in zip(CARDS, BRIDGES):
            if ip("tuntap", "add", "dev", tap, "mode", "tap", check=False).returncode:
                raise SystemExit(f"{tap} is in use: is another \"make vm\" running?")
            taps.callback(ip, "link", "delete", tap)
            ip("link", "set", tap, "master", bridge, "up")
        subprocess.run(qemu("-M", "q35", "-kernel", str(IMAGE / "vmlinux"), "-initrd", str(IMAGE / "initramfs"),
                            "-append", f"{KERNEL} lab.shell", "-serial", "mon:stdio", "-no-reboot",
                            *network_cards(CARDS, romfile=""), memory=640))


if __name__ == "__main__":
    main()
