"""Pages and reports as Windows reads them: what the class driver, the hardware compatibility program
and MSDSM ask for, one test each; and what of them outlives the node."""

import pytest

from node import MIB, iqn
from pdu import ASYNC
from scsi import (CHECK_CONDITION, INVALID_FIELD, INVALID_OPCODE, TEST_UNIT_READY, designators,
                  inquiry, log_sense, mode_select6, mode_sense6, mode_sense10, pattern, read10,
                  read_capacity10, read_capacity16, report_opcodes, sense_code,
                  verify10, write10)
from session import LUN_RESET
from windows import WindowsHost

TARGET = iqn("data1")
SOFTWARE_WRITE_PROTECTED, MODE_CHANGED, RESET = 0x072702, 0x062A01, 0x062903
COMMANDS_CLEARED, THRESHOLD_REACHED = 0x062F00, 0x063807
CONTROL, CACHING, EXCEPTIONS = 0x0A, 0x08, 0x1C


@pytest.fixture
def session(node):
    host = WindowsHost()
    yield host.log_in_once(node.portal, target=TARGET).clear_attention()
    host.close()


def page_of(session, code, control=0):
    """A mode page with its header, by MODE SENSE(6) with DBD."""
    cdb = mode_sense6(code, control=control, allocation=255, dbd=True)
    return session.command(cdb, read=255).assert_good().data_in[4:]


def select(session, page, save=False):
    """MODE SELECT(6) of one page as MODE SENSE gave it."""
    data = bytes(4) + bytes([page[0] & 0x7F]) + bytes(page[1:])
    return session.command(mode_select6(len(data), save=save), write=data)


def changed(page, byte, value):
    return page[:byte] + bytes([value]) + page[byte + 1:]


@pytest.mark.parametrize("allocation", [0, 8, 12, 13, 32, 64, 255])
def test_t14_read_capacity_16_honours_its_allocation_length(session, allocation):
    task = session.command(read_capacity16(allocation), read=allocation).assert_good()
    assert len(task.data_in) == min(allocation, 32)
    whole = session.command(read_capacity16(), read=32).assert_good().data_in
    assert task.data_in == whole[:allocation]


def test_t15_verify_10_as_format_sends_it(session):
    data = pattern(128)
    session.command(write10(2048, 128), write=data).assert_good()
    session.command(verify10(2048, 128)).assert_good()
    assert session.command(verify10(0xFFFFFFF0, 128)).status == CHECK_CONDITION


@pytest.mark.parametrize("allocation", [0, 1, 3, 4, 5, 12, 192, 255])
@pytest.mark.parametrize("page", [0x08, 0x0A, 0x1A, 0x1C, 0x3F])
def test_t16_mode_sense_honours_small_allocation_lengths(session, page, allocation):
    whole = session.command(mode_sense6(page, allocation=255), read=255).assert_good().data_in
    assert whole[0] == len(whole) - 1
    task = session.command(mode_sense6(page, allocation=allocation), read=allocation).assert_good()
    assert task.data_in == whole[:allocation]


def test_t17_hierarchical_support_is_said(session):
    standard = session.command(inquiry(allocation=36), read=36).assert_good().data_in
    assert standard[3] == 0x12


def test_t18_naa_designator_multiple_ports_and_command_queueing(session):
    standard = session.command(inquiry(), read=255).assert_good().data_in
    assert standard[6] & 0x10 and standard[7] & 0x02
    found = designators(session.command(inquiry(0x83), read=255).assert_good().data_in)
    assert [len(value) for association, kind, code_set, value in found
            if (association, kind, code_set) == (0, 3, 1)] == [16]


def test_t19_spc2_reserve_and_release_are_good(session):
    for opcode in (b"\x16", b"\x17"):
        session.command(opcode + bytes(5)).assert_good()
    for opcode in (b"\x56", b"\x57"):
        session.command(opcode + bytes(9)).assert_good()


def test_t21_list_of_vital_product_data_pages_ascends_and_each_is_there(session):
    listed = session.command(inquiry(0x00), read=255).assert_good().data_in
    pages = list(listed[4:])
    assert len(pages) == listed[3] and pages[0] == 0
    assert all(low < high for low, high in zip(pages, pages[1:]))
    assert {0x80, 0x83, 0x86, 0x87, 0x88, 0xB0, 0xB1, 0xB2, 0xB3} <= set(pages)
    for page in pages:
        answer = session.command(inquiry(page, 4096), read=4096).assert_good().data_in
        assert answer[1] == page and len(answer) == 4 + int.from_bytes(answer[2:4], "big")


