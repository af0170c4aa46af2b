"""The asynchronous client: a line by priority and deadline, a pace that is learnt, attempts."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time
from types import TracebackType
from typing import Final, Self

import httpx
import stamina

from sluicegate.client.errors import Expired, Refused, SluicegateError, Throttled, Unreachable
from sluicegate.duis import LISTS_DEVICES, MalformedMessage, header_key, read_header, request_key, web_service
from sluicegate.http.post import Answer
from sluicegate.relay.judging import Ruling, Verdict, judge
from sluicegate.relay.pace import Pace
from sluicegate.relay.waiting import WaitingLine

LOOK: Final = 0.5  # seconds: the longest that nobody looks while something waits
LONGEST_DEADLINE: Final = 86_400.0
MOST_WAITING: Final = 100_000
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between attempts that found no answer

Verify = bool | str | ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The DSP has the message. Its outcome comes later, to the User's own endpoint.

    Attributes:
        request_id: of the message.
        code: of the Response, such as `I99`; empty where the answer was none.
        status, body: of the HTTP answer, as it came.
        attempts: that were made, the last one included.
    """

    request_id: str
    code: str
    status: int
    body: bytes
    attempts: int


@dataclass(slots=True, eq=False)
class _Waiting:
    seq: int
    rank: int
    deadline: float
    lane: int | None
    key: bytes
    preceding: bytes | None
    turn: asyncio.Future[None] | None = None
    attempts: int = 0
    sent: bool = False
    last: SluicegateError | None = field(default=None)


