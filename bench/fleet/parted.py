"""A simulated fleet whose ledger is in parts: each part a ledger of its own, with its workers and a K-th of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.fleet.lean import LeanFleet, LeanWorker, shared_book
from sluicegate.throttle import Limits


class PartedFleet:
    """Workers over several ledgers: worker w belongs to part w mod `parts`.

    Args:
        limits, allocations: of the whole.
        parts: how many.
        base, each, free, killed: as of `LeanFleet`.
        lost: how many of the parts `lose` takes away.

    Attributes:
        workers: all, in order. fleets: the parts.
    """

    def __init__(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        workers: int,
        seed: int,
        parts: int,
        lost: int,
        **options: Any,
    ) -> None:
        made, of = shared_book(limits, allocations, parts)
        self.bound = made.deepest_of_all * parts + limits.threshold * limits.burst_seconds
        sizes = [len(range(number, workers, parts)) for number in range(parts)]
        self.fleets = [
            LeanFleet(of, made, size, seed + 7919 * number, parts=parts, **options) for number, size in enumerate(sizes)
        ]
        self.workers: list[LeanWorker] = [
            self.fleets[number % parts].workers[number // parts] for number in range(workers)
        ]
        self.parts, self.lost = parts, lost

    def of(self, worker: int) -> LeanFleet:
        """The part that a worker belongs to."""
        return self.fleets[worker % self.parts]

    def is_lost(self, worker: int) -> bool:
        """Whether it belongs to a part that `lose` takes away."""
        return worker % self.parts < self.lost

    def run(self, until: float) -> None:
        """Everything that happens up to then."""
        for fleet in self.fleets:
            fleet.run(until)

    def lose(self, lost: bool) -> None:
        """Some parts are not there, or are again."""
        for fleet in self.fleets[: self.lost]:
            fleet.lose(lost)

    def counts(self) -> dict[str, float]:
        """What happened so far."""
        return {
            "draws": sum(fleet.draws for fleet in self.fleets),
            "served": sum(fleet.draws_served for fleet in self.fleets),
            "users": sum(fleet.users_served for fleet in self.fleets),
            "busy": sum(fleet.busy for fleet in self.fleets),
            "lost": sum(worker.lost_draws for worker in self.workers),
        }

    def latest(self) -> float:
        """How long the longest draw waited for its turn since this was asked last, in seconds."""
        latest = max(fleet.latest for fleet in self.fleets)
        for fleet in self.fleets:
            fleet.latest = 0.0
        return latest

    @property
    def alone(self) -> int:
        """Workers that decide by their share now, or have none."""
        return sum(fleet.alone for fleet in self.fleets)
