"""The heads of messages: what of them goes on to the upstream, and back (RFC 9110, 7.6.1)."""

from __future__ import annotations

from itertools import islice
from typing import Generic, NamedTuple, TypeVar

Known = TypeVar("Known")

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# Ours to write, or ours to know: never passed on as the sender wrote them.
# Who stands behind the gateway may take `_` for `-`, as CGI and what came after it do.
_FORWARDED = {b"client-cert", b"client-cert-chain"}
_FORWARDED |= {b"client_cert", b"client_cert_chain", b"client-cert_chain", b"client_cert-chain"}
_CONSUMED = HOP_BY_HOP | _FORWARDED | {b"content-length", b"expect"}
_LOOKED_AT = _CONSUMED | {b"host", b"content-encoding", b"traceparent"}
_OF_A_TRACE = {b"traceparent", b"tracestate"}

MOST_FIELDS = 100

Fields = list[tuple[bytes, bytes]]


class BadHead(ValueError):  # noqa: N818 - named after what it is about
    """A head that cannot be passed on safely. `str()` is fit for the sender."""


class RequestHead(NamedTuple):
    """What a request's fields say.

    Attributes:
        passed: the fields that go on to the upstream, with Via, each ended by CRLF.
        length: Content-Length in octets, or None (chunked, or no body).
        chunked: whether the body is chunked.
        expects: whether the sender waits for 100 Continue.
        certificate: Client-Cert, if there is exactly one.
        encoded: whether the body has a content coding.
        traceparent: of the sender's own trace, if there is exactly one. It is passed on as it came.
    """

    passed: bytes
    length: int | None
    chunked: bool
    expects: bool
    certificate: bytes | None
    encoded: bool
    traceparent: bytes | None = None

    def traced(self, traceparent: bytes, keep_state: bool) -> RequestHead:
        """The same with another `traceparent` to go on; the `tracestate` that belongs to the old one stays or goes."""
        dropped = {b"traceparent"} if keep_state else _OF_A_TRACE
        lines = self.passed.split(b"\r\n")
        kept = [line for line in lines if line and line.split(b":", 1)[0].lower() not in dropped]
        kept.append(b"traceparent: " + traceparent)
        return self._replace(passed=b"\r\n".join(kept) + b"\r\n")


def _nominated(fields: Fields) -> set[bytes]:
    """Fields that `Connection` says are for this hop only; the ones that frame or route the message stay."""
    names: set[bytes] = set()
    for name, value in fields:
        if name.lower() == b"connection":
            names.update(token.strip().lower() for token in value.split(b","))
    return names - {b"host", b"content-length", b"close", b"content-type"}


def read_request_head(fields: Fields, version: str) -> RequestHead:
    """What a request's fields say, and which go on.

    Raises:
        BadHead: fields that contradict each other, or that could be read in two ways.
    """
    hosts = 0
    length: int | None = None
    chunked = expects = encoded = False
    certificates: list[bytes] = []
    traceparents: list[bytes] = []
    passed: list[bytes] = []
    dropped = _nominated(fields)
    for name, value in fields:
        lower = name.lower()
        if lower not in _LOOKED_AT:
            if lower not in dropped:
                passed.append(b"%b: %b\r\n" % (name, value))
            continue
        if lower == b"host":
            hosts += 1
            passed.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise BadHead("Content-Length must stand once, and be a number")
            length = int(value)
        elif lower == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise BadHead("Transfer-Encoding must stand once, and be chunked")
            chunked = True
        elif lower == b"expect":
            expects = value.strip().lower() == b"100-continue"
        elif lower == b"client-cert":
            certificates.append(value)
        elif lower == b"content-encoding":
            encoded = value.strip().lower() not in (b"", b"identity")
            passed.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"traceparent" and lower not in dropped:
            traceparents.append(value)
            passed.append(b"%b: %b\r\n" % (name, value))
    if version not in ("1.0", "1.1"):
        raise BadHead("this gateway speaks HTTP/1.1")
    if chunked and (length is not None or version == "1.0"):
        raise BadHead("Transfer-Encoding cannot stand beside Content-Length, nor in HTTP/1.0")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise BadHead("there must be one Host")
    passed.append(b"Via: 1.1 sluicegate\r\n")
    certificate = certificates[0] if len(certificates) == 1 else None
    traceparent = traceparents[0] if len(traceparents) == 1 else None
    return RequestHead(b"".join(passed), length, chunked, expects, certificate, encoded, traceparent)


class NotAnAnswer(ValueError):  # noqa: N818 - named after what it is about
    """What the upstream sent cannot be an answer. `str()` continues a sentence that begins with the upstream."""


class AnswerHead(NamedTuple):
    """What an answer's fields say: those that go back (each ended by CRLF), its length if told, whether chunked."""

    passed: bytes
    length: int | None
    chunked: bool


def read_answer_head(fields: Fields) -> AnswerHead:
    """What the upstream's fields say, and which go back to the sender.

    Raises:
        NotAnAnswer: it has a transfer coding other than chunked, which would be lost on the way.
    """
    length: int | None = None
    chunked = False
    passed: list[bytes] = []
    dropped = _nominated(fields)
    for name, value in fields:
        lower = name.lower()
        if lower == b"content-length":
            length = int(value)
        elif lower == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise NotAnAnswer("sent an answer in a transfer coding that nobody asked for")
            chunked = True
        elif lower not in HOP_BY_HOP and lower not in dropped:
            passed.append(b"%b: %b\r\n" % (name, value))
    return AnswerHead(b"".join(passed), length, chunked)


class KnownRequest(NamedTuple):
    """A request head that the parser has read before, octet for octet, and what it said.

    `forward` is the head that goes to the upstream, without the request line; `length` is that of the body.
    """

    head: RequestHead
    target: bytes
    keep_alive: bool
    old: bool
    length: int
    forward: bytes


class KnownAnswer(NamedTuple):
    """An answer's head that the parser has read before, octet for octet: `back` is what goes back of it."""

    status: int
    back: bytes
    length: int
    keep: bool


MOST_KNOWN = 1024  # heads that are remembered
LONGEST_KNOWN = 2048  # octets


class KnownHeads(dict[bytes, Known], Generic[Known]):
    """Heads by their octets. The same octets say the same: what a parser said of them once need not be asked again.

    Senders and upstreams repeat themselves: on kept-alive connections nearly every head has been seen before.
    """

    def learn(self, head: bytes, known: Known) -> None:
        """Remember a head."""
        if len(head) <= LONGEST_KNOWN:
            if len(self) >= MOST_KNOWN:  # the older half makes room
                for old in list(islice(self, MOST_KNOWN // 2)):
                    del self[old]
            self[head] = known
