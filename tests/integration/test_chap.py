"""CHAP, RFC 7143 12.1.3: algorithms, codings, both directions, and every way to get it wrong."""

import pytest

import chap
from chap import Credentials
from login import (AUTHENTICATION_FAILURE, FULL_FEATURE, HOST, INITIATOR_ERROR, OPERATIONAL,
                   SECURITY, Login, Refused, identity, run_login)
from node import iqn
from scsi import TEST_UNIT_READY

TARGET = iqn("data1")
USER, SECRET = "host-user", "twelve-bytes"
TARGET_USER, TARGET_SECRET = "array-user", "another-secret-of-the-array"
MUTUAL = {"target_user": TARGET_USER, "target_secret": TARGET_SECRET}
BAD = (AUTHENTICATION_FAILURE, INITIATOR_ERROR)


@pytest.fixture
def secured(make_lab):
    """A node that wants CHAP both ways from everyone."""
    lab = make_lab()
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET},
                              "mutual_chap": {"user": TARGET_USER, "secret": TARGET_SECRET}}]
    lab.node = lab.start_target()
    return lab


@pytest.fixture
def challenged(secured):
    """challenged(algorithms) gives a login that holds the target's challenge, and its keys."""
    opened = []

    def start(algorithms="5", target=TARGET):
        login = Login(secured.portal)
        opened.append(login)
        login.step(SECURITY, None, identity(HOST, target) | {"AuthMethod": "CHAP"})
        return login, dict(login.step(SECURITY, None, {"CHAP_A": algorithms}).keys)

    yield start
    for login in opened:
        login.close()


def refused(call, *arguments, **how):
    with pytest.raises(Refused) as caught:
        call(*arguments, **how)
    return caught.value


@pytest.mark.parametrize("mutual", [{}, MUTUAL], ids=["one-way", "mutual"])
@pytest.mark.parametrize("coding", [chap.to_hex, chap.to_base64], ids=["hex", "base64"])
@pytest.mark.parametrize("algorithm", [5, 6, 7, 8], ids=["MD5", "SHA1", "SHA-256", "SHA3-256"])
def test_chap_with_every_algorithm_and_coding(secured, algorithm, coding, mutual):
    credentials = Credentials(USER, SECRET, algorithms=str(algorithm), coding=coding, **mutual)
    session = secured.log_in(chap=credentials)
    session.command(TEST_UNIT_READY).assert_good()


@pytest.mark.parametrize("offered, chosen", [("7,5", 7), ("5,7", 5), ("8,7,6,5", 8), ("6,5", 6),
                                             ("3,99,5", 5), ("99,8", 8)])
def test_first_algorithm_of_the_initiator_that_is_known_is_chosen(challenged, offered, chosen):
    _, keys = challenged(offered)
    assert int(keys["CHAP_A"]) == chosen


@pytest.mark.parametrize("offered", ["99", "1,2,3", "0", "", "five", "5;6"])
def test_no_known_algorithm_ends_the_login(challenged, offered):
    assert refused(challenged, offered).status in BAD


def test_challenge_is_long_and_never_the_same(challenged):
    seen = set()
    for _ in range(8):
        _, keys = challenged()
        assert 0 <= int(keys["CHAP_I"]) <= 255
        challenge = chap.decode(keys["CHAP_C"])
        assert 16 <= len(challenge) <= 1024
        seen.add(challenge)
    assert len(seen) == 8


CODINGS = {"hex": chap.to_hex, "base64": chap.to_base64,
           "upper-case digits": lambda data: "0x" + data.hex().upper(),
           "upper-case prefix": lambda data: "0X" + data.hex()}


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS.keys())
def test_response_codings_are_all_read(secured, coding):
    secured.log_in(chap=Credentials(USER, SECRET, coding=coding))


def test_wrong_secret_is_an_authentication_failure(secured):
    failure = refused(secured.log_in, chap=Credentials(USER, "wrong-secret-here"))
    assert failure.status == AUTHENTICATION_FAILURE
    event = secured.node.events.wait("login.refused")
    assert SECRET not in str(event) and "wrong-secret-here" not in str(event)


def test_wrong_user_is_an_authentication_failure(secured):
    failure = refused(secured.log_in, chap=Credentials("someone", SECRET))
    assert failure.status == AUTHENTICATION_FAILURE


def test_connection_is_closed_after_a_failure(secured):
    login = Login(secured.portal)
    refused(run_login, login, target=TARGET, chap=Credentials(USER, "wrong-secret-here"))
    assert login.connection.expect_close() == []


def test_no_authentication_offered_where_it_is_demanded_is_refused(secured):
    assert refused(secured.log_in).status == AUTHENTICATION_FAILURE


