"""Persistent reservations on the wire: one node, its process killed and started again."""

import json
import signal
import struct

import pytest

from offload import NO_IDENTIFIER, blocks, by_identifier, extended_copy, naa
from pdu import SCSI_RESPONSE
from reservations import (ALL_TG_PT, APTPL, CLEAR, EXCLUSIVE_ACCESS_REGISTRANTS,
                          NEXUS_LOSS, POWER_ON, PREEMPT, PREEMPT_AND_ABORT, READ_KEYS, REGISTER,
                          REGISTER_AND_IGNORE, REGISTER_AND_MOVE, REGISTRATIONS_PREEMPTED, RELEASE,
                          REPORT_CAPABILITIES, RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED,
                          RESERVE, SPEC_I_PT, TYPES, WRITE_EXCLUSIVE, WRITE_EXCLUSIVE_REGISTRANTS,
                          attentions, read_keys, read_reservation, read_status, reserve_in,
                          reserve_out, transport_id)
from scsi import (GOOD, RESERVATION_CONFLICT, TEST_UNIT_READY, pattern, read10,
                  synchronize_cache10, write10)
from session import LUN_RESET
from windows import PREFIX, isid
from wire import Silence

BLOCK = pattern(1)


def host(lab, name, qualifier=0, **how):
    return lab.log_in(name=PREFIX + name, isid=isid(qualifier), **how)


@pytest.fixture
def hosts(node):
    return host(node, "a"), host(node, "b")


def good(task):
    return task.assert_good()


def register(session, key, flags=0):
    return good(reserve_out(session, REGISTER_AND_IGNORE, service_key=key, flags=flags))


def write(session):
    return session.command(write10(0, 1), write=BLOCK).status


def read(session):
    return session.command(read10(0, 1), read=512).status


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_gives_access_to_whom_it_should(node, kind):
    holder, registered, other = host(node, "a"), host(node, "b"), host(node, "c")
    register(holder, 0xA)
    register(registered, 0xB)
    good(reserve_out(holder, RESERVE, kind=kind, key=0xA))
    shared, writes_only = kind >= 5, kind in (1, 5, 7)
    assert (write(holder), read(holder)) == (GOOD, GOOD)
    assert write(registered) == (GOOD if shared else RESERVATION_CONFLICT)
    assert read(registered) == (GOOD if shared or writes_only else RESERVATION_CONFLICT)
    assert write(other) == RESERVATION_CONFLICT
    assert read(other) == (GOOD if writes_only else RESERVATION_CONFLICT)
    assert other.command(synchronize_cache10()).status == RESERVATION_CONFLICT
    assert other.command(TEST_UNIT_READY).status == GOOD
    assert read_reservation(other) == (0 if kind >= 7 else 0xA, kind)


