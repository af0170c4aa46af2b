"""One message at the relay's door: read whole, given to the desk, answered when the desk says so."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from sluicegate.duis import MalformedMessage, read_header
from sluicegate.front import problems
from sluicegate.front.exchange import MANY_PIECES, SMALL_PIECE
from sluicegate.front.problems import Problem, problem_answer
from sluicegate.front.whole import WholeExchange
from sluicegate.relay.desk import Ask

if TYPE_CHECKING:
    from sluicegate.front.connection import FrontConnection
    from sluicegate.http.call import Answer
    from sluicegate.relay.door import Foyer
    from sluicegate.relay.errand import Errand, Told

DEADLINE, CLASS = b"sluicegate-deadline", b"sluicegate-class"
NOT_PASSED: Final = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"date"))
"""Fields of an answer that are for one hop, or are written here."""


class Takes(Protocol):
    """Who takes messages: `relay.desk.Desk`."""

    def take(self, ask: Ask, told: Told) -> Errand | None:
        """A message has come; `told` is called with its answer, once, perhaps at once. None: it is answered already."""

    def left(self, errand: Errand, told: Told) -> None:
        """Whoever was to be told has hung up."""


class RelayExchange(WholeExchange):
    """See `front.exchange.Exchange`."""

    __slots__ = ("_errand", "_foyer", "_pieces")

    def __init__(self, front: FrontConnection, foyer: Foyer) -> None:
        WholeExchange.__init__(self, front, foyer)
        self._foyer = foyer
        self._errand: Errand | None = None
        self._pieces = 0

    @property
    def taken(self) -> bool:
        """Whether it came to the desk."""
        return self._errand is not None or self.ended

    # --- the request

    def _fits(self) -> bool:
        self._pieces += 1
        if self._pieces > MANY_PIECES and self.size < SMALL_PIECE * self._pieces and self.head and self.head.chunked:
            self.refuse(problems.BAD_HTTP, f"its chunks have fewer than {SMALL_PIECE} octets")
        elif self.size > self._foyer.max_body:
            self.refuse(problems.TOO_LARGE, f"a message has at most {self._foyer.max_body} octets")
        elif self._foyer.buffered > self._foyer.most_buffered:
            self.refuse(problems.NO_MEMORY, "too many messages are half read; send it again", retry_after=1)
        else:
            return True
        return False

    def _take(self, message: bytes) -> None:
        try:
            header = read_header(message, complete=True)
        except MalformedMessage as error:
            self.refuse(problems.MALFORMED, str(error))
            return
        head = self.head
        assert header is not None and head is not None  # noqa: S101, PT018 - of a whole request they are there
        fields = self._foyer.fields_of(head)
        ask = Ask(header, self.target.decode("latin-1"), fields.passed, message, fields.deadline, fields.class_name)
        self.waits = True
        self._errand = self._foyer.desk.take(ask, self.told)

    # --- the answer

    def told(self, answer: Answer) -> None:
        """The desk's answer: the gateway's own, octet for octet, or a problem."""
        self._errand, self.waits = None, False
        if self.ended:
            return
        self.ended = True
        front = self._front
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = ""
        lines = [b"HTTP/1.1 %d %b\r\n" % (answer.status, phrase.encode())]
        lines += [b"%b: %b\r\n" % field for field in answer.fields.items() if field[0] not in NOT_PASSED]
        body = answer.body
        lines += (b"Content-Length: %d\r\n" % len(body), self._foyer.date, front.connection_field(self), b"\r\n", body)
        front.answer(b"".join(lines), self)

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem."""
        if self.ended:
            return
        self.ended = True
        self._release()
        self._foyer.totals.refuse(problem.name)
        if not self.whole:
            self.keep_alive = False  # what is left of the request would be taken for the next one
        stays = self._front.stays_open(self)
        octets = problem_answer(problem, detail, self._foyer.date, retry_after, not stays, self.old and self.keep_alive)
        if self.bodiless:
            octets = octets[: octets.index(b"\r\n\r\n") + 4]
        self._front.answer(octets, self)

    def abandon(self) -> None:
        """The sender has gone: the desk decides what becomes of the message."""
        self.ended = True
        self._release()
        errand, self._errand = self._errand, None
        if errand is not None:
            self._foyer.desk.left(errand, self.told)

    def overdue(self, now: float) -> bool:  # noqa: ARG002 - the desk has its deadline
        """Never: the desk ends it at its deadline."""
        return False

    def too_slow(self) -> None:
        """Never."""

    def unanswered(self) -> None:
        """The relay stops."""
