"""A Windows host on the wire: log in, enumerate, write, lose paths, reboot."""

import struct

import pytest

from login import SERVICE_UNAVAILABLE, Refused
from node import MIB, iqn
from scsi import TEST_UNIT_READY, designators, inquiry, pattern, read10, report_luns, write10
from session import LUN_RESET
from windows import (DISCOVERY_KEYS, NORMAL_KEYS, PREFIX, WindowsHost, enumerate_disk, first_text,
                     login_request)

TARGET = iqn("data1")
CHUNK = 262144


@pytest.fixture
def windows():
    """windows(...) makes hosts whose connections are closed at the end."""
    hosts = []

    def make(*arguments, **how):
        hosts.append(WindowsHost(*arguments, **how))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def array(node):
    """A node behind both floating IPs of the portal group, as a host sees an array."""
    node.portalgroups = [node.start_portalgroup(node.floating_ip),
                         node.start_portalgroup(node.floating_ip2)]
    return node


def test_login_requests_of_the_harness_are_the_captured_bytes():
    captured = bytes.fromhex(
        "4381000000000058400001370000000000000001000100000000000100000001"
        "00000000000000000000000000000000")
    discovery = login_request(first_text("yinshibai"))
    assert discovery[:48] == captured and len(discovery) == 48 + 88
    assert discovery[48:].startswith(b"InitiatorName=iqn.1991-05.com.microsoft:yinshibai\0Session")
    assert len(DISCOVERY_KEYS) == 120 and len(NORMAL_KEYS) == 300
    assert login_request(NORMAL_KEYS, 1, 5, 0x87)[:16].hex() == "438700000000012c4000013700010000"


def test_discovery_finds_the_targets_at_both_floating_ips(array, windows):
    found = windows().discover(array.floating_ip)
    assert found == {iqn(volume): [f"{array.floating_ip}:3260,1", f"{array.floating_ip2}:3260,1"]
                     for volume in ("data1", "data2")}


def test_login_at_the_floating_ip_ends_at_the_node(array, windows):
    host = windows()
    session = host.log_in(array.floating_ip, target=TARGET)
    assert session.connection.peer == (array.portal, 3260)
    listed = array.node.control.sessions()
    assert [entry["initiator"] for entry in listed] == [PREFIX + "win2016"]
    assert listed[0]["isid"] == "400001370000"


def test_discovery_beside_an_open_session_does_not_wait(array, windows):
    host = windows()
    session = host.log_in(array.floating_ip, target=TARGET)
    task = session.start(write10(0, 512), write=pattern(512))
    assert TARGET in host.discover(array.floating_ip)
    assert TARGET in host.discover(array.portal)
    session.wait(task)


