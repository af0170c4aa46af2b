"""Which part of a ledger in parts a worker belongs to: its seat, which the ledger's Valkey gives it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, Protocol

from sluicegate.ledger.fleet.shard import AwayError
from sluicegate.ledger.fleet.writing import MalformedError

RENEWED: Final = 5.0  # seconds between renewals; by a quarter more or less, so that not all ask at once
LASTS: Final = 20.0  # seconds that a seat lasts which is not renewed
AGAIN: Final = 0.2  # seconds until a new worker asks again
LONGEST: Final = 1.0  # seconds that an answer may take
FAILED: Final = (AwayError, MalformedError, TimeoutError)


class Seats(Protocol):
    """Who gives out the seats; `ValkeyShard` of the ledger's name."""

    async def seat(self, worker: str, parts: int, own: int | None, moves: bool, seconds: float) -> int:
        """Take a seat, or renew it; the part that the worker belongs to from now on, from 0.

        A new worker (`own` is None) comes to the part with the fewest workers. One that has a part keeps it, or, where
        it `moves`, comes to that with the fewest if this has two fewer. A seat lasts so many `seconds`.

        Raises:
            AwayError: nobody says; or others have taken seats at another number of parts.
        """
        ...

    async def unseat(self, worker: str) -> None:
        """Give up a seat. Raises AwayError."""
        ...


class Seat:
    """One worker's seat. While it cannot be renewed, the worker stays where it is.

    Args:
        seats: who gives it.
        worker: its name in the fleet.
        parts: of the ledger.
        sits: called when it gets its first part.
        moves: called with another part than before; whether the worker goes there.
        chance: of the times of renewals.

    Attributes:
        part: from 0; None: it has none yet.
        trouble: why it has not got one, or why it was not renewed; else empty.
    """

    def __init__(
        self,
        seats: Seats,
        worker: str,
        parts: int,
        sits: Callable[[int], None],
        moves: Callable[[int], Awaitable[bool]] | None = None,
        chance: Random | None = None,
    ) -> None:
        self._seats, self._worker, self._parts = seats, worker, parts
        self._sits, self._moves = sits, moves
        self._chance = chance or Random()  # noqa: S311 - jitter, not a secret
        self.part: int | None = None
        self.trouble = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask for it, and renew it from then on. Within the loop that serves."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(*FAILED):
            async with asyncio.timeout(LONGEST):
                await self._seats.unseat(self._worker)

    async def _run(self) -> None:
        while True:
            try:
                await self.renew()
                self.trouble = ""
            except FAILED as error:
                self.trouble = str(error) or type(error).__name__
            await asyncio.sleep(AGAIN if self.part is None else RENEWED * self._chance.uniform(0.75, 1.25))

    async def renew(self) -> None:
        """Ask once. Raises AwayError, MalformedError, TimeoutError."""
        found = await self._asked(self.part, moves=self._moves is not None)
        if self.part is None:
            self.part = found
            self._sits(found)
        elif found != self.part and self._moves is not None:
            if await self._moves(found):
                self.part = found
            else:
                await self._asked(self.part, moves=False)

    async def _asked(self, own: int | None, *, moves: bool) -> int:
        async with asyncio.timeout(LONGEST):
            return await self._seats.seat(self._worker, self._parts, own, moves, LASTS)
