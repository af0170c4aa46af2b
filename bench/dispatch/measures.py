"""The measurements. Each starts a dispatcher with an empty store of its own, and ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.dispatch import profile, quiet
from bench.dispatch.books import Books
from bench.dispatch.filling import fill
from bench.dispatch.findings import Finding, finding
from bench.dispatch.flow import Flow, climb, run
from bench.dispatch.memory import Curve, peak_mib
from bench.dispatch.plant import Plant, Postgres, Shape, Site
from bench.processes import BenchError, Server

SUSTAINED, ACKNOWLEDGED_MS, MEMORY_MIB, RESTART = 2_000.0, 50.0, 300.0, 5.0
"""What the dispatcher is to reach: SR/s, ms at the 99th percentile, MiB, seconds."""
HALF = SUSTAINED / 2
FULL_SPEED = 0.9
"""Of what is sustained without a backlog: what a drain must reach to be called one at full speed."""
TICK = 1.0


@dataclass
class Job:
    """One store's measurements: how long, and what is told meanwhile."""

    site: Site
    store: str
    server: Postgres | None
    seconds: float
    repeats: int
    tries: int
    backlog: int
    drain_seconds: float
    out: Path
    tell: Callable[[str], None]
    findings: list[Finding] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    sustained: float | None = None
    """SR/s that this store has sustained, once it is known."""
    _count: int = 0

    @property
    def database(self) -> Server | None:
        """The process of the store, where it has one."""
        return self.server.server if self.server is not None else None

    def fresh(self) -> str:
        """An empty store."""
        self._count += 1
        name = f"bench_{self._count}"
        return self.server.database(name) if self.server is not None else str(self.site.work / f"{name}.db")

    def plant(self, shape: Shape | None = None) -> Plant:
        """A dispatcher with an empty store."""
        return Plant(self.site, self.fresh(), self.database, shape or Shape())

    def add(self, *found: Finding) -> None:
        """Keep figures."""
        self.findings += found


def throughput(job: Job) -> None:
    """SR/s made safe, acknowledged, delivered, and their delivery made safe."""
    name = "throughput"
    with job.plant() as plant:
        job.tell("closed loop")
        closed = run(plant, job.seconds, None, strict=True)
        best, flows = _sustained(job, plant, closed)
        memory = peak_mib(plant.dispatcher.pid)
    job.details[name] = {"closed": asdict(closed), "open": [asdict(flow) for flow in flows]}
    top = max((flow.delivered for flow in flows if flow.sustained), default=0.0)
    job.sustained = top or None
    job.add(
        finding(job.store, name, "SR/s sustained end to end (open loop, nothing piles up)", top, at_least=SUSTAINED),
        finding(job.store, name, "closed loop, 64 connections: acknowledged/s", closed.accepted),
        finding(job.store, name, "closed loop: delivered/s meanwhile", closed.delivered),
        finding(job.store, name, "closed loop: waiting at the end", closed.waiting_after),
        finding(job.store, name, "memory at most, MiB", memory),
    )
    if best is not None:
        job.add(
            finding(job.store, name, "at that rate: p99 acknowledgement, ms", best.acknowledged_ms["p99"], 1),
            finding(job.store, name, "at that rate: p99 arrival to the CSP's answer, ms", best.delivered_ms["p99"], 1),
            *(
                finding(job.store, name, f"CPU-s per 1000 SRs: {who}", used, 3)
                for who, used in best.cpu.items()
            ),
        )  # fmt: skip


def _sustained(job: Job, plant: Plant, closed: Flow) -> tuple[Flow | None, list[Flow]]:
    """The fastest open-loop run that was sustained, and all of them."""
    flows: list[Flow] = []

    def attempt(rate: float) -> bool:
        job.tell(f"open loop, {rate:,.0f} SR/s")
        flows.append(run(plant, job.seconds, rate))
        return flows[-1].sustained

    climb(0.85 * min(closed.accepted, max(closed.delivered, 1.0)), attempt, job.tries)
    best = max((flow for flow in flows if flow.sustained), key=lambda flow: flow.delivered, default=None)
    return best, flows


