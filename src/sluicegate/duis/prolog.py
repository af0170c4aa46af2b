"""What may stand before the root element: found out before the parser sees any of it.

A document type declaration must never reach the parser. Python's expat cannot be stopped from inside a
handler: it would go on to read the entities that are declared, and to expand them, to the end of what it was
given.
"""

import re
from typing import Literal

Prolog = Literal["unfinished", "doctype", "passed"]

# Linear: nothing that has matched is ever tried again.
_BEFORE_ROOT = re.compile(rb"(?:\xef\xbb\xbf)?+(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_DOCTYPE = b"<!DOCTYPE"
_COMMENT = b"<!--"

ENCODINGS = frozenset(
    [
        *("utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "ascii"),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"windows-125{page}" for page in range(9)),
        *(f"{maker}{page}" for maker in ("cp", "ibm") for page in (437, 850, 852, 858)),
        *("koi8-r", "koi8-u", "macintosh"),
    ]
)
"""Encodings that may be declared, in lower case: those of expat, and Python's single-octet ones in use."""


def end_of_prolog(octets: bytes | bytearray) -> Prolog:
    """What follows the white space, comments and processing instructions that a message starts with.

    `doctype` as soon as a document type declaration begins, `passed` once something else does (right or
    wrong: the parser will say), `unfinished` while more octets are needed to tell.
    """
    if len(octets) < 2:
        return "unfinished"
    plain = _as_ascii(octets)
    root = _root(plain)
    rest = bytes(plain[root : root + len(_DOCTYPE)])
    if rest == _DOCTYPE:
        return "doctype"
    if _DOCTYPE.startswith(rest) or _COMMENT.startswith(rest[:4]) or rest.startswith(b"<?"):
        return "unfinished"
    return "passed"


def doctype_position(octets: bytes | bytearray) -> tuple[int, int]:
    """Line and column, from 1, of what follows the prolog."""
    plain = _as_ascii(octets)
    before = plain[: _root(plain)].removeprefix(b"\xef\xbb\xbf")
    before = before.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1, len(before) - before.rfind(b"\n")


def _root(plain: bytes | bytearray) -> int:
    form = _BEFORE_ROOT.match(plain)
    return form.end() if form is not None else 0


def _as_ascii(octets: bytes | bytearray) -> bytes | bytearray:
    """The same characters in one octet each, where they are UTF-16, told as expat tells it; `?` for the
    others.

    All other encodings that expat reads agree with ASCII in what matters here; it refuses those that do not.
    """
    start = bytes(octets[:2])
    if start == b"\xfe\xff":
        codec, skip = "utf-16-be", 2
    elif start == b"\xff\xfe":
        codec, skip = "utf-16-le", 2
    elif start[:1] == b"\0":
        codec, skip = "utf-16-be", 0
    elif start[1:] == b"\0":
        codec, skip = "utf-16-le", 0
    else:
        return octets
    return octets[skip:].decode(codec, "ignore").encode("ascii", "replace")