def test_skipping_the_security_stage_where_chap_is_demanded_is_refused(secured):
    assert refused(secured.log_in, stages=(1, 3)).status == AUTHENTICATION_FAILURE


def test_leaving_the_security_stage_before_the_answer_is_refused(secured):
    login = Login(secured.portal)
    login.step(SECURITY, None, identity(HOST, TARGET) | {"AuthMethod": "CHAP"})
    try:
        answer = login.step(SECURITY, OPERATIONAL, {"CHAP_A": "5"})
        assert not answer.flags & 0x80, "the target must not transit before CHAP_R"
        assert refused(login.step, OPERATIONAL, FULL_FEATURE).status >> 8 == 2
    except Refused as failure:
        assert failure.status in BAD
    login.close()


def test_chap_is_chosen_from_a_list(secured):
    login = Login(secured.portal)
    keys = identity(HOST, TARGET) | {"AuthMethod": "KRB5,CHAP,None"}
    assert login.step(SECURITY, None, keys).key("AuthMethod") == "CHAP"
    login.close()


def test_chap_is_chosen_even_where_none_is_preferred(secured):
    login = Login(secured.portal)
    answer = login.step(SECURITY, OPERATIONAL, identity(HOST, TARGET) | {"AuthMethod": "None,CHAP"})
    login.close()
    assert answer.key("AuthMethod") == "CHAP" and not answer.flags & 0x80


def test_no_method_in_common_is_refused(secured):
    login = Login(secured.portal)
    failure = refused(login.step, SECURITY, OPERATIONAL,
                      identity(HOST, TARGET) | {"AuthMethod": "KRB5,SRP"})
    login.close()
    assert failure.status == AUTHENTICATION_FAILURE


def test_none_is_chosen_where_no_chap_is_configured(node):
    login = Login(node.portal)
    keys = identity(HOST, TARGET) | {"AuthMethod": "CHAP,None"}
    assert login.step(SECURITY, OPERATIONAL, keys).key("AuthMethod") == "None"
    login.close()


def test_only_chap_offered_where_none_is_configured_is_refused(node):
    login = Login(node.portal)
    failure = refused(login.step, SECURITY, OPERATIONAL,
                      identity(HOST, TARGET) | {"AuthMethod": "CHAP"})
    login.close()
    assert failure.status == AUTHENTICATION_FAILURE


def test_mutual_chap_wanted_but_not_configured_is_refused(make_lab):
    lab = make_lab()
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET}}]
    lab.start_target()
    lab.log_in(chap=Credentials(USER, SECRET))
    assert refused(lab.log_in, chap=Credentials(USER, SECRET, **MUTUAL)).status in BAD


def test_reflected_challenge_is_refused(challenged):
    """The initiator sends the target's own challenge back: RFC 7143 12.1.3 and 9.2.1."""
    login, keys = challenged()
    answer = Credentials(USER, SECRET, **MUTUAL, identifier=keys["CHAP_I"],
                         challenge=chap.decode(keys["CHAP_C"])).answer(keys)
    assert refused(login.step, SECURITY, OPERATIONAL, answer).status in BAD


def test_reflected_challenge_of_another_connection_does_not_help(challenged):
    """Two logins at once: the second is used to have the first one's challenge answered."""
    victim, wanted = challenged()
    helper, keys = challenged()
    reflected = chap.decode(wanted["CHAP_C"])
    answer = Credentials(USER, "unknown-to-us", **MUTUAL, identifier=int(wanted["CHAP_I"]),
                         challenge=reflected).answer(keys)
    assert refused(helper.step, SECURITY, OPERATIONAL, answer).status in BAD
    assert victim.tsih == 0


def test_replayed_answer_is_refused(challenged):
    login, keys = challenged()
    answer = Credentials(USER, SECRET).answer(keys)
    login.step(SECURITY, OPERATIONAL, answer)
    again, _ = challenged()
    assert refused(again.step, SECURITY, OPERATIONAL, answer).status == AUTHENTICATION_FAILURE