def acknowledgement(job: Job) -> None:
    """How long a sender waits for I99 at half of the wanted rate, in open loop."""
    name = "acknowledgement"
    with job.plant() as plant:
        flows = []
        for number in range(job.repeats):
            job.tell(f"{HALF:,.0f} SR/s, {number + 1} of {job.repeats}")
            flows.append(run(plant, job.seconds, HALF, strict=True))
    job.details[name] = [asdict(flow) for flow in flows]
    at = f"at {HALF:,.0f} SR/s"
    job.add(
        finding(
            job.store, name, f"p99 acknowledgement {at}, ms", [f.acknowledged_ms["p99"] for f in flows], 1,
            at_most=ACKNOWLEDGED_MS,
        ),
        *(
            finding(job.store, name, f"{point} acknowledgement {at}, ms", [f.acknowledged_ms[point] for f in flows], 1)
            for point in ("p50", "p999", "max")
        ),
        *(
            finding(
                job.store, name, f"{point} arrival to the CSP's answer {at}, ms",
                [f.delivered_ms[point] for f in flows], 1,
            )
            for point in ("p50", "p99")
        ),
    )  # fmt: skip


def outcomes(job: Job) -> None:
    """The same with outcomes: the CSP answers I0, and that Response goes to the User's endpoint."""
    name = "outcomes"
    with job.plant(Shape(outcomes=True)) as plant:
        job.tell("closed loop")
        closed = run(plant, job.seconds, None, strict=True)
        best, flows = _sustained(job, plant, closed)
    job.details[name] = {"closed": asdict(closed), "open": [asdict(flow) for flow in flows]}
    top = best.delivered if best is not None else 0.0
    job.add(
        finding(job.store, name, "SR/s sustained, each with an outcome for its User", top),
        finding(job.store, name, "closed loop: acknowledged/s", closed.accepted),
        finding(job.store, name, "closed loop: delivered to CSPs/s", closed.delivered),
        finding(job.store, name, "closed loop: delivered to Users/s", closed.returned),
    )
    if best is not None:
        job.add(finding(job.store, name, "at that rate: delivered to Users/s", best.returned))


def profiled(job: Job) -> None:
    """Where the time goes at full speed; the tables are files of their own."""
    if profile.py_spy() is None:
        job.tell(profile.INSTALL)
        job.details["profile"] = profile.INSTALL
        return
    rate = job.sustained or HALF
    seconds = max(2.0, job.seconds)
    with job.plant() as plant:
        for gil in (False, True):
            job.tell(f"py-spy at {rate:,.0f} SR/s")
            raw = job.out / f"dispatch-profile-{job.store}{'-gil' if gil else ''}.raw"
            raw.parent.mkdir(parents=True, exist_ok=True)
            quiet.wait(job.site.patience)
            spying = profile.start(plant.dispatcher.pid, seconds, raw, gil=gil)
            assert spying is not None
            try:
                flow = run(plant, seconds, rate, meanwhile=lambda spying=spying: _ended(spying), patience=0)  # type: ignore[misc]
            finally:
                if spying.poll() is None:
                    spying.kill()
                    spying.wait()
            if not raw.exists():
                job.details["profile"] = "py-spy was not allowed to look at the process"
                return
            stacks = raw.read_text().splitlines()
            what = "threads that hold the interpreter" if gil else "threads that run"
            title = f"{job.store}, {flow.delivered:,.0f} SR/s delivered: {what}, {profile.RATE} looks a second"
            raw.with_suffix(".txt").write_text(profile.page(title, stacks))
            if gil:
                job.details["profile"] = [asdict(one) for one in profile.hot(stacks)[: profile.TOP]]


def _ended(spying: Any) -> None:
    spying.wait(30)


