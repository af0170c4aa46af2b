"""`python -m bench.truth`: the same requests sent live and simulated, and whether both end alike.

Live: the gateway and the stand-in DSP as processes of their own, real HTTP, and an open-loop sender whose Users try
again as they are told. Simulated: the very same arrivals through `simulate.run`. What is compared, for each User:
requests delivered, answers that throttled, attempts that the DSP refused or lost, and requests given up.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import math
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import uvloop
from rich.console import Console

from bench import machine, report
from sluicegate.simulate.demo.processes import DidNotStartError
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.demo.run import run as play
from sluicegate.simulate.demo.scenario import DemoUser, Scenario
from sluicegate.simulate.plant import PlantShape
from sluicegate.simulate.policy import parse
from sluicegate.simulate.run import STATES, Output, run
from sluicegate.simulate.sender import Outcome, Phase, RetryHabit, poisson_times
from sluicegate.simulate.source import Chunk
from sluicegate.simulate.traffic import listed
from sluicegate.simulate.world import NO_CSP, Dsp, Flow, Kind, Retry, User, World
from sluicegate.throttle import Limits

OPEN_FILES = 4096
NEVER = 1e9  # seconds
PART, ERRORS = 0.03, 3.0  # the bar: the larger of 3% and three standard errors
OUTCOMES = ("delivered", "throttled", "failed", "given up")
SEED = 31


@dataclass(frozen=True)
class Trace(Scenario):
    """A scenario of the demonstration whose Users send by phases of their own: (until this part of the run, SR/s)."""

    phases: Sequence[Sequence[tuple[float, float]]] = ()
    enforce: bool = True

    def times(self, user: int) -> list[float]:
        """When the requests of User number `user` leave, in seconds from the start."""
        begun, phases = 0.0, []
        for until, rate in self.phases[user]:
            phases.append(Phase((until - begun) * self.seconds, rate))
            begun = until
        return poisson_times(phases, f"{self.seed} {user}")


def _user(number: int, allocation: float) -> DemoUser:
    srvs = {"2.2": 1, "4.1.1": 1, "6.2.4": 1}
    return DemoUser(f"User {'ABCD'[number]}", "IS", f"90-B3-D5-1F-30-0{number + 1}-00-00", allocation, 0.0, "5.3", srvs)


def traces(seconds: float, seed: int = SEED) -> dict[str, Trace]:
    """The scenarios by name, each so many seconds long. Nobody sends anything new in the last fifth."""
    plain = Trace(
        seconds=seconds,
        seed=seed,
        maximum=120.0,
        threshold=100.0,
        plant=PlantShape(120.0, 120, 3.0, 6.0),
        calm_seconds=2.0,
    )
    users = [_user(number, allocation) for number, allocation in enumerate((50.0, 30.0, 15.0, 0.0))]
    return {
        "one User's burst": replace(
            plain, users=users[:3], phases=(((0.25, 25), (0.5, 200), (0.8, 25)), ((0.8, 15),), ((0.8, 7),))
        ),
        "three above, one by one": replace(
            plain,
            users=users,
            phases=(
                ((0.1, 30), (0.6, 90), (0.8, 20)),
                ((0.25, 20), (0.7, 60), (0.8, 20)),
                ((0.4, 8), (0.65, 50), (0.8, 8)),
                ((0.3, 0), (0.5, 6), (0.8, 3)),
            ),
        ),
        "no mechanism, and an outage": replace(
            plain,
            enforce=False,
            users=users[:3],
            plant=PlantShape(120.0, 120, 0.05 * seconds, 0.1 * seconds),
            phases=(((0.25, 25), (0.55, 200), (0.8, 25)), ((0.8, 25),), ((0.8, 12),)),
        ),
    }


@dataclass(frozen=True)
class Cell:
    """One User and one outcome: how often, live and simulated."""

    user: str
    outcome: str
    live: int
    simulated: int

    @property
    def allowed(self) -> float:
        """The larger of 3% and three standard errors: the root of a count, as if it were Poisson's.

        Both got the same arrivals, so they differ by less than that: only when an attempt meets the throttle or the
        buffer is left to chance.
        """
        return max(PART * self.simulated, ERRORS * math.sqrt(self.simulated))

    @property
    def agrees(self) -> bool:
        """Whether both are the same within what is allowed."""
        return abs(self.live - self.simulated) <= self.allowed


Counts = dict[tuple[int, str], int]


def live(trace: Trace, folder: Path) -> Counts:
    """Send it: a count by User and outcome.

    Raises DidNotStartError if the gateway or the DSP does not come up.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        record = runner.run(play(trace, enforce=trace.enforce, folder=folder, watch=lambda _: None))
    return _counted(record)


def _counted(record: RunRecord) -> Counts:
    found = {(user, outcome): 0 for user in range(len(record.scenario.users)) for outcome in OUTCOMES}
    names = {Outcome.DELIVERED: "delivered", Outcome.THROTTLED: "throttled"}
    for (_, user, outcome), count in record.answers.items():
        found[user, names.get(outcome, "failed")] += count
    for journey in record.journeys:
        found[journey.user, "given up"] += journey.given_up
    return found


