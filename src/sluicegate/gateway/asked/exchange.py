"""HTTP external authorisation: a question is a request like the one that it is about, its answer is the verdict."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from sluicegate.duis import read_header
from sluicegate.front import problems
from sluicegate.front.problems import MEDIA_TYPE, Problem
from sluicegate.front.whole import WholeExchange
from sluicegate.gateway.asked.question import Question, Verdict, refusal
from sluicegate.gateway.asked.told import FOUR, REFUSALS, Told, header_of, sender_of
from sluicegate.http.heads import BadHead

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.front.connection import FrontConnection
    from sluicegate.gateway.asked.wicket import Wicket

FORBIDDEN = 403
NOTHING_TOLD = "there is no message, and no field says for which User the proxy asks"
HEADER_CUT = "its Header is not in the part that the proxy sent: it must send more"


class AskedExchange(WholeExchange):
    """See `front.exchange.Exchange`."""

    __slots__ = ("_task", "_told", "_wicket")

    def __init__(self, front: FrontConnection, wicket: Wicket) -> None:
        WholeExchange.__init__(self, front, wicket)
        self._wicket = wicket
        self._told = Told()
        self._task: asyncio.Task[None] | None = None

    @property
    def taken(self) -> bool:
        """Whether it could be read."""
        return self._began

    # --- the question

    def _fits(self) -> bool:
        if self.size > self._wicket.max_body:
            self.refuse(problems.TOO_LARGE, f"a question has at most {self._wicket.max_body} octets")
            return False
        return True

    def _take(self, message: bytes) -> None:
        assert self.head is not None  # noqa: S101 - of a whole request it is there
        try:
            self._told = self._wicket.told(self.head)
        except BadHead as error:
            self.refuse(problems.BAD_HTTP, str(error))
            return
        self._wicket.count()
        question = Question(self._wicket.desk, sender_of(self._wicket.desk, self._told), self.size)
        header = self._header(question, message)
        if header is None:
            self._answer(question.verdict)
            return
        self.waits = True
        self._task = self._wicket.loop.create_task(self._ask(question, header))

    def _header(self, question: Question, message: bytes) -> Header | None:
        """That of the message, or what the fields tell of it; None: the question has its verdict."""
        told, desk = self._told, self._wicket.desk
        try:
            told_of = header_of(desk, sender_of(desk, told), told) if not message else None
            header = read_header(message, not told.partial) if message else told_of
        except ValueError as error:  # MalformedMessage is one
            question.refuse(problems.MALFORMED, str(error))
            return None
        if header is None and message:
            question.refuse(problems.MALFORMED, HEADER_CUT)
        elif header is None:
            question.names_nobody(NOTHING_TOLD)
        return header

    async def _ask(self, question: Question, header: Header) -> None:
        passes = await question.put(header)
        self.waits = False
        if self.ended:  # the proxy has gone, and will not forward what it asked for
            question.take_back()
            return
        if passes:
            question.settle()
        self._answer(question.verdict)

    # --- the answer

    def _answer(self, verdict: Verdict | None) -> None:
        if self.ended or verdict is None:
            return
        self.ended = True
        self._release()
        if not self.whole:
            self.keep_alive = False  # what is left of the question would be taken for the next one
        head, body = self._head(verdict), verdict.body
        self._front.answer(head if self.bodiless else head + body, self)

    def _head(self, verdict: Verdict) -> bytes:
        status = told_as(verdict.status, self._told.refuse_with)
        lines = [b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n" % (status, _phrase(status), len(verdict.body))]
        if verdict.status != 200:
            lines.append(b"Content-Type: %b\r\nSluicegate-Status: %d\r\n" % (MEDIA_TYPE, verdict.status))
            if self._told.refuse_with in REFUSALS:  # who can take one status only may not take a body, either
                lines.append(b"Sluicegate-Problem: %b\r\n" % verdict.body)
            if verdict.status == problems.NOT_POST.status:
                lines.append(b"Allow: POST\r\n")
        if verdict.retry_after is not None:
            lines.append(b"Retry-After: %d\r\n" % verdict.retry_after)
        lines += (verdict.fields, self._wicket.desk.date, self._front.connection_field(self), b"\r\n")
        return b"".join(lines)

    def refuse(self, problem: Problem, detail: str, retry_after: int | None = None) -> None:
        """Answer with a problem of the question itself."""
        self._wicket.totals.refuse(problem.name)
        self._answer(refusal(problem, detail, retry_after=retry_after))

    def abandon(self) -> None:
        """The proxy has gone."""
        self.ended = True
        self._release()

    def overdue(self, _now: float) -> bool:
        """A decision waits for nobody for long."""
        return False

    def too_slow(self) -> None:
        """See `overdue`."""

    def unanswered(self) -> None:
        """It is answered at once, or never."""


def told_as(status: int, refuse_with: int) -> int:
    """The status with which a proxy is told of one that is meant for the User."""
    if status == 200 or not refuse_with or (refuse_with == FOUR and status in REFUSALS):
        return status
    return FORBIDDEN if refuse_with == FOUR else refuse_with


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
