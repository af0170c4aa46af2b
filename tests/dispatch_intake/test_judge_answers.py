"""What a CSP's answer means, and that of a User's endpoint: the table of docs/dispatch.md."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.dispatch.judge import LONGEST_WAIT, SHORTEST_WAIT, UNTOLD_WAIT, Ruling, judge, judge_user, retry_after
from sluicegate.duis import compose_response

NOW = 1_762_180_205.5
XML = {b"content-type": b"application/xml; charset=utf-8"}
AT = datetime(2025, 11, 3, tzinfo=UTC)


def response(code: str) -> bytes:
    return compose_response(code, "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:12", srv="2.2", at=AT)


successes = st.integers(200, 299)
codes = st.builds("{}{}".format, st.sampled_from("EIW"), st.from_regex("[0-9]{1,6}", fullmatch=True))


@given(successes, codes, st.sampled_from([XML, {}, {b"content-type": b"text/plain"}]))
def test_a_success_is_judged_by_its_response(status, code, fields):
    body = response(code)
    verdict = judge(status, fields, body, NOW)
    assert verdict.code == code
    if code in ("E20", "E21"):
        assert (verdict.ruling, verdict.outcome) == (Ruling.NO_ANSWER, None)
    else:
        assert verdict.ruling is Ruling.DELIVERED
        assert verdict.outcome == (None if code == "I99" else body)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, b""),
        (XML, b""),
        (XML, b" \r\n"),
        ({}, b"OK"),
        ({b"content-type": b"text/plain"}, b"taken"),
        ({b"content-type": b"application/json"}, b'{"taken": true}'),
    ],
)
def test_a_success_without_a_response_is_delivered(fields, body):
    verdict = judge(200, fields, body, NOW)
    assert (verdict.ruling, verdict.code, verdict.outcome) == (Ruling.DELIVERED, "", None)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (XML, b"OK"),
        ({b"content-type": b"Application/Soap+XML"}, b"OK"),
        ({}, b"<html><h1>Down for maintenance</h1></html>"),
        ({b"content-type": b"text/html"}, b"\xef\xbb\xbf<!DOCTYPE html><p>Sorry<p>"),
        (XML, b"<a/>"),
        (XML, response("I99")[:300]),
        (XML, response("I0")[:-5]),
        (XML, response("I0") + b"<x/>"),
        ({}, response("E1").decode().encode("utf-16")[:200]),
        (XML, b" " * 2000 + b"x"),
    ],
)
def test_a_success_that_claims_to_speak_xml_and_does_not_is_a_failure(fields, body):
    verdict = judge(200, fields, body, NOW)
    assert (verdict.ruling, verdict.outcome) == (Ruling.FAILED, None)
    assert verdict.why.startswith("a success that is no Response: ")


def test_no_answer_is_a_failure():
    assert judge(None, {}, b"", NOW).ruling is Ruling.FAILED
    assert judge_user(None, {}, NOW).ruling is Ruling.FAILED


@given(st.integers(100, 599), st.sampled_from([None, b"7", b"soon"]), st.binary(max_size=30))
def test_every_status_has_its_meaning(status, told, body):
    fields = {} if told is None else {b"retry-after": told}
    verdict = judge(status, fields, body, NOW)
    if 200 <= status <= 299:
        assert verdict.ruling in (Ruling.DELIVERED, Ruling.FAILED)
    elif status in (429, 503) and told == b"7":
        assert (verdict.ruling, verdict.seconds) == (Ruling.BUSY, 7.0)
    elif status == 429:
        assert (verdict.ruling, verdict.seconds) == (Ruling.BUSY, UNTOLD_WAIT)
    elif status in (401, 403, 404, 407, 408) or status >= 500:  # of all messages, and not of this one
        assert (verdict.ruling, verdict.why) == (Ruling.FAILED, f"answered {status}")
    else:
        assert (verdict.ruling, verdict.why) == (Ruling.REFUSED, f"answered {status}")


@given(st.integers(100, 599), st.sampled_from([None, b"7", b"soon"]))
def test_a_users_endpoint_takes_is_busy_or_has_failed_and_nothing_is_parked(status, told):
    verdict = judge_user(status, {} if told is None else {b"retry-after": told}, NOW)
    if 200 <= status <= 299:
        assert verdict.ruling is Ruling.DELIVERED
    elif status in (429, 503) and told == b"7":
        assert (verdict.ruling, verdict.seconds) == (Ruling.BUSY, 7.0)
    else:
        assert verdict.ruling is Ruling.FAILED


@given(st.integers(0, 10**40))
def test_seconds_are_bounded(seconds):
    assert retry_after(b" %d " % seconds, NOW) == min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


@given(st.integers(-(10**6), 10**6))
def test_a_date_counts_from_now_and_is_bounded(seconds):
    moment = datetime.fromtimestamp(int(NOW) + seconds, UTC)
    waits = retry_after(format_datetime(moment, usegmt=True).encode(), NOW)
    assert waits == min(max(int(NOW) + seconds - NOW, SHORTEST_WAIT), LONGEST_WAIT)
    assert retry_after(format_datetime(moment).replace("+0000", "-0000").encode(), NOW) == waits


@given(st.binary(max_size=80) | st.text("0123456789 ,:-+GMTWedNov", max_size=70).map(str.encode))
def test_whatever_stands_there_is_a_bounded_wait_or_nothing(stated):
    seconds = retry_after(stated, NOW)
    assert seconds is None or SHORTEST_WAIT <= seconds <= LONGEST_WAIT


@pytest.mark.parametrize(
    "stated",
    [b"", b"-1", b"1.5", b"1e3", b"soon", b"5, 10", b"\xff", b"\xc2\xb2", b"9" * 65, b"Wed, 99 Nov 2025 99:99:99 GMT"],
)
def test_what_cannot_be_read_is_not_told(stated):
    assert retry_after(stated, NOW) is None


@given(st.none() | st.integers(0, 999), st.dictionaries(st.binary(max_size=12), st.binary(max_size=40)), st.binary())
def test_every_answer_has_a_verdict(status, fields, body):
    assert isinstance(judge(status, fields, body, NOW).ruling, Ruling)
    assert isinstance(judge_user(status, fields, NOW).ruling, Ruling)
