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
from sluicegate.ledger.fleet.part import Part
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


def shared_book(limits: Limits, allocations: Mapping[str, float], parts: int = 1) -> tuple[type[LeanWorker], Limits]:
    """A worker of these Users, at one of so many parts of the ledger; and the limits of the part."""
    part = Part(parts)
    of, everybody = part.limits(limits), part.allocations(allocations)
    book = Throttle(of, everybody)
    deepest = sum(part.fit(book.account(name), of, 0.0, 0.0) for name in allocations)

    class Mine(LeanWorker):
        """Of this crowd."""

    Mine.book, Mine.everybody, Mine.deepest_of_all = book, everybody, part.deepest(deepest, limits.heaviest)
    return Mine, of


class LeanFleet(Fleet):
    """Many workers over one ledger, which serves one draw after the other.

    Args:
        limits: of this ledger.
        made: a worker, see `shared_book`.
        base, each: seconds that a draw takes it, and each User of the draw.
        free: no draw waits for another one.
        killed: whether the ledger that is lost is killed: connections are refused, and what comes back is empty.

    Attributes:
        busy, draws_served, users_served: what the ledger has done so far (seconds of its CPU, draws, wants).
        latest: how long the longest draw waited for its turn, in seconds.
    """

    def __init__(
        self,
        limits: Limits,
        made: type[LeanWorker],
        workers: int,
        seed: int,
        base: float,
        each: float,
        free: bool = False,
        killed: bool = False,
        **options: Any,
    ) -> None:
        self._base, self._each, self._free = base, each, free
        self._free_at = 0.0
        self.busy = self.latest = 0.0
        self.draws_served = self.users_served = 0
        self._there = SwiftLedger()
        super().__init__(
            limits, {}, self._there, workers, seed=seed, settle=0.0, made=made, delay=self._delay, **options
        )
        self.refuses = killed

    def _delay(self) -> float:
        return self.random.uniform(LEAST, MOST)

    def lose(self, lost: bool) -> None:
        """The ledger is not there, or is again: with all that it had, if it was not killed, and an empty queue."""
        if lost and self.ledger is not None:
            self.ledger = None
        elif not lost and self.ledger is None:
            if self.refuses:
                self._there = SwiftLedger()
            self.ledger, self._free_at = self._there, self.now

    def _served(self, ask: Ask) -> tuple[float, float]:
        """After those that came before it. Nothing but draws changes the books, so it may be carried out at once."""
        self.draws_served += 1
        self.users_served += len(ask.wants)
        self.busy += self._base + self._each * len(ask.wants)
        if self._free:
            return self.now, self.now
        begins = max(self.now, self._free_at)
        self.latest = max(self.latest, begins - self.now)
        self._free_at = begins + self._base + self._each * len(ask.wants)
        return begins, self._free_at

    @property
    def alone(self) -> int:
        """Workers that decide by their share now, or have none."""
        return sum(worker.share.alone for worker in self.workers)
