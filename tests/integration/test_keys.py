"""Text keys of RFC 7143 section 13: what is answered to each, and what is refused."""

import pytest

from login import (FULL_FEATURE, HOST, INITIATOR_ERROR, MISSING_PARAMETER, OFFER, OPERATIONAL,
                   SECURITY, Login, Refused, identity)
from node import GROUP, iqn
from pdu import TRANSIT
from scsi import TEST_UNIT_READY, read10

TARGET = iqn("data1")
BOTH = ("Yes", "No")


def upto(limit):
    """Any whole number from 1 to the one offered."""
    return lambda value: value.isdigit() and 1 <= int(value) <= limit


@pytest.fixture
def operational(node):
    """A connection in the operational stage of a normal login; nothing offered yet."""
    login = Login(node.portal)
    login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    yield login
    login.close()


ANSWERS = [
    ("HeaderDigest", "None", "None"),
    ("HeaderDigest", "CRC32C", "CRC32C"),
    ("HeaderDigest", "None,CRC32C", "None"),
    ("HeaderDigest", "CRC32C,None", "CRC32C"),
    ("HeaderDigest", "X-org.example.sum,None", "None"),
    ("HeaderDigest", "X-org.example.sum", "Reject"),
    ("DataDigest", "CRC32C,None", "CRC32C"),
    ("DataDigest", "None,CRC32C", "None"),
    ("MaxConnections", "1", "1"),
    ("MaxConnections", "32", "1"),
    ("InitialR2T", "Yes", "Yes"),
    ("InitialR2T", "No", BOTH),
    ("ImmediateData", "No", "No"),
    ("ImmediateData", "Yes", BOTH),
    ("MaxBurstLength", "65536", "65536"),
    ("MaxBurstLength", "0x10000", ("65536", "0x10000")),
    ("MaxBurstLength", "512", "512"),
    ("MaxBurstLength", "16777215", upto(16777215)),
    ("FirstBurstLength", "512", "512"),
    ("FirstBurstLength", "4096", "4096"),
    ("FirstBurstLength", "16777215", upto(16777215)),
    ("DefaultTime2Wait", "3600", "3600"),
    ("DefaultTime2Wait", "0", str.isdigit),
    ("DefaultTime2Retain", "0", "0"),
    ("DefaultTime2Retain", "3600", str.isdigit),
    ("MaxOutstandingR2T", "1", "1"),
    ("MaxOutstandingR2T", "16", upto(16)),
    ("MaxOutstandingR2T", "65535", upto(65535)),
    ("DataPDUInOrder", "Yes", "Yes"),
    ("DataPDUInOrder", "No", BOTH),
    ("DataSequenceInOrder", "Yes", "Yes"),
    ("DataSequenceInOrder", "No", BOTH),
    ("ErrorRecoveryLevel", "0", "0"),
    ("ErrorRecoveryLevel", "1", "0"),
    ("ErrorRecoveryLevel", "2", "0"),
    ("TaskReporting", "RFC3720", "RFC3720"),
    ("TaskReporting", "FastAbort,ResponseFence,RFC3720", ("RFC3720", "ResponseFence", "FastAbort")),
    ("iSCSIProtocolLevel", "1", ("0", "1")),
    ("iSCSIProtocolLevel", "2", ("0", "1", "2")),
    ("OFMarker", "No", ("No", "NotUnderstood", "Reject")),
    ("IFMarker", "Yes", ("No", "NotUnderstood", "Reject")),
    ("OFMarkInt", "2048~8192", ("Reject", "NotUnderstood", "Irrelevant")),
    ("X-org.example.thing", "1", "NotUnderstood"),
    ("SomethingNew", "a,b,c", "NotUnderstood"),
    ("X-" + "k" * 61, "1", "NotUnderstood"),
]


@pytest.mark.parametrize("key, value, expected", ANSWERS,
                         ids=[f"{key[:24]}={value[:32]}" for key, value, _ in ANSWERS])
def test_offered_key_is_answered_by_its_rule(operational, key, value, expected):
    answer = operational.step(OPERATIONAL, None, {key: value})
    assert [name for name, _ in answer.keys if name != "MaxRecvDataSegmentLength"] == [key]
    got = answer.key(key)
    if callable(expected):
        assert expected(got), f"{key}={got}"
    else:
        assert got in ((expected,) if isinstance(expected, str) else expected), f"{key}={got}"
    if got != "Reject":
        assert operational.step(OPERATIONAL, FULL_FEATURE).tsih