@pytest.mark.parametrize("code", [0x00, 0x03, 0x0C, 0x20])
def test_t24_mode_pages_that_are_not_there_are_an_invalid_field(session, code):
    for cdb in (mode_sense6(code), mode_sense10(code)):
        assert session.command(cdb, read=192).code == INVALID_FIELD


def test_whcp_4_4_inquiry_has_version_ports_and_descriptors(session):
    standard = session.command(inquiry(), read=255).assert_good().data_in
    assert standard[2] >= 4 and standard[6] & 0x10
    versions = [int.from_bytes(standard[at:at + 2], "big") for at in range(58, 74, 2)]
    assert 0x0960 in versions
    assert set(versions) - {0} <= {0x00A0, 0x0960, 0x0460, 0x04C0}, "newer ones confuse 2016"


def test_whcp_4_4_required_vpd_pages_and_a_unique_designator(node, session):
    other = node.log_in("data2")
    units = []
    for disk in (session, other):
        for page in (0x00, 0x80, 0x83, 0xB1):
            disk.command(inquiry(page), read=255).assert_good()
        found = designators(disk.command(inquiry(0x83), read=255).data_in)
        units.append([value for association, kind, code_set, value in found
                      if association == 0 and code_set == 1 and kind in (2, 3)])
    assert all(len(unit) == 1 for unit in units) and units[0] != units[1]


@pytest.mark.parametrize("lun", [1, 5, 255])
def test_whcp_4_4_inquiry_of_a_lun_that_is_not_there(session, lun):
    standard = session.command(inquiry(allocation=36), read=36, lun=lun).assert_good().data_in
    assert standard[0] == 0x7F
    assert session.command(TEST_UNIT_READY, lun=lun).code == 0x052500


def test_whcp_4_4_mode_sense_6_with_dbd_of_the_required_pages(session):
    for page in (0x08, 0x0A, 0x1A, 0x3F):
        data = session.command(mode_sense6(page, allocation=255, dbd=True),
                               read=255).assert_good().data_in
        assert data[3] == 0, "no block descriptor"
        assert page == 0x3F or data[4] & 0x3F == page


REQUIRED = {
    "START STOP UNIT": (0x1B, None), "READ CAPACITY(10)": (0x25, None),
    "READ CAPACITY(16)": (0x9E, 0x10), "READ(10)": (0x28, None), "WRITE(10)": (0x2A, None),
    "READ(16)": (0x88, None), "WRITE(16)": (0x8A, None), "VERIFY(10)": (0x2F, None),
    "VERIFY(16)": (0x8F, None), "SYNCHRONIZE CACHE(10)": (0x35, None),
    "TEST UNIT READY": (0x00, None), "REQUEST SENSE": (0x03, None), "MODE SENSE(6)": (0x1A, None),
    "READ KEYS": (0x5E, 0), "READ RESERVATION": (0x5E, 1), "REGISTER": (0x5F, 0),
    "RESERVE": (0x5F, 1), "RELEASE": (0x5F, 2), "CLEAR": (0x5F, 3), "PREEMPT": (0x5F, 4),
    "REGISTER AND IGNORE": (0x5F, 6), "UNMAP": (0x42, None), "GET LBA STATUS": (0x9E, 0x12),
    "LOG SENSE": (0x4D, None), "POPULATE TOKEN": (0x83, 0x10), "WRITE USING TOKEN": (0x83, 0x11),
    "RECEIVE ROD TOKEN INFORMATION": (0x84, 0x07),
}


@pytest.mark.parametrize("name", REQUIRED)
def test_whcp_4_4_required_command_is_supported(session, name):
    opcode, action = REQUIRED[name]
    options = 1 if action is None else 2
    data = session.command(report_opcodes(options, opcode, action or 0),
                           read=255).assert_good().data_in
    assert data[1] & 7 == 3 and data[4] == opcode


def test_whcp_4_4_lun_reset_affects_only_its_unit_and_leaves_an_attention(node, session):
    other = node.log_in("data2")
    assert session.manage(LUN_RESET) == 0
    assert session.command(TEST_UNIT_READY).code == RESET
    session.command(TEST_UNIT_READY).assert_good()
    other.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("opcode", [0x02, 0x40, 0xC1, 0xE7, 0xFF])
def test_whcp_4_4_unknown_command_is_refused_at_once(session, opcode):
    task = session.command(bytes([opcode]) + bytes(15), read=512)
    assert task.code == INVALID_OPCODE and task.residual == 512


def test_classpnp_4_2_clears_queue_error_management_before_thin_and_offload(session):
    page = page_of(session, CONTROL)
    select(session, changed(page, 3, page[3] & ~0x06)).assert_good()
    assert page_of(session, CONTROL)[3] & 0x06 == 0


