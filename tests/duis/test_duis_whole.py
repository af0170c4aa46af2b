"""The whole message: well-formed to its end, no DTD, bounded; and the devices that a firmware message lists."""

import gc
import xml.etree.ElementTree as ET
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import LARGE_OCTETS, MalformedMessage, check_whole, compose_request, device_list, text_at
from sluicegate.duis.devices import MAX_DEVICES, MAX_LIST_CHARACTERS
from sluicegate.duis.header import NAMESPACE
from sluicegate.duis.walk import MAX_ATTRIBUTES
from sluicegate.duis.whole import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKEN_OCTETS, _cannot_exceed, _Check

from .damage import damaged
from .layouts import eui64s
from .material import needs_messages, real_messages

DSP = "90-B3-D5-1F-30-00-00-02"
GOOD = compose_request("90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", 7, "2.2", size=1700)
LAUGHS = b"<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]>"


def refusal(octets, check=check_whole):
    with pytest.raises(MalformedMessage) as caught:
        check(octets)
    return caught.value


def firmware(devices: bytes, image: bytes = b"QUJD", name: bytes = b"UpdateFirmware") -> bytes:
    body = b"<sr:%b><sr:FirmwareImage>%b</sr:FirmwareImage><sr:FirmwareVersion>00000000</sr:FirmwareVersion>" % (
        name,
        image,
    )
    body += b"<sr:DeviceIDList>%b</sr:DeviceIDList></sr:%b>" % (devices, name)
    return compose_request("90-B3-D5-1F-30-01-00-00", DSP, 7, "11.1", command_variant=8, body=body)


def numbered(count: int) -> bytes:
    return b",".join(b"00-DB-12-34-56-%02x-%02x-%02x" % (n >> 16, n >> 8 & 255, n & 255) for n in range(count))


@needs_messages
def test_every_real_message_is_whole():
    for octets in real_messages().values():
        check_whole(octets)
        check_whole(octets.replace(b"\n", b"\r\n"))


@given(st.integers(0, 2**32))
def test_counting_or_not_comes_to_the_same_and_agrees_with_another_parser(seed):
    chance = Random(seed)
    octets = GOOD if seed % 7 == 0 else damaged(chance, GOOD, [GOOD])
    found = []
    for check in (check_whole, lambda body: _Check(body, ()).by_elements()):
        try:
            check(octets)
            found.append(None)
        except MalformedMessage as error:
            found.append(error.args)
    assert found[0] == found[1]
    if found[0] is None:  # ElementTree sets "}" between a namespace and a name, and so takes none with one in it
        ET.fromstring(octets.replace(b"}", b"_"))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "the message is empty"),
        (b"hello", "not well-formed XML: syntax error"),
        (GOOD[:-5], "not well-formed XML: unclosed token"),
        (GOOD[: GOOD.rindex(b"</")], "not well-formed XML: no element found"),
        (GOOD + b"x", "junk after document element"),
        (GOOD + GOOD, "not well-formed XML"),
        (GOOD.replace(b"</sr:UTRN>", b"</sr:UTR>"), "mismatched tag"),
        (GOOD.replace(b"<sr:UTRN>", b"<sr:UTRN>&x;"), "undefined entity"),
        (GOOD.replace(b"<sr:UTRN>", b"<sr:UTRN>\xff"), "invalid token"),
        (GOOD.replace(b"<sr:Body>", b"<sr:Body><no:x/>"), "unbound prefix"),
        (GOOD.replace(b"UTF-8", b"utf-7"), "encoding 'utf-7' cannot be read"),
        (GOOD.replace(b'"1.0"', b'"2.0"'), "XML version"),
        (GOOD.replace(b"?>", b"?>" + LAUGHS, 1), "DOCTYPE"),
        (LAUGHS.decode().encode("utf-16") + GOOD.decode().encode("utf-16-le"), "DOCTYPE"),
    ],
)
def test_what_is_not_well_formed_is_refused(octets, reason):
    assert reason in refusal(octets).reason


def test_where_it_is_wrong_is_told_in_small_and_large_messages():
    error = refusal(GOOD.replace(b"<sr:UTRN>", b"<sr:UTRN>&x;"))
    assert (error.line, error.column) == (9, 37)
    large = firmware(numbered(3), b"QUJD\n" * 200_000).replace(b"</ds:SignatureValue>", b"</ds:X>")
    error = refusal(large)
    assert error.line == large[: large.index(b"</ds:X>")].count(b"\n") + 1
    assert error.column is not None


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def test_depth_is_bounded():
    check_whole(nested(MAX_DEPTH))
    assert "more than 64 deep" in refusal(nested(MAX_DEPTH + 1)).reason
    assert "more than 64 deep" in refusal(b"<a>" * 1_000_000).reason
    utf16 = nested(MAX_DEPTH + 1).decode().encode("utf-16")
    assert "more than 64 deep" in refusal(utf16).reason


def test_attributes_are_bounded_in_every_element():
    def with_attributes(count, quote=b'"'):
        return b"<a><b " + b" ".join(b"a%d=%b%b" % (n, quote, quote) for n in range(count)) + b"/></a>"

    for quote in (b'"', b"'"):
        check_whole(with_attributes(MAX_ATTRIBUTES, quote))
        assert refusal(with_attributes(MAX_ATTRIBUTES + 1, quote)).reason == "more than 32 attributes in 'b'"