OUT_OF_RANGE = [
    ("MaxConnections", "0"), ("MaxConnections", "65536"), ("InitialR2T", "Maybe"),
    ("ImmediateData", "yes please"), ("MaxBurstLength", "511"), ("MaxBurstLength", "16777216"),
    ("FirstBurstLength", "0"), ("FirstBurstLength", "99999999999999999999"),
    ("DefaultTime2Wait", "3601"), ("DefaultTime2Retain", "-1"), ("MaxOutstandingR2T", "0"),
    ("DataPDUInOrder", ""), ("ErrorRecoveryLevel", "3"), ("ErrorRecoveryLevel", "0x"),
]


@pytest.mark.parametrize("key, value", OUT_OF_RANGE)
def test_value_outside_its_range_is_rejected(operational, key, value):
    """RFC 7143 6.2: answered with Reject, or the login ends as an initiator error."""
    try:
        answer = operational.step(OPERATIONAL, None, {key: value})
    except Refused as refused:
        assert refused.status == INITIATOR_ERROR
    else:
        assert answer.key(key) == "Reject"


@pytest.mark.parametrize("value", ["511", "0", "16777216", "many", ""])
def test_segment_length_outside_its_range_ends_the_login(operational, value):
    try:
        answer = operational.step(OPERATIONAL, None, {"MaxRecvDataSegmentLength": value})
    except Refused as refused:
        assert refused.status == INITIATOR_ERROR
    else:
        assert answer.key("MaxRecvDataSegmentLength") == "Reject"


def test_portal_group_tag_is_in_the_first_answer_of_a_normal_session(node):
    login = Login(node.portal)
    first = login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None"})
    login.close()
    assert first.key("TargetPortalGroupTag") == "1"


def test_portal_group_tag_is_in_the_first_answer_without_security_stage(node):
    login = Login(node.portal)
    first = login.step(OPERATIONAL, FULL_FEATURE, identity(HOST, TARGET) | OFFER)
    login.close()
    assert first.key("TargetPortalGroupTag") == "1"


def test_portal_group_tag_comes_from_the_map(make_lab):
    lab = make_lab()
    lab.map["portal_groups"][0]["tpgt"] = 77
    lab.start_target()
    session = lab.log_in()
    assert dict(session.login.answers)["TargetPortalGroupTag"] == "77"
    assert lab.map["portal_groups"][0]["name"] == GROUP


def test_every_key_at_once_is_answered_once(operational):
    answer = operational.step(OPERATIONAL, FULL_FEATURE, OFFER | {"X-org.example.thing": "1"})
    names = [name for name, _ in answer.keys]
    assert len(names) == len(set(names))
    offered = set(OFFER) | {"X-org.example.thing"}
    assert offered - {"MaxRecvDataSegmentLength"} <= set(names) <= offered
    assert answer.tsih


def test_first_burst_never_exceeds_max_burst(operational):
    answer = operational.step(OPERATIONAL, FULL_FEATURE,
                              {"MaxBurstLength": "8192", "FirstBurstLength": "65536"})
    assert int(answer.key("FirstBurstLength")) <= int(answer.key("MaxBurstLength")) == 8192


def test_target_declares_the_segment_length_that_it_takes(node):
    session = node.log_in()
    assert 512 <= session.segment <= 2**24 - 1
    data = bytes(session.segment)
    assert session.nop(data[:4096]).data == data[:4096]


@pytest.mark.parametrize("key", ["InitiatorName", "TargetName", "SessionType"])
def test_declarative_key_twice_in_one_request_is_refused(node, key):
    login = Login(node.portal)
    keys = list(identity(HOST, TARGET).items())
    keys.append((key, dict(keys)[key]))
    with pytest.raises(Refused) as caught:
        login.step(SECURITY, OPERATIONAL, keys)
    login.close()
    assert caught.value.status == INITIATOR_ERROR


