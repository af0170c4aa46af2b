"""Do other regions notice that one CSP is down, and its backlog at the ceiling?"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.dispatch.books import Books, percentile
from bench.dispatch.findings import finding
from bench.dispatch.measures import Job
from bench.dispatch.plant import Plant, Shape
from bench.dispatch.quiet import undisturbed
from bench.loader import Sending, Sent, send
from bench.processes import BenchError, Bystanders

UP, FILLING, FULL = "all up", "north down, filling", "north down, full"
CHANGE = 0.10
"""By so much p99 may be larger than with all CSPs up."""
NORTH, OTHERS = 200.0, 400.0
"""SR/s to north, and to the other two together."""
CEILING = 15_000
CONNECTIONS = 128
SETTLE = 2.0  # seconds


@dataclass(frozen=True)
class Phase:
    """One window: what the senders to south and central saw, and what became of those to north."""

    state: str
    acknowledged_ms: dict[str, float]
    delivered_ms: dict[str, float]
    statuses: dict[int, int]
    north: dict[int, int]


def regions(job: Job) -> None:
    """Windows in turn: all up, north filling, north full, all up, ... each compared with the two `all up` beside it."""
    name = "regions"
    phases: list[Phase] = []
    with job.plant(Shape(ceiling=CEILING)) as plant:
        books, down = Books(plant.store), plant.csps["north"]
        for number in range(job.repeats):
            job.tell(f"{UP}, {number + 1} of {job.repeats}")
            phases.append(_phase(job, plant, UP))
            down.stop()
            job.tell(f"{FILLING}, {number + 1} of {job.repeats}")
            phases.append(_phase(job, plant, FILLING))
            _fill(job, plant)
            job.tell(f"{FULL}, {number + 1} of {job.repeats}")
            phases.append(_phase(job, plant, FULL))
            down.__enter__()
            if not books.until_empty(180):
                raise BenchError("north is up again, and its backlog does not drain")
            time.sleep(SETTLE)
        phases.append(_phase(job, plant, UP))
    job.details[name] = [asdict(phase) for phase in phases]
    for state in (FULL, FILLING):
        most = 1 + CHANGE if state == FULL else None
        for what, of in (("acknowledgement", acknowledged), ("arrival to the CSP's answer", delivered)):
            label = f"p99 {what}, other regions, {state} / {UP}"
            job.add(finding(job.store, name, label, beside(phases, state, of), 2, at_most=most))
    for state in (UP, FILLING, FULL):
        of_state = [phase for phase in phases if phase.state == state]
        job.add(finding(job.store, name, f"{state}: p99 acknowledgement, ms", map(acknowledged, of_state), 1))
        job.add(finding(job.store, name, f"{state}: p99 arrival to the CSP's answer, ms", map(delivered, of_state), 1))


def acknowledged(phase: Phase) -> float:
    """p99, ms."""
    return phase.acknowledged_ms["p99"]


def delivered(phase: Phase) -> float:
    """p99, ms."""
    return phase.delivered_ms["p99"]


def beside(phases: Sequence[Phase], state: str, of: object) -> list[float]:
    """A figure of each window in a state over the mean of the nearest `all up` before and after it.

    What the machine does in the meantime, slowly, is the same for both.
    """
    assert callable(of)
    ratios = []
    for at, phase in enumerate(phases):
        if phase.state == state:
            before = next(one for one in reversed(phases[:at]) if one.state == UP)
            after = next((one for one in phases[at:] if one.state == UP), before)
            ratios.append(float(of(phase)) / ((float(of(before)) + float(of(after))) / 2))
    return ratios


def _phase(job: Job, plant: Plant, state: str) -> Phase:
    """A window that others have not disturbed."""

    def once() -> tuple[Phase, float]:
        others = Bystanders()
        return _once(job, plant, state), others.cores()

    return undisturbed(plant.site.patience, once)


def _once(job: Job, plant: Plant, state: str) -> Phase:
    """Both senders for one window; the one to north beside, so that the load is the same in all states."""
    north: list[Sent | BaseException] = []
    seconds = job.seconds

    def send_north() -> None:
        try:
            north.append(_send(plant, ["north"], seconds, NORTH))
        except BaseException as error:
            north.append(error)

    thread = threading.Thread(target=send_north)
    thread.start()
    edges: list[float] = []
    sent = _send(plant, ["south", "central"], seconds, OTHERS, edges)
    thread.join()
    if isinstance(north[0], BaseException):
        raise north[0]
    if sent.statuses.get(200, 0) != sent.completed or sent.lost:
        raise BenchError(f"{state}: south and central were told {sent.statuses}, and {sent.lost} were lost")
    books, others = Books(plant.store), ("south", "central")
    if not books.until_empty(30, others):
        raise BenchError(f"{state}: south and central have a backlog of {books.open_now(others)}")
    delays = books.delays(edges[0], edges[1], others)
    points = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    told = {point: 1000 * percentile(delays, part) for point, part in points.items()}
    return Phase(state, sent.latency_ms, told, sent.statuses, north[0].statuses)


def _send(plant: Plant, to: list[str], seconds: float, rate: float | None, edges: list[float] | None = None) -> Sent:
    sending = Sending(
        plant.port, plant.site.frames(*to), seconds, 1.0, CONNECTIONS, rate, first=next(plant.site.numbers)
    )

    def edge() -> float:
        if edges is not None:
            edges.append(time.time())
        return 0.0

    return send(plant.site.sender, sending, edge)


def _fill(job: Job, plant: Plant) -> None:
    """Send to north until nearly everything is refused: every User's share of the ceiling is full."""
    for _ in range(60):
        sent = _send(plant, ["north"], 1.0, None)
        if sent.statuses.get(200, 0) < 0.01 * sent.completed:
            return
        job.tell(f"north's backlog fills: {sent.statuses}")
    raise BenchError("north's backlog does not come to its ceiling")
