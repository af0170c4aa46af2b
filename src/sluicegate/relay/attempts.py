"""Attempts at the gateway: one errand each, from its body to what the answer means and what the pace learns of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sluicegate.database.errors import StoreError
from sluicegate.http.call import Answer, CallFailed
from sluicegate.log import logger
from sluicegate.relay.clock import Clock
from sluicegate.relay.errand import Errand
from sluicegate.relay.judging import Ruling, Verdict, judge

if TYPE_CHECKING:
    from sluicegate.relay.pace import Pace

NO_BODY = "its body is not there any more"
UNREACHABLE = 0  # as a status: there was no answer


class Way(Protocol):
    """How SRs get there: `http.post.Caller`, or a stand-in of it."""

    def begin(
        self,
        path: str,
        body: bytes,
        fields: Mapping[str, str],
        timeout: float,
        told: Callable[[Answer | CallFailed], None],
    ) -> object:
        """POST. `told` is called with what came of it, once, and not within this call."""

    def cut(self) -> None:
        """End all connections at once."""


Concluded = Callable[[Errand, Verdict, Answer | None], None]
"""An attempt has ended: what the answer means, and the answer if there is one."""


class Attempts:
    """Those under way.

    Nothing is made for one but its call: no task, no future. Only where the body must be read from the store first.

    Args:
        way: to the gateway.
        pace: learns from what is answered.
        timeout: seconds for one.
        body: of an errand, from the store. Raises StoreError.
        concluded: is told how one ended.
    """

    def __init__(
        self,
        way: Way,
        pace: Pace,
        *,
        timeout: float,
        body: Callable[[Errand], Awaitable[bytes | None]],
        concluded: Concluded,
        clock: Clock,
    ) -> None:
        self.last_failure = ""
        self.under_way: dict[int, Errand] = {}
        """By number."""
        self._way = way
        self._pace = pace
        self._timeout = timeout
        self._body = body
        self._concluded = concluded
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._reading: set[asyncio.Task[None]] = set()
        self._over: asyncio.Event | None = None

    def begin(self, errand: Errand) -> None:
        """Send one."""
        self.under_way[errand.seq] = errand
        if errand.body is not None:
            self._post(errand, errand.body)
            return
        task = self._loop.create_task(self._read_and_post(errand))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read_and_post(self, errand: Errand) -> None:
        try:
            body = await self._body(errand)
        except StoreError as error:
            self._learn(errand, 200, {})
            self._conclude(errand, Verdict(Ruling.FAILED, str(error)), None)
            return
        except Exception as error:
            self._our_fault(errand, error)
            return
        if body is None:
            self._learn(errand, 200, {})
            self._conclude(errand, Verdict(Ruling.REFUSED, NO_BODY), None)
        else:
            self._post(errand, body)

    def _post(self, errand: Errand, body: bytes) -> None:
        try:
            self._way.begin(errand.path, body, _fields(errand), self._timeout, partial(self._answered, errand))
        except Exception as error:  # what cannot be sent; it is told as all ends are, not within `begin`
            self._loop.call_soon(self._our_fault, errand, error)

    def _answered(self, errand: Errand, what: Answer | CallFailed) -> None:
        try:
            verdict, answer = self._judged(errand, what)
        except Exception as error:
            self._our_fault(errand, error)
            return
        self._conclude(errand, verdict, answer)

    def _judged(self, errand: Errand, what: Answer | CallFailed) -> tuple[Verdict, Answer | None]:
        if isinstance(what, CallFailed):
            errand.repeated = errand.repeated or what.sent
            self._learn(errand, UNREACHABLE, {})
            self._complain(str(what))
            return Verdict(Ruling.FAILED, str(what)), None
        verdict = judge(what, self._clock.at())
        if verdict.ruling is Ruling.FAILED:
            errand.repeated = True
            self._complain(f"answered {verdict.code}")
            self._learn(errand, what.status if what.status >= 500 else 502, what.fields)
        elif verdict.ruling is Ruling.BEHIND:  # one network's, and not the User's
            self._learn(errand, 200, {name: told for name, told in what.fields.items() if name != b"retry-after"})
        else:
            self._learn(errand, what.status, what.fields)
        return verdict, what

    def _our_fault(self, errand: Errand, error: Exception) -> None:
        """It is not the gateway's: the SR must not be lost with it."""
        logger().error("an attempt failed by our own fault", seq=errand.seq, exc_info=error)
        self._conclude(errand, Verdict(Ruling.FAILED, repr(error)[:200]), None)

    def _conclude(self, errand: Errand, verdict: Verdict, answer: Answer | None) -> None:
        if self.under_way.pop(errand.seq, None) is None:
            return  # it was broken off, and whoever did it has said so
        self._concluded(errand, verdict, answer)
        if self._over is not None and not self.under_way:
            self._over.set()

    def _learn(self, errand: Errand, status: int, fields: Mapping[bytes, bytes]) -> None:
        self._pace.answered(self._clock.now(), errand.rank, status, fields)

    def _complain(self, why: str) -> None:
        if why != self.last_failure:
            logger().warning("the gateway does not take what it is sent", why=why)
        self.last_failure = why

    async def end(self, seconds: float) -> list[Errand]:
        """Let what is under way end for so many seconds, and break off the rest: it is returned, marked."""
        if self.under_way and seconds > 0:
            self._over = asyncio.Event()
            try:
                async with asyncio.timeout(seconds):
                    await self._over.wait()
            except TimeoutError:
                pass
        broken = list(self.under_way.values())
        self.under_way.clear()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for errand in broken:
            errand.repeated = True
        self._way.cut()
        return broken


def _fields(errand: Errand) -> Mapping[str, str]:
    """What goes with it: the sender's own; and whether it may have come before."""
    return {**errand.fields, "Sluicegate-Repeat": "yes"} if errand.repeated else errand.fields
