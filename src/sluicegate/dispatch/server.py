"""The web services, as a raw ASGI application: what is POSTed is read, made safe, and only then acknowledged.

A sender that hangs up before its answer may have been taken all the same: it has no answer, and sends again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sluicegate.database.errors import StoreError
from sluicegate.dispatch import problems
from sluicegate.dispatch.counts import Counts
from sluicegate.dispatch.intake import Accepted, Intake, Outcome, Refused
from sluicegate.dispatch.parcel import Incoming, Receipt, State, Taken
from sluicegate.dispatch.problems import Problem
from sluicegate.duis import LARGE_OCTETS, WebService
from sluicegate.log import logger

if TYPE_CHECKING:
    from sluicegate.settings import Settings

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

STORE_RETRY: Final = 5
"""Seconds after which to try again when the store cannot take it."""
SOON: Final = 1
"""The same, for what passes at once."""
BODY_SECONDS: Final = 60.0
"""In which a body must arrive that does not come at once."""
MOST_REASON: Final = 300  # characters of Sluicegate-Reason

_SERVICES: dict[str, WebService] = {"/api/v1/serviceS": "S", "/api/v1/serviceT": "T", "/api/v1/serviceD": "D"}
_RESPONSES = "/api/v1/responses"
_XML = (b"content-type", b"application/xml")
_CLOSE = ((b"connection", b"close"),)


class Desk(Protocol):
    """Where parcels go: `dispatch.depot.Depot`."""

    async def submit(self, incoming: Sequence[Incoming]) -> list[Receipt]:
        """Make parcels safe. Raises StoreError."""

    async def conclude(self, key: bytes | None, code: str, letter: Incoming) -> tuple[State | None, Receipt]:
        """Make a Response safe that concludes an SR; the state that this was in. Raises StoreError."""

    def refuses(self, destination: str, user: str) -> float | None:
        """Seconds for which a CSP takes no more of a User; None: it does."""


class _Refusal(Exception):  # noqa: N818 - it is an answer
    def __init__(self, problem: Problem, detail: str, retry_after: int | None = None, close: bool = False) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.retry_after = retry_after
        self.close = close


class _HungUp(Exception):  # noqa: N818 - nobody is there to be told
    pass


class Server:
    """The ASGI application.

    Args:
        intake: reads what comes.
        desk: makes it safe.
        settings: of `[dispatch]` the bounds of bodies; of `[responses]` from which DUIS version on 429 is answered.
        clock: seconds since 1970 UTC.
    """

    def __init__(self, intake: Intake, desk: Desk, settings: Settings, clock: Callable[[], float] = time) -> None:
        if settings.dispatch is None:
            raise ValueError("there is no [dispatch] in the configuration")
        self.counts = Counts()
        self.draining = False
        self.buffered = 0
        """Octets of bodies in memory, until they are answered."""
        self._intake = intake
        self._desk = desk
        self._clock = clock
        self._max_body = settings.dispatch.max_body_bytes
        self._max_buffered = settings.dispatch.buffered_octets
        self._too_many_from = settings.responses.too_many_requests_from_duis
        self._beside = ThreadPoolExecutor(1, "intake")  # one: large messages are rare, and must not take a core each

    def close(self) -> None:
        """Read no more large messages."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI: one request."""
        if scope["type"] != "http":
            return
        kept = 0
        try:
            service = self._service(scope)
            body = await self._body(scope["headers"], receive)
            kept = len(body)
            if service is None:
                await self._take_response(body, send)
            else:
                await self._take_request(service, body, send)
        except _Refusal as refusal:
            await self._refuse(send, refusal)
        except StoreError:  # the writer has said so in the log
            text = "it could not be made safe, or that is not known: send it again, unchanged"
            await self._refuse(send, _Refusal(problems.STORE, text, STORE_RETRY))
        except _HungUp:
            self.counts.hung_up += 1
        except Exception:
            logger().exception("a request failed")
            await self._refuse(send, _Refusal(problems.INTERNAL, "see the dispatcher's log", close=True))
        finally:
            self.buffered -= kept

    # --- the request

    def _service(self, scope: Message) -> WebService | None:
        """The web service that is asked; None for the one that takes Responses."""
        path = scope["path"]
        service = _SERVICES.get(path)
        if service is None and path != _RESPONSES:
            raise _Refusal(problems.NOT_FOUND, "there are /api/v1/serviceS, serviceT, serviceD and responses")
        if scope["method"] != "POST":
            raise _Refusal(problems.NOT_POST, f"{path} takes POST")
        if self.draining:
            raise _Refusal(problems.DRAINING, "this dispatcher stops: send it again", SOON, close=True)
        return service

    async def _body(self, fields: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes:
        """The whole body; it is counted in `buffered`, which the caller takes back."""
        for name, value in fields:
            if name == b"content-length":
                if int(value) > self._max_body:
                    raise self._too_large()
            elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise _Refusal(problems.ENCODED, "messages are taken as they are: send it without Content-Encoding")
        message = await receive()  # one that never comes is the protocol's to end: a time-out here costs every request
        if message["type"] == "http.disconnect":
            raise _HungUp
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            self._keep(len(body), 0)
            return body
        return await self._pieces(body, receive)

    async def _pieces(self, first: bytes, receive: Receive) -> bytes:
        """A body that does not come at once."""
        body, whole = bytearray(), False
        try:
            async with asyncio.timeout(BODY_SECONDS):
                piece, more = first, True
                while True:
                    self._keep(len(piece), len(body))
                    body += piece
                    if not more:
                        break
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _HungUp
                    piece, more = message.get("body", b""), message.get("more_body", False)
            whole = True
            return bytes(body)
        except TimeoutError:
            raise _Refusal(problems.SLOW_SENDER, f"it took more than {BODY_SECONDS:g} s", close=True) from None
        finally:
            if not whole:
                self.buffered -= len(body)

    def _keep(self, octets: int, before: int) -> None:
        if before + octets > self._max_body:
            raise self._too_large()
        if self.buffered + octets > self._max_buffered:
            text = "too many messages are being taken at once: send it again"
            raise _Refusal(problems.NO_MEMORY, text, SOON, close=True)
        self.buffered += octets

    def _too_large(self) -> _Refusal:
        return _Refusal(problems.TOO_LARGE, f"at most {self._max_body} octets are taken", close=True)

    async def _read(self, read: Callable[..., T], *of: object) -> T:
        """Read a large message in a thread: meanwhile others are served."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, read, *of)

    # --- what it is about

    async def _take_request(self, service: WebService, body: bytes, send: Send) -> None:
        intake, at = self._intake, self._clock()
        if len(body) <= LARGE_OCTETS:
            found = intake.read(service, body, at)
        else:
            found = await self._read(intake.read, service, body, at)
        if isinstance(found, Refused):
            await self._answer_refused(send, found)
            return
        self._ceiling(found)
        receipt = await self._submit(found)
        if receipt.taken is Taken.CONFLICT:
            self.counts.conflicts += 1
            await self._answer(send, 409, intake.conflict(found.header, at).body)
            return
        if receipt.taken is Taken.ACCEPTED:
            self.counts.accepted += 1
        else:
            self.counts.repeated += 1
        await self._answer(send, 200, intake.acknowledgement(found.header, receipt.accepted_at))

    async def _submit(self, found: Accepted) -> Receipt:
        """Make it safe; the receipt of its RequestID.

        Of several regions the first stands for all: where its RequestID is another message's, nothing of this one may
        be stored. The sender has no answer before all are safe, so what is missing comes with its repetition.
        """
        receipt = (await self._desk.submit(found.incoming[:1]))[0]
        if len(found.incoming) > 1 and receipt.taken is not Taken.CONFLICT:
            await self._desk.submit(found.incoming[1:])
        return receipt

    def _ceiling(self, found: Accepted) -> None:
        for parcel in found.incoming:
            seconds = self._desk.refuses(parcel.destination, found.user)
            if seconds is not None:
                least = self._too_many_from
                too_many = least is not None and found.header.version >= least
                problem = problems.CSP_BACKLOG_429 if too_many else problems.CSP_BACKLOG
                text = f"{parcel.destination.partition(':')[2]} takes no more of this User for now; other CSPs do"
                raise _Refusal(problem, text, max(1, ceil(seconds)))

    async def _take_response(self, body: bytes, send: Send) -> None:
        at = self._clock()
        if len(body) <= LARGE_OCTETS:
            found = self._intake.outcome(body, at)
        else:
            found = await self._read(self._intake.outcome, body, at)
        if not isinstance(found, Outcome):
            await self._answer_refused(send, found)
            return
        before, _receipt = await self._desk.conclude(found.key, found.code, found.incoming)
        self.counts.outcomes += 1
        if before is State.RETURNED:
            self.counts.late += 1
        await self._answer(send, 200, b"")

    # --- the answer

    async def _answer_refused(self, send: Send, refused: Refused) -> None:
        if refused.problem is not None:
            await self._refuse(send, _Refusal(refused.problem, refused.text), refused.code or None)
            return
        self.counts.refuse(refused.reason)
        await self._answer(send, refused.status, refused.body, ((b"sluicegate-reason", _shown(refused.text)),))

    async def _answer(self, send: Send, status: int, body: bytes, fields: Sequence[tuple[bytes, bytes]] = ()) -> None:
        headers = [_XML, (b"content-length", b"%d" % len(body)), *fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _refuse(self, send: Send, refusal: _Refusal, code: str | None = None) -> None:
        problem = refusal.problem
        self.counts.refuse(problem.name)
        body = problems.rendered(problem, refusal.detail, retry_after=refusal.retry_after, code=code)
        headers = [(b"content-type", problems.MEDIA_TYPE), (b"content-length", b"%d" % len(body))]
        if refusal.retry_after is not None:
            headers.append((b"retry-after", b"%d" % refusal.retry_after))
        if problem is problems.NOT_POST:
            headers.append((b"allow", b"POST"))
        elif problem is problems.ENCODED:
            headers.append((b"accept-encoding", b"identity"))
        if refusal.close:
            headers += _CLOSE
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _shown(text: str) -> bytes:
    """A sentence as the value of a field: visible ASCII, and not too much of it."""
    plain = text[:MOST_REASON].encode("ascii", "replace").decode()
    return "".join(one if one.isprintable() else "?" for one in plain).encode()