def test_enumeration_gets_what_the_class_driver_needs(node, windows):
    session = windows().log_in_once(node.portal, target=TARGET)
    answers = enumerate_disk(session)
    luns = answers["REPORT LUNS"]
    assert int.from_bytes(luns[:4], "big") == 8 and luns[8:16] == bytes(8)
    standard = answers["INQUIRY"]
    assert standard[0] == 0 and standard[8:16] == b"StorPool" and standard[16:26] == b"iSCSI DISK"
    pages = list(answers["VPD 00"][4:])
    assert pages[0] == 0 and pages == sorted(set(pages))
    assert {0x80, 0x83, 0xB0, 0xB1, 0xB2} <= set(pages)
    assert answers["VPD B1"][2:4] == b"\x00\x3c"
    assert len(answers["VPD B0"]) >= 0x24 and len(answers["VPD B2"]) >= 8
    thin = answers["VPD B2"]
    assert thin[5] & 0x80 and thin[6] & 7 == 2, "LBPU and provisioning type 2: thin"
    naa = [value for association, kind, _, value in designators(answers["VPD 83"])
           if (association, kind) == (0, 3)]
    assert len(naa) == 1 and len(naa[0]) == 16 and naa[0][0] >> 4 == 6
    assert answers["READ CAPACITY(10)"] == struct.pack(">II", 64 * MIB // 512 - 1, 512)
    long = answers["READ CAPACITY(16)"]
    assert int.from_bytes(long[:8], "big") == 64 * MIB // 512 - 1 and len(long) == 32
    lowest_aligned = int.from_bytes(long[14:16], "big") & 0x3FFF
    assert lowest_aligned <= 1 << (long[13] & 0xF)
    caching = answers["MODE SENSE(6) 08h"]
    assert caching[caching[3] + 4] & 0x3F == 0x08
    assert len(answers["VPD 80"]) > 4


def test_command_numbers_and_tags_run_together(node, windows):
    session = windows().log_in_once(node.portal, target=TARGET)
    task = session.start(report_luns(16), read=16)
    assert task.itt == 1 and session.cmd_sn == 2
    session.wait(task)


def test_identity_of_the_disk_is_the_same_on_both_paths(array, windows):
    answers = [enumerate_disk(windows(qualifier=path).log_in(address, target=TARGET))
               for path, address in enumerate((array.floating_ip, array.floating_ip2))]
    for page in ("INQUIRY", "VPD 80", "VPD B0"):
        assert answers[0][page] == answers[1][page]
    units = [[found for found in designators(answer["VPD 83"]) if found[0] == 0]
             for answer in answers]
    assert units[0] == units[1] and units[0]


def test_256_kib_writes_fill_the_window_with_64_kib_immediate_data_each(node, windows):
    session = windows().log_in_once(node.portal, target=TARGET)
    session.clear_attention()
    assert session.immediate_data and session.first_burst == 65536
    window = (session.max_cmd_sn - session.exp_cmd_sn + 1) % 2**32
    assert window >= 16
    datas = [pattern(512, seed=number) for number in range(16)]
    pairs = [session.command_pdu(write10(number * 512, 512), write=data, final=True)
             for number, data in enumerate(datas)]
    assert all(len(pdu.data) == min(65536, session.segment) for pdu, _ in pairs)
    for _, task in pairs:
        session.tasks[task.itt] = task
    session.connection.send(*[pdu for pdu, _ in pairs])
    tasks = [task for _, task in pairs]
    session.wait(*tasks)
    for task in tasks:
        task.assert_good()
        assert task.r2ts[0].offset == min(65536, session.segment)
    for number, data in enumerate(datas):
        task = session.command(read10(number * 512, 512), read=CHUNK).assert_good()
        assert task.data_in == data


def test_mpio_is_two_sessions_that_do_not_disturb_each_other(array, windows):
    paths = [windows(qualifier=path).log_in(address, target=TARGET)
             for path, address in enumerate((array.floating_ip, array.floating_ip2))]
    assert paths[0].tsih != paths[1].tsih
    assert {path.connection.peer[0] for path in paths} == {
        array.portal, array.net.address(1, second=True)}
    for path in paths:
        path.clear_attention()
    data = pattern(512, seed=1)
    paths[0].command(write10(0, 512), write=data).assert_good()
    assert paths[1].command(read10(0, 512), read=CHUNK).data_in == data
    paths[0].connection.reset()
    array.node.events.wait("session.closed", isid="400001370000")
    paths[1].command(write10(0, 512), write=pattern(512, seed=2)).assert_good()
    again = windows(qualifier=0).log_in(array.floating_ip, target=TARGET)
    again.clear_attention()
    assert again.command(read10(0, 512), read=CHUNK).data_in == pattern(512, seed=2)
    paths[1].command(TEST_UNIT_READY).assert_good()


def hang(session):
    """A write whose data never comes: what a hung command looks like to the target."""
    session.clear_attention()
    session.answer_r2t = False
    pdu, task = session.command_pdu(write10(0, 512), write=pattern(512), final=True)
    session.tasks[task.itt] = task
    session.connection.send(pdu)
    while not task.r2ts:
        session.pump()
    return task


def test_lun_reset_after_a_hung_command_frees_the_disk(node, windows):
    session = windows().log_in_once(node.portal, target=TARGET)
    hung = hang(session)
    assert session.manage(LUN_RESET) == 0
    assert not hung.done
    session.answer_r2t = True
    session.clear_attention()
    session.command(write10(0, 512), write=pattern(512, seed=3)).assert_good()
    assert session.command(read10(0, 512), read=CHUNK).data_in == pattern(512, seed=3)


def test_relogin_on_the_same_isid_while_the_old_connection_exists(node, windows):
    host = windows()
    old = host.log_in_once(node.portal, target=TARGET)
    hung = hang(old)
    new = host.log_in_once(node.portal, target=TARGET)
    assert new.tsih != old.tsih and not hung.done
    old.connection.expect_close()
    enumerate_disk(new)
    new.command(write10(0, 512), write=pattern(512, seed=4)).assert_good()
    sessions = node.node.control.sessions()
    assert [entry["tsih"] for entry in sessions] == [new.tsih]


def test_reboot_without_logout_leaves_nothing_behind(start_node, windows):
    """The host vanishes with two sessions; a new boot logs in before the old ones are reaped."""
    lab = start_node(nop_interval_s=1, nop_timeout_s=1)
    before = [windows(qualifier=path).log_in_once(lab.portal, target=TARGET) for path in (0, 1)]
    hang(before[0])
    booted = windows(qualifier=0).log_in_once(lab.portal, target=TARGET)
    enumerate_disk(booted)
    booted.stay_alive_until(lambda: len(lab.node.events.all("session.closed")) == 2)
    closed = {event["tsih"] for event in lab.node.events.all("session.closed")}
    assert closed == {session.tsih for session in before}
    booted.clear_attention()
    booted.command(TEST_UNIT_READY).assert_good()


def test_target_that_is_away_is_answered_as_unavailable_so_that_the_host_retries(array, windows):
    array.map["targets"][0]["controller"] = None
    array.send_map()
    with pytest.raises(Refused) as caught:
        windows().log_in(array.floating_ip, target=TARGET)
    assert caught.value.status == SERVICE_UNAVAILABLE
    array.map["targets"][0]["controller"] = 1
    array.send_map()
    session = windows().log_in(array.floating_ip, target=TARGET)
    assert session.command(inquiry(allocation=36), read=36).assert_good().data_in