def test_refused_write_leaves_no_data_and_the_session_whole(hosts):
    a, b = hosts
    register(a, 0xA)
    good(reserve_out(a, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    data = pattern(512, seed=3)
    assert b.command(write10(0, 512), write=data).status == RESERVATION_CONFLICT
    assert b.command(read10(0, 512), read=len(data)).assert_good().data_in == bytes(len(data))


def test_capabilities_promise_what_is_there(hosts):
    data = good(hosts[0].command(reserve_in(REPORT_CAPABILITIES), read=8)).data_in
    assert data == bytes.fromhex("00081db0ea010000")
    register(hosts[0], 0xA, APTPL)
    assert good(hosts[0].command(reserve_in(REPORT_CAPABILITIES), read=8)).data_in[3] & 1


def test_short_allocation_is_cut_and_tells_the_whole_length(hosts):
    for session, key in zip(hosts, (0xA, 0xB)):
        register(session, key)
    data = good(hosts[0].command(reserve_in(READ_KEYS, 12), read=12)).data_in
    assert data == struct.pack(">II", 2, 16) + bytes(4)


def test_registrations_belong_to_the_nexus(node):
    """T20: another ISID is another initiator port; full status names them all."""
    a, path, b = host(node, "a"), host(node, "a", 1), host(node, "b")
    register(a, 0xA)
    assert reserve_out(path, RESERVE, kind=5, key=0xA).status == RESERVATION_CONFLICT
    register(path, 0xA)
    register(b, 0xB)
    good(reserve_out(path, RESERVE, kind=WRITE_EXCLUSIVE_REGISTRANTS, key=0xA))
    assert read_status(b) == [
        (f"{PREFIX}a,i,0x400001370000", 1, 0xA, None),
        (f"{PREFIX}a,i,0x400001370001", 1, 0xA, 5),
        (f"{PREFIX}b,i,0x400001370000", 1, 0xB, None)]
    assert read_reservation(a) == (0xA, 5)  # T20: never empty while there is one


def test_logout_reset_and_reinstatement_change_nothing(node, hosts):
    a, b = hosts
    register(a, 0xA)
    good(reserve_out(a, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    assert b.manage(LUN_RESET) == 0
    a.clear_attention()
    assert a.log_out().response == 0
    assert write(b.clear_attention()) == RESERVATION_CONFLICT
    a = host(node, "a")
    assert write(a) == GOOD
    again = host(node, "a", ready=False)  # while the old session is there
    assert attentions(again) == [NEXUS_LOSS]
    assert write(again) == GOOD
    assert read_reservation(b) == (0xA, WRITE_EXCLUSIVE)


def test_others_are_told_in_order(hosts):
    a, b = hosts
    register(a, 0xA)
    register(b, 0xB)
    good(reserve_out(a, RESERVE, kind=EXCLUSIVE_ACCESS_REGISTRANTS, key=0xA))
    good(reserve_out(a, RELEASE, kind=EXCLUSIVE_ACCESS_REGISTRANTS, key=0xA))
    good(reserve_out(a, PREEMPT, kind=EXCLUSIVE_ACCESS_REGISTRANTS, key=0xA, service_key=0xB))
    assert attentions(b) == [RESERVATIONS_RELEASED, REGISTRATIONS_PREEMPTED]
    register(b, 0xB)
    good(reserve_out(b, CLEAR, key=0xB))
    assert attentions(a) == [RESERVATIONS_PREEMPTED]
    assert attentions(b) == []
    assert read_keys(a)[1] == [] and read_reservation(a) is None


def test_attentions_wait_while_the_host_is_away(node, hosts):
    a, b = hosts
    register(a, 0xA)
    register(b, 0xB)
    good(reserve_out(a, RESERVE, kind=WRITE_EXCLUSIVE_REGISTRANTS, key=0xA))
    assert b.log_out().response == 0
    good(reserve_out(a, RELEASE, kind=WRITE_EXCLUSIVE_REGISTRANTS, key=0xA))
    good(reserve_out(a, CLEAR, key=0xA))
    b = host(node, "b", ready=False)
    assert attentions(b) == [NEXUS_LOSS, RESERVATIONS_RELEASED, RESERVATIONS_PREEMPTED]


def test_preempt_and_abort_ends_the_others_commands_without_status(hosts):
    a, b = hosts
    register(a, 0xA)
    register(b, 0xB)
    b.answer_r2t = False
    hanging = b.start(write10(0, 512), write=pattern(512))
    b.pump()  # the R2T: the command is at work
    good(reserve_out(a, PREEMPT_AND_ABORT, kind=WRITE_EXCLUSIVE, key=0xA, service_key=0xB))
    assert b.command(TEST_UNIT_READY).code == REGISTRATIONS_PREEMPTED
    with pytest.raises(Silence):
        b.pump(0.2)
    assert not hanging.done and not [pdu for pdu in hanging.pdus if pdu.opcode == SCSI_RESPONSE]
    assert read_reservation(a) is None  # there was none to take over


def test_ports_register_for_each_other(hosts):
    a, b = hosts
    others = [f"{PREFIX}b,i,0x400001370000", f"{PREFIX}c,i,0x400001370000"]
    good(reserve_out(a, REGISTER, service_key=0xA, flags=SPEC_I_PT, others=others))
    assert [entry[0] for entry in read_status(b)] == [f"{PREFIX}a,i,0x400001370000", *others]
    good(reserve_out(b, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    assert write(a) == RESERVATION_CONFLICT


def test_all_target_ports_register_at_once(lab):
    """A target in two portal groups has two ports; each has nexuses of its own."""
    first, second = lab.map["portal_groups"][0], "second"
    portal = lab.net.address(3)
    lab.map["portal_groups"].append(first | {
        "name": second, "tpgt": 2, "floating_ips": [],
        "portals": [{"node": 1, "address": portal, "port": 3260}]})
    lab.map["exports"].append(lab.export("data1") | {"portal_group": second})
    lab.node = lab.start_target()
    a, through_second = host(lab, "a"), host(lab, "a", address=portal)
    register(a, 0xA, ALL_TG_PT)
    port = f"{PREFIX}a,i,0x400001370000"
    assert read_status(a) == [(port, 1, 0xA, None), (port, 2, 0xA, None)]
    good(reserve_out(through_second, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    assert write(a) == RESERVATION_CONFLICT


def test_reservation_moves_to_another_port(hosts):
    a, b = hosts
    register(a, 0xA)
    good(reserve_out(a, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    to = transport_id(f"{PREFIX}b,i,0x400001370000")
    data = struct.pack(">QQxBHI", 0xA, 0xB, 0x02, 1, len(to)) + to  # UNREG
    cdb = struct.pack(">BBxxxIx", 0x5F, REGISTER_AND_MOVE, len(data))
    good(a.command(cdb, write=data))
    assert read_reservation(a) == (0xB, WRITE_EXCLUSIVE)
    assert (write(a), write(b)) == (RESERVATION_CONFLICT, GOOD)
    assert read_keys(a)[1] == [0xB]


def kill_and_start(lab, run):
    """The process dies; another one opens the volumes, in the same `up` or in a later one."""
    lab.node.expected_dead = True
    lab.node.child.send_signal(signal.SIGKILL)
    lab.node.child.wait()
    lab.node = lab.start("target", ["--node", "1"], node=1, volumes=str(lab.state / "volumes"),
                         run=run, settings={})
    lab.send_map(lab.node)


@pytest.fixture
def first_run(lab):
    lab.make_volumes()
    lab.node = lab.start("target", ["--node", "1"], node=1, volumes=str(lab.state / "volumes"),
                         run="first", settings={})
    lab.send_map(lab.node)
    return lab


@pytest.mark.parametrize("flags", [0, APTPL])
def test_killed_process_leaves_reservations_to_the_next(first_run, flags):
    a, b = host(first_run, "a"), host(first_run, "b")
    register(a, 0xA, flags)
    register(b, 0xB, flags)
    good(reserve_out(a, RESERVE, kind=WRITE_EXCLUSIVE, key=0xA))
    kill_and_start(first_run, "first")
    b = host(first_run, "b", ready=False)
    assert attentions(b) == [POWER_ON]
    assert write(b) == RESERVATION_CONFLICT
    assert read_keys(b) == (2, [0xA, 0xB])
    assert write(host(first_run, "a")) == GOOD


def test_power_loss_keeps_only_what_was_asked_to(first_run):
    register(host(first_run, "a"), 0xA, APTPL)
    register(first_run.log_in("data2"), 0xB)
    kill_and_start(first_run, "second")
    assert read_keys(host(first_run, "a")) == (0, [0xA])
    assert read_keys(first_run.log_in("data2")) == (0, [])


def test_preempted_host_is_told_by_the_next_process(first_run):
    a, b = host(first_run, "a"), host(first_run, "b")
    register(a, 0xA)
    register(b, 0xB)
    good(reserve_out(a, PREEMPT, kind=WRITE_EXCLUSIVE, key=0xA, service_key=0xB))
    kill_and_start(first_run, "first")
    assert attentions(host(first_run, "b", ready=False)) == [POWER_ON, REGISTRATIONS_PREEMPTED]
    assert attentions(host(first_run, "a", ready=False)) == [POWER_ON]


def test_change_that_cannot_be_kept_is_refused_and_undone(node, hosts):
    blocked = node.state / "volumes" / "data1.json.new"
    blocked.mkdir()  # where the new state is written first
    task = reserve_out(hosts[0], REGISTER, service_key=0xA)
    assert task.code == 0x044400
    assert read_keys(hosts[1]) == (0, [])
    blocked.rmdir()
    register(hosts[0], 0xA)
    assert read_keys(hosts[1]) == (1, [0xA])


def test_identity_of_the_volume_stays_as_it_was(node, hosts):
    path = node.image().with_suffix(".json")
    before = path.read_text()
    register(hosts[0], 0xA)
    assert json.loads(before).items() <= json.loads(path.read_text()).items()


def test_copy_does_not_go_round_the_reservation_of_another_volume(node, hosts):
    """SPC-4 5.16.3: what could not be written there cannot be copied there."""
    other = host(node, "b", target="data2")
    register(other, 0xB)
    good(reserve_out(other, RESERVE, kind=WRITE_EXCLUSIVE, key=0xB))
    copies = [extended_copy([by_identifier(naa(session)), by_identifier(naa(other))],
                            [blocks(8, 0, 8, by=(0, 1))], usage=NO_IDENTIFIER, identifier=0)
              for session in hosts]
    refused, admitted = (session.command(cdb, write=data)
                         for session, (cdb, data) in zip(hosts, copies))
    assert refused.code == 0x0A0D01
    good(admitted)  # another path of the initiator that holds the reservation


@pytest.mark.parametrize("writes", [1, 3, 10, 30])
def test_acknowledged_registration_outlives_a_kill_at_any_moment(first_run, writes):
    session = host(first_run, "a")
    register(session, 1)
    for key in range(1, writes):
        good(reserve_out(session, REGISTER, key=key, service_key=key + 1))
    last = struct.pack(">QQxxxxBxxx", writes, writes + 1, 0)
    session.start(struct.pack(">BBxxxIx", 0x5F, REGISTER, len(last)), write=last)
    kill_and_start(first_run, "first")
    generation, keys = read_keys(host(first_run, "a"))
    assert (generation, keys) in [(writes, [writes]), (writes + 1, [writes + 1])]
