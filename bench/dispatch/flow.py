"""One run of the sender against a dispatcher: what went in, what came out, what it cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.dispatch.books import Books, percentile
from bench.dispatch.plant import Plant
from bench.dispatch.quiet import undisturbed
from bench.dispatch.requests import REGIONS
from bench.figures import verify
from bench.loader import Sending, Sent, send
from bench.processes import BenchError, Bystanders
from sluicegate.dispatch.parcel import Kind

CONNECTIONS, OPEN_CONNECTIONS = 64, 256
"""In closed loop; and in open loop, where a slow answer is not to keep others from being asked for."""
EMPTY_SECONDS = 120.0
KEEPS_UP, GROWTH_SECONDS = 0.99, 0.25
"""A rate is sustained where 99% of it are delivered in the window, and what waits has not grown by more than a quarter
of a second's worth."""


@dataclass(frozen=True)
class Flow:
    """What was measured in one window. Rates in SR/s, CPU in seconds per 1000 SRs delivered."""

    offered: float | None
    """SR/s that fell due; None in closed loop."""
    accepted: float
    delivered: float
    returned: float
    """Responses delivered to Users."""
    waiting_before: int
    waiting_after: int
    acknowledged_ms: dict[str, float]
    delivered_ms: dict[str, float]
    cpu: dict[str, float]
    statuses: dict[int, int]
    others: float
    """Cores that other people's processes used meanwhile."""
    load: tuple[float, float]
    """Load average of a minute, before and after."""

    @property
    def sustained(self) -> bool:
        """Whether the dispatcher keeps up: nothing piles up, neither before it nor in it."""
        wanted = self.accepted if self.offered is None else self.offered
        grown = self.waiting_after - self.waiting_before
        return min(self.accepted, self.delivered) >= KEEPS_UP * wanted and grown <= GROWTH_SECONDS * wanted


class _Edges:
    """Reads clocks at both edges of the measured window."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.times: list[float] = []
        self.cpu: list[dict[str, float]] = []

    def __call__(self) -> float:
        self.times.append(time.time())
        self.cpu.append(self._plant.cpu_seconds())
        return self.cpu[-1]["dispatcher"]


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def run(
    plant: Plant,
    seconds: float,
    rate: float | None,
    *,
    warmup: float = 2.0,
    strict: bool = False,
    empty: bool = True,
    meanwhile: Callable[[], None] = lambda: None,
    patience: float | None = None,
) -> Flow:
    """Send for so many seconds, in closed loop or at a rate, and read from the store what became of it.

    Args:
        plant: what is measured.
        seconds: of the window, after `warmup` seconds.
        rate: SR/s in open loop; None: closed loop.
        warmup: seconds.
        strict: raise BenchError where one in a thousand is not answered as it should.
        empty: wait until nothing is open any more before the store is read.
        meanwhile: called when the sender has ended and before the wait.
        patience: with other people's work, where it is not the site's. See `quiet`.
    """

    def once() -> tuple[Flow, float]:
        flow = _once(plant, seconds, rate, warmup=warmup, strict=strict, empty=empty, meanwhile=meanwhile)
        return flow, flow.others

    return undisturbed(plant.site.patience if patience is None else patience, once)


def _once(
    plant: Plant,
    seconds: float,
    rate: float | None,
    *,
    warmup: float,
    strict: bool,
    empty: bool,
    meanwhile: Callable[[], None],
) -> Flow:
    books, edges, others, before = Books(plant.store), _Edges(plant), Bystanders(), load_average()
    connections = CONNECTIONS if rate is None else OPEN_CONNECTIONS
    sending = Sending(
        plant.port, plant.site.frames(*REGIONS), seconds, warmup, connections, rate, first=next(plant.site.numbers)
    )
    sent = send(plant.site.sender, sending, edges)
    cores = others.cores()
    meanwhile()
    if strict:
        verify(sent, rejecting=False, what=f"{'closed loop' if rate is None else f'{rate:.0f} SR/s'}")
    if empty and not books.until_empty(EMPTY_SECONDS):
        raise BenchError(f"after {EMPTY_SECONDS:.0f} s {books.open_now():,} parcels are still open")
    flow = _read(books, sent, edges, rate, warmup)
    return replace(flow, others=cores, load=(before, load_average()))


def _read(books: Books, sent: Sent, edges: _Edges, rate: float | None, warmup: float) -> Flow:
    since, until = edges.times[0], edges.times[1]
    own = sent.own_cpu_seconds * sent.seconds / (sent.seconds + warmup)  # it reports its whole life
    seconds = until - since
    delivered, delays = books.delivered(since, until), books.delays(since, until, tuple(REGIONS))
    taken = {name: edges.cpu[1][name] - edges.cpu[0][name] for name in edges.cpu[0]}
    thousand = max(delivered, 1) / 1000
    return Flow(
        offered=rate,
        accepted=sent.statuses.get(200, 0) / sent.seconds,
        delivered=delivered / seconds,
        returned=books.delivered(since, until, Kind.RESPONSE) / seconds,
        waiting_before=books.waiting(since),
        waiting_after=books.waiting(until),
        acknowledged_ms=sent.latency_ms,
        delivered_ms={f"p{name}": 1000 * percentile(delays, part) for name, part in _POINTS},
        cpu={name: used / thousand for name, used in taken.items()} | {"sender": own / thousand},
        statuses=sent.statuses,
        others=0.0,
        load=(0.0, 0.0),
    )


_POINTS = (("50", 0.5), ("90", 0.9), ("99", 0.99), ("999", 0.999))


def climb(start: float, attempt: Callable[[float], bool], tries: int, step: float = 1.08) -> float | None:
    """The largest rate that is sustained, to within a step: from `start` up while it is, or down until it is.

    None: none of them was.
    """
    best: float | None = None
    rate, up = start, True
    for _ in range(tries):
        if attempt(rate):
            best = max(best or 0.0, rate)
            if not up:
                break
            rate *= step
        elif best is not None:
            break
        else:
            up = False
            rate /= step
    return best
