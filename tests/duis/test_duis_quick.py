"""The quick way never differs from the real parser; and it is taken where it should be."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.duis import compose_request, quick
from sluicegate.duis.header import NAMESPACE
from thorough import examples

from . import fuzz
from .damage import TOKENS, damaged
from .layouts import messages, plain_messages
from .reading import agree, by_parser

GOOD = compose_request("90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", 7, "2.2", size=1700)


@given(plain_messages())
def test_the_usual_layout_is_read_the_quick_way(told):
    octets = told.text.encode()
    assert agree(octets)
    assert quick.read(octets) == by_parser(octets)


@given(messages())
def test_in_any_legal_layout_the_quick_way_agrees_or_stands_aside(told):
    agree(told.text.encode())


@settings(max_examples=examples(150))
@given(st.one_of(messages(), plain_messages()), messages(), st.randoms(use_true_random=False))
def test_on_damaged_messages_the_quick_way_agrees_or_stands_aside(told, other, chance):
    octets = told.text.encode()
    agree(damaged(chance, octets, [octets, other.text.encode(), GOOD]))


def test_on_thousands_of_damaged_messages_both_agree_and_more_octets_change_no_answer():
    told = fuzz.run(seed=1867, trials=6000)
    # Damage that leaves nothing to compare would prove nothing.
    assert told["read by both"] > 1000
    assert told["refused"] > 1000


def test_every_token_at_every_place_of_the_opening_and_the_header():
    """All single insertions of markup, in the densest message there is."""
    chance = Random(1896)
    text = compose_request("90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", 7, "2.2")
    end = text.index(b"</sr:Header>") + 14
    answered = 0
    for place in range(end):
        for token in chance.sample(TOKENS, 8):
            answered += agree(text[:place] + token + text[place:])
    assert 0 < answered < end * 8


def test_every_octet_at_every_place_where_values_stand():
    for old in (b"90-B3", b":7<", b">1<", b">2.2<", b'"5.4"', b"sr:Header", b"ServiceUserGateway"):
        place = GOOD.index(old) + 1
        for octet in range(256):
            agree(GOOD[:place] + bytes([octet]) + GOOD[place + 1 :])
            agree(GOOD[:place] + bytes([octet]) + GOOD[place:])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<sr:Header>", b"<!-- <sr:Header> --><sr:Header>"),
        (b"<sr:Header>", b"<sr:Header><!-- x -->"),
        (b"<sr:Header>", b"<sr:Header >"),
        (b"<sr:Header>", b"<sr:Header a='Header>'>"),
        (b">1<", b"><![CDATA[1]]><"),
        (b">1<", b">&#49;<"),
        (b">1<", b">01<"),
        (b">1<", b"> 1<"),
        (b"</sr:CommandVariant>", b"</sr:CommandVariant ><?x?>"),
        (b">90-", b">\n90-"),
        (b"UTF-8", b"utf-8"),
        (b"UTF-8", b"windows-1252"),
        (b'"5.4"', b'"&#53;.4"'),
        (b"<sr:Request ", b"<sr:Request \n xmlns:i='urn:i' i:schemaLocation='a b' "),
    ],
)
def test_an_unusual_layout_reads_the_same_whichever_way_it_goes(old, new):
    octets = GOOD.replace(old, new, 1)
    agree(octets)
    assert by_parser(octets) == by_parser(GOOD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<sr:Header>", b"<!-- <sr:Header>"),
        (b"<sr:Header>", b"<?x <sr:Header>"),
        (b"<sr:Header>", b"<![CDATA[<sr:Header>"),
        (b"<sr:Header>", b"<sr:Header a='<sr:Header>"),
        (b"<sr:Header>", b"<sr:Header xmlns:sr='urn:x'>"),
        (b"<sr:Header>", b"<sr:Header><sr:Header>"),
        (b"<sr:Header>", b"<sr:Header ><sr:Header>"),
        (b"<sr:Header>", b"<sr:Header ><!-- <sr:Header>"),
        (b"<sr:Header>", b"<sr:Header ><?x <sr:Header>"),
        (b"<sr:Header>", b"<sr:Header >\n<![CDATA[<sr:Header>"),
        (b"<sr:Header>", b"<sr:Header >Header>"),
        (b"<sr:Header>", b"<sr:Header /><sr:Header>"),
        (b"<sr:Header>", b"x<sr:Header>"),
        (b"<sr:Header>", b"]]><sr:Header>"),
        (b"<sr:Header>", b"<sr:Body><sr:Header>"),
        (b"<sr:Header>", b"<x:Header>"),
        (b"<sr:Request ", b"<sr:Request xmlns:sr='urn:x' "),
        (b"<sr:Request ", b"<sr:Request schemaVersion='5.4' "),
        (b"<sr:Request ", b"<sr:Request x:a='1' "),
        (b"<sr:Request ", b"<sr:Request a='<' "),
        (b"<sr:Request ", b"<sr:Request xmlns:xmlns='x' "),
        (b"<?xml", b" <?xml"),
        (b"<sr:Request ", b"<!DOCTYPE r><sr:Request "),
        (b'"1.0"', b'"2.0"'),
        (b"</sr:Header>", b"</sr:Header"),
        (b"sr:CommandVariant>\n", b"sr:CommandVariant>\x0b\n"),
        (b"sr:CommandVariant>\n", b"sr:CommandVariant>\xa0\n"),
    ],
)
def test_what_the_parser_refuses_the_quick_way_does_not_read(old, new):
    octets = GOOD.replace(old, new, 1)
    assert not isinstance(by_parser(octets), tuple)
    assert not agree(octets)


def test_an_opening_that_was_attested_says_nothing_of_another():
    quick.forget()
    assert quick.read(GOOD) == by_parser(GOOD)
    for old, new in ((b'"5.4"', b'"5.3"'), (b'"5.4"', b'"x"'), (NAMESPACE.encode(), b"urn:x"), (b"sr:", b"q:")):
        octets = GOOD.replace(old, new)
        found, expected = quick.read(octets), by_parser(octets)
        assert found == expected or (found is None and not isinstance(expected, tuple))


def test_a_mark_that_utf_16_hides_is_no_header():
    """Octets of the usual layout, as the characters that they are in UTF-16."""
    for octets in (b"\xff\xfe" + GOOD, b"\xfe\xff" + GOOD, b"\0" + GOOD, b"<\0" + GOOD):
        assert not agree(octets)


def test_a_longer_opening_or_header_is_left_to_the_parser():
    for place, room in ((b"<sr:Header>", quick.MAX_OPENING_OCTETS), (b"<sr:CommandVariant>", quick.MAX_ELEMENT_OCTETS)):
        octets = GOOD.replace(place, b"\n" * room + place)
        assert quick.read(octets) is None
        assert by_parser(octets) == by_parser(GOOD)
