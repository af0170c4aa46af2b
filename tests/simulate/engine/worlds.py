"""Small worlds and what came out of them, for the tests of the engine."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sluicegate.simulate.policy import parse
from sluicegate.simulate.run import STATES, Output, Report, run
from sluicegate.simulate.source import Chunk
from sluicegate.simulate.traffic import listed
from sluicegate.simulate.world import NO_CSP, Csp, Dsp, Flow, Kind, Retry, User, World
from sluicegate.throttle import Limits

TOP_UP = Kind("Top Up", "2.2", urgent=True, rank=0, imposed=0, deadline=120.0)
READ = Kind("Read", "4.1.1", rank=1, imposed=1, deadline=600.0)
INSIDE = Kind("Scheduled read", "4.8.1", rank=2, imposed=2, internal=True)


def world(**changes: Any) -> World:
    """Two Users at 10 SR/s each, one CSP, a DSP of 24 SR/s."""
    users = changes.pop("users", None) or (User("A", "IS", 10.0), User("B", "IS", 10.0))
    kinds = changes.pop("kinds", (TOP_UP, READ))
    csps = changes.pop("csps", (Csp("North", 30.0, latency=1.0),))
    regions = range(len(csps)) if csps else (NO_CSP,)
    flows = tuple(Flow(u, k, c) for u in range(len(users)) for k in range(len(kinds)) for c in regions)
    plain = {
        "name": "small",
        "title": "Small",
        "seconds": 60.0,
        "dsp": Dsp(24.0, 48.0, 10.0, 20.0),
        "limits": Limits(20.0, 18.0),
        "drain": 600.0,
    }
    return World(users=users, kinds=kinds, csps=csps, flows=flows, **{**plain, **changes})


@dataclass
class Listed:
    """Arrivals as they are given."""

    times: Any
    flows: Any
    seconds: float
    expected: float = field(init=False, default=0.0)

    def chunks(self):
        return listed(self.times, self.flows, 10.0, seconds=self.seconds).chunks()


def poisson(of: World, rates: list[float], seed: int = 1) -> Listed:
    """Poisson arrivals: `rates` by flow, in SR/s."""
    draw = np.random.default_rng(seed)
    times, flows = [], []
    for flow, rate in enumerate(rates):
        count = draw.poisson(rate * of.seconds)
        times.append(draw.random(count) * of.seconds)
        flows.append(np.full(count, flow))
    order = np.argsort(np.concatenate(times), kind="stable")
    return Listed(np.concatenate(times)[order], np.concatenate(flows)[order], of.seconds)


@dataclass
class Result:
    """All that a run gave, put together."""

    arrived: int
    report: Report
    outputs: list[Output]

    def joined(self, group: str, column: str) -> Any:
        return np.concatenate([getattr(getattr(output, group), column) for output in self.outputs])

    def ends(self) -> dict[str, int]:
        """SRs by the state in which they ended."""
        found = np.bincount(self.joined("others", "state"), minlength=5)
        found[0] += len(self.joined("delivered", "flow"))
        return dict(zip(STATES, map(int, found), strict=True))

    def harmed(self) -> int:
        hurt = (self.joined("others", "throttled") > 0) | (self.joined("others", "failed") > 0)
        return int((hurt & self.joined("others", "conforming")).sum())


def simulate(of: World, policy: str, source: Listed, seed: int = 1) -> Result:
    """Run it."""
    outputs: list[Output] = []
    arrived = 0

    def take(chunk: Chunk, output: Output) -> None:
        nonlocal arrived
        arrived += len(chunk.times)
        outputs.append(output)

    report = run(of, parse(policy), source, seed, take)
    return Result(arrived, report, outputs)


def habit(name: str, order: str = "each", first: float = 1.0, attempts: int = 50) -> Retry:
    return Retry(name, first, 60.0, attempts, order)  # type: ignore[arg-type]
