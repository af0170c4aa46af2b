"""A fleet of very many workers in simulated time: `simulated.Fleet` with a ledger that takes time, and little memory.

What a worker keeps of a User it keeps from the User's first request on: ten thousand Users at a thousand workers
would be 20 GB. What a User's size follows from is one object for all workers. The code that decides and draws is the
real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.fleet.simulated import Fleet
from bench.fleet.swift import SwiftLedger
from sluicegate.ledger.fleet.hands import Hand
from sluicegate.ledger.fleet.messages import Ask
from sluicegate.ledger.fleet.worker import Worker
from sluicegate.throttle import Limits, Throttle

LEAST, MOST = 0.0002, 0.002  # seconds of one way through the network


class LeanWorker(Worker):
    """A worker whose hands are opened when they are needed. `book` has the sizes of all Users."""

    book: Throttle
    everybody: Mapping[str, float]
    deepest_of_all: float

    def reconfigure(self, limits: Limits, allocations: Mapping[str, float], now: float, reserves: Any = None) -> None:
        """Take the limits; the Users are those of `book`."""
        del now, reserves, allocations
        self.limits, self.allocations, self.reserves = limits, self.everybody, {}
        self._hands: dict[str, Hand] = {}
        self.deepest = self.deepest_of_all

    def account(self, name: str) -> Hand:
        """As `Worker.account`."""
        hand = self._hands.get(name)
        if hand is None:
            hand = self._hands[name] = Hand(self.book.account(name), self._now)
        return hand


class LeanFleet(Fleet):
    """Many workers over one ledger, which serves one draw after the other.

    Args:
        base, each: seconds that a draw takes it, and each User of the draw.
        parts: by how many the Users are divided; infinite: no draw waits for another one.

    Attributes:
        busy, draws_served, users_served: what the ledger has done so far (seconds of its CPU, draws, wants).
        latest: how long the longest draw waited for its turn, in seconds.
    """

    def __init__(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        workers: int,
        seed: int,
        base: float,
        each: float,
        parts: float = 1.0,
        **options: Any,
    ) -> None:
        book = Throttle(limits, allocations)
        deepest = sum(book.account(name).depth for name in allocations)
        self._base, self._each, self._parts = base, each, parts
        self._free_at = 0.0
        self.busy = self.latest = 0.0
        self.draws_served = self.users_served = 0
        self._there = SwiftLedger()

        class Mine(LeanWorker):
            """Of this crowd."""

        Mine.book, Mine.everybody, Mine.deepest_of_all = book, dict(allocations), deepest
        super().__init__(
            limits, allocations, self._there, workers, seed=seed, settle=0.0, made=Mine, delay=self._delay, **options
        )

    def _delay(self) -> float:
        return self.random.uniform(LEAST, MOST)

    def lose(self, lost: bool) -> None:
        """The ledger is not there, or is again: with all that it had, and nothing in its queue."""
        if lost and self.ledger is not None:
            self.ledger = None
        elif not lost and self.ledger is None:
            self.ledger, self._free_at = self._there, self.now

    def _served(self, ask: Ask) -> tuple[float, float]:
        """After those that came before it. Nothing but draws changes the books, so it may be carried out at once."""
        self.draws_served += 1
        self.users_served += len(ask.wants)
        self.busy += self._base + self._each * len(ask.wants)
        if self._parts == float("inf"):
            return self.now, self.now
        begins = max(self.now, self._free_at)
        self.latest = max(self.latest, begins - self.now)
        self._free_at = begins + self._base + self._each * len(ask.wants) / self._parts
        return begins, self._free_at

    @property
    def alone(self) -> int:
        """Workers that decide by their share now, or have none."""
        return sum(worker.share.alone for worker in self.workers)
