"""The asynchronous client: a line by priority and deadline, a pace that is learnt, attempts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from types import TracebackType
from typing import Final, Self

import httpx
import stamina

from sluicegate.client.arguments import Service, may_have_been_sent, ranks_of, url_of
from sluicegate.client.errors import Expired, Refused, SluicegateError, Throttled, Unreachable
from sluicegate.client.posted import Posted
from sluicegate.client.tls import Verify, tls_context
from sluicegate.duis import LISTS_DEVICES, MalformedMessage, header_key, read_header, request_key, web_service
from sluicegate.http.call import Answer
from sluicegate.relay.judging import Ruling, Verdict, judge
from sluicegate.relay.pace import Pace
from sluicegate.relay.waiting import WaitingLine

LOOK: Final = 0.5  # seconds: the longest that nobody looks while something waits
LONGEST_DEADLINE: Final = 86_400.0
MOST_WAITING: Final = 100_000
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between attempts that found no answer
LAST_TRY: Final = 0.9
"""Of the time left: when a message is tried again that was told to come after its deadline. The relay does the same."""
AT_A_RELAY: Final = "504 expired"
"""What a relay in hold mode says of a message whose deadline passed there."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The DSP has the message. Its outcome comes later, to the User's own endpoint.

    Attributes:
        request_id: of the message.
        code: of the Response, such as `I99`; empty where the answer was none. So answers a relay in callback mode
            (202): it has taken the message, and the DSP's acknowledgement goes to its callback.
        status, body: of the HTTP answer, as it came.
        attempts: that were made, the last one included.
    """

    request_id: str
    code: str
    status: int
    body: bytes
    attempts: int


class AsyncClient:
    """Posts Service Requests to a gateway (or to a relay).

    What is posted at the same time goes in order of its class, inside a class by its deadline; messages to one device,
    and chains by PrecedingServiceRequestID, in the order in which they were posted. A throttled message waits for its
    next turn, and at least as long as the Retry-After says, until its deadline; one that found no answer is sent again,
    the same octets, unless `resend` is off.

    Args:
        gateway: its URL, with a path if there is one before `/api/v1/...`.
        classes: names of the User's own priorities, the most urgent first; what is in none comes last.
        bulk: those among them that are sent only into the quiet, and after all others, what is in no class included.
        certificate: the User's certificate and key, as files (PEM).
        verify: as httpx has it: True, False, a file of authorities, or a context.
        connections: attempts at once.
        timeout: seconds for one attempt.
        resend: whether a message may go again whose answer was lost. The DSP recognises it by its RequestID. (What
            found no connection was not sent, and is tried again in any case.)
        transport: another way for httpx to send, such as a mock.

    Raises:
        ValueError: the URL is none, two classes have one name, or `bulk` names one that is not there.
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
        self._ranks = ranks_of(classes, bulk)
        self._pace = Pace({self._ranks[name] for name in bulk})
        self._line: WaitingLine[Posted] = WaitingLine()
        self._connections = connections
        self._resend = resend
        self._out = 0
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._posts: dict[int, Posted] = {}
        self._idle = asyncio.Event()
        self._closed = False
        self._http = httpx.AsyncClient(
            base_url=url_of(gateway),
            verify=tls_context(verify, certificate),
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
        """Send nothing more. Every `post` that has no answer yet raises Expired, and whether it was sent. Twice is as
        once."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        now = asyncio.get_running_loop().time()
        for item in self._posts.values():
            if not item.scope.expired():
                item.scope.reschedule(now)
        while self._posts:
            self._idle.clear()
            await self._idle.wait()
        await self._http.aclose()

    @property
    def allocation(self) -> float | None:
        """The User's allocation in SR/s, as the gateway told it; None before it did."""
        return self._pace.learnt.allocation

    @property
    def waiting(self) -> int:
        """How many messages wait: for their turn, or for another attempt."""
        return len(self._posts) - self._out

    async def post(
        self, message: bytes, *, priority: str | None = None, deadline: float = 60.0, service: Service | None = None
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
            Unreachable: at its deadline there was no answer; or at once, if it may not go again.
            Expired: its deadline passed before its turn came, or the client was closed.
            ValueError: the priority is no class, the service is none, or the deadline cannot be.
        """
        if priority not in self._ranks:
            classes = ", ".join(name for name in self._ranks if name is not None)
            raise ValueError(f"{priority!r} is no class of this client: {classes or 'it has none'}")
        if service not in (None, "S", "T", "D"):
            raise ValueError(f"a service is S, T or D, not {service!r}")
        if not 0 < deadline <= LONGEST_DEADLINE:
            raise ValueError(f"a deadline is above 0 and at most {LONGEST_DEADLINE:g} seconds, not {deadline!r}")
        if self._closed:
            raise Expired("the client is closed")
        if len(self._posts) >= MOST_WAITING:
            raise Expired(f"{MOST_WAITING:,} messages wait already")
        try:
            header = read_header(message, complete=True)
        except MalformedMessage as error:
            raise Refused(f"not a Service Request: {error}") from None
        assert header is not None  # noqa: S101 - of a whole message it is there
        which = service or web_service(header.command_variant)
        key = header_key(header)
        loop = asyncio.get_running_loop()
        item = Posted(
            next(self._numbers),
            self._ranks[priority],
            loop.time() + deadline,
            None if which == "D" or header.srv in LISTS_DEVICES else int.from_bytes(key[8:16], "big", signed=True),
            key,
            request_key(header.preceding) if header.preceding is not None else None,
            loop.create_future(),
            asyncio.timeout(deadline),
        )
        self._line.add(item)
        self._posts[item.seq] = item
        try:
            async with item.scope:
                answer, code = await self._attempts(item, f"/api/v1/service{which}", message)
        except TimeoutError:
            raise self._late(item) from None
        finally:
            self._let_go(item)
        return Acknowledgement(header.request_id, code, answer.status, answer.body, item.attempts)

    def _late(self, item: Posted) -> SluicegateError:
        if self._closed:
            return Expired("the client was closed", item.sent)
        if item.last is None:
            return Expired("its deadline passed before its turn came", item.sent)
        item.last.sent = item.sent
        return item.last

    def _let_go(self, item: Posted) -> None:
        """Whatever has become of it: others may go."""
        self._came_back(item, None, {})  # its turn had come, and it was cancelled before it went
        del self._posts[item.seq]
        self._line.remove(item.seq)
        self._line.ended(item)
        self._pump()
        if not self._posts:
            self._idle.set()

    async def _attempts(self, item: Posted, path: str, message: bytes) -> tuple[Answer, str]:
        async for attempt in stamina.retry_context(
            on=self._may_go_again,
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
                        raise Refused(text, answer.status, verdict.code.split(" ")[-1], answer.body, item.sent)
                    if verdict.code == AT_A_RELAY:
                        raise Expired("its deadline passed at the relay", item.sent)
                    if verdict.ruling is Ruling.FAILED:
                        item.last = Unreachable(f"the gateway answered {verdict.code}", item.sent)
                        raise item.last
                    told = verdict.seconds if b"retry-after" in answer.fields else None
                    item.last = Throttled(f"throttled ({verdict.code})", told, item.sent)
                    left = item.deadline - asyncio.get_running_loop().time()
                    await asyncio.sleep(verdict.seconds if verdict.seconds < left else LAST_TRY * left)
        raise AssertionError  # the loop above ends by returning or raising

    def _may_go_again(self, error: Exception) -> bool:
        return isinstance(error, Unreachable) and (self._resend or not error.sent)

    async def _turn(self, item: Posted) -> None:
        """Wait until it is next."""
        if item.attempts:
            item.turn = asyncio.get_running_loop().create_future()
            self._line.give_back(item)
        self._pump()
        await item.turn

    async def _attempt(self, item: Posted, path: str, message: bytes) -> tuple[Answer, Verdict]:
        item.attempts += 1
        fields = {"Content-Type": "application/xml"}
        if item.sent:
            fields["Sluicegate-Repeat"] = "yes"
        status: int | None = 0
        told = dict[bytes, bytes]()
        try:
            got = await self._http.post(path, content=message, headers=fields)
            told = {name.lower(): value for name, value in got.headers.raw}
            answer = Answer(got.status_code, told, got.content)
            verdict = judge(answer, time())
            if verdict.code == AT_A_RELAY:
                status, item.sent = 200, item.sent or may_have_been_sent(answer.body)
            elif verdict.ruling is Ruling.FAILED:
                status, item.sent = max(500, answer.status), True
            elif verdict.ruling is Ruling.BEHIND:  # the network of its device, and not the User's pace
                status, told = 200, {name: value for name, value in told.items() if name != b"retry-after"}
            else:
                status = answer.status
        except httpx.HTTPError as error:
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            item.sent = item.sent or not unsent
            item.last = Unreachable(f"no answer: {str(error) or type(error).__name__}", item.sent)
            raise item.last from None
        except asyncio.CancelledError:  # by its deadline, by close, or by whoever posted it: it may be on its way
            status, item.sent = None, True
            item.last = Unreachable("no answer before its deadline", sent=True)
            raise
        finally:
            self._came_back(item, status, told)
        return answer, verdict

    def _came_back(self, item: Posted, status: int | None, told: dict[bytes, bytes]) -> None:
        """Its connection is free, and the pace learns what came of it. None: it was broken off on this side, which says
        nothing of the gateway, unless it was sent to see whether that is there again."""
        if not item.out:
            return
        item.out = False
        self._out -= 1
        now = asyncio.get_running_loop().time()
        if status is not None or self._pace.state(now) == "closed":
            self._pace.answered(now, item.rank, status or 0, told)

    def _pump(self) -> None:
        """Let those go whose turn it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while not self._closed and self._out < self._connections:
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
            if found.turn.done():
                self._line.ended(found)  # whoever posted it has gone
                continue
            self._pace.sent(now, found.rank)
            found.out = True
            self._out += 1
            found.turn.set_result(None)