def test_write_cache_bit_is_what_the_host_chose(session):
    page = page_of(session, CACHING)
    assert page[2] & 4 and page_of(session, CACHING, control=1)[2] & 4
    select(session, changed(page, 2, page[2] & ~4)).assert_good()
    assert not page_of(session, CACHING)[2] & 4
    data = pattern(8)
    session.command(write10(0, 8), write=data).assert_good()
    assert session.command(read10(0, 8), read=len(data)).data_in == data


def test_software_write_protection_stops_every_host_until_it_is_taken_away(node, session):
    other = node.log_in()
    page = page_of(session, CONTROL)
    select(session, changed(page, 4, page[4] | 8)).assert_good()
    assert other.command(TEST_UNIT_READY).code == MODE_CHANGED
    assert other.command(write10(0, 1), write=pattern(1)).code == SOFTWARE_WRITE_PROTECTED
    other.command(read10(0, 1), read=512).assert_good()
    assert other.command(mode_sense6(CACHING), read=192).data_in[2] & 0x80
    select(session, page).assert_good()
    assert other.command(TEST_UNIT_READY).code == MODE_CHANGED
    other.command(write10(0, 1), write=pattern(1)).assert_good()


def test_descriptor_sense_data_on_request(session):
    page = page_of(session, CONTROL)
    select(session, changed(page, 2, page[2] | 4)).assert_good()
    task = session.command(mode_sense6(0x00), read=192)
    assert task.sense[0] == 0x72 and task.code == INVALID_FIELD
    task = session.command(read10(0xFFFFFF00, 1), read=512)
    assert task.sense[8] == 0x00 and task.sense[9] == 0x0A, "information as a descriptor"


def test_saved_page_outlives_the_node_and_an_unsaved_one_does_not(node, session):
    control, caching = page_of(session, CONTROL), page_of(session, CACHING)
    select(session, changed(control, 2, control[2] | 4), save=True).assert_good()
    select(session, changed(caching, 2, caching[2] & ~4)).assert_good()
    text = b"rack 7\0"
    session.command(b"\xa4\x06" + bytes(4) + len(text).to_bytes(4, "big") + b"\x04\0",
                    write=text).assert_good()
    node.node.expected_dead = True
    node.node.child.kill()
    node.node.child.wait()
    node.processes.remove(node.node)
    node.node = node.start_target()
    again = node.log_in()
    assert page_of(again, CONTROL)[2] & 4 and page_of(again, CONTROL, control=3)[2] & 4
    assert page_of(again, CACHING)[2] & 4
    answer = again.command(b"\xa3\x05" + bytes(4) + (255).to_bytes(4, "big") + b"\x04\0", read=255)
    assert answer.assert_good().data_in[4:] == text


@pytest.mark.parametrize("verb", ["kill", "drain"])
def test_saved_page_is_in_force_on_the_node_that_serves_next(cluster, verb):
    session, old = cluster.log_in(), cluster.controller()
    page = page_of(session, CONTROL)
    select(session, changed(page, 4, page[4] | 8), save=True).assert_good()
    session.close()
    cluster.node(old, verb)
    cluster.new_controller(old)
    again = cluster.reconnect()
    assert page_of(again, CONTROL, control=3)[4] & 8
    assert again.command(write10(0, 1), write=pattern(1)).code == SOFTWARE_WRITE_PROTECTED
    select(again, page, save=True).assert_good()
    again.command(write10(0, 1), write=pattern(1)).assert_good()


def test_reset_brings_the_saved_values_back(session):
    page = page_of(session, CONTROL)
    select(session, changed(page, 4, page[4] | 8)).assert_good()
    assert session.manage(LUN_RESET) == 0
    assert session.command(TEST_UNIT_READY).code == RESET
    assert page_of(session, CONTROL) == page


def test_unit_attention_comes_as_an_async_event_where_the_host_asked(node, session):
    other = node.log_in()
    page = page_of(session, CONTROL)
    select(session, changed(page, 4, page[4] | 2)).assert_good()
    message = other.wait_other(ASYNC)
    assert message.event == 0
    assert int.from_bytes(message.data[:2], "big") == len(message.data) - 2
    assert sense_code(message.data[2:]) == MODE_CHANGED
    assert other.command(TEST_UNIT_READY).code == MODE_CHANGED, "the condition stays as well"
    assert session.manage(LUN_RESET) == 0, "which turns it off again"
    assert session.command(TEST_UNIT_READY).code == RESET
    assert other.command(TEST_UNIT_READY).code == RESET
    assert not other.others and not session.others


def hang(session):
    """A write that waits for its data."""
    session.answer_r2t = False
    task = session.start(write10(0, 512), write=pattern(512), final=True)
    while not task.r2ts:
        session.pump()
    return task


