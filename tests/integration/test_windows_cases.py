"""Bugs that other targets had with Windows, one test each; T14 to T21 belong to SCSI."""

import pytest

import chap
from chap import Credentials
from login import AUTHENTICATION_FAILURE, MOVED_TEMPORARILY, SERVICE_UNAVAILABLE, Refused
from node import iqn
from pdu import DATA_OUT, NONE_TAG, parse_text
from scsi import (INVALID_FIELD, LBA_OUT_OF_RANGE, TEST_UNIT_READY, inquiry, mode_sense6, pattern,
                  read10, write10)
from session import LUN_RESET, Session
from windows import (DISCOVERY_KEYS, NORMAL_KEYS, WindowsHost, enumerate_disk, first_text, isid,
                     login_request)

TARGET = iqn("data1")


@pytest.fixture
def host():
    host = WindowsHost()
    yield host
    host.close()


@pytest.fixture
def session(node, host):
    """A Windows session at the node portal, unit attentions taken."""
    return host.log_in_once(node.portal, target=TARGET).clear_attention()


def offered(keys):
    return {key for key, _ in parse_text(keys)}


def test_t01_r2t_has_80h_in_byte_1(session):
    task = session.command(write10(0, 512), write=pattern(512)).assert_good()
    assert task.r2ts and all(bytes(r2t.bhs[:4]) == b"\x31\x80\0\0" for r2t in task.r2ts)


@pytest.mark.parametrize("extra", range(4))
def test_t02_login_text_of_every_length_is_read_with_its_padding(node, extra):
    host = WindowsHost("h" * (4 + extra))
    lengths = {len(first_text("h" * (4 + more), TARGET)) % 4 for more in range(4)}
    assert lengths == {0, 1, 2, 3}
    host.log_in_once(node.portal, target=TARGET).clear_attention()
    host.close()


@pytest.mark.parametrize("allocation", [5, 6, 7, 9, 36, 255])
@pytest.mark.parametrize("page", [0x00, 0x80, 0x83])
def test_t02_answers_of_every_length_are_padded(session, page, allocation):
    task = session.command(inquiry(page, allocation), read=allocation).assert_good()
    assert 0 < len(task.data_in) <= allocation
    session.command(TEST_UNIT_READY).assert_good()


def test_t03_portal_group_tag_is_in_the_first_answer(session):
    first, last = session.answers
    assert first.key("TargetPortalGroupTag") == "1" and last.key("TargetPortalGroupTag") is None


def test_t04_only_offered_keys_are_answered(node, host, session):
    first, last = session.answers
    assert {key for key, _ in first.keys} <= {"AuthMethod", "TargetPortalGroupTag", "TargetAlias"}
    assert {key for key, _ in last.keys} <= offered(NORMAL_KEYS)
    first, last = host.log_in_once(node.portal).answers
    assert {key for key, _ in first.keys} <= {"AuthMethod", "TargetPortalGroupTag"}
    assert {key for key, _ in last.keys} <= offered(DISCOVERY_KEYS)


def test_t05_session_handle_is_zero_in_the_first_answer(session):
    first, last = session.answers
    assert first.tsih == 0 and last.tsih != 0


def test_t06_window_moves_with_the_commands(session):
    start = session.max_cmd_sn
    for done in range(1, 300):
        session.command(TEST_UNIT_READY).assert_good()
        assert session.max_cmd_sn == start + done


def test_t07_discovery_works_during_a_session_and_during_a_login(node, host, session):
    half = host.connect(node.portal)
    half.connection.send_raw(login_request(first_text("win2016", TARGET), 3))
    assert TARGET in WindowsHost().discover(node.portal)
    session.command(TEST_UNIT_READY).assert_good()


def test_t08_send_targets_is_nul_separated_with_tags(floating, host):
    discovery = host.log_in_once(floating.floating_ip)
    answer = discovery.text_request(b"SendTargets=All\0")
    addresses = "".join(f"TargetAddress={ip}:3260,1\0"
                        for ip in (floating.floating_ip, floating.floating_ip2))
    assert answer.data == "".join(f"TargetName={iqn(volume)}\0{addresses}"
                                  for volume in ("data1", "data2")).encode()


