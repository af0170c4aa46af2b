"""The Responses that we write are valid against the real schema."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sluicegate.dispatch import letters
from sluicegate.duis import CATALOGUE, compose_response, read_header

from .material import real_messages, real_requests
from .schema import complaint, needs_schema

REQUEST_ID = "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:18446744073709551615"
RESPONSE_ID = "00-db-12-34-56-78-90-a0:90-b3-d5-1f-30-01-00-00:0"
AT = datetime(2025, 11, 3, 14, 30, 5, 999999, tzinfo=UTC)

pytestmark = needs_schema


@pytest.mark.parametrize("request_id", [None, REQUEST_ID])
@pytest.mark.parametrize("response_id", [None, RESPONSE_ID])
@pytest.mark.parametrize("code", ["I99", "I0", "E12", "E13", "E19", "E20", "E21"])
def test_what_is_composed_is_valid(code, request_id, response_id):
    assert complaint(compose_response(code, request_id, srv="2.2", at=AT, response_id=response_id)) is None
    assert complaint(compose_response(code, request_id, srv="2.2", at=AT, response_id=response_id, prefix="")) is None


@pytest.mark.parametrize("code", sorted(letters.CODES))
def test_every_code_that_the_dispatcher_may_answer_with_is_of_the_schema(code):
    assert complaint(letters.composed(code, REQUEST_ID, "4.1.1", None, AT.timestamp())) is None
    assert complaint(letters.composed(code, None, "11.1", Decimal("10.0"), AT.timestamp())) is None


def test_a_code_that_is_not_of_the_schema_is_caught_here_and_never_composed_there():
    assert "E999" in str(complaint(compose_response("E999", None, srv="2.2", at=AT)))
    with pytest.raises(ValueError, match="E999"):
        letters.composed("E999", None, "2.2", None, 0.0)


def test_the_acknowledgement_of_every_real_request_is_valid():
    unlisted = set()
    for name, octets in real_requests().items():
        header = read_header(octets, complete=True)
        assert header is not None
        if header.srv not in CATALOGUE:
            unlisted.add(name)
            continue
        assert complaint(letters.acknowledgement(header, AT.timestamp())) is None, name
    assert not unlisted


def test_the_schema_is_really_there():
    assert all(complaint(octets) is None for name, octets in real_messages().items() if name.startswith("readfw"))
    assert "NoSuch" in str(complaint(compose_response("I0", None, srv="2.2", at=AT).replace(b"Header>", b"NoSuch>")))
