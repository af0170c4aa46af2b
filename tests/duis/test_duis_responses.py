"""Reading a Response: what the schema allows is read, all else is refused with its place, and both ways agree."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import MAX_HEADER_OCTETS, MalformedMessage, compose_request, compose_response, read_response
from sluicegate.duis import response as ours
from sluicegate.duis.header import NAMESPACE
from sluicegate.duis.prolog import ENCODINGS
from sluicegate.duis.quick import MAX_OPENINGS
from sluicegate.duis.response import read_by_parser, read_quickly
from sluicegate.duis.walk import MAX_ATTRIBUTES, MAX_TEXT_CHARACTERS

from .damage import damaged
from .layouts import comments, prefixes, request_ids, spaces, versions
from .material import needs_messages, real_messages

REQUEST_ID = "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:12"
RESPONSE_ID = "00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-01-00-00:12"
AT = datetime(2025, 11, 3, 14, 30, 5, 123456, tzinfo=UTC)
GOOD = compose_response("I99", REQUEST_ID, srv="2.2", at=AT, response_id=RESPONSE_ID)

codes = st.builds("{}{}".format, st.sampled_from("EIW"), st.from_regex("[0-9]{1,6}", fullmatch=True))
times = st.sampled_from(
    ["2025-11-03T14:30:05.123Z", "2025-11-03T14:30:05", "2025-11-03T14:30:05+01:00", "-12025-01-01T00:00:00.0Z"]
)


def refusal(octets: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        read_response(octets)
    return caught.value


def agree(octets: bytes) -> bool:
    """Holds the quick way to the parser, remembered opening or not; whether it had an answer of its own."""
    try:
        expected = read_by_parser(octets)
    except MalformedMessage:
        expected = None
    ours.forget()
    for _ in range(2):
        found = read_quickly(octets)
        assert found is None or found == expected, (octets, found, expected)
    return found is not None


@st.composite
def responses(draw, plain):
    prefix = draw(prefixes.filter(str.isascii) if plain else prefixes)
    p = f"{prefix}:" if prefix else ""
    in_tag = st.just("") if plain else spaces

    def gap():
        return draw(spaces) + ("" if plain else draw(comments)) + draw(spaces)

    def element(name, value):
        if not plain and draw(st.booleans()):
            value = f"&#{ord(value[0])};<![CDATA[{value[1:3]}]]>{value[3:]}"
        return f"<{p}{name}{draw(in_tag)}>{value}</{p}{name}{draw(in_tag)}>{gap()}"

    version, code, at = draw(versions), draw(codes), draw(times)
    identity, itself = draw(st.none() | request_ids), draw(st.none() | request_ids)
    declared = f"xmlns{':' if prefix else ''}{prefix}='{NAMESPACE}'"
    start = draw(st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>\n']))
    text = f'{start}{gap()}<{p}Response {declared} schemaVersion="{version}">{gap()}<{p}Header{draw(in_tag)}>{gap()}'
    for name, value in (("RequestID", identity), ("ResponseID", itself), ("ResponseCode", code)):
        text += element(name, value) if value is not None else ""
    text += element("ResponseDateTime", at) + f"</{p}Header>" + draw(st.sampled_from(["", "<not well-formed", "&x;"]))
    return text.encode(), (Decimal(version.strip() + "0" * version.endswith(".")), identity, itself, code, at)


@given(responses(plain=True))
def test_the_usual_layout_is_read_quickly_and_as_written(message):
    octets, expected = message
    assert read_quickly(octets) == read_by_parser(octets) == expected


@given(responses(plain=False))
def test_any_legal_layout_is_read_as_written(message):
    octets, expected = message
    assert read_response(octets) == expected
    agree(octets)


@given(st.integers(0, 2**32))
def test_both_ways_agree_on_damaged_messages(seed):
    chance = Random(seed)
    others = [GOOD, compose_request(*REQUEST_ID.split(":")[:2], 7, "2.2"), *GOODS]
    for _ in range(20):
        agree(damaged(chance, chance.choice(others), others))


@given(codes, st.none() | request_ids, st.none() | request_ids)
def test_what_is_composed_is_read_quickly_as_composed(code, request_id, response_id):
    octets = compose_response(code, request_id, srv="2.2", at=AT, response_id=response_id, version="4.10")
    expected = (Decimal("4.1"), request_id, response_id, code, "2025-11-03T14:30:05.123Z")
    assert read_quickly(octets) == expected


GOODS = [
    compose_response("I0", None, srv="4.1.1", at=AT, prefix=""),
    compose_response("E20", REQUEST_ID, srv="6.15.1", at=AT, prefix="x", version="4"),
    GOOD.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    GOOD.replace(b"UTF-8", b"windows-1252"),
]


@needs_messages
def test_real_responses_are_read():
    found = {name: read_response(octets) for name, octets in real_messages().items() if b":Response " in octets[:400]}
    assert {name: (str(header.version), header.code) for name, header in found.items()} == {
        "acknowledgement-error.xml": ("5.1", "E65"),
        "readfw-response.xml": ("5.1", "I0"),
    }


@pytest.mark.parametrize("octets", GOODS)
def test_other_encodings_and_prefixes_are_read(octets):
    assert read_response(octets) == read_by_parser(octets)


def without(name: bytes) -> bytes:
    start, end = GOOD.index(b"<sr:" + name + b">"), GOOD.index(b"</sr:" + name + b">")
    return GOOD[:start] + GOOD[end + len(name) + 6 :]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "the message is empty"),
        (b"OK", "not well-formed"),
        (b"<html><body>502</body></html>", "the message is 'html', not a Response"),
        (compose_request(*REQUEST_ID.split(":")[:2], 7, "2.2"), "the message is 'Request', not a Response"),
        (GOOD.replace(NAMESPACE.encode(), b"urn:x"), "not a Response of namespace"),
        (GOOD.replace(b' schemaVersion="5.4"', b""), "Response has no attribute schemaVersion"),
        (GOOD.replace(b'"5.4"', b'"five"'), "schemaVersion: 'five' is not a decimal"),
        (without(b"ResponseCode"), "Header lacks ResponseCode before ResponseDateTime"),
        (without(b"ResponseDateTime"), "Header lacks ResponseDateTime"),
        (GOOD.replace(b"ResponseID", b"Nobody"), "'Nobody' is not an element of Header"),
        (without(b"RequestID").replace(b"</sr:ResponseID>", b"</sr:ResponseID><sr:RequestID/>"), "must precede"),
        (GOOD.replace(b"I99", b"I9999999"), "ResponseCode: 'I9999999' is not a ResponseCode"),
        (GOOD.replace(b"I99", b" I99"), "ResponseCode: ' I99' is not a ResponseCode"),
        (GOOD.replace(b"2025-11-03T", b"3/11/2025 "), "is not a date and time"),
        (GOOD.replace(b":12<", b":18446744073709551616<"), "joined by"),
        (GOOD.replace(b"I99", b"<i/>"), "'i' inside ResponseCode"),
        (GOOD.replace(b"<sr:Header>", b"<sr:Header>text"), "text in Header"),
        (GOOD.replace(b"<sr:Header>", b"text<sr:Header>"), "text in Response"),
        (GOOD.replace(b"<sr:Header>", b"<sr:Body><sr:Header>"), "'Body' stands where Header must stand, first in Resp"),
        (b"<?xml version='1.0'?><!DOCTYPE x><x/>", "DOCTYPE"),
        (GOOD.replace(b"UTF-8", b"utf-7"), "encoding 'utf-7' cannot be read"),
        (GOOD[:200], "the message ends before its Header is complete"),
        (GOOD.replace(b"<sr:Header>", b"<!--" + b"x" * MAX_HEADER_OCTETS + b"--><sr:Header>"), "not complete within"),
        (GOOD.replace(b"I99", b" " * (MAX_TEXT_CHARACTERS + 1) + b"I99"), "more than 1024 characters"),
        (
            GOOD.replace(b"<sr:Header", b"<sr:Header " + b" ".join(b"a%d=''" % n for n in range(MAX_ATTRIBUTES + 1))),
            "more than 32 attributes",
        ),
        (b"<r xmlns='%b' schemaVersion='5'/>" % NAMESPACE.encode(), "the message is 'r', not a Response"),
        (b"<Response xmlns='%b' schemaVersion='5'/>" % NAMESPACE.encode(), "Response has no Header"),
    ],
)
def test_what_is_no_response_is_refused_with_its_reason(octets, reason):
    error = refusal(octets)
    assert reason in error.reason
    assert len(str(error)) < 250
    assert str(error).isascii()


def test_where_it_is_wrong_is_told():
    error = refusal(GOOD.replace(b"I99", b"200"))
    assert (error.line, error.column) == (6, 25)


def test_openings_are_remembered_in_bounded_memory():
    ours.forget()
    for number in range(2 * MAX_OPENINGS):
        assert read_quickly(GOOD.replace(b"<sr:Response ", b'<sr:Response n="%d" ' % number)) is not None
    assert len(ours._openings) == MAX_OPENINGS
    ours.forget()


def test_an_opening_of_a_request_is_no_opening_of_a_response():
    forged = GOOD.replace(b"sr:Response ", b"sr:Request ").replace(b"</sr:Response>", b"</sr:Request>")
    assert not agree(forged)
    assert "not a Response" in refusal(forged).reason


def test_encodings_are_those_of_requests():
    for encoding in sorted(ENCODINGS - {"utf-16", "utf-16le", "utf-16be"}):
        assert read_response(GOOD.replace(b"UTF-8", encoding.encode())) == read_response(GOOD)
