"""A `traceparent` is a stranger's text: read as the W3C says, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.operations.telemetry.span import Parent, new_id, read_traceparent, written_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RIGHT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (RIGHT, True),
        (RIGHT[:-1] + "0", False),
        (RIGHT[:-2] + "02", False),  # another flag of theirs
        (RIGHT[:-2] + "ff", True),
        ("01" + RIGHT[2:], True),  # a version to come may say more
        ("cc" + RIGHT[2:] + "-what-comes-later", True),
    ],
)
def test_what_the_standard_permits_is_read(text, sampled):
    assert read_traceparent(text.encode()) == Parent(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        RIGHT[:-1],
        RIGHT + "-",
        RIGHT + "-more",
        RIGHT + "0",
        "01" + RIGHT[2:] + "more",
        "ff" + RIGHT[2:],
        RIGHT.upper(),
        RIGHT.replace("-", "_"),
        f" {RIGHT}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "01" + RIGHT[2:] + "-" + "x" * 500,
        "00-" + "٣" * 32 + RIGHT[35:],
        RIGHT + "\n",
    ],
)
def test_what_it_does_not_permit_is_as_if_it_was_not_there(text):
    assert read_traceparent(text.encode()) is None


def test_no_field_is_no_parent():
    assert read_traceparent(None) is None


@given(st.binary(max_size=80) | st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"))
def test_whatever_comes_it_is_a_parent_with_ids_or_none(octets):
    found = read_traceparent(octets)
    if found is not None:
        assert (len(found.trace), len(found.span)) == (16, 8)
        assert any(found.trace)
        assert any(found.span)


@given(st.binary(min_size=16, max_size=16).filter(any), st.binary(min_size=8, max_size=8).filter(any))
def test_what_is_written_is_read_again(trace, span):
    assert read_traceparent(written_traceparent(trace, span)) == Parent(trace, span, sampled=True)


def test_ids_have_their_length_and_are_not_the_same_twice():
    made = {new_id(8) for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {8}
