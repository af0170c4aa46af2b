"""Messages that mean harm: nothing is expanded, nothing is fetched, all is bounded."""

import encodings
import gc
import tracemalloc

import pytest

from sluicegate.duis import MAX_HEADER_OCTETS, HeaderReader, MalformedMessage, compose_request, quick, read_header
from sluicegate.duis import expat as ours
from sluicegate.duis.prolog import ENCODINGS
from sluicegate.duis.walk import MAX_ATTRIBUTES, MAX_TEXT_CHARACTERS

from .reading import by_either, by_parser

GOOD = compose_request("90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0", 7, "2.2", size=1700)
DECLARATION, _, REST = GOOD.partition(b"\n")
LAUGHS = b"<!DOCTYPE l [<!ENTITY l0 'ha'>" + b"".join(
    b"<!ENTITY l%d '%b'>" % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10)
)


def refusal(octets: bytes, complete: bool = True) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        read_header(octets, complete)
    return caught.value


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE Request>",
        b"<!DOCTYPE Request SYSTEM 'http://127.0.0.1:9/x.dtd'>",
        b"<!DOCTYPE Request PUBLIC 'a' 'file:///etc/passwd' [",
        b"<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        b"<!DOCTYPE r [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/p'> %p;]>",
        LAUGHS + b"]>",
        LAUGHS,
        b"<!DOCTYPE",
    ],
)
@pytest.mark.parametrize("before", [b"", b"\n", b"<!-- > -->\r\n  ", b"<?pi ?>", b"<!--\xc3\xa9-->"])
def test_a_document_type_is_refused_as_soon_as_it_is_seen(doctype, before):
    octets = DECLARATION + before + doctype + REST
    seen = len(DECLARATION + before) + len(b"<!DOCTYPE")
    error = refusal(octets)
    assert error.reason == "a document type declaration (DOCTYPE) is not accepted"
    assert refusal(octets[:seen], complete=False).args == error.args
    assert by_either(octets[: seen - 1], complete=False) is None


def test_a_document_type_never_reaches_the_parser(monkeypatch):
    fed = bytearray()

    class Parser:
        def __init__(self, parser):
            object.__setattr__(self, "parser", parser)

        def __getattr__(self, name):
            return getattr(self.parser, name)

        def __setattr__(self, name, value):
            setattr(self.parser, name, value)

        def Parse(self, octets, final):
            fed.extend(octets)
            return self.parser.Parse(octets, final)

    create = ours.expat.ParserCreate
    monkeypatch.setattr(ours.expat, "ParserCreate", lambda **how: Parser(create(**how)))
    assert isinstance(by_parser(GOOD), tuple)
    assert fed
    fed.clear()
    for octets in (DECLARATION + LAUGHS + b"]>" + REST, LAUGHS.decode().encode("utf-16")):
        assert isinstance(by_parser(octets), MalformedMessage)
    assert not fed


def test_a_document_type_that_reached_the_parser_would_be_refused_too(monkeypatch):
    monkeypatch.setattr(ours, "end_of_prolog", lambda octets: "passed")
    assert refusal(DECLARATION + LAUGHS + b"]>" + REST).reason.startswith("a document type declaration")


def test_where_a_document_type_stands_is_told():
    assert str(refusal(b"<?xml version='1.0'?>\r\n\n  <!DOCTYPE x>")).endswith("(line 3, column 3)")
    assert str(refusal("\ufeff<!DOCTYPE x>".encode("utf-16-be"))).endswith("(line 1, column 1)")
    assert str(refusal("<!--\u00e9-->\n\n<!DOCTYPE x>".encode("utf-16-le"))).endswith("(line 3, column 1)")


def test_the_word_in_a_comment_is_only_a_word():
    octets = DECLARATION + b"<!-- <!DOCTYPE x [ --><?x <!DOCTYPE ?>" + REST
    assert read_header(octets, complete=True) == by_parser(GOOD)


def test_an_entity_that_nobody_declared_is_refused():
    assert "undefined entity" in refusal(GOOD.replace(b"2.2<", b"&two;<")).reason
    assert "undefined entity" in refusal(GOOD.replace(b'"5.4"', b'"&five;"')).reason


