"""The whole message: one well-formed XML document (with namespaces), without a DTD, of bounded shape."""

from collections.abc import Sequence
from xml.parsers import expat

from .expat import not_well_formed
from .header import NAMESPACE, MalformedMessage
from .prolog import doctype_position, end_of_prolog
from .walk import MAX_ATTRIBUTES, NO_DOCTYPE, SEPARATOR, complaint_of, shown

LARGE_OCTETS = 32_768
"""A message above this size is checked in a thread: below it takes some 10 us per kB (at most 10 ms, of nothing but
tags), above it up to 0.1 s for 15 MB."""

MAX_DEPTH = 64
"""Elements inside each other. The schema (DUIS 5.4) knows of some 15."""
MAX_ELEMENTS = 100_000
"""In one message."""
MAX_TOKEN_OCTETS = 1_048_576
"""Of one tag, comment or instruction in a message that is parsed in pieces: expat goes over it again with each."""

_PIECE = 262_144  # octets that are parsed at once: other threads have their turn in between

Path = Sequence[frozenset[str]]
"""The local names that an element on the way may have, from the root on. All are of the DUIS namespace."""


def check_whole(body: bytes) -> None:
    """See to it that a message is well-formed to its end.

    Raises MalformedMessage, with line and column, if it is not, has a document type declaration, or goes beyond
    MAX_DEPTH, MAX_ATTRIBUTES of one element, MAX_ELEMENTS or MAX_TOKEN_OCTETS.
    """
    if _cannot_exceed(body):
        _Check(body, ()).by_expat_alone()
    else:
        _Check(body, ()).by_elements()


def text_at(body: bytes, path: Path, most: int) -> str | None:
    """Check a message as `check_whole` does, and return the text of the one element at `path`; None if there is none.

    Raises MalformedMessage as `check_whole` does, and if there are two such elements, one with elements inside, or one
    of more than `most` characters.
    """
    check = _Check(body, path, most)
    check.by_elements()
    return check.text


def _cannot_exceed(body: bytes) -> bool:
    """Whether a message is within the bounds however its octets are read, so that nobody needs to count.

    Who stands around another has an end tag, and an attribute has two quotes. Of UTF-16 (which has octets of 0 in
    every tag) nothing is said.
    """
    return (
        len(body) <= LARGE_OCTETS
        and body.count(b"</") < MAX_DEPTH
        and body.count(b'"') + body.count(b"'") <= 2 * MAX_ATTRIBUTES
        and b"\0" not in body
    )


def _look_at_start(body: bytes) -> None:
    """What the parser must not see: see `prolog`. Raises MalformedMessage."""
    if not body:
        raise MalformedMessage("the message is empty")
    if end_of_prolog(body) == "doctype":
        raise MalformedMessage(NO_DOCTYPE, *doctype_position(body))


class _Check:
    """One message on its way through the parser."""

    __slots__ = ("_body", "_count", "_depth", "_found", "_matched", "_most", "_parser", "_path", "_pieces", "text")

    def __init__(self, body: bytes, path: Path, most: int = 0) -> None:
        self._body = body
        self._path = [frozenset(f"{NAMESPACE}{SEPARATOR}{name}" for name in names) for names in path]
        self._most = most
        self._depth = self._count = 0
        self._matched = 0  # elements of the path that the parser is inside of
        self._found = 0  # characters of the text
        self._pieces: list[str] = []
        self.text: str | None = None
        self._parser = parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype

    def by_expat_alone(self) -> None:
        self._run()

    def by_elements(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._run()

    def _run(self) -> None:
        body, parser = self._body, self._parser
        try:
            _look_at_start(body)
            if len(body) <= _PIECE:
                parser.Parse(body, True)
            else:
                self._by_pieces()
        except expat.ExpatError as error:
            raise not_well_formed(error) from None
        except MalformedMessage:
            raise
        except (ValueError, LookupError):  # pyexpat's own, about a codec
            raise self._malformed("the encoding cannot be read") from None
        finally:  # they hold this object, which holds the parser
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            parser.XmlDeclHandler = parser.StartDoctypeDeclHandler = None

    def _by_pieces(self) -> None:
        view, parser = memoryview(self._body), self._parser
        for start in range(0, len(view), _PIECE):
            parser.Parse(view[start : start + _PIECE], False)
            if min(start + _PIECE, len(view)) - parser.CurrentByteIndex > MAX_TOKEN_OCTETS:
                raise self._malformed(f"a tag, comment or instruction of more than {MAX_TOKEN_OCTETS} octets")
        parser.Parse(b"", True)

    def _malformed(self, reason: str) -> MalformedMessage:
        return MalformedMessage(reason, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)

    # --- the parser's handlers

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        complaint = complaint_of(version, encoding)
        if complaint is not None:
            raise self._malformed(complaint)

    def _doctype(self, *_: object) -> None:
        raise self._malformed(NO_DOCTYPE)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        self._count += 1
        if depth > MAX_DEPTH:
            raise self._malformed(f"elements more than {MAX_DEPTH} deep")
        if len(attributes) > MAX_ATTRIBUTES:
            raise self._malformed(f"more than {MAX_ATTRIBUTES} attributes in {shown(name)}")
        if self._count > MAX_ELEMENTS:
            raise self._malformed(f"more than {MAX_ELEMENTS} elements")
        path = self._path
        if not path:
            return
        if self._matched == len(path):
            raise self._malformed(f"{shown(name)} stands where only text may stand")
        if depth == self._matched + 1 and name in path[self._matched]:
            self._matched = depth
            if depth == len(path):
                self._begin_text(name)

    def _begin_text(self, name: str) -> None:
        if self.text is not None:
            raise self._malformed(f"a second {shown(name)}")
        self._parser.CharacterDataHandler = self._characters

    def _characters(self, data: str) -> None:
        self._pieces.append(data)
        self._found += len(data)
        if self._found > self._most:
            raise self._malformed(f"more than {self._most} characters")

    def _end(self, _name: str) -> None:
        if self._matched == self._depth:
            if self._depth == len(self._path):
                self._parser.CharacterDataHandler = None
                self.text = "".join(self._pieces)
            self._matched -= 1
        self._depth -= 1