ANSWERS = {
    "no CHAP_R": {"CHAP_N": USER},
    "no CHAP_N": {"CHAP_R": "0x" + "00" * 16},
    "short CHAP_R": {"CHAP_N": USER, "CHAP_R": "0x1234"},
    "long CHAP_R": {"CHAP_N": USER, "CHAP_R": "0x" + "00" * 2000},
    "CHAP_R without prefix": {"CHAP_N": USER, "CHAP_R": "00" * 16},
    "CHAP_R not hex": {"CHAP_N": USER, "CHAP_R": "0x" + "zz" * 16},
    "CHAP_R not base64": {"CHAP_N": USER, "CHAP_R": "0b!!!!"},
    "empty CHAP_R": {"CHAP_N": USER, "CHAP_R": "0x"},
    "empty CHAP_N": {"CHAP_N": "", "CHAP_R": "0x" + "00" * 16},
    "CHAP_C without CHAP_I": {"CHAP_N": USER, "CHAP_R": "0x" + "00" * 16, "CHAP_C": "0x1234"},
    "CHAP_N of 4096 bytes": {"CHAP_N": "n" * 4096, "CHAP_R": "0x" + "00" * 16},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_malformed_answer_is_refused(challenged, answer):
    login, _ = challenged()
    assert refused(login.step, SECURITY, OPERATIONAL, answer).status in (*BAD, 0x0207)


@pytest.mark.parametrize("challenge", ["0x", "0x" + "00" * 1025, "1234", "0bZZ=", "0x123"])
def test_malformed_challenge_of_the_initiator_is_refused(challenged, challenge):
    login, keys = challenged()
    answer = Credentials(USER, SECRET).answer(keys) | {"CHAP_I": "1", "CHAP_C": challenge}
    try:
        last = login.step(SECURITY, OPERATIONAL, answer)
    except Refused as failure:
        assert failure.status in BAD
    else:  # an odd number of hex digits may be read with a leading zero
        assert challenge == "0x123" and last.key("CHAP_R")


@pytest.mark.parametrize("identifier", ["256", "-1", "x", ""])
def test_identifier_outside_one_byte_is_refused(challenged, identifier):
    login, keys = challenged()
    answer = Credentials(USER, SECRET, **MUTUAL).answer(keys) | {"CHAP_I": identifier}
    assert refused(login.step, SECURITY, OPERATIONAL, answer).status in BAD


def test_answer_before_the_challenge_is_refused(secured):
    login = Login(secured.portal)
    login.step(SECURITY, None, identity(HOST, TARGET) | {"AuthMethod": "CHAP"})
    failure = refused(login.step, SECURITY, None, {"CHAP_N": USER, "CHAP_R": "0x" + "00" * 16})
    login.close()
    assert failure.status in (*BAD, 0x0207)


def test_challenge_is_not_asked_twice(challenged):
    login, _ = challenged()
    assert refused(login.step, SECURITY, None, {"CHAP_A": "5"}).status in BAD


def test_discovery_is_authenticated_when_offered(secured):
    session = secured.log_in(None, chap=Credentials(USER, SECRET, **MUTUAL))
    assert ("TargetName", TARGET) in session.send_targets()


def test_discovery_with_a_wrong_secret_is_refused(secured):
    failure = refused(secured.log_in, None, chap=Credentials(USER, "wrong-secret-here"))
    assert failure.status == AUTHENTICATION_FAILURE


def test_discovery_without_authentication_is_refused_where_it_is_required(make_lab):
    lab = make_lab()
    lab.map["portal_groups"][0]["discovery_chap"] = "required"
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": SECRET}}]
    lab.start_target()
    assert refused(lab.log_in, None).status == AUTHENTICATION_FAILURE
    lab.log_in(None, chap=Credentials(USER, SECRET)).send_targets()


def test_discovery_login_cannot_become_a_normal_one_on_the_way(secured):
    """Discovery needs no CHAP here, so naming a target in a later request must give nothing."""
    login = Login(secured.portal)
    login.step(SECURITY, OPERATIONAL, identity(HOST, None) | {"AuthMethod": "None"})
    failure = refused(login.step, OPERATIONAL, FULL_FEATURE,
                      {"TargetName": TARGET, "SessionType": "Normal"})
    login.close()
    assert failure.status >> 8 == 2


def test_secret_of_every_length_is_used_whole(make_lab):
    lab, secret = make_lab(), "s" * 128
    lab.map["initiators"] = [{"name": "*", "chap": {"user": USER, "secret": secret}}]
    lab.start_target()
    lab.log_in(chap=Credentials(USER, secret))
    assert refused(lab.log_in, chap=Credentials(USER, secret[:-1])).status == AUTHENTICATION_FAILURE


def test_initiators_have_their_own_secrets(make_lab):
    lab, other = make_lab(), HOST + "2"
    lab.map["initiators"] = [
        {"name": HOST, "chap": {"user": USER, "secret": SECRET}},
        {"name": other, "chap": {"user": USER, "secret": SECRET + "2"}}]
    lab.map["exports"] = [lab.export("data1", [HOST, other])]
    lab.start_target()
    lab.log_in(chap=Credentials(USER, SECRET))
    lab.log_in(name=other, chap=Credentials(USER, SECRET + "2"))
    failure = refused(lab.log_in, name=other, chap=Credentials(USER, SECRET))
    assert failure.status == AUTHENTICATION_FAILURE