@pytest.mark.parametrize("encoding", sorted(ENCODINGS - {"utf-16", "utf-16le", "utf-16be"}))
@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_an_encoding_in_use_is_read(encoding, spell):
    octets = GOOD.replace(b"UTF-8", spell(encoding).encode()).replace(b"<sr:Header>", b"<!--\x7e--><sr:Header>")
    assert read_header(octets, complete=True) == by_parser(GOOD)


@pytest.mark.parametrize(
    ("codec", "named"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE"), ("utf-16", "UTF-16")]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_16_is_read_with_a_mark_and_without(codec, named, mark):
    text = GOOD.decode().replace("UTF-8", named)
    octets = text.encode("utf-16") if codec == "utf-16" else (mark + text).encode(codec)
    assert read_header(octets, complete=True) == by_parser(GOOD)


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-7",
        "shift_jis",
        "gb18030",
        "cp037",
        "rot13",
        "hex",
        "undefined",
        "idna",
        "unicode_escape",
        "x" * 300,
        "no-such",
    ],
)
def test_any_other_encoding_is_refused_before_python_is_asked_for_it(encoding):
    known = len(encodings._cache)
    error = refusal(GOOD.replace(b"UTF-8", encoding.encode()))
    assert error.reason.startswith("encoding '")
    assert len(error.reason) < 120
    assert len(encodings._cache) == known


def test_octets_that_are_not_of_the_encoding_are_refused():
    for wrong in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"):
        octets = GOOD.replace(b"<sr:Header>", b"<!-- " + wrong + b" --><sr:Header>")
        assert "not well-formed" in refusal(octets).reason
    assert "encoding specified" in refusal(GOOD.replace(b"UTF-8", b"UTF-16")).reason


@pytest.mark.parametrize("version", ["", "1", "1.", "2.0", "x", "1.0a", "\u0661.0"])
def test_another_version_of_xml_is_refused(version):
    refusal(GOOD.replace(b'"1.0"', f'"{version}"'.encode()))


def test_an_empty_message_is_refused_and_nothing_yet_is_nothing_yet():
    assert refusal(b"").reason == "the message is empty"
    assert read_header(b"", complete=False) is None


@pytest.mark.parametrize("length", [1, 5, 38, 200, 300, 420])
def test_a_message_that_ends_within_its_header_is_refused(length):
    assert read_header(GOOD[:length], complete=False) is None
    assert refusal(GOOD[:length]).reason == "the message ends before its Header is complete"


@pytest.mark.parametrize(
    "junk", [b"hello ", b"\0\0\0\0", b"\xff\xff\xff", b"{}", b"\x1f\x8b\x08\0", b"\x16\x03\x01", b" " * 9 + b"x<"]
)
def test_what_is_no_xml_is_refused_at_once(junk):
    assert refusal(junk, complete=False).reason.startswith("not well-formed XML")
    assert refusal(junk.strip(b" <"), complete=True).reason.startswith("not well-formed XML")


FILLERS = [
    (b"<!-- ", b"> "),
    (b"", b" "),
    (b"", b"<!-- -->"),
    (b"<?x ", b"? "),
    (b"<sr:Request a='", b"&lt;"),
    (b"<sr:", b"R"),
    (b"<r ", b"\n"),
    (b"<sr:Request xmlns:sr='http://www.dccinterface.co.uk/ServiceUserGateway' schemaVersion='5'>", b"\n"),
]


