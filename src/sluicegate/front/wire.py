"""A sender's octets, read as HTTP/1.1 by httptools (llhttp): heads, bodies, ends."""

from __future__ import annotations

import re
from typing import Protocol

import httptools

from sluicegate.front.problems import BAD_HTTP, HEAD_TOO_LARGE, Problem
from sluicegate.http.heads import (
    MOST_FIELDS,
    BadHead,
    Fields,
    KnownHeads,
    KnownRequest,
    RequestHead,
    read_request_head,
)

LONGEST_TARGET = 8_192
_AUTHORITY_ENDS = re.compile(rb"[/?]")


class Reader(Protocol):
    """Who is told what was read."""

    def head_begins(self) -> None:
        """The first octets of a request have come."""

    def head_read(self, head: RequestHead, target: bytes, method: bytes, keep_alive: bool, old: bool) -> None:
        """The head is whole. `target` is a path and query, or empty for what is neither that nor an absolute URL."""

    def body_read(self, octets: bytes) -> None:
        """A piece of the body."""

    def whole_read(self) -> int | None:
        """The request is whole; returns how many octets its body had, or None where nothing is to be learnt."""

    def unreadable(self, problem: Problem, why: str) -> None:
        """What came cannot be read; nothing after it can be, either."""


class Wire:
    """Reads one connection.

    Attributes:
        in_head: whether a head has begun and is not whole.
    """

    __slots__ = (
        "_fields",
        "_head",
        "_idle_octets",
        "_in_body",
        "_known",
        "_most_head_octets",
        "_moved",
        "_parser",
        "_reader",
        "_resuming",
        "_seen_fields",
        "_seen_head",
        "_seen_version",
        "_single",
        "_target",
        "in_head",
    )

    def __init__(self, reader: Reader, known: KnownHeads[KnownRequest], most_head_octets: int) -> None:
        self._reader = reader
        self._known = known
        self._most_head_octets = most_head_octets
        self._parser: httptools.HttpRequestParser = httptools.HttpRequestParser(self)
        self._fields: Fields = []
        self._seen_fields: Fields | None = None
        self._seen_head: RequestHead | None = None
        self._seen_version = ""
        self._head: tuple[RequestHead, bytes, bool, bool] | None = None
        self._single = self._target = b""
        self._idle_octets = 0
        self.in_head = self._in_body = self._moved = self._resuming = False

    def forget(self) -> None:
        """The connection has ended: let go of the parser, which holds on to this. Nothing is left in a circle."""
        del self._parser

    def feed(self, data: bytes, at_start: bool) -> None:
        """Read what has come. `at_start`: every request before it is over, so this begins a new one."""
        self._single = data if at_start else b""
        self._moved = False
        rest = self._parse(data)
        while rest:
            rest = self._parse(rest)
        if self._moved or not (self.in_head or self._in_body):
            return
        # All of it belongs to a head that does not end, or to what stands round a body: chunk extensions, trailers.
        self._idle_octets += len(data)
        if self._idle_octets > self._most_head_octets:
            self._head_too_large()

    def _parse(self, data: bytes) -> bytes:
        """Read; returns what is still to be read, by another parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            self._end(str(error) or "it cannot be read")
        return b""

    def _decline_upgrade(self, rest: bytes) -> bytes:
        """Read on in HTTP/1.1, as a server may (RFC 9110, 7.8). The parser stops before the body; another reads it."""
        if self._head is None or self._parser.get_method() == b"CONNECT":  # it was refused
            return b""
        head = self._head[0]
        framing = b"Transfer-Encoding: chunked" if head.chunked else b"Content-Length: %d" % (head.length or 0)
        self._parser = httptools.HttpRequestParser(self)
        self._resuming = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        return rest

    def _end(self, why: str) -> None:
        self.in_head = self._in_body = False
        self._reader.unreadable(BAD_HTTP, why)

    def _head_too_large(self) -> None:
        self.in_head = self._in_body = False
        self._reader.unreadable(
            HEAD_TOO_LARGE,
            f"it may have {self._most_head_octets} octets, {MOST_FIELDS} fields and a path of {LONGEST_TARGET} octets",
        )

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        if self._resuming:
            return
        self._fields = []
        self._target = b""
        self._idle_octets = 0
        self.in_head = True
        self._reader.head_begins()

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # what comes after a chunked body is not passed on
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self._resuming:  # its head was read before
            self._resuming = False
            return
        self.in_head = False
        self._in_body = True
        self._moved = True
        self._idle_octets = 0
        self._head = None
        version = self._parser.get_http_version()
        head = self._read_head(version)
        if head is None:
            return
        target = self._target if self._target[:1] == b"/" else _origin_form(self._target)
        if b"#" in target:  # a fragment is not sent (RFC 9112, 3.2): whoever sends one is up to something
            target = b""
        keep_alive, old = self._parser.should_keep_alive(), version == "1.0"
        self._head = (head, target, keep_alive, old)
        self._reader.head_read(head, target, self._parser.get_method(), keep_alive, old)

    def _read_head(self, version: str) -> RequestHead | None:
        fields = self._fields
        head = self._seen_head
        path_octets = len(self._target)
        if path_octets > LONGEST_TARGET or path_octets > self._most_head_octets:
            self._head_too_large()
            return None
        if head is not None and fields == self._seen_fields and version == self._seen_version:
            return head  # a sender's requests mostly have the same fields
        octets = sum(len(name) + len(value) for name, value in fields)
        if octets > self._most_head_octets or len(fields) > MOST_FIELDS:
            self._head_too_large()
            return None
        try:
            head = read_request_head(fields, version)
        except BadHead as error:
            self._end(str(error))
            return None
        self._seen_head, self._seen_fields, self._seen_version = head, fields, version
        return head

    def on_body(self, octets: bytes) -> None:
        self._moved = True
        self._idle_octets = 0
        self._reader.body_read(octets)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        self._in_body = False
        self._moved = True  # what else is in this piece is not of one head alone
        octets = self._reader.whole_read()
        data, self._single = self._single, b""
        if data and octets is not None and self._head is not None:
            self._learn(data, octets)

    def _learn(self, data: bytes, octets: int) -> None:
        """A whole request, and nothing else, came in one piece: its head will not have to be read again."""
        assert self._head is not None  # noqa: S101 - asked by the caller
        head, target, keep_alive, old = self._head
        end = data.find(b"\r\n\r\n") + 4
        if head.traceparent is not None:
            return  # it is another with every request: what others repeat would have to make room
        if head.length is None or head.expects or not len(data) - end == head.length == octets:
            return
        forward = b"%bContent-Length: %d\r\n\r\n" % (head.passed, head.length)
        self._known.learn(data[:end], KnownRequest(head, target, keep_alive, old, head.length, forward))


def _origin_form(target: bytes) -> bytes:
    """The path and query of a request target in absolute form (RFC 9112, 3.2.2); nothing for any other."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return b""
    authority = _AUTHORITY_ENDS.split(rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    return path if path[:1] == b"/" else b"/" + path
