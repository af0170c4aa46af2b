"""An exchange that reads its request whole before anything is done with it: what all of that kind have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.front.identity import Sender
    from sluicegate.http.heads import KnownRequest, RequestHead


class Holds(Protocol):
    """Who counts what is half read. `buffered`: octets, of all of its exchanges."""

    buffered: int


class WholeExchange:
    """The request's half of `front.exchange.Exchange`; who stands on it says what fits, and answers.

    Args:
        front: the connection.
        holder: who counts the octets that are held until the request is whole.
    """

    __slots__ = (
        "_began",
        "_front",
        "_held",
        "_holder",
        "_parts",
        "bodiless",
        "ended",
        "head",
        "keep_alive",
        "known",
        "late",
        "old",
        "sender",
        "size",
        "target",
        "waits",
        "whole",
    )

    def __init__(self, front: FrontConnection, holder: Holds) -> None:
        self._front = front
        self._holder = holder
        self._parts: list[bytes] = []
        self._held = self.size = 0
        self._began = False
        self.sender: Sender | None = None
        self.head: RequestHead | None = None
        self.known: KnownRequest | None = None
        self.target = self.late = b""
        self.keep_alive = True
        self.old = self.bodiless = self.whole = self.ended = self.waits = False

    def _fits(self) -> bool:
        """Whether what has come, with the piece that came just now, may be held; else it has refused the request."""
        raise NotImplementedError

    def _take(self, message: bytes) -> None:
        """The request is whole and has its turn."""
        raise NotImplementedError

    def body(self, octets: bytes) -> None:
        """A piece of the body."""
        if self.ended:
            return
        self.size += len(octets)
        if self._fits():
            self._parts.append(octets)
            self._held += len(octets)
            self._holder.buffered += len(octets)

    def flush(self) -> None:
        """It is read whole before anything is done with it."""

    def begin(self) -> None:
        """Its turn has come."""
        self._began = True
        if self.head is not None and self.head.expects and not self.size and not self.old:
            self._front.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.whole:
            self._take_parts()

    def end(self) -> None:
        """The request is whole."""
        self.whole = True
        if self._began and not self.ended:
            self._take_parts()

    def take_whole(self, body: bytes) -> None:
        """All of it at once."""
        self._began = self.whole = True
        self.size = len(body)
        self._parts.append(body)
        self._take_parts()

    def _take_parts(self) -> None:
        message = b"".join(self._parts)
        self._release()
        self._take(message)

    def _release(self) -> None:
        self._parts = []
        self._holder.buffered -= self._held
        self._held = 0

    def hold_back(self) -> None:
        """An answer is short, and written at once."""

    def let_come(self) -> None:
        """See `hold_back`."""