def test_elements_are_counted():
    check_whole(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>")
    assert "more than 100000 elements" in refusal(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>").reason


@pytest.mark.parametrize(("before", "after"), [(b"<a><!--", b"--></a>"), (b"<a b='", b"'/>"), (b"<a><?x ", b"?></a>")])
def test_a_tag_or_comment_cannot_make_a_message_costly(before, after):
    check_whole(before + b"x" * (MAX_TOKEN_OCTETS // 2) + after)
    error = refusal(before + b"x" * (3 * MAX_TOKEN_OCTETS) + after)
    assert "a tag, comment or instruction of more than 1048576 octets" in error.reason


def test_long_text_is_no_long_token():
    for text in (b"x" * 5_000_000, b"x\n" * 2_000_000, b"<![CDATA[" + b"x" * 5_000_000 + b"]]>", b"&amp;" * 500_000):
        check_whole(b"<a>" + text + b"</a>")


@given(st.binary(max_size=300) | st.text("<>/ab='\"\0!-[]", max_size=200).map(str.encode))
def test_nothing_but_malformed_message_is_ever_raised(octets):
    for check in (check_whole, device_list):
        try:
            check(octets)
        except MalformedMessage as error:
            told = str(error)
        else:
            told = ""
        assert told.isascii()


@given(st.integers(0, 80), st.integers(0, 40), st.sampled_from(["utf-8", "utf-16"]))
def test_what_need_not_be_counted_is_within_the_bounds(depth, attributes, codec):
    names = " ".join(f'a{n}="/"' for n in range(attributes))
    octets = ("<a>" * depth + f"<b {names}/>" + "</a>" * depth).encode(codec)
    if _cannot_exceed(octets):
        assert depth + 1 <= MAX_DEPTH
        assert attributes <= MAX_ATTRIBUTES


def test_checking_leaves_no_cycle():
    gc.collect()
    gc.disable()
    try:
        for octets in (GOOD, nested(40), nested(70), GOOD[:900], firmware(numbered(2)), b"<a", LAUGHS):
            for check in (check_whole, device_list):
                try:
                    check(octets)
                except MalformedMessage as error:
                    error.__traceback__ = None
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- text at a place

PATH = [frozenset((name,)) for name in ("Request", "Body", "TopUpDevice", "UTRN")]


def test_the_text_at_a_place_is_found_wherever_its_pieces_are():
    assert text_at(GOOD, PATH, 100) == "12345678901234567890"
    cut = GOOD.replace(b">1234567", b">1&#50;3<![CDATA[45]]><!-- x -->67")
    assert text_at(cut, PATH, 100) == "12345678901234567890"
    assert text_at(GOOD, [*PATH[:3], frozenset(("PTUT",))], 100) is None
    elsewhere = GOOD.replace(b"<sr:TopUpDevice>", b"<sr:Other><sr:UTRN/></sr:Other><sr:TopUpDevice>")
    assert text_at(elsewhere, PATH, 100) == "12345678901234567890"
    foreign = GOOD.replace(b"<sr:UTRN>", b"<UTRN xmlns='urn:x'>").replace(b"</sr:UTRN>", b"</UTRN>")
    assert text_at(foreign, PATH, 100) is None


def test_text_is_there_once_without_elements_and_bounded():
    def at(body, most=100):
        return refusal(body, lambda octets: text_at(octets, PATH, most)).reason

    assert at(GOOD.replace(b"</sr:UTRN>", b"</sr:UTRN><sr:UTRN/>")) == "a second 'UTRN'"
    assert at(GOOD.replace(b"<sr:UTRN>", b"<sr:UTRN><b/>")) == "'b' stands where only text may stand"
    assert at(GOOD, 19) == "more than 19 characters"
    assert at(GOOD + b"x") == "not well-formed XML: junk after document element"


# --- devices


@given(st.lists(eui64s, min_size=1, max_size=30))
def test_devices_are_listed_in_upper_case_in_their_order_each_once(stated):
    expected = []
    for one in stated:
        if one.upper() not in expected:
            expected.append(one.upper())
    assert device_list(firmware(",".join(stated + stated[:3]).encode())) == expected


def test_fifty_thousand_devices_and_a_full_image_are_read():
    octets = firmware(numbered(MAX_DEVICES), b"QUJD" * 3_413_334)
    assert len(octets) > 14_800_000
    found = device_list(octets)
    assert len(found) == MAX_DEVICES
    assert found[-1] == "00-DB-12-34-56-00-C3-4F"


def test_the_list_of_ppmids_is_read_too():
    assert device_list(firmware(numbered(1), name=b"UpdatePPMIDFirmware")) == ["00-DB-12-34-56-00-00-00"]


@needs_messages
def test_real_firmware_messages_are_read():
    real = real_messages()
    for name in ("11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML", "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML"):
        assert device_list(real[name])


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (GOOD, "the message has no DeviceIDList"),
        (firmware(b""), "DeviceIDList: '', number 1, is not 8 hexadecimal octets"),
        (firmware(numbered(2) + b","), "DeviceIDList: '', number 3, is not"),
        (firmware(numbered(2).replace(b",", b", ")), "number 2, is not"),
        (firmware(b"\n" + numbered(2)), "number 1, is not"),
        (firmware(numbered(2).replace(b"-", b":")), "number 1, is not"),
        (firmware("\u0660".encode() * 90), "number 1, is not"),
        (firmware(numbered(MAX_DEVICES + 1)), f"more than {MAX_LIST_CHARACTERS} characters"),
        (firmware(numbered(1)).replace(NAMESPACE.encode(), b"urn:x"), "has no DeviceIDList"),
        (firmware(numbered(1)) + b"<x/>", "junk after document element"),
    ],
)
def test_a_list_that_is_not_of_the_schemas_form_is_refused(octets, reason):
    error = refusal(octets, device_list)
    assert reason in error.reason
    assert str(error).isascii()
    assert len(str(error)) < 250


def test_the_constant_for_threads_is_above_usual_messages():
    assert len(GOOD) * 5 < LARGE_OCTETS < 10_240_000