class AsyncClient:
    """Posts Service Requests to a gateway (or to a relay).

    What is posted at the same time goes in order of its class, inside a class by its deadline; messages to one device,
    and chains by PrecedingServiceRequestID, in the order in which they were posted. A throttled message waits for its
    next turn until its deadline; one that found no answer is sent again, the same octets, unless `resend` is off.

    Args:
        gateway: its URL, with a path if there is one before `/api/v1/...`.
        classes: names of the User's own priorities, the most urgent first; what is in none comes last.
        bulk: those among them that are sent only into the quiet.
        certificate: the User's certificate and key, as files (PEM).
        verify: as httpx has it: True, False, a file of authorities, or a context.
        connections: attempts at once.
        timeout: seconds for one attempt.
        resend: whether a message may go again whose answer was lost. The DSP recognises it by its RequestID.
        transport: another way for httpx to send, such as a mock.

    Raises:
        ValueError: two classes have one name, or `bulk` names one that is not there.
    """

    def __init__(
        self,
        gateway: str,
        *,
        classes: Sequence[str] = (),
        bulk: Sequence[str] = (),
        certificate: tuple[str, str] | None = None,
        verify: Verify = True,
        connections: int = 16,
        timeout: float = 30.0,
        resend: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._ranks = {name: rank for rank, name in enumerate(classes)}
        if len(self._ranks) != len(classes):
            raise ValueError("two classes have the same name")
        unknown = set(bulk) - self._ranks.keys()
        if unknown:
            raise ValueError(f"bulk names what is no class: {', '.join(sorted(unknown))}")
        self._pace = Pace({self._ranks[name] for name in bulk})
        self._line: WaitingLine[_Waiting] = WaitingLine()
        self._connections = connections
        self._resend = resend
        self._out = 0
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._http = httpx.AsyncClient(
            base_url=gateway,
            verify=verify if not isinstance(verify, str) else ssl.create_default_context(cafile=verify),
            cert=certificate,
            timeout=timeout,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Send nothing more. What waits for its turn raises Expired."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for item in self._line:
            if item.turn is not None and not item.turn.done():
                item.turn.set_exception(Expired("the client was closed", item.sent))
        await self._http.aclose()

    @property
    def allocation(self) -> float | None:
        """The User's allocation in SR/s, as the gateway told it; None before it did."""
        return self._pace.learnt.allocation

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self._line)

    async def post(
        self, message: bytes, *, priority: str | None = None, deadline: float = 60.0, service: str | None = None
    ) -> Acknowledgement:
        """Post one Service Request, and wait for its acknowledgement.

        Args:
            message: the XML, as it is to be sent.
            priority: its class; None: it comes last.
            deadline: seconds from now; then it raises.
            service: `S`, `T` or `D`; None: the one that its Command Variant says.

        Raises:
            Refused: it is not wanted, or is no Service Request.
            Throttled: at its deadline the gateway had throttled it.
            Unreachable: at its deadline (or at once, without `resend`) there was no answer.
            Expired: its deadline passed before its turn came.
            ValueError: the priority is no class, or the deadline cannot be.
        """
        if priority is not None and priority not in self._ranks:
            raise ValueError(f"{priority!r} is no class of this client: {', '.join(self._ranks) or 'it has none'}")
        if not 0 < deadline <= LONGEST_DEADLINE:
            raise ValueError(f"a deadline is above 0 and at most {LONGEST_DEADLINE:g} seconds, not {deadline!r}")
        if self._closed:
            raise Expired("the client is closed", sent=False)
        if len(self._line) >= MOST_WAITING:
            raise Expired(f"{MOST_WAITING:,} messages wait already", sent=False)
        try:
            header = read_header(message, complete=True)
        except MalformedMessage as error:
            raise Refused(f"not a Service Request: {error}") from None
        assert header is not None  # noqa: S101 - of a whole message it is there
        which = service or web_service(header.command_variant)
        key = header_key(header)
        item = _Waiting(
            next(self._numbers),
            len(self._ranks) if priority is None else self._ranks[priority],
            asyncio.get_running_loop().time() + deadline,
            None if which == "D" or header.srv in LISTS_DEVICES else int.from_bytes(key[8:16], "big", signed=True),
            key,
            request_key(header.preceding) if header.preceding is not None else None,
        )
        self._line.add(item)
        try:
            async with asyncio.timeout(deadline):
                answer, code = await self._attempts(item, f"/api/v1/service{which}", message)
        except TimeoutError:
            raise self._late(item) from item.last
        finally:
            self._line.remove(item.seq)
            self._line.ended(item)
            self._pump()
        return Acknowledgement(header.request_id, code, answer.status, answer.body, item.attempts)

    def _late(self, item: _Waiting) -> SluicegateError:
        last = item.last
        if isinstance(last, Throttled | Unreachable):
            return last
        return Expired("its deadline passed before its turn came", item.sent)

    async def _attempts(self, item: _Waiting, path: str, message: bytes) -> tuple[Answer, str]:
        again = Unreachable if self._resend else ()
        async for attempt in stamina.retry_context(
            on=again,
            attempts=None,
            timeout=None,
            wait_initial=FIRST_WAIT,
            wait_max=LONGEST_WAIT,
            wait_jitter=FIRST_WAIT,
        ):
            with attempt:
                while True:
                    await self._turn(item)
                    answer, verdict = await self._attempt(item, path, message)
                    if verdict.ruling is Ruling.ACKNOWLEDGED:
                        return answer, verdict.code if verdict.code.startswith("I") else ""
                    if verdict.ruling is Ruling.REFUSED:
                        text = f"refused: {verdict.code or answer.status}"
                        raise Refused(text, answer.status, verdict.code.split(" ")[-1], answer.body)
                    if verdict.ruling is Ruling.FAILED:
                        item.last = Unreachable(f"the gateway answered {verdict.code}", sent=True)
                        raise item.last
                    told = answer.fields.get(b"retry-after", b"")
                    seconds = float(told) if told.isdigit() else None
                    item.last = Throttled(f"throttled ({verdict.code})", seconds)
                    if verdict.ruling is Ruling.BEHIND:  # the network of its device: others are not held back by it
                        await asyncio.sleep(verdict.seconds)
        raise AssertionError  # the loop above ends by returning or raising

    async def _turn(self, item: _Waiting) -> None:
        """Wait until it is next."""
        item.turn = asyncio.get_running_loop().create_future()
        if item.attempts:
            self._line.give_back(item)
        self._pump()
        await item.turn

    async def _attempt(self, item: _Waiting, path: str, message: bytes) -> tuple[Answer, Verdict]:
        item.attempts += 1
        loop = asyncio.get_running_loop()
        fields = {"Content-Type": "application/xml"}
        if item.sent:
            fields["Sluicegate-Repeat"] = "yes"
        self._out += 1
        status, told = 0, dict[bytes, bytes]()
        try:
            got = await self._http.post(path, content=message, headers=fields)
            told = {name.lower(): value for name, value in got.headers.raw}
            answer = Answer(got.status_code, told, got.content)
            verdict = judge(answer, time())
            status = answer.status if verdict.ruling is not Ruling.FAILED else max(500, answer.status)
            if verdict.ruling is Ruling.BEHIND:
                status, told = 200, {name: value for name, value in told.items() if name != b"retry-after"}
            item.sent = item.sent or verdict.ruling is Ruling.FAILED
        except httpx.HTTPError as error:
            sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            item.sent = item.sent or sent
            item.last = Unreachable(f"no answer: {str(error) or type(error).__name__}", item.sent)
            raise item.last from None
        finally:
            self._out -= 1
            self._pace.answered(loop.time(), item.rank, status, told)
        return answer, verdict

    def _pump(self) -> None:
        """Let those go whose turn it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        going = 0
        while not self._closed and self._out + going < self._connections:
            now, found = loop.time(), None
            for rank in self._line.ranks():
                wait = self._pace.wait(now, rank)
                if wait > 0:
                    self._timer = loop.call_later(min(LOOK, max(0.001, wait)), self._pump)
                    return
                found = self._line.pop(now, rank)
                if found is not None:
                    break
            if found is None:
                return
            if found.turn is None or found.turn.done():
                self._line.ended(found)  # whoever posted it has gone
                continue
            self._pace.sent(now, found.rank)
            found.turn.set_result(None)
            going += 1
