"""Two networks in a network namespace of the test's own, a cluster and virtual machines on them."""

import subprocess
import uuid

from cluster import BASE_NAME, Cluster
from guest import Guest

NETWORKS, NODES = ("a", "b"), 3
NET = "10.77"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Addresses:
    """What the tests' own Cluster wants to know of a network."""

    def address(self, host, second=False):
        return f"{NET}.{2 if second else 1}.{host}"

    def release(self):
        pass


class VmCluster(Cluster):
    """A cluster on bridges of its own, in the lab's namespace."""

    def __init__(self, lab, **how):
        self.lab, self.name = lab, f"vm{uuid.uuid4().hex[:6]}"
        networks = "".join(f"[network {name}]\naddress = {NET}.{number}.254/24\n\n"
                           for number, name in enumerate(NETWORKS, 1))
        sections = networks + how.pop("initiators", "[initiator *]\nnet = 0.0.0.0/0")
        super().__init__(Addresses(), sections=sections,
                         settings={"name": self.name, "network": "netns"} | how.pop("settings", {}), **how)

    def command(self, *words):
        return [*self.lab.inside, *super().command(*words)]

    def up(self):
        super().up()
        self.plug()
        return self

    def bridge(self, network):
        return f"{self.name}-{network}"

    def plug(self, *networks):
        """The guests' cables go into the cluster's bridges."""
        for network in networks or NETWORKS:
            for tap in self.lab.taps[network]:
                self.lab.ip("link", "set", tap, "master", self.bridge(network))

    def unplug(self, network):
        """Silence: the link stays up, nothing arrives."""
        for tap in self.lab.taps[network]:
            self.lab.ip("link", "set", tap, "nomaster")

    def blocks(self, volume="data1"):
        """Bytes that a volume's file takes."""
        return sum(path.stat().st_blocks * 512 for path in (self.state / "volumes").glob(f"{volume}*.img*"))


class Lab:
    """The namespace, and the machines in it: they outlive a cluster."""

    def __init__(self):
        self.name = f"vmlab-{uuid.uuid4().hex[:8]}"
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}"]
        self.taps, self.guests = {network: [] for network in NETWORKS}, []
        ip("netns", "add", self.name)

    def connect(self):
        self.ip("link", "set", "lo", "up")
        self.cards = [self.add_taps(number) for number in (1, 2, 3)]  # the third is for a machine that has no disk

    def ip(self, *words, check=True):
        return ip("-n", self.name, *words, check=check)

    def add_taps(self, number):
        """A tap for each network: [(tap, mac)]."""
        cards = []
        for network in NETWORKS:
            tap = f"tap-{network}{number}"
            self.ip("tuntap", "add", "dev", tap, "mode", "tap")
            self.ip("link", "set", tap, "up")
            self.taps[network].append(tap)
            cards.append((tap, f"52:54:00:77:{ord(network):02x}:{number:02x}"))
        return cards

    def guest(self, number):
        while len(self.guests) < number:
            self.guests.append(Guest(len(self.guests) + 1, self.inside, self.cards[len(self.guests)]))
        return self.guests[number - 1]

    def finish(self):
        for guest in self.guests:
            guest.finish()
        ip("netns", "delete", self.name)


def iqn(volume):
    return f"{BASE_NAME}:{volume}"
