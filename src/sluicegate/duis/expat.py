"""The real parser: expat, aware of namespaces, fed no further than the end of `Header`.

It is the meaning of a message. The quick way (`quick`) may only ever repeat what is said here.
"""

import re
from decimal import Decimal
from typing import Generic, TypeVar
from xml.parsers import expat

from .header import MAX_HEADER_OCTETS, Header, MalformedMessage
from .prolog import Prolog, doctype_position, end_of_prolog
from .walk import NO_DOCTYPE, REQUEST, SEPARATOR, Enough, HeaderWalk, Shape

FREE_WORK_OCTETS = 16 * MAX_HEADER_OCTETS
"""What may be gone over again for one message that comes in tiny pieces, before pieces are saved up."""

_FIRST_SLICE = 1024
_NOT_IN_TEXT = re.compile(rb"\]\0?\]\0?>")  # in UTF-16 too, give or take an octet, which does not matter
_MOST_CUTS = 64  # before what may not stand in text; in CDATA, comments and attributes it may
_CUT_SHORT = frozenset(  # what expat says of a message that ends too soon, and is not wrong otherwise
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
_DEFERS = hasattr(expat.XMLParserType, "SetReparseDeferralEnabled")


T = TypeVar("T")


class MessageReader(Generic[T]):
    """Reads the `Header` of one message of a shape that arrives in pieces, in time linear in its length.

    Each message needs its own reader.
    """

    __slots__ = (
        "_attempted",
        "_cuts",
        "_failure",
        "_fed",
        "_header",
        "_held",
        "_parser",
        "_prolog",
        "_seen",
        "_work",
        "walk",
    )

    def __init__(self, shape: Shape[T]) -> None:
        self._header: T | None = None
        self._failure: MalformedMessage | None = None
        self._held = bytearray()  # has come, but is not yet fed to the parser
        self._seen = self._fed = self._attempted = self._work = self._cuts = 0
        self._prolog: Prolog = "unfinished"
        parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        if _DEFERS:  # expat 2.6 and later: `feed` bounds the work itself, and says at once what it knows
            parser.SetReparseDeferralEnabled(False)
        self._parser: expat.XMLParserType | None = parser
        self.walk = HeaderWalk(parser, shape)

    def feed(self, octets: bytes | bytearray | memoryview, complete: bool = False) -> T | None:
        """Takes the next octets of the message; the `Header` once it is complete, or None while it is not.

        `complete` says that these are the last. Octets after the `Header`, and those beyond
        MAX_HEADER_OCTETS, are not looked at. For a message in tiny pieces, once FREE_WORK_OCTETS have been
        gone over, pieces are saved up until they add an eighth: the `Header` is then seen that much later.

        Raises MalformedMessage, and goes on raising it, once the octets cannot be the start of such a
        message (also: the last have come, or MAX_HEADER_OCTETS, and there is no `Header`).
        """
        if self._header is not None:
            return self._header
        if self._failure is not None:
            raise self._failure
        if self._parser is None:
            raise RuntimeError("feed() after close()")
        before = len(self._held)
        self._held += octets[: MAX_HEADER_OCTETS - self._seen]
        self._seen += len(self._held) - before
        last = complete or self._seen >= MAX_HEADER_OCTETS
        if not last and self._work > FREE_WORK_OCTETS and self._seen - self._attempted < self._seen >> 3:
            return None
        self._work += self._seen
        self._attempted = self._seen
        try:
            self._header = header = self._read(self._parser, last)
        except MalformedMessage as failure:
            self._failure = failure
            self.close()
            raise
        if header is not None:
            self.close()
        return header

    def close(self) -> None:
        """Lets go of the parser of a message that is given up. Once there is an answer, it has been done."""
        parser, self._parser = self._parser, None
        self._held = bytearray()
        if parser is not None:  # it holds the walk, which holds it
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            parser.XmlDeclHandler = parser.StartDoctypeDeclHandler = None

    def _read(self, parser: expat.XMLParserType, last: bool) -> T | None:
        if self._prolog == "unfinished":
            self._prolog = end_of_prolog(self._held)
            if self._prolog == "doctype":
                raise MalformedMessage(NO_DOCTYPE, *doctype_position(self._held))
            if self._prolog == "unfinished" and not last:
                return None
        held, self._held = self._held, bytearray()
        if self._parse(parser, held):
            return self.walk.header
        if not last:
            return None
        if self._seen >= MAX_HEADER_OCTETS:
            raise self.walk.malformed(f"Header is not complete within {MAX_HEADER_OCTETS} octets")
        raise self._ended(parser)

    def _ended(self, parser: expat.XMLParserType) -> MalformedMessage:
        if not self._seen:
            return MalformedMessage("the message is empty")
        try:
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            if error.code not in _CUT_SHORT:
                return not_well_formed(error)
        return self.walk.malformed("the message ends before its Header is complete")

    def _parse(self, parser: expat.XMLParserType, held: bytearray) -> bool:
        """Whether the end of Header has been reached."""
        start = 0
        try:
            # Slices that grow: little is parsed beyond Header, and little twice.
            while start < len(held):
                end = self._cut(held, start, min(start + max(_FIRST_SLICE, self._fed), len(held)))
                parser.Parse(held[start:end], False)
                self._fed += end - start
                start = end
        except Enough:  # even if expat has found something wrong since: it is none of our business
            return True
        except expat.ExpatError as error:
            raise not_well_formed(error) from None
        except MalformedMessage:
            raise
        except (ValueError, LookupError):  # pyexpat's own, about a codec
            raise self.walk.malformed("the encoding cannot be read") from None
        return False

    def _cut(self, held: bytearray, start: int, end: int) -> int:
        """Where a slice ends: before the first `]]>` in it.

        Expat reports one that stands in text before it tells of that text, but only where it has both in one piece.
        Which of two mistakes is the first must not depend on how a message was cut.
        """
        if self._cuts < _MOST_CUTS and (found := _NOT_IN_TEXT.search(held, start + 1, end)):
            self._cuts += 1
            return found.start()
        return end


class HeaderReader(MessageReader[Header]):
    """Reads the `Header` of one Service Request that arrives in pieces, in time linear in its length.

    Each message needs its own reader.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(REQUEST)


def not_well_formed(error: expat.ExpatError) -> MalformedMessage:
    """What expat found wrong, and where."""
    reason = f"not well-formed XML: {expat.ErrorString(error.code)}"
    return MalformedMessage(reason, error.lineno, error.offset + 1)


def version_at_header(opening: bytes, at: int, shape: Shape[T]) -> Decimal | None:
    """The version, if `opening` takes the parser to the start tag of `Header` that begins at octet `at`.

    None if it does not, or if anything comes after that tag.
    """
    reader = MessageReader(shape)
    try:
        reader.feed(opening)
    except MalformedMessage:
        return None
    reader.close()
    return reader.walk.version if reader.walk.stands_at_header(at) else None
