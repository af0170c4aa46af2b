"""The writer: what it writes, both ways of reading read."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import CATALOGUE, TOP_UP_OCTETS, compose_request, compose_response, quick
from sluicegate.duis.header import NAMESPACE

from .layouts import counters, eui64s, request_ids
from .reading import by_parser

ORIGINATOR, TARGET = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"
NOW = datetime(2025, 11, 3, 14, 30, 5, 123456, tzinfo=timezone(timedelta(hours=1)))
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


@given(
    st.fixed_dictionaries(
        {
            "originator": eui64s,
            "target": eui64s,
            "counter": counters,
            "srv": st.sampled_from(sorted(CATALOGUE)),
            "command_variant": st.integers(1, 8),
            "version": st.sampled_from(["5.4", "4.10", "1"]),
            "prefix": st.sampled_from(["sr", "", "S-r.1_"]),
            "size": st.integers(0, 4000),
            "first_in_sequence": st.none() | st.booleans(),
            "preceding": st.none() | request_ids,
        }
    )
)
def test_what_is_written_is_read_as_written_by_both(stated):
    octets = compose_request(**stated)
    header = quick.read(octets)
    assert header == by_parser(octets)
    expected = stated | {
        "originator": stated["originator"].upper(),
        "target": stated["target"].upper(),
        "version": Decimal(stated["version"]),
        "service_reference": CATALOGUE[stated["srv"]].service_reference,
        "request_id": header.request_id,
    }
    size, _ = expected.pop("size"), expected.pop("prefix")
    assert header._asdict() == expected
    assert header.request_id == f"{header.originator}:{header.target}:{header.counter}"
    assert len(octets) >= size
    root = ET.fromstring(octets)
    assert [child.tag for child in root] == [f"{{{NAMESPACE}}}Header", f"{{{NAMESPACE}}}Body", SIGNATURE]
    assert len(root[1]) == 1


@given(st.integers(TOP_UP_OCTETS, TOP_UP_OCTETS + 200))
def test_a_request_has_the_size_that_is_asked_for(size):
    assert len(compose_request(ORIGINATOR, TARGET, 1, "2.2", size=size)) == size


def test_a_body_of_ones_own_stands_inside_body():
    octets = compose_request(ORIGINATOR, TARGET, 1, "3.1", body=b"<sr:Mine>@value@</sr:Mine>", size=2000)
    assert ET.fromstring(octets)[1][0].text == "@value@"
    assert len(octets) == 2000


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"counter": -1}, "counter"),
        ({"counter": 2**64}, "counter"),
        ({"originator": "90-B3"}, "EUI-64"),
        ({"srv": "2"}, "Service Reference Variant"),
        ({"srv": "<x/>"}, "Service Reference Variant"),
        ({"command_variant": 9}, "Command Variant"),
        ({"version": "five"}, "decimal"),
        ({"prefix": "xml"}, "prefix"),
        ({"prefix": "ds"}, "prefix"),
        ({"prefix": "a b"}, "prefix"),
        ({"preceding": "7"}, "joined by"),
    ],
)
def test_what_cannot_stand_in_a_header_is_not_written(change, complaint):
    arguments = {"originator": ORIGINATOR, "target": TARGET, "counter": 1, "srv": "2.2"} | change
    with pytest.raises(ValueError, match=complaint):
        compose_request(**arguments)


@pytest.mark.parametrize("code", ["I99", "I0", "E1", "E20", "E010101"])
def test_a_response_says_its_code_its_request_and_its_time(code):
    request_id = f"{ORIGINATOR}:{TARGET}:12"
    root = ET.fromstring(compose_response(code, request_id, srv="4.1.1", at=NOW))
    assert root.tag == f"{{{NAMESPACE}}}Response"
    assert root.get("schemaVersion") == "5.4"
    assert [(child.tag.partition("}")[2], child.text) for child in root[0]] == [
        ("RequestID", request_id),
        ("ResponseCode", code),
        ("ResponseDateTime", "2025-11-03T13:30:05.123Z"),
    ]
    assert [child.text for child in root[1][0]] == ["4.1", "4.1.1"]


def test_a_response_may_leave_out_the_request_and_name_itself():
    itself = f"{TARGET}:{ORIGINATOR}:12"
    root = ET.fromstring(compose_response("E17", None, srv="2.2", at=NOW, response_id=itself, prefix=""))
    assert [child.tag.partition("}")[2] for child in root[0]] == ["ResponseID", "ResponseCode", "ResponseDateTime"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"code": "200"}, "ResponseCode"),
        ({"code": "E1<"}, "ResponseCode"),
        ({"request_id": "&"}, "joined by"),
        ({"at": datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)}, "no time zone"),
        ({"srv": ""}, "Service Reference Variant"),
        ({"version": "0"}, "above zero"),
    ],
)
def test_what_cannot_stand_in_a_response_is_not_written(change, complaint):
    arguments = {"code": "I99", "request_id": None, "srv": "2.2", "at": NOW} | change
    with pytest.raises(ValueError, match=complaint):
        compose_response(**arguments)
