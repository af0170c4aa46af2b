"""Responses on their way to Users: whose they are, what they conclude, and what is told of an SR that came back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_rig import (
    AT,
    DSP,
    NORTH,
    ORIGINATOR,
    OTHER,
    SOUTH,
    STRANGER,
    USER,
    USER2,
    firmware,
    intake,
    request,
)  # fmt: skip

from sluicegate.dispatch.intake import Accepted, Outcome, Refused
from sluicegate.dispatch.parcel import Incoming, Kind, Parcel
from sluicegate.duis import check_whole, compose_response, read_response, request_key

REQUEST_ID = f"{ORIGINATOR}:{NORTH}:7"


def response(code="I0", request_id=REQUEST_ID, response_id=None, srv="2.2", **how) -> bytes:
    return compose_response(
        code, request_id, srv=srv, at=datetime(2025, 11, 3, tzinfo=UTC), response_id=response_id, **how
    )


def parcel(body: bytes, service: str = "S", place: int = 0, seq: int = 42) -> Parcel:
    found = intake().read(service, body, AT)
    assert isinstance(found, Accepted)
    one = found.incoming[place]
    return Parcel(
        seq, one.kind, one.key, one.destination, one.user, one.rank, one.path, one.lane, one.srv, AT, one.deadline,
        attempts=3, repeated=False, octets=len(body),
    )  # fmt: skip


def outcome(body: bytes) -> Outcome:
    found = intake().outcome(body, AT)
    assert isinstance(found, Outcome), found
    return found


def is_letter(letter: Incoming | None, user: str, body: bytes | None) -> Incoming:
    assert letter is not None
    assert (letter.kind, letter.destination, letter.user) == (Kind.RESPONSE, f"user:{user}", user)
    assert (letter.rank, letter.path, letter.lane, letter.preceding) == (0, "", None, None)
    assert (letter.accepted_at, letter.deadline) == (AT, AT + 1000.0)
    assert body is None or letter.body == body
    return letter


def test_an_outcome_goes_to_the_originator_of_its_request_and_concludes_it():
    body = response("I0", REQUEST_ID.lower())
    found = outcome(body)
    letter = is_letter(found.incoming, USER, body)
    key = request_key(REQUEST_ID)
    assert (found.key, found.user, found.code, letter.srv) == (key, USER, "I0", "2.2")
    assert letter.key == key + b"R" + letter.digest


def test_without_a_request_id_it_goes_to_the_target_of_its_response_id_and_concludes_nothing():
    body = response("I0", None, f"{NORTH}:{OTHER.lower()}:9")
    found = outcome(body)
    letter = is_letter(found.incoming, USER2, body)
    assert found.key is None
    assert letter.key == b"A" + letter.digest


def test_the_same_outcome_has_the_same_key_and_another_has_another():
    assert outcome(response()).incoming.key == outcome(response()).incoming.key
    assert outcome(response("I0")).incoming.key != outcome(response("E30")).incoming.key


@pytest.mark.parametrize("srv", ["11.1", "11.4"])
def test_one_regions_word_on_a_firmware_list_concludes_nothing(srv):
    found = outcome(response(srv=srv, request_id=f"{ORIGINATOR}:{DSP}:9"))
    assert found.key is None
    assert found.incoming.key.startswith(request_key(f"{ORIGINATOR}:{DSP}:9") + b"R")


def test_an_alert_has_no_srv():
    start = response("I0", None, f"{NORTH}:{ORIGINATOR}:9")
    alert = start.replace(b"sr:ResponseMessage", b"sr:DeviceAlertMessage")
    assert outcome(alert).incoming.srv == ""


@pytest.mark.parametrize(
    ("body", "problem", "text"),
    [
        (b"", "malformed", "empty"),
        (request(), "malformed", "not a Response"),
        (response() + b"x", "malformed", "junk"),
        (response(request_id=None), "malformed", "neither RequestID nor ResponseID"),
        (response(request_id=f"{STRANGER}:{NORTH}:7"), "unknown-user", STRANGER),
        (response(request_id=None, response_id=f"{ORIGINATOR}:{STRANGER}:7"), "unknown-user", STRANGER),
        (response().replace(b">2.2<", b">2.2.2.2.2.2.2<"), "malformed", "more than 11 characters"),
    ],
)
def test_what_is_nobodys_outcome_is_refused(body, problem, text):
    found = intake().outcome(body, AT)
    assert isinstance(found, Refused)
    assert found.problem is not None
    assert found.problem.name == problem
    assert text in found.text


# --- the Response in the answer itself


def test_the_response_in_an_answer_goes_to_the_sender_with_the_key_that_it_would_have_if_posted():
    body = response("E30")
    letter = is_letter(intake().answered(parcel(request()), body, AT), USER, body)
    assert letter.key == outcome(body).incoming.key


def test_a_response_without_ids_is_of_the_sr_that_it_answers():
    body = response("E1", None)
    one = intake().answered(parcel(request()), body, AT)
    other = intake().answered(parcel(request(counter=8)), body, AT)
    assert is_letter(one, USER, body).key != is_letter(other, USER, body).key


def test_a_response_to_another_sr_never_goes_to_who_was_answered():
    body = response("I0", f"{OTHER}:{SOUTH}:5")
    is_letter(intake().answered(parcel(request()), body, AT), USER2, body)
    assert intake().answered(parcel(request()), response("I0", f"{STRANGER}:{SOUTH}:5"), AT) is None
    assert intake().answered(parcel(request()), b"<a/>", AT) is None


def test_a_response_for_one_region_of_a_firmware_list_is_of_its_sr():
    body = response("E1", f"{ORIGINATOR}:{DSP}:9", srv="11.1")
    letter = intake().answered(parcel(firmware(NORTH, SOUTH), "D", place=1), body, AT)
    assert is_letter(letter, USER, body).key.startswith(request_key(f"{ORIGINATOR}:{DSP}:9") + b"R")


# --- returned


@pytest.mark.parametrize("code", ["E20", "E21"])
def test_a_user_is_told_that_its_sr_came_back_and_when_to_try_again(code):
    sr = request(NORTH.lower(), version="5.1")
    letter = is_letter(intake().returned(parcel(sr), sr, code, AT, 10, 120), USER, None)
    assert letter.fields == {"Sluicegate-Attempts": "10", "Sluicegate-Try-Again-After": "120"}
    assert letter.key == request_key(REQUEST_ID) + b"X" + (42).to_bytes(8, "big")
    check_whole(letter.body)
    told = read_response(letter.body)
    assert (str(told.version), told.request_id, told.response_id, told.code) == ("5.1", REQUEST_ID, None, code)
    assert told.at == "2025-11-03T14:30:05.123Z"
    assert letter.srv == "2.2"


def test_it_is_told_even_if_the_sr_is_not_there_any_more():
    letter = is_letter(intake().returned(parcel(request()), b"", "E20", AT, 0, 60), USER, None)
    told = read_response(letter.body)
    assert (str(told.version), told.request_id, told.code) == ("5.4", REQUEST_ID, "E20")


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_each_return_is_told_once(one, other):
    sr = request()
    keys = {intake().returned(replace(parcel(sr), seq=seq), sr, "E20", AT, 1, 60).key for seq in (one, other)}
    assert len(keys) == len({one, other})


def test_what_the_schema_does_not_have_is_not_told():
    with pytest.raises(ValueError, match="E22"):
        intake().returned(parcel(request()), request(), "E22", AT, 1, 60)