def world(trace: Trace) -> World:
    """The same, to be simulated: a request ends at the DSP, and Users keep the sender's habit."""
    habit = RetryHabit()
    retry = Retry("honour" if trace.enforce else "fixed", habit.pause, habit.pause, habit.tries)
    shape = trace.plant
    return World(
        "truth",
        "Live and simulated",
        trace.seconds,
        tuple(User(user.name, user.role, user.allocation, retry=retry) for user in trace.users),
        (Kind("Any", "2.2", deadline=NEVER),),
        (),
        tuple(Flow(number, 0, NO_CSP) for number in range(len(trace.users))),
        Dsp(shape.capacity, float(shape.buffer), shape.outage_after, shape.restart, shape.high_mark),
        Limits(trace.maximum, trace.threshold, trace.burst_seconds, trace.calm_seconds),
        drain=0.0,
    )


def simulated(trace: Trace) -> Counts:
    """Simulate it: a count by User and outcome."""
    times = [trace.times(number) for number in range(len(trace.users))]
    flows = np.repeat(np.arange(len(times)), [len(one) for one in times])
    at = np.concatenate([np.asarray(one) for one in times])
    order = np.argsort(at, kind="stable")
    found = {(user, outcome): 0 for user in range(len(times)) for outcome in OUTCOMES}

    def take(_: Chunk, output: Output) -> None:
        others = output.others
        ends = {
            "delivered": np.append(output.delivered.flow, others.flow[others.state == STATES.index("delivered")]),
            "given up": others.flow[others.state == STATES.index("given_up")],
            "throttled": output.throttled.flow,
            "failed": output.failed.flow,
        }
        for outcome, of in ends.items():
            for user, count in enumerate(np.bincount(of, minlength=len(times))):
                found[user, outcome] += int(count)

    policy = parse("allocation" if trace.enforce else "none")
    run(world(trace), policy, listed(at[order], flows[order], seconds=trace.seconds), trace.seed, take)
    return found


def compare(trace: Trace, folder: Path) -> list[Cell]:
    """A cell for each User and outcome that happened."""
    by_wire, by_engine = live(trace, folder), simulated(trace)
    return [
        Cell(trace.users[user].name, outcome, by_wire[user, outcome], by_engine[user, outcome])
        for user, outcome in by_wire
        if by_wire[user, outcome] or by_engine[user, outcome]
    ]


def grid(name: str, cells: Sequence[Cell]) -> report.Grid:
    """A scenario's table."""
    rows = tuple(
        (
            cell.user,
            cell.outcome,
            f"{cell.live:,}",
            f"{cell.simulated:,}",
            f"{cell.live - cell.simulated:+,}",
            f"{cell.allowed:.0f}",
            "yes" if cell.agrees else "NO",
        )
        for cell in cells
    )
    return report.Grid(name, ("", "", "live", "simulated", "difference", "allowed", "alike"), rows)


def all_traces(seconds: float, seed: int, tell: Callable[[str], None]) -> dict[str, list[Cell]]:
    """Every scenario, one after the other."""
    found = {}
    for name, trace in traces(seconds, seed).items():
        tell(f"{name}: {seconds:.0f} s")
        with tempfile.TemporaryDirectory(prefix="sluicegate-truth-") as folder:
            found[name] = compare(trace, Path(folder))
    return found


def main(words: Sequence[str]) -> int:
    """Exit code: 0 alike, 1 not, 2 could not run, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="bench.truth", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each of the scenarios (default 60)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the arrivals (default {SEED})")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result files")
    chosen = parser.parse_args(words)
    console = report.wide_console()
    if not 8 <= chosen.seconds <= 600:
        Console(stderr=True).print("truth: --seconds is 8 to 600", style="red")
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))
    try:
        with console.status("starting") as status:
            found = all_traces(chosen.seconds, chosen.seed, status.update)
    except DidNotStartError as error:
        Console(stderr=True).print(f"truth: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return publish(chosen, console, found)


def publish(chosen: argparse.Namespace, console: Console, found: dict[str, list[Cell]]) -> int:
    """Say it, and write it down."""
    date = datetime.datetime.now(datetime.UTC)
    grids = [grid(name, cells) for name, cells in found.items()]
    report.show(console, grids)
    line = " ".join(["python -m bench.truth", *sys.argv[1:]])
    page = report.markdown(
        grids, machine.facts(), line, f"{date:%Y-%m-%d}", f"{chosen.seconds:g} s a scenario, seed {chosen.seed}"
    )
    document = {"machine": machine.facts(), "scenarios": {name: [asdict(c) for c in of] for name, of in found.items()}}
    for path in report.save(chosen.out, f"truth-{date:%Y-%m-%d}", document, page):
        console.print(f"written: {path}")
    return 0 if all(cell.agrees for cells in found.values() for cell in cells) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
