"""Heads: what goes on to the upstream, and back, for whatever a sender writes."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from sluicegate.gateway.answers import WINDOWS, RateLimitFields
from sluicegate.http.heads import (
    HOP_BY_HOP,
    LONGEST_KNOWN,
    MOST_KNOWN,
    BadHead,
    KnownHeads,
    read_answer_head,
    read_request_head,
)

NEVER_ON = {name.decode() for name in HOP_BY_HOP} | {"client-cert", "client-cert-chain", "expect"}
KNOWN = [*sorted(NEVER_ON), "host", "x-a", "x-b", "content-type", "via", "content-encoding", "accept"]
VALUES = st.text("abcXYZ019 ,;=:-/", max_size=20).map(lambda text: text.strip().encode())


@st.composite
def field(draw) -> tuple[bytes, bytes]:
    name = draw(st.sampled_from(KNOWN))
    name = "".join(draw(st.sampled_from((char, char.upper()))) for char in name)
    if draw(st.booleans()):
        name = name.replace("-", draw(st.sampled_from("-_")))
    value = draw(VALUES)
    if name.lower() == "connection":
        value = ", ".join(draw(st.lists(st.sampled_from(KNOWN), max_size=4))).encode()
    return name.encode(), value


def names_of(passed: bytes) -> list[str]:
    lines = passed.split(b"\r\n")
    assert lines.pop() == b""
    return [line.split(b":")[0].decode() for line in lines]


@settings(max_examples=50, deadline=None)
@given(st.lists(field(), max_size=12))
def test_what_goes_on_never_holds_fields_of_this_hop_or_somebodys_certificate(fields) -> None:
    fields = [one for one in fields if one[0].lower() not in (b"host", b"transfer-encoding")]
    head = read_request_head([(b"Host", b"a"), *fields], "1.1")
    names = [name.lower() for name in names_of(head.passed)]
    assert not NEVER_ON & {name.replace("_", "-") for name in names if name.startswith("client")}
    assert not NEVER_ON & set(names)
    named = {
        token.strip().lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")
    }
    assert not {b"x-a", b"x-b", b"accept"} & named & {name.encode() for name in names}
    assert names.count("host") == 1
    assert names[-1] == "via"


@settings(max_examples=50, deadline=None)
@given(st.lists(field(), max_size=12))
def test_all_else_goes_on_in_its_order_as_it_was_written(fields) -> None:
    ours = [(name, value) for name, value in fields if name.lower() in (b"x-a", b"x-b", b"accept", b"content-type")]
    head = read_request_head([(b"Host", b"a"), *ours], "1.1")
    expected = b"".join(b"%b: %b\r\n" % one for one in [(b"Host", b"a"), *ours])
    assert head.passed == expected + b"Via: 1.1 sluicegate\r\n"


@settings(max_examples=50, deadline=None)
@given(st.lists(field(), max_size=12), st.integers(0, 10**12))
def test_what_goes_back_never_holds_fields_of_this_hop(fields, length) -> None:
    told = [*fields, (b"Content-Length", b"%d" % length)]
    head = read_answer_head([one for one in told if one[0].lower() != b"transfer-encoding"])
    hop = {name.decode() for name in HOP_BY_HOP}
    assert not hop & {name.lower() for name in names_of(head.passed)}
    assert (head.length, head.chunked) == (length, False)


@given(st.binary(max_size=25))
def test_a_length_is_digits_or_refused(value) -> None:
    digits = value.isdigit() and value.isascii() and len(value) <= 18
    if digits:
        assert read_request_head([(b"Host", b"a"), (b"Content-Length", value)], "1.1").length == int(value)
    else:
        with pytest.raises(BadHead):
            read_request_head([(b"Host", b"a"), (b"Content-Length", value)], "1.1")


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0", ""])
def test_other_versions_are_refused(version) -> None:
    with pytest.raises(BadHead):
        read_request_head([(b"Host", b"a")], version)


@pytest.mark.parametrize("field", [b"Host", b"host", b"HOST"])
def test_the_host_stays_even_where_connection_names_it(field) -> None:
    head = read_request_head([(field, b"a"), (b"Connection", b"host, content-type"), (b"Content-Type", b"b")], "1.1")
    assert names_of(head.passed) == [field.decode(), "Content-Type", "Via"]


def test_only_one_certificate_counts() -> None:
    one = (b"Client-Cert", b":AA==:")
    assert read_request_head([(b"Host", b"a"), one], "1.1").certificate == b":AA==:"
    assert read_request_head([(b"Host", b"a"), one, one], "1.1").certificate is None
    assert read_request_head([(b"Host", b"a"), (b"Client_Cert", b":AA==:")], "1.1").certificate is None


def test_heads_are_remembered_up_to_a_number_and_a_length() -> None:
    heads: KnownHeads[int] = KnownHeads()
    heads.learn(b"x" * (LONGEST_KNOWN + 1), 1)
    assert not heads
    for number in range(MOST_KNOWN * 3):
        heads.learn(b"%d" % number, number)
        assert len(heads) <= MOST_KNOWN
        assert heads[b"%d" % number] == number


@given(st.floats(0.01, 1e7), st.floats(0, 1))
def test_the_allocation_is_stated_within_a_hundredth_where_an_hour_can_say_it(allocation, part) -> None:
    depth = max(allocation * 0.5, 1)
    text = RateLimitFields(allocation, depth).render(depth * part).decode()
    policy, now, end = text.split("\r\n")
    assert end == ""
    quota, window = (
        int(one.split("=")[1]) for one in policy.removeprefix('RateLimit-Policy: "allocation";').split(";")
    )
    assert window in WINDOWS
    assert abs(quota / window - allocation) <= 0.5 / 3600 + 0.01 * allocation
    remaining, seconds = (int(one.split("=")[1]) for one in now.removeprefix('RateLimit: "allocation";').split(";"))
    assert 0 <= remaining <= depth + 1e-6  # within the tolerance by which a bank holds a request
    assert 0 <= seconds <= depth / allocation + 1