@pytest.mark.parametrize("queue_error, is_cleared", [(0, False), (2, True), (6, False)])
def test_error_of_one_host_clears_the_others_commands_only_with_qerr_01(node, session, queue_error,
                                                                       is_cleared):
    other = node.log_in()
    page = page_of(session, CONTROL)
    select(session, changed(page, 3, page[3] & ~6 | queue_error)).assert_good()
    if queue_error:
        assert other.command(TEST_UNIT_READY).code == MODE_CHANGED
    task = hang(other)
    assert session.command(b"\xff" + bytes(15)).code == INVALID_OPCODE
    if is_cleared:
        assert other.command(TEST_UNIT_READY).code == COMMANDS_CLEARED
    other.command(TEST_UNIT_READY).assert_good()
    assert not task.done
    other.connection.send(*other.data_out(task, task.r2ts[0].offset, task.r2ts[0].length,
                                          task.r2ts[0].ttt))
    if is_cleared:
        other.answer_r2t = True
        other.command(write10(0, 8), write=pattern(8)).assert_good()
        assert not task.done
    else:
        other.wait(task).assert_good()


def test_reads_and_writes_are_counted_in_the_statistics_page(session):
    def counters():
        data = session.command(log_sense(0x19), read=255).assert_good().data_in
        return [int.from_bytes(data[at:at + 8], "big") for at in range(8, 40, 8)]

    before = counters()
    session.command(write10(0, 64), write=pattern(64)).assert_good()
    for _ in range(3):
        session.command(read10(0, 8), read=4096).assert_good()
    assert [new - old for old, new in zip(before, counters())] == [3, 1, 64, 24]


def test_whcp_4_4_soft_threshold_is_told_and_found_in_the_log_page(node, session):
    def space():
        data = session.command(log_sense(0x0C), read=255).assert_good().data_in
        return [int.from_bytes(data[at:at + 4], "big") for at in (8, 20)]

    cdb = mode_sense6(EXCEPTIONS, allocation=255, dbd=True)
    cdb = cdb[:3] + b"\x02" + cdb[4:]
    page = session.command(cdb, read=255).assert_good().data_in[4:]
    exponent = session.command(inquiry(0xB2), read=255).assert_good().data_in[4]
    assert 512 << exponent == MIB and space() == [64, 0]
    used = changed(page, 24, page[24] | 0x80)
    select(session, used[:28] + (4).to_bytes(4, "big")).assert_good()
    for number in range(16):
        session.command(write10(number * 512, 512), write=pattern(512, seed=number))
        if session.command(TEST_UNIT_READY).code == THRESHOLD_REACHED:
            break
    assert 12 <= number < 16, "after three to four MiB"
    available, used = space()
    assert used == 4 and available in (60, 61)
    session.command(TEST_UNIT_READY).assert_good()


def test_every_log_page_that_is_listed_is_there(session):
    listed = session.command(log_sense(0x00), read=255).assert_good().data_in[4:]
    assert list(listed) == sorted(set(listed)) and {0x0C, 0x0D, 0x15, 0x19, 0x2F} <= set(listed)
    for page in listed:
        data = session.command(log_sense(page), read=255).assert_good().data_in
        assert data[0] & 0x3F == page and len(data) == 4 + int.from_bytes(data[2:4], "big")
    assert session.command(log_sense(0x3E), read=255).code == INVALID_FIELD


def test_supported_commands_are_reported_one_by_one_as_in_the_list(session):
    listed = session.command(report_opcodes(0), read=8192).assert_good().data_in
    assert int.from_bytes(listed[:4], "big") == len(listed) - 4
    for at in range(4, len(listed), 8):
        opcode, has_action = listed[at], listed[at + 5] & 1
        action = int.from_bytes(listed[at + 2:at + 4], "big")
        one = session.command(report_opcodes(2 if has_action else 1, opcode, action, timeouts=True),
                              read=255).assert_good().data_in
        length = int.from_bytes(one[2:4], "big")
        assert one[1] & 7 == 3 and one[1] & 0x80 and one[4] == opcode
        assert length == int.from_bytes(listed[at + 6:at + 8], "big")
        assert len(one) == 4 + length + 12 and one[4 + length:6 + length] == b"\0\x0a"


def test_capacity_is_the_same_in_every_command_that_tells_it(session):
    ten = session.command(read_capacity10(), read=8).assert_good().data_in
    long = session.command(read_capacity16(), read=32).assert_good().data_in
    short = session.command(mode_sense6(CACHING), read=192).assert_good().data_in
    blocks = 64 * MIB // 512
    assert int.from_bytes(ten[:4], "big") == int.from_bytes(long[:8], "big") == blocks - 1
    assert int.from_bytes(short[4:8], "big") == blocks and short[9:12] == b"\0\x02\0"
