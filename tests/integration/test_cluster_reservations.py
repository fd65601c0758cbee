"""What failover clustering and MSDSM do with persistent reservations, while nodes break.

Two Windows hosts with two paths each, as `Test-Cluster` (Validate SCSI-3 Persistent Reservation)
and the path manager use them: facts of their behaviour, one test for each requirement.
"""

import pytest

from reservations import (APTPL, CLEAR, POWER_ON, PREEMPT, REGISTER, REGISTER_AND_IGNORE,
                          REGISTRATIONS_PREEMPTED, RELEASE, RESERVE, WRITE_EXCLUSIVE_REGISTRANTS,
                          attentions, read_keys, read_reservation, read_status, reserve_out)
from scsi import GOOD, RESERVATION_CONFLICT, pattern, read10, write10
from windows import PREFIX, isid

WERO = WRITE_EXCLUSIVE_REGISTRANTS
FAILURES = ["kill", "power-off", "drain"]


class Host:
    """A node of the Windows cluster: a key of its own, a path through each floating IP."""

    def __init__(self, cluster, name, key):
        self.cluster, self.name, self.key = cluster, name, key
        self.paths = []

    def connect(self, **how):
        addresses = self.cluster.floating_ip, self.cluster.floating_ip2
        self.paths = [self.cluster.reconnect(address=address, name=PREFIX + self.name,
                                             isid=isid(qualifier), **how)
                      for qualifier, address in enumerate(addresses)]
        return self

    def ports(self):
        return [f"{PREFIX}{self.name},i,0x40000137{qualifier:04x}" for qualifier in (0, 1)]

    def register(self, flags=0):
        """MSDSM: down every path, and all of them must succeed."""
        for path in self.paths:
            reserve_out(path, REGISTER_AND_IGNORE, service_key=self.key,
                        flags=flags).assert_good()

    def unregister(self):
        for path in self.paths:
            reserve_out(path, REGISTER, key=self.key).assert_good()

    def reserve(self, path=0):
        return reserve_out(self.paths[path], RESERVE, kind=WERO, key=self.key).status

    def preempt(self, victim, path=0):
        return reserve_out(self.paths[path], PREEMPT, kind=WERO, key=self.key,
                           service_key=victim.key).status

    def write(self, seed, path=0):
        return self.paths[path].command(write10(0, 8), write=pattern(8, seed=seed)).status

    def read(self, path=0):
        return self.paths[path].command(read10(0, 8), read=4096).assert_good().data_in


@pytest.fixture
def hosts(cluster):
    return (Host(cluster, "hv1", 0x6E6F64650001).connect(),
            Host(cluster, "hv2", 0x6E6F64650002).connect())


def break_node(cluster, verb):
    old = cluster.controller()
    cluster.node(old, verb)
    cluster.new_controller(old)


def keys_of(path):
    return sorted(read_keys(path)[1])


@pytest.mark.parametrize("verb", FAILURES)
def test_validation_of_persistent_reservations_survives_a_failover(cluster, hosts, verb):
    """Test-Cluster: register on every path, reserve type 5, read back, conflict, preempt."""
    owner, challenger = hosts
    everyone = [*owner.paths, *challenger.paths]
    for host in hosts:
        host.register()
    for path in everyone:
        assert keys_of(path) == [owner.key] * 2 + [challenger.key] * 2
    assert owner.reserve() == GOOD
    for path in everyone:
        assert read_reservation(path) == (owner.key, WERO)
    assert challenger.reserve() == RESERVATION_CONFLICT
    assert owner.write(seed=1) == GOOD

    break_node(cluster, verb)
    for host in hosts:
        host.connect(ready=False)
    assert [attentions(path) for host in hosts for path in host.paths] == [[POWER_ON]] * 4
    for path in [*owner.paths, *challenger.paths]:
        assert keys_of(path) == [owner.key] * 2 + [challenger.key] * 2
        assert read_reservation(path) == (owner.key, WERO)
    assert challenger.reserve() == RESERVATION_CONFLICT
    assert owner.read(path=1) == pattern(8, seed=1)

    assert challenger.preempt(owner) == GOOD
    assert [attentions(path) for path in owner.paths] == [[REGISTRATIONS_PREEMPTED]] * 2
    assert read_reservation(owner.paths[1]) == (challenger.key, WERO)
    assert owner.write(seed=2) == RESERVATION_CONFLICT


