"""From the root element to the end of `Header`: what may stand where, by the schema (DUIS 5.4, Request)."""

from collections.abc import Callable
from decimal import Decimal
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

_REQUEST = f"{NAMESPACE}{SEPARATOR}Request"
_HEADER = f"{NAMESPACE}{SEPARATOR}Header"

# Elements of Header in the order of the schema (an xs:sequence): name, may be left out, how its text is read.
_SEQUENCE: tuple[tuple[str, bool, Callable[[str], object]], ...] = (
    ("RequestID", False, values.request_id),
    ("FirstInSequence", True, values.boolean),
    ("PrecedingServiceRequestID", True, values.preceding),
    ("CommandVariant", False, values.command_variant),
    ("ServiceReference", False, values.service_reference),
    ("ServiceReferenceVariant", False, values.service_reference_variant),
)
_LAST_PLACE = len(_SEQUENCE) - 1
_PLACE = {f"{NAMESPACE}{SEPARATOR}{name}": place for place, (name, _, _) in enumerate(_SEQUENCE)}
# What may come next, by the number of places behind: all up to and with the first that may not be left out.
_NEXT = [
    {
        name: place
        for name, place in _PLACE.items()
        if place >= behind and all(optional for _, optional, _ in _SEQUENCE[behind:place])
    }
    for behind in range(len(_SEQUENCE) + 1)
]

_OUTSIDE, _IN_REQUEST, _IN_HEADER, _IN_ELEMENT = range(4)


class Enough(Exception):  # noqa: N818 - it is not an error
    """The `Header` is complete. Raised out of the parser, which then hurries to the end of its piece."""


class HeaderWalk:
    """Follows one parser; its methods are the parser's handlers.

    They raise Enough at the end of `Header`, and MalformedMessage at the first thing that is out of place.
    """

    __slots__ = ("_depth", "_found", "_header_at", "_parser", "_place", "_text", "header", "version")

    def __init__(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        self._depth = _OUTSIDE
        self._place = -1  # of the latest element of Header
        self._found: list[object] = [None] * len(_SEQUENCE)
        self._text = ""
        self._header_at = -1
        self.version = Decimal(0)
        self.header: Header | None = None
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
        if version[:2] != "1." or not version[2:].isdecimal():
            raise self.malformed(f"XML version {_shown(version)} cannot be read")
        # Before expat asks Python for a codec: Python keeps each name that it was ever asked for.
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise self.malformed(f"encoding {_shown(encoding)} cannot be read")

    def _doctype(self, *_: object) -> None:
        raise self.malformed(NO_DOCTYPE)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(attributes) > MAX_ATTRIBUTES:
            raise self.malformed(f"more than {MAX_ATTRIBUTES} attributes in {_shown(name)}")
        depth = self._depth
        if depth == _IN_HEADER:
            place = _NEXT[self._place + 1].get(name)
            if place is None:
                raise self._out_of_place(name)
            self._place = place
            self._text = ""
        elif depth == _OUTSIDE:
            self._start_request(name, attributes)
        elif depth == _IN_REQUEST:
            if name != _HEADER:
                raise self.malformed(f"{_shown(name)} stands where Header must stand, first in Request")
            self._header_at = self._parser.CurrentByteIndex
        else:
            around = _SEQUENCE[self._place][0]
            raise self.malformed(f"{_shown(name)} inside {around}, where only text may stand")
        self._depth = depth + 1

    def _start_request(self, name: str, attributes: dict[str, str]) -> None:
        if name != _REQUEST:
            raise self.malformed(f"the message is {_shown(name)}, not a Request of namespace {NAMESPACE}")
        stated = attributes.get("schemaVersion")
        if stated is None:
            raise self.malformed("Request has no attribute schemaVersion")
        try:
            self.version = parse_version(stated)
        except ValueError as error:
            raise self.malformed(f"schemaVersion: {error}") from None

    def _out_of_place(self, name: str) -> MalformedMessage:
        place, latest = _PLACE.get(name), self._place
        if place is None:
            return self.malformed(f"{_shown(name)} is not an element of Header")
        stated = _SEQUENCE[place][0]
        if place > latest:
            return self.malformed(f"Header lacks {_missing(latest)} before {stated}")
        if self._found[place] is not None:
            return self.malformed(f"a second {stated} in Header")
        return self.malformed(f"{stated} after {_SEQUENCE[latest][0]}, which it must precede")

    def _characters(self, data: str) -> None:
        if self._depth == _IN_ELEMENT:
            self._text += data
            if len(self._text) > MAX_TEXT_CHARACTERS:
                name = _SEQUENCE[self._place][0]
                raise self.malformed(f"{name}: more than {MAX_TEXT_CHARACTERS} characters")
        elif text := data.lstrip(XML_WHITE_SPACE):
            where = "Header" if self._depth == _IN_HEADER else "Request"
            reason = f"text in {where}, where only elements may stand"
            raise self.malformed(reason, skip=len(data) - len(text))

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == _IN_HEADER:
            name, _, read = _SEQUENCE[self._place]
            try:
                self._found[self._place] = read(self._text)
            except ValueError as error:
                raise self.malformed(f"{name}: {error}") from None
        elif self._depth == _IN_REQUEST:
            if self._place != _LAST_PLACE:
                raise self.malformed(f"Header lacks {_missing(self._place)}")
            self.header = values.build(self.version, self._found)
            raise Enough
        else:
            raise self.malformed("Request has no Header")


def _missing(latest: int) -> str:
    """The first element after `latest` that may not be left out."""
    return next(name for name, optional, _ in _SEQUENCE[latest + 1 :] if not optional)


def _shown(name: str) -> str:
    """A name that the sender chose, fit for an answer and a log: its local part, short, ASCII."""
    local = name.rpartition(SEPARATOR)[2]
    return ascii(local if len(local) <= 64 else f"{local[:61]}...")
