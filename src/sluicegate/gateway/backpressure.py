"""Which CSPs the dispatcher says are full, so that the gateway refuses what is for those, and nothing else.

docs/backpressure.md is the interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final, Protocol

from sluicegate.duis import Header
from sluicegate.gateway.news import NOTHING, Behind, News, NoNews, news_of
from sluicegate.http.call import Answer, CallFailed
from sluicegate.log import logger
from sluicegate.settings import Backpressure

PATH: Final = "/api/v1/backpressure"
LONGEST_ANSWER = 2.0  # seconds that the dispatcher may take for an answer
LONGEST_WAIT = 300.0  # seconds: whoever is told more comes back after so many, and asks again
SPREAD = 0.2
GOLDEN = 0.6180339887498949  # so far apart, any number of points lies evenly in [0, 1)
SAID_EVERY = 1.0  # seconds between log lines about which CSPs are full
COMPLAINED_EVERY = 60.0  # seconds between log lines about a dispatcher that falls silent again and again
MOST_SAID = 20  # CSPs in one line of the log

NOT_LOOKED_AT: Final = frozenset((2, 6, 8))
"""Command Variants of requests without a device (Non-Device Services)."""
FIRMWARE: Final = "11.1"
"""Its devices stand in a list, in the body: the dispatcher reads it."""

Region = Callable[[str], str | None]


class Refusals:
    """Who is refused for which CSP, at present. There is none of these while nobody is: that is all it costs then.

    Args:
        region: from a device's EUI-64 to the name of its CSP.
        csps: those that refuse somebody.
    """

    __slots__ = ("_region", "_turn", "csps")

    def __init__(self, region: Region, csps: Mapping[str, Behind]) -> None:
        self._region = region
        self._turn = 0.0
        self.csps = csps

    def of(self, user: str, header: Header) -> tuple[Behind, int] | None:
        """The CSP for which this request of a User is refused, and after how many seconds it may come again."""
        if header.command_variant in NOT_LOOKED_AT or header.srv == FIRMWARE:
            return None
        behind = self.csps.get(self._region(header.target) or "")
        if behind is None:
            return None
        seconds = behind.users.get(user, behind.others)
        return None if seconds is None else (behind, self._spread(seconds))

    def _spread(self, seconds: float) -> int:
        """Never less than was told, and up to a fifth more: those who were told the same must not come back at once."""
        self._turn = (self._turn + GOLDEN) % 1.0
        least = max(1, ceil(min(seconds, LONGEST_WAIT)))
        return least + int(self._turn * (ceil(least * SPREAD) + 1))


class Asks(Protocol):
    """Who asks the dispatcher: `http.post.Caller`, or a stand-in of it."""

    async def get(self, path: str, timeout: float) -> Answer:
        """GET, and the answer. Raises CallFailed."""

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long."""

    def cut(self) -> None:
        """End all connections at once."""


@dataclass(slots=True)
class _Said:
    """What the log was told last, and when. Nothing is said about a start at which all is well."""

    csps: tuple[str, ...] = ()
    csps_at: float = float("-inf")
    complained: bool = False
    complained_at: float = float("-inf")


class BackPressure:
    """Asks the dispatcher, again and again, and tells the desk. Times are seconds of the monotonic clock.

    Args:
        settings: how often, and for how long an answer counts.
        caller: asks.
        region: from a device's EUI-64 to the name of its CSP.
        tell: takes what is refused now; None: nothing is.
        clock: the time.

    Attributes:
        heard_at: when the last good answer was asked for; None: there was none yet.
        csps: the CSPs that refuse somebody, as far as is known.
        waiting: SRs that the dispatcher has for a CSP, as far as is known.
    """

    def __init__(
        self,
        settings: Backpressure,
        caller: Asks,
        region: Region,
        tell: Callable[[Refusals | None], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.settings = settings
        self.heard_at: float | None = None
        self.csps: Mapping[str, Behind] = {}
        self.waiting: Mapping[str, int] = {}
        self._caller = caller
        self._region = region
        self._tell = tell
        self._clock = clock
        self._octets = b""
        self._said = _Said()

    async def run(self) -> None:
        """Ask until cancelled."""
        every = self.settings.every
        while True:
            asked_at = self._clock()
            try:
                await self.ask()
            except Exception:  # whatever happens, the gateway must go on asking
                logger().exception("asking the dispatcher failed")
            await asyncio.sleep(max(every - (self._clock() - asked_at), min(every, 0.05)))

    async def ask(self) -> None:
        """Ask once. An answer that is none changes nothing."""
        asked_at = self._clock()
        try:
            answer = await self._caller.get(PATH, min(LONGEST_ANSWER, self.settings.forget_after))
            same = answer.body == self._octets and answer.status == 200
            news = News(self.csps, self.waiting) if same else news_of(answer)
        except CallFailed as error:
            self._complain(f"it does not answer: {error}")
        except NoNews as error:
            self._complain(f"its answer cannot be used: {error}")
        else:
            self._take(news, asked_at)
            self._octets = answer.body

    def reroute(self, region: Region) -> None:
        """From now on devices belong to other CSPs."""
        self._region = region
        self._tell_desk()

    def sweep(self, now: float) -> None:
        """Forget what is too old. Called a few times a second."""
        self._caller.sweep(now)
        old = self.heard_at is not None and now - self.heard_at >= self.settings.forget_after
        if old and self.csps and self.heard_at is not None:
            logger().warning(
                "back-pressure forgotten: the dispatcher gives no news, and refuses by itself what it cannot take",
                dispatcher=str(self.settings.url),
                seconds=round(now - self.heard_at, 3),
                csps=sorted(self.csps)[:MOST_SAID],
            )
            self._said.csps = ()
        if old and (self.csps or self.waiting):
            self._octets = b""
            self._put(NOTHING)
        self._say(now)

    def stop(self) -> None:
        """Ask no more, and refuse nothing: who runs `run` cancels that."""
        self._put(NOTHING)
        self._caller.cut()

    def _put(self, news: News) -> None:
        """What refuses nobody else than before leaves the refusals as they are: their spreading goes on."""
        self.waiting = news.waiting
        if news.csps != self.csps:
            self.csps = news.csps
            self._tell_desk()

    def _tell_desk(self) -> None:
        self._tell(Refusals(self._region, self.csps) if self.csps else None)

    def _take(self, news: News, asked_at: float) -> None:
        self.heard_at = asked_at
        self._put(news)
        if self._said.complained:
            self._said.complained = False
            logger().info("the dispatcher tells again which CSPs are full", dispatcher=str(self.settings.url))

    def _complain(self, why: str) -> None:
        """Once, until it is well again; and not at every turn of one that cannot make up its mind."""
        now, said = self._clock(), self._said
        if not said.complained and now - said.complained_at >= COMPLAINED_EVERY:
            said.complained, said.complained_at = True, now
            logger().warning("no news from the dispatcher", dispatcher=str(self.settings.url), why=why)

    def _say(self, now: float) -> None:
        """One line when other CSPs are full than before."""
        csps, said = tuple(sorted(self.csps)), self._said
        if csps != said.csps and now - said.csps_at >= SAID_EVERY:
            said.csps, said.csps_at = csps, now
            event = "back-pressure: requests for these CSPs are refused" if csps else "back-pressure over"
            logger().warning(event, csps=csps[:MOST_SAID])