def test_t09_redirect_has_no_portal_group_tag(floating, host):
    with pytest.raises(Refused) as caught:
        host.log_in_once(floating.floating_ip, target=TARGET)
    assert caught.value.status == MOVED_TEMPORARILY
    assert caught.value.pdu.data == f"TargetAddress={floating.portal}:3260\0".encode()


def test_t10_two_writes_are_fed_in_turn(session):
    session.answer_r2t = False
    datas = [pattern(512, seed=seed) for seed in (1, 2)]
    tasks = []
    for number, data in enumerate(datas):
        pdu, task = session.command_pdu(write10(number * 512, 512), write=data, final=True)
        session.tasks[task.itt] = task
        session.connection.send(pdu)
        tasks.append(task)
    while not all(task.r2ts for task in tasks):
        session.pump()
    session.answer_r2t = True
    sequences = [session.data_out(task, task.r2ts[0].offset, task.r2ts[0].length,
                                  task.r2ts[0].ttt, segment=65536) for task in tasks]
    for pdus in zip(*reversed(sequences)):
        session.connection.send(*pdus)
    session.wait(*tasks)
    for number, data in enumerate(datas):
        assert session.command(read10(number * 512, 512), read=len(data)).data_in == data


def test_t11_unsolicited_data_of_a_refused_write_is_drained(node):
    session = node.log_in(offer={"InitialR2T": "No", "ImmediateData": "No"})
    for _ in range(4):
        task = session.command(write10(0xFFFFFF00, 128), write=pattern(128))
        assert task.code == LBA_OUT_OF_RANGE
        session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("exp_stat_sn, lun", [(0, 0xDEAD << 48), (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF),
                                              (0x1234, 1)])
def test_t12_status_number_and_lun_of_data_out_are_ignored(session, exp_stat_sn, lun):
    session.answer_r2t = False
    data = pattern(512, seed=12)
    pdu, task = session.command_pdu(write10(0, 512), write=data, final=True)
    session.tasks[task.itt] = task
    session.connection.send(pdu)
    r2t = session.pump()
    pdus = session.data_out(task, r2t.offset, r2t.length, r2t.ttt)
    for pdu in pdus:
        assert pdu.opcode == DATA_OUT
        pdu.set("exp_stat_sn", exp_stat_sn)
        pdu.set("lun", lun)
    session.connection.send(*pdus)
    session.answer_r2t = True
    session.wait(task).assert_good()
    assert session.command(read10(0, 512), read=len(data)).data_in == data


def test_t13_offsets_go_on_to_the_last_data_in(session):
    task = session.command(read10(0, 512), read=262144).assert_good()
    offsets = [pdu.offset for pdu in task.pdus if pdu.data]
    assert len(offsets) >= 4 and offsets == sorted(set(offsets)) and offsets[-1] > 0


def hang(session):
    session.answer_r2t = False
    pdu, task = session.command_pdu(write10(0, 512), write=pattern(512), final=True)
    session.tasks[task.itt] = task
    session.connection.send(pdu)
    while not task.r2ts:
        session.pump()
    return task


def test_t22_lun_reset_is_answered_with_old_commands_outstanding(session):
    tasks = [hang(session) for _ in range(4)]
    assert session.manage(LUN_RESET) == 0
    assert not any(task.done for task in tasks)
    session.clear_attention()


def test_t22_relogin_reinstates_while_the_reset_is_on_its_way(node, host, session):
    hang(session)
    session.start_manage(LUN_RESET)
    again = host.log_in_once(node.portal, target=TARGET)
    again.clear_attention()
    last = session.connection.expect_close()
    assert all(pdu.itt not in session.tasks for pdu in last)


def test_t23_sessions_of_a_host_that_vanished_are_reaped(start_node, host):
    lab = start_node(nop_interval_s=1, nop_timeout_s=1)
    host.log_in_once(lab.portal, target=TARGET)
    lab.node.events.wait("session.closed", isid=isid(0).hex())
    assert lab.node.control.sessions() == []


