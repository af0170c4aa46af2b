"""Work that is long is done a little at a time, so that neither the event loop nor another thread waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from time import perf_counter, sleep
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 0.002
"""Seconds that the event loop is held, or the interpreter, before others have their turn."""

REST: Final = 0.0005
"""Seconds that a thread lets go of the interpreter: whoever waits for it has it in less."""


async def in_slices(steps: Iterable[object], clock: Callable[[], float] = perf_counter) -> None:
    """Go through all steps in the event loop. Each is short; whoever else is ready has a turn after SLICE of them."""
    until = clock() + SLICE
    for _ in steps:
        if clock() >= until:
            await asyncio.sleep(0)
            until = clock() + SLICE


def all_at_once(steps: Iterable[object]) -> None:
    """Go through all steps, and let nobody in between."""
    for _ in steps:
        pass


class Pace:
    """For a thread with much to do: `rest` between short pieces of work lets the event loop have the interpreter.

    A thread that only computes gives it away after 5 ms at the soonest, whenever the loop asks for it.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter, nap: Callable[[float], object] = sleep) -> None:
        self._clock = clock
        self._nap = nap
        self._until = clock() + SLICE

    def rest(self) -> None:
        """Let others have a turn, if SLICE is used up."""
        if self._clock() >= self._until:
            self._nap(REST)
            self._until = self._clock() + SLICE


def at_full_speed() -> None:
    """The pace of who need not rest."""


def by_hundreds(some: Iterable[T]) -> Iterator[list[T]]:
    """The same, a hundred at a time."""
    left = iter(some)
    while piece := list(islice(left, 100)):
        yield piece
