"""A virtual machine with Linux's own initiator, driven from outside by its agent.

Owns the QEMU process and the commands inside. It ends with the test process, whatever happens.
"""

import base64
import contextlib
import itertools
import os
import pathlib
import select
import shlex
import socket
import subprocess
import tempfile
import time

from wire import PATIENCE

BUILD = pathlib.Path(os.environ.get(
    "BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
IMAGE = BUILD / "vm"
BOOT_DEADLINE, COMMAND_DEADLINE = 120 * PATIENCE, 60 * PATIENCE
KERNEL = ("console=ttyS0 rdinit=/init panic=-1 quiet cryptomgr.notests tsc=reliable no_timer_check "
          "mitigations=off")


class GuestError(AssertionError):
    """A command in the guest failed, or the guest no longer answers."""


class Done:
    """How a command ended: exit code, and what it printed."""

    def __init__(self, code, output):
        self.code, self.output = code, output


def qemu(*words, memory):
    """A machine without KVM and without anything that was not asked for."""
    return ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg", "-m", str(memory),
            "-nodefaults", "-no-user-config", "-display", "none", *words]


def network_cards(cards, **properties):
    """QEMU's words for one virtio card at each tap: cards = [(tap, mac)]."""
    more = "".join(f",{name}={value}" for name, value in properties.items())
    for number, (tap, mac) in enumerate(cards):
        yield from ("-netdev", f"tap,id=net{number},ifname={tap},script=no,downscript=no",
                    "-device", f"virtio-net-pci,netdev=net{number},mac={mac}{more}")


class Guest:
    """`inside`: the words that start a command in the network namespace of its taps."""

    def __init__(self, number, inside, cards):
        self.number, self.name, self.inside, self.cards = number, f"guest {number}", inside, cards
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="vm-"))
        self.console, self.jobs = self.home / "console", itertools.count(1)
        self.power_on()

    def power_on(self):
        ours, theirs = socket.socketpair()
        machine = qemu("-M", "q35", "-kernel", str(IMAGE / "vmlinux"), "-initrd", str(IMAGE / "initramfs"),
                       "-append", KERNEL, "-serial", f"file:{self.console}", "-device", "virtio-serial-pci",
                       "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                       "-device", "virtserialport,chardev=agent,name=agent",
                       *network_cards(self.cards, romfile=""), memory=640)
        self.process = subprocess.Popen([*self.inside, *machine], stdin=subprocess.DEVNULL,
                                        pass_fds=[theirs.fileno()])
        theirs.close()
        self.agent, self.pending, self.is_ready = ours, b"", False

    def power_off(self):
        """At once: nothing is written back, nobody is told."""
        self.process.kill()
        self.process.wait()
        self.agent.close()

    def finish(self):
        self.power_off()
        for path in self.home.iterdir():
            path.unlink()
        self.home.rmdir()

    # The agent

    def line(self, deadline, what):
        until = time.monotonic() + deadline
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.agent], [], [], max(0, until - time.monotonic()))
            data = self.agent.recv(65536) if ready else b""
            if not data:
                raise GuestError(f"{self.name}: {'ended' if ready else f'silent for {deadline:g} s'}, wanted "
                                 f"{what}\n{self.console_text()}")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode()

    def wait_ready(self):
        while not self.is_ready:
            self.is_ready = self.line(BOOT_DEADLINE, "the agent").endswith("ready")

    def send(self, command):
        self.wait_ready()
        self.agent.sendall(base64.b64encode(command.encode()) + b"\n")

    def run(self, command, check=True, deadline=COMMAND_DEADLINE):
        """A shell command; what it prints on both its outputs comes together."""
        self.send(command)
        code, _, output = self.line(deadline, command).partition(" ")
        done = Done(int(code), base64.b64decode(output).decode(errors="replace"))
        if check and done.code:
            raise GuestError(f"{self.name}: {command}: exit {done.code}\n{done.output}")
        return done

    def start(self, command):
        """A command in the background; finish_job() takes what this gives."""
        job = f"/run/job{next(self.jobs)}"
        self.run(f"mkfifo {job}.end; (bash -c {shlex.quote(command)} >{job}.output 2>&1; echo $? >{job}.end) "
                 "</dev/null >/dev/null 2>&1 &")
        return job

    def finish_job(self, job, deadline):
        """Waits for its end; fails when it failed."""
        code = int(self.run(f"cat {job}.end", deadline=deadline).output)
        output = self.run(f"cat {job}.output").output
        if code:
            raise GuestError(f"{self.name}: exit {code}\n{output}")
        return output

    def wait_until(self, question, what, deadline=COMMAND_DEADLINE):
        """Asks (a shell command) until the exit code is 0; gives what it printed."""
        done = self.run(f"while [ $SECONDS -lt {int(deadline)} ]; do\n"
                        f"output=$(exec 2>&1\n{question}\n) && echo \"$output\" && exit; busybox usleep 100000\n"
                        "done; echo \"$output\"; exit 1", check=False, deadline=2 * deadline)
        if done.code:
            raise GuestError(f"{self.name}: not within {deadline:g} s: {what}\n{done.output}")
        return done.output

    def reset(self):
        """The reset button; the guest boots again."""
        self.send("echo b >/proc/sysrq-trigger")
        self.is_ready = False

    def console_text(self):
        with contextlib.suppress(OSError):
            return self.console.read_text(errors="replace")[-3000:]
        return ""

    # The initiator

    def join(self, addresses, initiator):
        """Addresses for its cards in order, the initiator's name, its daemons."""
        links = "".join(f"ip address add {address}/24 dev eth{number}; ip link set eth{number} up; "
                        for number, address in enumerate(addresses))
        self.run(f"set -e; {links} echo InitiatorName={initiator} >/etc/iscsi/initiatorname.iscsi; iscsid")

    def iscsiadm(self, words, **how):
        return self.run(f"iscsiadm {words}", **how).output

    def discover(self, portal):
        """The discovery's lines: portal,tpgt and name."""
        return [tuple(line.split()) for line in self.iscsiadm(f"-m discovery -t st -p {portal}").splitlines()]

    def settings(self, target, values):
        """Keys of a target's records."""
        for name, value in values.items():
            self.iscsiadm(f"-m node -T {target} -o update -n '{name}' -v '{value}'")

    def log_in(self, target, portal=None):
        self.iscsiadm(f"-m node -T {target}{f' -p {portal}' if portal else ''} --login")

    def disks(self, target):
        """The kernel's names of a target's disks (one for each session), when they are there."""
        links = f"/dev/disk/by-path/*-iscsi-{target}-lun-0"
        output = self.wait_until(f"udevadm settle; ls {links} >/dev/null 2>&1 && readlink -f {links}",
                                 f"a disk of {target}")
        return output.split()