def test_t24_mode_page_00_is_an_invalid_field(session):
    assert session.command(mode_sense6(0x00), read=192).code == INVALID_FIELD


def test_t24_unmap_granularity_is_what_unmap_frees(node, session):
    limits = session.command(inquiry(0xB0, 64), read=64).assert_good().data_in
    granularity = int.from_bytes(limits[28:32], "big")
    assert granularity and granularity * 512 % 4096 == 0
    session.command(write10(0, 4 * granularity), write=pattern(4 * granularity)).assert_good()
    before = node.image().stat().st_blocks
    parameters = ((22).to_bytes(2, "big") + (16).to_bytes(2, "big") + bytes(4)
                  + granularity.to_bytes(8, "big") + granularity.to_bytes(4, "big") + bytes(4))
    cdb = bytes([0x42, 0, 0, 0, 0, 0, 0, 0, len(parameters), 0])
    session.command(cdb, write=parameters).assert_good()
    assert before - node.image().stat().st_blocks == granularity
    middle = session.command(read10(granularity, granularity), read=granularity * 512)
    assert middle.data_in == bytes(granularity * 512)


def test_t25_idle_session_is_asked_for_the_last_acknowledgement(start_node, host):
    session = start_node(nop_interval_s=1, nop_timeout_s=2).log_in()
    session.command(TEST_UNIT_READY).assert_good()
    ping = session.pump(deadline=5)
    assert ping.ttt != NONE_TAG and ping.exp_cmd_sn == session.cmd_sn
    session.command(TEST_UNIT_READY).assert_good()


def test_t26_recovery_level_connections_and_r2ts_are_settled_within_the_offer(session):
    answers = dict(session.answers[1].keys)
    assert answers["ErrorRecoveryLevel"] == "0" and answers["MaxConnections"] == "1"
    assert 1 <= int(answers["MaxOutstandingR2T"]) <= 16
    assert answers["DataPDUInOrder"] == answers["DataSequenceInOrder"] == "Yes"
    assert int(answers["FirstBurstLength"]) <= int(answers["MaxBurstLength"]) <= 262144


@pytest.mark.parametrize("coding", [chap.to_hex, chap.to_base64], ids=["hex", "base64"])
def test_t27_chap_answer_in_either_coding_and_a_wrong_secret(make_lab, coding):
    lab = make_lab()
    lab.map["initiators"] = [{"name": "*", "chap": {"user": "u", "secret": "secret12chars"}}]
    lab.start_target()
    lab.log_in(chap=Credentials("u", "secret12chars", coding=coding))
    with pytest.raises(Refused) as caught:
        lab.log_in(chap=Credentials("u", "secret13chars", coding=coding))
    assert caught.value.status == AUTHENTICATION_FAILURE


@pytest.mark.parametrize("exp_stat_sn", [0, 1, 4, 0xFFFFFFFF])
def test_t28_any_status_number_is_accepted_on_the_first_login(node, exp_stat_sn):
    host = WindowsHost(exp_stat_sn=exp_stat_sn)
    assert isinstance(host.log_in_once(node.portal, target=TARGET).clear_attention(), Session)
    host.close()


def test_t29_version_descriptors_name_iscsi(session):
    answers = enumerate_disk(session)
    descriptors = answers["INQUIRY long"][58:]
    assert b"\x09\x60" in {descriptors[at:at + 2] for at in range(0, len(descriptors), 2)}


def test_t30_floating_ip_never_redirects_to_itself(lab, host):
    lab.map["portal_groups"][0]["portals"] = [
        {"node": 1, "address": lab.floating_ip, "port": 3260},
        {"node": 1, "address": lab.net.address(9), "port": 3260}]
    lab.start_portalgroup()
    with pytest.raises(Refused) as caught:
        host.log_in_once(lab.floating_ip, target=TARGET)
    assert caught.value.pdu.key("TargetAddress") == f"{lab.net.address(9)}:3260"
    del lab.map["portal_groups"][0]["portals"][1]
    lab.send_map()
    with pytest.raises(Refused) as caught:
        host.log_in_once(lab.floating_ip, target=TARGET)
    assert caught.value.status == SERVICE_UNAVAILABLE