def test_preempted_owner_is_told_on_every_path_and_shut_out(hosts):
    owner, challenger = hosts
    for host in hosts:
        host.register()
    assert owner.reserve() == GOOD
    assert challenger.preempt(owner, path=1) == GOOD
    assert [attentions(path) for path in owner.paths] == [[REGISTRATIONS_PREEMPTED]] * 2
    assert [attentions(path) for path in challenger.paths] == [[], []]
    assert read_reservation(owner.paths[0]) == (challenger.key, WERO)
    assert [owner.write(seed=9, path=path) for path in (0, 1)] == [RESERVATION_CONFLICT] * 2
    assert [challenger.write(seed=2, path=path) for path in (0, 1)] == [GOOD] * 2
    assert owner.read() == pattern(8, seed=2)  # type 5: reads are for everyone
    assert owner.reserve() == RESERVATION_CONFLICT  # not registered any more


def test_path_that_comes_back_registers_its_key_again(cluster, hosts):
    """MSDSM registers the stored key when a path returns; the reservation stays where it is."""
    owner, challenger = hosts
    owner.register()
    assert owner.reserve() == GOOD
    break_node(cluster, "kill")
    owner.connect()
    owner.register()
    assert read_reservation(owner.paths[1]) == (owner.key, WERO)
    assert read_status(owner.paths[0]) == [(owner.ports()[0], 1, owner.key, WERO),
                                           (owner.ports()[1], 1, owner.key, None)]
    challenger.connect()
    assert challenger.write(seed=3) == RESERVATION_CONFLICT


def test_defence_of_the_disk_goes_on_while_nodes_die(cluster, hosts):
    """The arbitration of two hosts: each takes the disk from the other, with a failover between."""
    for host in hosts:
        host.register()
    assert hosts[0].reserve() == GOOD
    for turn in range(1, 3):
        winner, loser = hosts[turn % 2], hosts[1 - turn % 2]
        assert winner.preempt(loser) == GOOD
        break_node(cluster, "kill")
        for host in hosts:
            host.connect(ready=False)
        assert [attentions(path) for path in winner.paths] == [[POWER_ON]] * 2
        assert [attentions(path) for path in loser.paths] == [
            [POWER_ON, REGISTRATIONS_PREEMPTED]] * 2
        assert loser.write(seed=8) == RESERVATION_CONFLICT
        assert winner.write(seed=turn) == GOOD
        loser.register()  # comes back to fight
        cluster.node(next(n for n, s in cluster.node_states().items() if s == "down"), "start")
        cluster.node_is("up", 1, 2, 3)
    assert hosts[0].read() == pattern(8, seed=2)


def test_release_and_unregistration_leave_nothing_behind(cluster, hosts):
    """Disk cleared: a left-over key makes the next validation fail."""
    owner, challenger = hosts
    for host in hosts:
        host.register()
    assert owner.reserve() == GOOD
    reserve_out(owner.paths[0], RELEASE, kind=WERO, key=owner.key).assert_good()
    for host in hosts:
        for path in host.paths:
            path.clear_attention()
        host.unregister()
    break_node(cluster, "kill")
    assert keys_of(owner.connect().paths[0]) == []
    assert read_reservation(owner.paths[0]) is None


def test_clear_by_the_lab_frees_the_disk(hosts):
    owner, challenger = hosts
    for host in hosts:
        host.register()
    assert owner.reserve() == GOOD
    reserve_out(challenger.paths[0], CLEAR, key=challenger.key).assert_good()
    assert keys_of(challenger.paths[1].clear_attention()) == []
    assert challenger.write(seed=4) == GOOD


def test_keys_that_asked_for_it_survive_down_and_up(cluster, hosts):
    owner = hosts[0]
    owner.register(APTPL)
    assert owner.reserve() == GOOD
    assert owner.write(seed=5) == GOOD
    cluster.down()
    cluster.up()
    owner.connect(ready=False)
    assert [attentions(path) for path in owner.paths] == [[POWER_ON]] * 2
    assert read_reservation(owner.paths[0]) == (owner.key, WERO)
    assert hosts[1].connect().write(seed=6) == RESERVATION_CONFLICT
    assert owner.read() == pattern(8, seed=5)


def test_keys_that_did_not_ask_for_it_end_with_the_power(cluster, hosts):
    for host in hosts:
        host.register()
    assert hosts[0].reserve() == GOOD
    cluster.down()
    cluster.up()
    path = hosts[1].connect(ready=False).paths[0]
    assert attentions(path) == [POWER_ON]  # nothing of the time before
    assert read_keys(path) == (0, [])
    assert hosts[1].write(seed=7) == GOOD