@pytest.mark.parametrize("key, value", [("MaxRecvDataSegmentLength", "65536"),
                                        ("InitialR2T", "No"), ("MaxBurstLength", "65536"),
                                        ("HeaderDigest", "None")])
@pytest.mark.parametrize("requests", [1, 2])
def test_key_offered_twice_is_refused(operational, key, value, requests):
    with pytest.raises(Refused) as caught:
        if requests == 2:
            operational.step(OPERATIONAL, None, {key: value})
        operational.step(OPERATIONAL, None, [(key, value)] * (3 - requests))
    assert caught.value.status == INITIATOR_ERROR


def test_keys_of_the_security_stage_are_refused_in_the_operational_stage(operational):
    with pytest.raises(Refused) as caught:
        operational.step(OPERATIONAL, FULL_FEATURE, {"AuthMethod": "None"})
    assert caught.value.status == INITIATOR_ERROR


@pytest.mark.parametrize("data", [b"InitiatorName\0", b"=value\0", b"no equals sign at all\0",
                                  b"\xff\xfe=1\0", b"X-" + b"k" * 300 + b"=1\0"])
def test_text_that_is_not_key_equals_value_is_refused(operational, data):
    try:
        answer = operational.step(OPERATIONAL, None, data)
    except Refused as refused:
        assert refused.status in (INITIATOR_ERROR, MISSING_PARAMETER)
    else:
        assert all(value in ("NotUnderstood", "Reject") for _, value in answer.keys)


def test_value_without_terminator_at_the_end_of_the_text_is_refused_or_read(operational):
    """A last key without its NUL: read as if ended, or an initiator error; never anything else."""
    try:
        answer = operational.step(OPERATIONAL, None, b"InitialR2T=Yes")
        assert answer.key("InitialR2T") == "Yes"
    except Refused as refused:
        assert refused.status == INITIATOR_ERROR


def test_empty_keys_between_nul_bytes_do_no_harm(operational):
    answer = operational.step(OPERATIONAL, FULL_FEATURE, b"\0\0InitialR2T=Yes\0\0\0")
    assert answer.key("InitialR2T") == "Yes" and answer.tsih


def test_value_of_a_list_may_hold_many_names(operational):
    names = ",".join(f"X-org.example.d{number}" for number in range(60))
    answer = operational.step(OPERATIONAL, FULL_FEATURE, {"HeaderDigest": names + ",None"})
    assert answer.key("HeaderDigest") == "None"


def test_alias_is_taken_without_an_answer(node):
    login = Login(node.portal)
    keys = identity(HOST, TARGET) | {"InitiatorAlias": "my host", "AuthMethod": "None"}
    first = login.step(SECURITY, OPERATIONAL, keys)
    login.close()
    assert first.flags & TRANSIT and first.key("InitiatorAlias") is None


def test_answers_to_keys_that_nobody_asked_are_not_negotiated(operational):
    """NotUnderstood, Irrelevant and Reject as values are answers, which an offer may not be."""
    try:
        answer = operational.step(OPERATIONAL, None, {"X-org.example.thing": "NotUnderstood"})
        assert answer.keys in ([], [("X-org.example.thing", "NotUnderstood")])
    except Refused as refused:
        assert refused.status == INITIATOR_ERROR


def test_discovery_session_negotiates_its_few_keys(node):
    login = Login(node.portal)
    login.step(SECURITY, OPERATIONAL, identity(HOST, None) | {"AuthMethod": "None"})
    last = login.step(OPERATIONAL, FULL_FEATURE, OFFER)
    login.close()
    assert last.tsih and dict(last.keys)["HeaderDigest"] == "None"


def test_settled_values_hold_in_full_feature_phase(node):
    """Text negotiation in full feature phase cannot change what only the login may set."""
    session = node.log_in()
    answer = session.text_request({"MaxBurstLength": "512"})
    assert answer.key("MaxBurstLength") in ("Reject", None, "NotUnderstood", "Irrelevant")
    session.command(TEST_UNIT_READY).assert_good()


def test_segment_length_may_be_declared_anew_in_full_feature_phase(node):
    session = node.log_in()
    session.text_request({"MaxRecvDataSegmentLength": "512"})
    session.my_segment = 512
    task = session.command(read10(0, 8), read=4096).assert_good()
    assert len(task.data_in) == 4096
