"""What a simulated fleet did in each phase, beside one process that decides on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.fleet.crowd import Crowd
from bench.fleet.lean import LeanFleet
from bench.fleet.parted import PartedFleet
from sluicegate.throttle import THROTTLED

BUCKET: Final = 0.01  # seconds, for the capacity bound
ENOUGH: Final = 100  # requests of a User that one process admits: of fewer, a ratio says nothing
SIZES: Final = ((100.0, float("inf")), (10.0, 100.0), (0.0, 10.0))  # SR/s


@dataclass
class Phase:
    """One stretch of time. Requests count in the phase in which they came.

    Attributes:
        sent, admitted, ideal: requests by User: all, what the fleet admitted, what one process did.
        waits: seconds of those that waited for the ledger.
        spent: what happened in it, by the words of `PartedFleet.counts`.
        at_lost: requests at the parts that are lost: all, what the fleet admitted, what one process did.
        alone: workers that were alone when it ended.
    """

    name: str
    begins: float
    ends: float
    users: int
    buckets: list[int]
    waited: int = 0
    alone: int = 0
    waits: list[float] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    at_lost: list[int] = field(default_factory=lambda: [0, 0, 0])

    def __post_init__(self) -> None:
        self.sent, self.admitted, self.ideal = ([0] * self.users for _ in range(3))

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ends - self.begins

    def told_later(self, fleet: LeanFleet, user: int, came: float, lost: bool) -> Callable[[int], None]:
        """What is called with the outcome of a request that waits."""

        def told(outcome: int) -> None:
            self.waits.append(fleet.now - came)
            if outcome != THROTTLED:
                self.admitted[user] += 1
                self.at_lost[1] += lost
                self.buckets[int(fleet.now / BUCKET)] += 1

        return told


class Measured:
    """All phases of one simulation."""

    def __init__(self, of: Crowd, fleet: PartedFleet, lengths: dict[str, float], idle: float = 0.0) -> None:
        self.of, self.fleet = of, fleet
        self.phases: list[Phase] = []
        self.buckets = [0] * (round((idle + sum(lengths.values())) / BUCKET) + 100)
        begins = 0.0
        for name, seconds in lengths.items():
            if seconds > 0.0:
                self.phases.append(Phase(name, begins, begins + seconds, len(of.names), self.buckets))
                begins += seconds
        self.ends = begins

    def each(self) -> Iterator[Phase]:
        """The phases in order; one ends when the next is asked for."""
        for phase in self.phases:
            before = self.fleet.counts()
            self.fleet.latest()
            yield phase
            after = self.fleet.counts()
            phase.spent = {key: after[key] - before[key] for key in after} | {"latest": self.fleet.latest()}
            phase.alone = self.fleet.alone

    def overshoot(self) -> tuple[float, float]:
        """By how much (SR) the worst stretch exceeds the capacity's rate, and by how much any may."""
        worst, over = 0.0, 0.0
        for admitted in self.buckets:
            over = max(0.0, over + admitted - self.of.limits.maximum * BUCKET)
            worst = max(worst, over)
        return worst, self.fleet.bound

    def table(self) -> list[str]:
        """As Markdown: a column for each phase but the first."""
        phases = self.phases[1:]
        rows = [["", *(f"{phase.name}, {phase.seconds:g} s" for phase in phases)]]
        rows.append(["---"] * len(rows[0]))
        told = [self._told(phase) for phase in phases]
        rows += [[key, *(each[key] for each in told)] for key in told[0]]
        worst, bound = self.overshoot()
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return [
            *lines,
            "",
            f"Above the capacity's rate at worst: {worst:,.0f} SR, of {bound:,.0f} that the bound allows.",
        ]

    def _told(self, phase: Phase) -> dict[str, str]:
        sent, admitted, ideal = (np.array(each) for each in (phase.sent, phase.admitted, phase.ideal))
        spent, seconds, workers = phase.spent, phase.seconds, len(self.fleet.workers)
        quiet = self.of.conforming
        waits = np.array(phase.waits or [0.0]) * 1e3
        told = {
            "requests/s": f"{sent.sum() / seconds:,.0f}",
            "admitted, of the threshold": f"{admitted.sum() / seconds / self.of.limits.threshold:.1%}",
            "admitted, of one process's": f"{admitted.sum() / max(1, ideal.sum()):.1%}",
            "within allocation, throttled": _part(sent - admitted, sent, quiet),
            "the same in one process": _part(sent - ideal, sent, quiet),
            "waited for the ledger": f"{phase.waited / max(1, sent.sum()):.1%}",
            "how long: median, p99, longest": f"{', '.join(f'{np.quantile(waits, q):.1f}' for q in (0.5, 0.99, 1))} ms",
            "draws a worker and second": f"{spent['draws'] / workers / seconds:.1f}",
            "not answered in time": f"{spent['lost'] / max(1.0, spent['draws']):.1%}",
            "Users a draw": f"{spent['users'] / max(1.0, spent['served']):.1f}",
            "Users told, a request": f"{spent['users'] / max(1, sent.sum()):.2f}",
            "ledger, cores a part": f"{spent['busy'] / seconds / self.fleet.parts:.2f}",
            "longest queue at it": f"{spent['latest'] * 1e3:.1f} ms",
            "workers alone at the end": f"{phase.alone:,} of {workers:,}",
        }
        if 0 < self.fleet.lost < self.fleet.parts:
            asked, passed, one = phase.at_lost
            told["at the parts that are lost: asked, admitted of one process's"] = (
                f"{asked:,}, {passed / max(1, one):.1%}"
            )
        for least, most in SIZES:
            of = (self.of.allocations >= least) & (self.of.allocations < most)
            name = f"{least:g} SR/s and more" if most == float("inf") else f"{least:g} to {most:g} SR/s"
            told[f"admitted of one process's, Users of {name}"] = f"{admitted[of].sum() / max(1, ideal[of].sum()):.1%}"
            own = of & quiet
            told[f"within allocation, throttled, Users of {name}; in one process"] = (
                f"{_part(sent - admitted, sent, own)}; {_part(sent - ideal, sent, own)}"
            )
        judged = (ideal >= ENOUGH) & ~quiet
        if judged.any():
            parts = admitted[judged] / ideal[judged]
            least, low, high, most = np.quantile(parts, (0.0, 0.05, 0.95, 1.0))
            told["greedy Users: 90 of 100 got, of one process's"] = f"{low:.2f} to {high:.2f}"
            told["the least and the most"] = f"{least:.2f}, {most:.2f} of {judged.sum():,}"
        return told


def _part(some: np.ndarray, of: np.ndarray, which: np.ndarray) -> str:
    return f"{some[which].sum() / max(1, of[which].sum()):.3%}"
