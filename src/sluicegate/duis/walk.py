"""From the root element to the end of `Header`: what may stand where, by the schema (DUIS 5.4)."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar
from xml.parsers import expat

from . import values
from .header import NAMESPACE, Header, MalformedMessage
from .prolog import ENCODINGS
from .version import XML_WHITE_SPACE, parse_version

MAX_ATTRIBUTES = 32
"""Of any one element, up to the end of `Header`. What they say is not read, `schemaVersion` apart."""
MAX_TEXT_CHARACTERS = 1024
"""Of any one element of `Header`, white space included."""

SEPARATOR = "\n"  # between namespace and name; it can stand in neither
NO_DOCTYPE = "a document type declaration (DOCTYPE) is not accepted"

_HEADER = f"{NAMESPACE}{SEPARATOR}Header"

T = TypeVar("T")


class Shape(Generic[T]):
    """A kind of message: the name of its root, the elements of its `Header`, and what is made of them.

    `sequence` has the elements in the order of the schema (an xs:sequence): name, may be left out, how its text is
    read. `build` gets the version and the values in that order, None for what was left out.
    """

    __slots__ = ("build", "following", "name", "place", "root", "sequence")

    def __init__(
        self,
        name: str,
        sequence: tuple[tuple[str, bool, Callable[[str], object]], ...],
        build: Callable[[Decimal, Sequence[Any]], T],
    ) -> None:
        self.name = name
        self.root = f"{NAMESPACE}{SEPARATOR}{name}"
        self.sequence = sequence
        self.build = build
        self.place = {f"{NAMESPACE}{SEPARATOR}{one}": place for place, (one, _, _) in enumerate(sequence)}
        # What may come next, by the number of places behind: all up to and with the first that may not be left out.
        self.following = [
            {
                one: place
                for one, place in self.place.items()
                if place >= behind and all(optional for _, optional, _ in sequence[behind:place])
            }
            for behind in range(len(sequence) + 1)
        ]

    def missing(self, latest: int) -> str:
        """The first element after `latest` that may not be left out."""
        return next(name for name, optional, _ in self.sequence[latest + 1 :] if not optional)


REQUEST: Shape[Header] = Shape(
    "Request",
    (
        ("RequestID", False, values.request_id),
        ("FirstInSequence", True, values.boolean),
        ("PrecedingServiceRequestID", True, values.preceding),
        ("CommandVariant", False, values.command_variant),
        ("ServiceReference", False, values.service_reference),
        ("ServiceReferenceVariant", False, values.service_reference_variant),
    ),
    values.build,
)

_OUTSIDE, _IN_ROOT, _IN_HEADER, _IN_ELEMENT = range(4)


class Enough(Exception):  # noqa: N818 - it is not an error
    """The `Header` is complete. Raised out of the parser, which then hurries to the end of its piece."""


class HeaderWalk(Generic[T]):
    """Follows one parser through a message of one shape; its methods are the parser's handlers.

    They raise Enough at the end of `Header`, and MalformedMessage at the first thing that is out of place.
    """

    __slots__ = ("_depth", "_found", "_header_at", "_parser", "_place", "_shape", "_text", "header", "version")

    def __init__(self, parser: expat.XMLParserType, shape: Shape[T]) -> None:
        self._parser = parser
        self._shape = shape
        self._depth = _OUTSIDE
        self._place = -1  # of the latest element of Header
        self._found: list[object] = [None] * len(shape.sequence)
        self._text = ""
        self._header_at = -1
        self.version = Decimal(0)
        self.header: T | None = None
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype

    def malformed(self, reason: str, skip: int = 0) -> MalformedMessage:
        """The error, with the place that the parser has come to, `skip` characters further on."""
        parser = self._parser
        return MalformedMessage(reason, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1 + skip)

    def stands_at_header(self, at: int) -> bool:
        """Whether the last thing that was read is the start tag of `Header`, and it begins at octet `at`."""
        return self._depth == _IN_HEADER and self._place < 0 and self._header_at == at

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        complaint = complaint_of(version, encoding)
        if complaint is not None:
            raise self.malformed(complaint)

    def _doctype(self, *_: object) -> None:
        raise self.malformed(NO_DOCTYPE)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(attributes) > MAX_ATTRIBUTES:
            raise self.malformed(f"more than {MAX_ATTRIBUTES} attributes in {shown(name)}")
        depth = self._depth
        if depth == _IN_HEADER:
            place = self._shape.following[self._place + 1].get(name)
            if place is None:
                raise self._out_of_place(name)
            self._place = place
            self._text = ""
        elif depth == _OUTSIDE:
            self._start_root(name, attributes)
        elif depth == _IN_ROOT:
            if name != _HEADER:
                raise self.malformed(f"{shown(name)} stands where Header must stand, first in {self._shape.name}")
            self._header_at = self._parser.CurrentByteIndex
        else:
            around = self._shape.sequence[self._place][0]
            raise self.malformed(f"{shown(name)} inside {around}, where only text may stand")
        self._depth = depth + 1

    def _start_root(self, name: str, attributes: dict[str, str]) -> None:
        shape = self._shape
        if name != shape.root:
            raise self.malformed(f"the message is {shown(name)}, not a {shape.name} of namespace {NAMESPACE}")
        stated = attributes.get("schemaVersion")
        if stated is None:
            raise self.malformed(f"{shape.name} has no attribute schemaVersion")
        try:
            self.version = parse_version(stated)
        except ValueError as error:
            raise self.malformed(f"schemaVersion: {error}") from None

    def _out_of_place(self, name: str) -> MalformedMessage:
        shape, latest = self._shape, self._place
        place = shape.place.get(name)
        if place is None:
            return self.malformed(f"{shown(name)} is not an element of Header")
        stated = shape.sequence[place][0]
        if place > latest:
            return self.malformed(f"Header lacks {shape.missing(latest)} before {stated}")
        if self._found[place] is not None:
            return self.malformed(f"a second {stated} in Header")
        return self.malformed(f"{stated} after {shape.sequence[latest][0]}, which it must precede")

    def _characters(self, data: str) -> None:
        if self._depth == _IN_ELEMENT:
            self._text += data
            if len(self._text) > MAX_TEXT_CHARACTERS:
                name = self._shape.sequence[self._place][0]
                raise self.malformed(f"{name}: more than {MAX_TEXT_CHARACTERS} characters")
        elif text := data.lstrip(XML_WHITE_SPACE):
            where = "Header" if self._depth == _IN_HEADER else self._shape.name
            reason = f"text in {where}, where only elements may stand"
            raise self.malformed(reason, skip=len(data) - len(text))

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == _IN_HEADER:
            name, _, read = self._shape.sequence[self._place]
            try:
                self._found[self._place] = read(self._text)
            except ValueError as error:
                raise self.malformed(f"{name}: {error}") from None
        elif self._depth == _IN_ROOT:
            shape = self._shape
            if self._place != len(shape.sequence) - 1:
                raise self.malformed(f"Header lacks {shape.missing(self._place)}")
            self.header = shape.build(self.version, self._found)
            raise Enough
        else:
            raise self.malformed(f"{self._shape.name} has no Header")


def complaint_of(version: str, encoding: str | None) -> str | None:
    """What is wrong with an XML declaration, if anything is.

    Asked before expat asks Python for a codec: Python keeps each name that it was ever asked for.
    """
    if version[:2] != "1." or not version[2:].isdecimal():
        return f"XML version {shown(version)} cannot be read"
    if encoding is not None and encoding.lower() not in ENCODINGS:
        return f"encoding {shown(encoding)} cannot be read"
    return None


def shown(name: str) -> str:
    """A name that the sender chose, fit for an answer and a log: its local part, short, ASCII."""
    local = name.rpartition(SEPARATOR)[2]
    return ascii(local if len(local) <= 64 else f"{local[:61]}...")