@pytest.mark.parametrize(("start", "filler"), FILLERS)
def test_a_header_must_be_complete_within_its_limit(start, filler):
    octets = start + filler * (2 * MAX_HEADER_OCTETS // len(filler))
    assert by_either(octets[: MAX_HEADER_OCTETS - 1], complete=False) is None
    error = refusal(octets, complete=False)
    assert error.reason == f"Header is not complete within {MAX_HEADER_OCTETS} octets"
    assert refusal(octets[:MAX_HEADER_OCTETS], complete=False).args == error.args


def test_a_header_that_ends_just_within_the_limit_is_read_and_one_octet_later_it_is_not():
    end = GOOD.index(b"</sr:Header>") + len(b"</sr:Header>")
    room = MAX_HEADER_OCTETS - end
    late = GOOD.replace(b"<sr:Header>", b"\n" * room + b"<sr:Header>")
    assert read_header(late, complete=False) == by_parser(GOOD)
    assert isinstance(by_either(b"\n" + late[38:]), MalformedMessage | tuple)
    later = GOOD.replace(b"<sr:Header>", b"\n" * (room + 1) + b"<sr:Header>")
    assert "not complete within" in refusal(later).reason


@pytest.mark.parametrize(("start", "filler"), FILLERS)
def test_tiny_pieces_do_not_make_a_message_costly(start, filler, monkeypatch):
    octets = (start + filler * MAX_HEADER_OCTETS)[: MAX_HEADER_OCTETS - 1]
    reader, attempts = HeaderReader(), []
    read = HeaderReader._read
    monkeypatch.setattr(HeaderReader, "_read", lambda self, *how: (attempts.append(self._seen), read(self, *how))[1])
    for at in range(len(octets)):
        assert reader.feed(octets[at : at + 1]) is None
    reader.close()
    # A quadratic reading goes over 2**31 octets here.
    assert sum(attempts) < 32 * MAX_HEADER_OCTETS


def test_attributes_are_counted():
    def with_attributes(count):
        return GOOD.replace(b"<sr:Header", b"<sr:Header " + b" ".join(b"a%d=''" % n for n in range(count)))

    assert read_header(with_attributes(MAX_ATTRIBUTES), complete=True) == by_parser(GOOD)
    assert refusal(with_attributes(MAX_ATTRIBUTES + 1)).reason == "more than 32 attributes in 'Header'"


def test_text_is_bounded():
    def with_space(count):
        return GOOD.replace(b"<sr:CommandVariant>", b"<sr:CommandVariant>" + b" " * count)

    assert read_header(with_space(MAX_TEXT_CHARACTERS - 1), complete=True) == by_parser(GOOD)
    assert refusal(with_space(MAX_TEXT_CHARACTERS)).reason == "CommandVariant: more than 1024 characters"


def test_depth_is_bounded():
    deep = GOOD.replace(b"<sr:UTRN>", b"").replace(b"<sr:CommandVariant>", b"<sr:CommandVariant>" + b"<a>" * 10_000)
    assert refusal(deep).reason == "'a' inside CommandVariant, where only text may stand"


def test_what_a_sender_chose_is_shown_short_and_in_ascii():
    name = "\u202e\u00e9" + "x" * 5000
    error = refusal(GOOD.decode().replace("<sr:Header>", f"<{name}/>").encode())
    assert len(str(error)) < 160
    assert str(error).isascii()
    assert str(error).isprintable()
    assert len(str(refusal(GOOD.replace(b">1<", b">" + b"9" * 900 + b"<")))) < 200


def test_openings_are_remembered_in_bounded_memory():
    quick.forget()
    for number in range(3 * quick.MAX_OPENINGS):
        octets = GOOD.replace(b"<sr:Request ", b'<sr:Request n="%d" ' % number)
        assert quick.read(octets) == by_parser(GOOD)
    assert len(quick._openings) == quick.MAX_OPENINGS
    quick.forget()


def test_reading_leaves_nothing_behind():
    bad, unfinished = GOOD.replace(b">1<", b">x<"), GOOD[:300]

    def some():
        for octets in (GOOD, bad, unfinished, b"<a>", LAUGHS):
            by_either(octets, complete=False)
            by_parser(octets)

    some()
    gc.collect()
    tracemalloc.start()
    try:
        some()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            some()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


def test_a_message_that_was_read_or_given_up_leaves_no_cycle():
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            read_header(GOOD, complete=True)
            HeaderReader().feed(GOOD)
            read_header(GOOD[:300], complete=False)
            reader = HeaderReader()
            reader.feed(GOOD[:300])
            reader.close()
        del reader
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_reader_that_was_closed_says_so():
    reader = HeaderReader()
    reader.close()
    reader.close()
    with pytest.raises(RuntimeError, match="after close"):
        reader.feed(GOOD)
