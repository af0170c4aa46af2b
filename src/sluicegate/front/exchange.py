"""What a front connection knows of a request that it has read: who answers it is somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sluicegate.front.problems import Problem
from sluicegate.http.heads import KnownRequest, RequestHead

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.front.identity import Sender


MANY_PIECES, SMALL_PIECE = 1000, 32
"""From so many pieces of a chunked body on they must have so many octets: each costs as much as 1 kB."""


class Answered(Protocol):
    """A request as far as its answer goes.

    Attributes:
        keep_alive: whether the connection may go on after it. old: HTTP/1.0.
        whole: whether all of the body has come.
        late: its answer, where earlier requests of the connection must have theirs first.
    """

    keep_alive: bool
    old: bool
    whole: bool
    late: bytes

    @property
    def waits(self) -> bool:
        """Whether whoever answers it has it now."""

    def overdue(self, now: float) -> bool:
        """Whether it has waited too long for whoever answers it, at `now` seconds of the monotonic clock."""

    def too_slow(self) -> None:
        """It has waited too long."""

    def unanswered(self) -> None:
        """The front stops: nobody waits for its answer any more."""


class Exchange(Answered, Protocol):
    """One request and its answer. The connection feeds it, and is given the answer (`FrontConnection.answer`).

    Attributes:
        sender: who sends it; None where that is not known yet.
        head: what the request's fields say. known: the same, where the head was read before octet for octet.
        target: path and query.
        bodiless: whether its answer is to have no body (HEAD).
        size: octets of the body, so far.
        ended: whether its answer is whole, or will never be.
    """

    sender: Sender | None
    head: RequestHead | None
    known: KnownRequest | None
    target: bytes
    bodiless: bool
    size: int
    ended: bool

    @property
    def taken(self) -> bool:
        """Whether its body was of use: then its head is worth to be remembered."""

    def body(self, octets: bytes) -> None:
        """A piece of the body."""

    def flush(self) -> None:
        """All that was read at once has been given."""

    def end(self) -> None:
        """The request is whole."""

    def take_whole(self, body: bytes) -> None:
        """All of the request at once, when its turn has come already."""

    def begin(self) -> None:
        """Its turn has come: all earlier requests of the connection have their answers."""

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem."""

    def abandon(self) -> None:
        """The sender has gone."""

    def hold_back(self) -> None:
        """The sender does not read: let no more of the answer come."""

    def let_come(self) -> None:
        """It reads again."""


Making = Callable[["FrontConnection"], Exchange]
"""Makes the exchange for a request of a connection."""
