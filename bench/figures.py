"""From samples to figures: medians over rounds, ratios within a round, what counts as a failed case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.loader import Sent
from bench.processes import BenchError

UNEXPECTED_LIMIT = 0.001
"""Part of the answers that may be something else than expected before the case fails."""
ADMITTED_LIMIT = 0.01
"""Part of the answers of a rejecting case that may be 200: the banks are tiny, not empty."""


@dataclass(frozen=True)
class Sample:
    """One contender in one case in one round: closed loop, open loop at half its rate, and the upstream's own."""

    round: int
    case: str
    contender: str
    closed: Sent
    half: Sent
    direct: Sent | None = None
    bystander_cores: float = 0.0
    """Cores that other people's processes used meanwhile."""

    @property
    def p99_added_ms(self) -> float | None:
        """p99 at half load less that of the upstream alone at the same rate, ms."""
        return self.half.latency_ms["p99"] - self.direct.latency_ms["p99"] if self.direct else None


@dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest of its rounds."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    """Median, minimum, maximum.

    Raises ValueError if there is no value.
    """
    kept = list(values)
    if not kept:
        raise ValueError("no values to take a median of")
    return Spread(median(kept), min(kept), max(kept))


Metric = Callable[[Sample], float | None]
METRICS: dict[str, Metric] = {
    "requests/s": lambda sample: sample.closed.per_second,
    "CPU-s/1000": lambda sample: sample.closed.cpu_per_thousand,
    "p50 ms": lambda sample: sample.half.latency_ms["p50"],
    "p99 ms": lambda sample: sample.half.latency_ms["p99"],
    "p99 added ms": lambda sample: sample.p99_added_ms,
}


def figure(samples: Sequence[Sample], case: str, contender: str, metric: str) -> Spread | None:
    """One cell: the metric of a contender in a case over all rounds; None where it was not measured."""
    found = [METRICS[metric](sample) for sample in samples if (sample.case, sample.contender) == (case, contender)]
    values = [value for value in found if value is not None]
    return spread(values) if values else None


def ratio(samples: Sequence[Sample], case: str, ours: str, peer: str) -> Spread | None:
    """Our requests/s over a peer's: within each round first, so that drift hits both, then the median."""
    rates: dict[tuple[int, str], float] = {
        (sample.round, sample.contender): sample.closed.per_second for sample in samples if sample.case == case
    }
    rounds = sorted({number for number, who in rates if who == ours} & {number for number, who in rates if who == peer})
    return spread(rates[number, ours] / rates[number, peer] for number in rounds) if rounds else None


def verify(sent: Sent, *, rejecting: bool, what: str) -> Sent:
    """Let a sample pass only if its answers were the expected ones: errors are not throughput.

    Raises BenchError, with the statuses that came, if more than a thousandth was unexpected, lost or reconnected,
    or if a rejecting case admitted more than a hundredth.
    """
    admitted = sent.statuses.get(200, 0) if rejecting else 0
    wrong = sent.unexpected - admitted + sent.lost + sent.reconnects
    everything = sent.completed + sent.lost
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(sent.statuses.items())) or "no answers"
    if not sent.completed or wrong > UNEXPECTED_LIMIT * everything:
        raise BenchError(
            f"{what}: {wrong} of {everything} requests were not answered as expected ({statuses}; "
            f"{sent.lost} lost, {sent.reconnects} reconnects), so its figures mean nothing."
        )
    if admitted > ADMITTED_LIMIT * everything:
        raise BenchError(f"{what}: {admitted} of {everything} requests were admitted where all should be throttled.")
    return sent
