"""A message that arrives in pieces: the answer is the one of the whole, as soon as it can be given, and stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.duis import Header, HeaderReader, MalformedMessage, compose_request

from .damage import damaged
from .layouts import messages
from .reading import by_either, by_parser, same

GOOD = compose_request(
    "90-B3-D5-1F-30-01-00-00",
    "00-DB-12-34-56-78-90-A0",
    7,
    "2.2",
    first_in_sequence=False,
    preceding="90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:6",
    size=1700,
)
END = GOOD.index(b"</sr:Header>") + len(b"</sr:Header>")


def in_pieces(octets: bytes, cuts: list[int], complete: bool = True):
    reader, start = HeaderReader(), 0
    try:
        for end in [*sorted(cuts), len(octets)]:
            header = reader.feed(octets[start:end], complete and end == len(octets))
            start = end
    except MalformedMessage as error:
        return error
    finally:
        reader.close()
    return header


def test_the_header_is_there_with_its_last_octet_and_not_before():
    whole = by_parser(GOOD)
    for length in range(len(GOOD)):
        assert by_either(GOOD[:length], complete=False) == (whole if length >= END else None)


def test_octet_by_octet_the_header_is_there_with_its_last_octet():
    reader = HeaderReader()
    found = [reader.feed(GOOD[at : at + 1]) for at in range(len(GOOD))]
    assert found == [None] * (END - 1) + [by_parser(GOOD)] * (len(GOOD) - END + 1)


def test_utf_16_octet_by_octet_too():
    octets = GOOD.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    reader = HeaderReader()
    found = [reader.feed(octets[at : at + 1]) for at in range(len(octets))]
    assert found.index(by_parser(octets)) == 2 + 2 * END - 1 - 2 * (len("UTF-8") - len("UTF-16"))


@given(messages(), st.data())
def test_a_legal_message_reads_the_same_however_it_is_cut(told, data):
    octets = told.text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    assert same(in_pieces(octets, cuts), by_parser(octets))


@given(messages(), messages(), st.randoms(use_true_random=False), st.data())
def test_a_damaged_message_comes_to_the_same_however_it_is_cut(told, other, chance, data):
    octets = damaged(chance, told.text.encode(), [other.text.encode()])
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=8))
    assert same(in_pieces(octets, cuts), by_parser(octets))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["stray", "]x", "] ] ]", "\n ]]"])
@pytest.mark.parametrize("after", ["<sr:Header>", "<sr:RequestID>"])
def test_of_text_out_of_place_and_the_end_of_cdata_in_it_the_first_counts(encoding, text, after):
    told = GOOD.decode().replace("UTF-8", "UTF-16" if "16" in encoding else "UTF-8")
    mark = b"" if encoding == "utf-8" else "\ufeff".encode(encoding)
    octets = mark + told.replace(after, f"{after}{text * 60}]]>", 1).encode(encoding)
    whole = by_parser(octets)
    assert isinstance(whole, MalformedMessage)
    assert all(same(in_pieces(octets, [at]), whole) for at in range(len(octets)))


@given(messages(), messages(), st.randoms(use_true_random=False))
def test_once_there_is_an_answer_more_octets_do_not_change_it(told, other, chance):
    octets = damaged(chance, told.text.encode(), [other.text.encode()])
    whole, answered = by_parser(octets), False
    for length in range(0, len(octets) + 1, 7):
        so_far = by_either(octets[:length], complete=False)
        assert so_far is None or same(so_far, whole)
        assert not (answered and so_far is None)
        answered = so_far is not None


def test_an_answer_is_repeated():
    reader = HeaderReader()
    assert reader.feed(GOOD) == reader.feed(b"<<<") == reader.feed(b"", complete=True) == by_parser(GOOD)
    reader = HeaderReader()
    reasons = set()
    for octets in (b"<a/>", GOOD, b""):
        try:
            reader.feed(octets)
        except MalformedMessage as error:
            reasons.add(error.args)
    assert len(reasons) == 1


def test_after_much_work_a_header_in_tiny_pieces_is_still_read_by_the_end():
    octets = GOOD.replace(b"<sr:Header>", b"<!-- " + b"> " * 20_000 + b"--><sr:Header>")
    reader, header = HeaderReader(), None
    for at in range(len(octets)):
        header = reader.feed(octets[at : at + 1], complete=at + 1 == len(octets))
    assert isinstance(header, Header)
    assert header == by_parser(GOOD)
