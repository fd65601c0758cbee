"""Servers and clients in two network namespaces of the benchmark's own, joined by a pair of
interfaces. Both namespaces and the pair end with the benchmark."""

import atexit
import ctypes
import itertools
import os
import subprocess

NAME = "veth pair with an MTU of 9000"
CLONE_NEWNET = 0x40000000
prefix = []


def client():
    """What a client's command begins with."""
    return prefix


class VethNet:
    """The addresses of one server: 10.99.LOW.x and 10.99.(LOW + 1).x."""

    lows = itertools.count(0, 2)

    def __init__(self):
        self.low = next(self.lows)

    def new(self):
        return VethNet()

    def address(self, host, second=False):
        return f"10.99.{self.low + second}.{host}"

    def release(self):
        """They end with the namespace."""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def enter():
    """This process and what it starts are in a namespace of their own from now on."""
    if os.geteuid():
        raise SystemExit("bench.py --veth makes network namespaces: run it as root")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SystemExit(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL)
    atexit.register(holder.communicate)
    prefix[:] = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        os.sched_yield()
    ip("link", "set", "lo", "up")
    ip("link", "add", "servers", "mtu", "9000", "type", "veth", "peer", "name", "clients", "mtu",
       "9000", "netns", str(holder.pid))
    ip("address", "add", "10.99.254.1/16", "dev", "servers")
    ip("link", "set", "servers", "up")
    ip("route", "add", "local", "10.99.0.0/17", "dev", "lo")
    for words in (["link", "set", "lo", "up"], ["address", "add", "10.99.254.2/16", "dev", "clients"],
                  ["link", "set", "clients", "up"]):
        subprocess.run([*prefix, "ip", *words], check=True)
    return VethNet()
