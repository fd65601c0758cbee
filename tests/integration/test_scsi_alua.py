"""Asymmetric access as MSDSM reads it (4.5 of the notes on Windows): two portal groups, one path
through each."""

import copy

import pytest

from node import iqn
from scsi import (INVALID_FIELD, TEST_UNIT_READY, designators, inquiry, mode_select6, mode_sense6,
                  read10)
from windows import WindowsHost

TARGET = iqn("data1")
ACCESS_CHANGED, INQUIRY_CHANGED = 0x062A06, 0x063F03
OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, TRANSITIONING = 0, 1, 2, 3, 15
REFUSALS = {"standby": 0x02040B, "unavailable": 0x02040C, "transitioning": 0x02040A}


def report_groups(allocation=4356):
    return b"\xa3\x0a" + bytes(4) + allocation.to_bytes(4, "big") + b"\0\0"


def groups_of(session):
    """Group id to (state, ports) from REPORT TARGET PORT GROUPS."""
    data = session.command(report_groups(), read=4356).assert_good().data_in
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    groups, at = {}, 4
    while at < len(data):
        ports = [int.from_bytes(data[port + 2:port + 4], "big")
                 for port in range(at + 8, at + 8 + 4 * data[at + 7], 4)]
        groups[int.from_bytes(data[at + 2:at + 4], "big")] = data[at] & 0xF, ports
        at += 8 + 4 * data[at + 7]
    return groups


def take_attentions(session):
    """Also where the port lets TEST UNIT READY not through."""
    while session.command(TEST_UNIT_READY).code in (ACCESS_CHANGED, INQUIRY_CHANGED):
        pass


def set_groups(session, states):
    data = bytes(4) + b"".join(bytes([state, 0, 0, group]) for group, state in states.items())
    cdb = b"\xa4\x0a" + bytes(4) + len(data).to_bytes(4, "big") + b"\0\0"
    return session.command(cdb, write=data)


@pytest.fixture
def array(lab):
    """A node with the portal groups 1 and 2; array.set(alua, state of 1, state of 2)."""
    first = lab.map["portal_groups"][0]
    first["portals"], second = first["portals"][:1], copy.deepcopy(first)
    second.update(name="poc2", tpgt=2, floating_ips=[])
    second["portals"] = [{"node": 1, "address": lab.net.address(1, second=True), "port": 3260}]
    lab.map["portal_groups"].append(second)
    lab.map["exports"] += [dict(export, portal_group="poc2") for export in lab.map["exports"]]
    lab.portals = [group["portals"][0]["address"] for group in lab.map["portal_groups"]]

    def change(alua, *states):
        for group, state in zip(lab.map["portal_groups"], states):
            group.update(alua=alua, alua_state=state)
        if lab.processes:
            lab.send_map()

    lab.set = change
    change("implicit", "optimized", "non_optimized")
    lab.node = lab.start_target()
    return lab


@pytest.fixture
def paths(array):
    """One Windows session through each portal group."""
    hosts = [WindowsHost(qualifier=path) for path in range(2)]
    yield [host.log_in_once(address, target=TARGET).clear_attention()
           for host, address in zip(hosts, array.portals)]
    for host in hosts:
        host.close()


def port_designators(session):
    """Type to value of the designators that belong to the port."""
    found = designators(session.command(inquiry(0x83), read=255).assert_good().data_in)
    return {kind: value for association, kind, _, value in found if association == 1}


def test_msdsm_every_path_says_the_same_tpgs(array, paths):
    for alua, tpgs in (("implicit", 0x10), ("explicit", 0x30), ("off", 0)):
        array.set(alua, "optimized", "optimized")
        for path in paths:
            path.clear_attention()
            standard = path.command(inquiry(allocation=104), read=104).assert_good().data_in
            assert standard[5] & 0x30 == tpgs


def test_msdsm_port_designators_appear_in_the_report(paths):
    groups = groups_of(paths[0])
    assert groups == groups_of(paths[1]) and len(groups) == 2
    for number, path in enumerate(paths, 1):
        found = port_designators(path)
        port, group = (int.from_bytes(found[kind], "big") for kind in (4, 5))
        assert port == group == number and port in groups[group][1]
    assert {number: state for number, (state, _) in groups.items()} == {1: OPTIMIZED,
                                                                       2: NON_OPTIMIZED}


def test_msdsm_symmetric_array_has_no_groups_and_is_checked_by_test_unit_ready(array, paths):
    array.set("off", "optimized", "optimized")
    for path in paths:
        assert path.command(TEST_UNIT_READY).code == INQUIRY_CHANGED
        path.command(TEST_UNIT_READY).assert_good()
        assert path.command(report_groups(), read=4356).code == INVALID_FIELD
        assert 5 not in port_designators(path)


def test_msdsm_disables_implicit_changes_by_mode_select(array, paths):
    array.set("explicit", "optimized", "non_optimized")
    paths[0].clear_attention()
    cdb = mode_sense6(0x0A, allocation=255, dbd=True)
    cdb = cdb[:3] + b"\x01" + cdb[4:]
    data = paths[0].command(cdb, read=255).assert_good().data_in
    assert data[4:6] == b"\xca\x01" and data[8] == 1
    page = bytes(4) + b"\x4a" + data[5:8] + b"\0" + data[9:]
    paths[0].command(mode_select6(len(page)), write=page).assert_good()
    assert paths[0].command(cdb, read=255).assert_good().data_in[8] == 0


@pytest.mark.parametrize("state", REFUSALS)
def test_state_of_a_group_stops_commands_through_it_and_tells_both_paths(array, paths, state):
    array.set("implicit", state, "optimized")
    for path in paths:
        assert path.command(TEST_UNIT_READY).code == ACCESS_CHANGED
    for cdb, length in ((TEST_UNIT_READY, 0), (read10(0, 8), 4096)):
        assert paths[0].command(cdb, read=length).code == REFUSALS[state]
        paths[1].command(cdb, read=length).assert_good()
    assert groups_of(paths[0])[1][0] == {"standby": STANDBY, "unavailable": UNAVAILABLE,
                                         "transitioning": TRANSITIONING}[state]
    array.set("implicit", "optimized", "optimized")
    assert paths[0].command(TEST_UNIT_READY).code == ACCESS_CHANGED
    paths[0].command(read10(0, 8), read=4096).assert_good()


def test_host_moves_access_itself_where_it_may(array, paths):
    assert set_groups(paths[0], {1: OPTIMIZED}).code == INVALID_FIELD
    array.set("explicit", "standby", "optimized")
    for path in paths:
        take_attentions(path)
    set_groups(paths[0], {1: OPTIMIZED, 2: STANDBY}).assert_good()
    paths[0].command(read10(0, 8), read=4096).assert_good()
    assert paths[1].command(TEST_UNIT_READY).code == ACCESS_CHANGED
    assert paths[1].command(read10(0, 8), read=4096).code == REFUSALS["standby"]
    array.send_map()
    paths[0].command(read10(0, 8), read=4096).assert_good()


def test_a_map_with_an_unknown_state_is_refused(array):
    with pytest.raises(AssertionError, match="portal group"):
        array.set("implicit", "asleep", "optimized")
    array.set("implicit", "optimized", "optimized")
