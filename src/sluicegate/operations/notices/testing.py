"""The test button: one attempt at each channel of a User, at once, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from time import monotonic
from typing import Final, NamedTuple

from sqlalchemy import Connection

from sluicegate.operations.notices import outbox, wording
from sluicegate.operations.notices.notice import Notice, made
from sluicegate.operations.notices.ways import NotDelivered, Way
from sluicegate.operations.store import trail
from sluicegate.operations.store.store import OperationsStore

TESTED: Final = "notice test"
BETWEEN: Final = 10.0  # seconds, of one channel


class TooSoon(Exception):  # noqa: N818 - named after what it is
    """A channel was tested a moment ago. `seconds`: to wait."""

    def __init__(self, channel: str, seconds: float) -> None:
        super().__init__(
            f"{channel} was tested a moment ago: a channel may be tested once in {BETWEEN:.0f} s, "
            f"so again in {max(1, ceil(seconds))} s"
        )
        self.seconds = seconds


class Button:
    """How often it may be pressed: for each channel once in BETWEEN seconds."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], float] = {}

    def press(self, user: str, channels: Iterable[str], now: float) -> None:
        """Press it for these channels of a User; where one is not to be tested yet, for none: TooSoon.

        `now`: seconds of the monotonic clock.
        """
        self._at = {lane: at for lane, at in self._at.items() if at + BETWEEN > now}
        wanted = [(user, channel) for channel in channels]
        last = max(wanted, key=lambda lane: self._at.get(lane, float("-inf")), default=None)
        if last in self._at:
            raise TooSoon(last[1], self._at[last] + BETWEEN - now)
        self._at |= dict.fromkeys(wanted, now)


class Tested(NamedTuple):
    """What became of one channel. `why`: empty where it worked; `seconds`: that it took."""

    channel: str
    why: str
    seconds: float
    notice: Notice


def noted(connection: Connection, user: str, channels: list[str], who: str, at: int) -> trail.Row:
    """The row of the audit trail; it is written before anything is sent."""
    return trail.append(connection, who=who, did=TESTED, about=user, at=at, channels=channels)


def note(store: OperationsStore, user: str, channels: list[str], who: str, at: int) -> None:
    """The same, in a transaction of its own: for the thread of the worker."""
    with store.changing() as connection:
        noted(connection, user, channels, who, at)


def kept(connection: Connection, tested: list[Tested]) -> None:
    """What was sent is among the notices that are listed."""
    outbox.write(connection, [one.notice for one in tested], "", 0)


async def tried(
    ways: Mapping[tuple[str, str], Way], user: str, who: str, clock: Callable[[], float], channel: str | None = None
) -> list[Tested]:
    """One attempt at each channel of a User (or at one), all at the same time.

    Raises:
        LookupError: there is none.
    """
    wanted = {name: way for (of, name), way in ways.items() if of == user and channel in (None, name)}
    if not wanted:
        raise LookupError(f"{user} has no channel{'' if channel is None else f' {channel}'}: add a [[user.channel]]")
    return list(await asyncio.gather(*(_tried(user, name, way, who, clock) for name, way in wanted.items())))


async def _tried(user: str, channel: str, way: Way, who: str, clock: Callable[[], float]) -> Tested:
    began, at = monotonic(), clock()
    notice = made("test", wording.test(user, channel, who), int(at * 1e6), user, channel)
    try:
        await way.deliver(notice, at)
    except NotDelivered as error:
        ended = notice.failed(str(error), notice.due_at).given_up(str(error), int(clock() * 1e6))
        return Tested(channel, str(error), monotonic() - began, ended)
    return Tested(channel, "", monotonic() - began, notice.sent(int(clock() * 1e6)))
