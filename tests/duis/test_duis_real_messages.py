"""The industry's own messages."""

import re
import xml.etree.ElementTree as ET
from decimal import Decimal

import pytest

from sluicegate.duis import CATALOGUE, MalformedMessage, quick, read_header

from .material import needs_messages, real_messages, real_requests
from .reading import agree, by_either, by_parser

NS = "{http://www.dccinterface.co.uk/ServiceUserGateway}"


@needs_messages
@pytest.mark.parametrize("name", sorted(real_requests()))
def test_every_real_request_is_read_the_same_by_both_ways(name):
    octets = real_requests()[name]
    header = by_parser(octets)
    assert agree(octets), "not the usual layout?"
    assert quick.read(octets) == read_header(octets, complete=True) == header
    root = ET.fromstring(octets)
    told = {child.tag.removeprefix(NS): child.text for child in root.find(f"{NS}Header")}
    assert header.version == Decimal(root.get("schemaVersion"))
    assert header.request_id == told["RequestID"]
    assert [header.originator, header.target, str(header.counter)] == told["RequestID"].upper().split(":")
    assert str(header.command_variant) == told["CommandVariant"]
    assert (header.service_reference, header.srv) == (told["ServiceReference"], told["ServiceReferenceVariant"])
    assert header.srv in CATALOGUE
    assert CATALOGUE[header.srv].service_reference == header.service_reference


@needs_messages
def test_there_are_93_of_them():
    assert len(real_requests()) == 93


@needs_messages
def test_a_real_response_is_refused_as_no_request():
    responses = real_messages().keys() - real_requests().keys()
    assert responses
    for name in responses:
        with pytest.raises(MalformedMessage, match=r"the message is 'Response', not a Request"):
            read_header(real_messages()[name], complete=True)


@needs_messages
def test_a_real_request_in_another_encoding_is_read_the_same():
    for octets in list(real_requests().values())[::7]:
        text = octets.decode()
        for encoding in ("utf-16", "iso-8859-1", "windows-1252", "us-ascii"):
            other = re.sub('encoding="[^"]+"', f'encoding="{encoding}"', text, count=1)
            # What the target encoding lacks stands far beyond Header.
            assert by_either(other.encode(encoding, "replace")) == by_parser(octets)


@needs_messages
def test_every_prefix_of_a_real_request_gives_nothing_yet_or_the_final_header():
    octets = next(iter(real_requests().values()))
    final = by_parser(octets)
    end = octets.index(b"</sr:Header>") + len(b"</sr:Header>")
    for length in range(end + 40):
        assert by_either(octets[:length], complete=False) == (final if length >= end else None)