def backlog(job: Job) -> None:
    """A large backlog: two restarts with it, memory, acknowledgement meanwhile, and how fast it drains."""
    name, store, first = "backlog", job.fresh(), next(job.site.numbers)
    begun = fill(store, first, job.backlog, lambda done: job.tell(f"{done:,} of {job.backlog:,} SRs are in the store"))
    plant = Plant(job.site, store, job.database, Shape())
    books, details = Books(store), dict[str, Any](filled=job.backlog, fill_seconds=begun)
    starts: dict[str, tuple[float, float]] = {}
    with plant:
        plant.dispatcher.stop()  # the one that the context has started: from here on starts are timed
        for what in ("after SIGTERM", "after kill -9"):
            job.tell(f"restart {what}")
            starts[what] = _restarted(plant, books)
            if what == "after SIGTERM":
                time.sleep(min(3.0, job.seconds))
                plant.kill()
        with Curve(plant.dispatcher.pid) as curve:
            spill, busy = _meanwhile(job, plant, details)
            drained = _drain(job, books, plant)
        peak = peak_mib(plant.dispatcher.pid)
    details |= {"starts": starts, "rss_mib": curve.mib(), "drained_per_second": drained}
    job.details[name] = details
    whole = [count for count in drained[1:-1] if count] or drained
    rate = sum(whole) / max(1, len(whole))
    alone = job.sustained or SUSTAINED
    beside = "without a backlog" if job.sustained else "wanted"
    job.add(
        *(finding(job.store, name, f"restart {what}: to readyz, s", ready, 2, at_most=RESTART)
          for what, (ready, _) in starts.items()),
        *(finding(job.store, name, f"restart {what}: to the first delivery, s", sent, 2, at_most=RESTART)
          for what, (_, sent) in starts.items()),
        finding(job.store, name, f"memory at most with {job.backlog:,} SRs waiting, MiB", peak, at_most=MEMORY_MIB),
        finding(job.store, name, "SR/s drained", rate, at_least=FULL_SPEED * SUSTAINED),
        finding(job.store, name, f"of the SR/s {beside}", rate / alone, 2, at_least=FULL_SPEED),
        finding(job.store, name, "SR/s drained in its first and last tenth", _tenths(whole)),
        finding(job.store, name, "SR/s drained while 1,000 SR/s arrive", busy.delivered),
        finding(job.store, name, "p99 acknowledgement meanwhile, ms", busy.acknowledged_ms["p99"], 1),
        finding(job.store, name, "all CSPs held: acknowledged/s, closed loop", spill.accepted),
    )  # fmt: skip


def _restarted(plant: Plant, books: Books) -> tuple[float, float]:
    """Seconds from the start of the process to readyz, and to the first delivery."""
    at, ready = plant.start()
    deadline = time.monotonic() + 60
    while (first := books.first_delivery(at)) is None:
        if time.monotonic() > deadline:
            raise BenchError("a restarted dispatcher delivers nothing")
        time.sleep(0.1)
    return ready, first - at


def _meanwhile(job: Job, plant: Plant, details: dict[str, Any]) -> tuple[Flow, Flow]:
    """Arrivals while CSPs are held, and arrivals at half the rate while the backlog drains."""
    job.tell("all CSPs are held, closed loop")
    plant.pause()
    spill = run(plant, job.seconds, None, strict=True, empty=False)
    quiet.wait(job.site.patience)
    plant.pause(resume=True)
    job.tell(f"it drains, and {HALF:,.0f} SR/s arrive")
    busy = run(plant, job.seconds, HALF, empty=False, patience=0)
    details |= {"held": asdict(spill), "busy": asdict(busy)}
    return spill, busy


def _drain(job: Job, books: Books, plant: Plant) -> list[int]:
    """Parcels that end in each second, until none is left or the time is up."""
    since, patience = time.time(), time.monotonic() + job.drain_seconds
    while (left := books.open_now()) and time.monotonic() < patience:
        job.tell(f"it drains: {left:,} SRs left, {plant.dispatcher.cpu_seconds():.0f} CPU-s")
        time.sleep(5 * TICK if left > 20_000 else TICK / 4)
    return books.per_second(since, time.time())


def _tenths(counts: list[int]) -> list[float]:
    part = max(1, len(counts) // 10)
    return [sum(counts[:part]) / part, sum(counts[-part:]) / part]
