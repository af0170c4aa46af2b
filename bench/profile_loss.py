"""What a priority profile costs a User that asks for little more than its allocation, and never comes back.

Random scenarios, each run twice with the same requests in the same order: with the User's profile, and without any.

Run it alone with `python -m bench.profile_loss [--scenarios 62] [--asks 1.3] [--each]`.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluicegate.throttle import THROTTLED, WITHIN, Limits, Throttle

MOST_SECONDS = 60.0
MOST_REQUESTS = 15_000  # at the threshold's rate: what a scenario lasts, where that is less
BULK = 0.7  # of the User's requests: these come with its reserve
WEIGHTS = (1.0,)  # SR, of which each request has one

Request = tuple[float, str, float]  # when (s), who, weight (SR)


def poisson(name: str, rate: float, until: float, chance: random.Random) -> Iterator[Request]:
    """Independent arrivals of `rate` requests/s."""
    now = chance.expovariate(rate)
    while now < until:
        yield now, name, chance.choice(WEIGHTS)
        now += chance.expovariate(rate)


@dataclass(frozen=True)
class Scenario:
    """Users of unequal allocations who ask at random (Poisson), some for much more than theirs; `own` has a profile."""

    seed: int
    limits: Limits
    allocations: dict[str, float]
    own: str
    reserve: float
    requests: tuple[Request, ...]

    @classmethod
    def drawn(cls, seed: int, asks: float) -> Scenario:
        """`asks`: the load of `own`, as a multiple of its allocation, or of a request a burst if that is more."""
        chance = random.Random(seed)
        users, burst = chance.choice([2, 5, 20, 100]), chance.choice([0.2, 0.5, 2.0])
        threshold = max(15 / burst, 10 ** chance.uniform(1.2, 2.8))
        raw = [chance.paretovariate(0.9) for _ in range(users)]
        scale = chance.uniform(0.4, 0.9) * threshold / sum(raw)
        allocations = {str(number): each * scale for number, each in enumerate(raw)}
        reserve, own = chance.choice([3.0, 6.0, 15.0]), chance.choice(list(allocations))
        seconds = min(MOST_SECONDS, MOST_REQUESTS / threshold)
        sources = []
        for name, allocation in allocations.items():
            factor = chance.choice([asks] if name == own else [0.5, 1.1, 3.0, 8.0])
            rate = max(allocation, 1 / burst) * factor
            sources.append(poisson(name, rate, seconds, random.Random(chance.random())))
        requests = tuple(heapq.merge(*sources, key=lambda request: request[0]))
        return cls(seed, Limits(1.2 * threshold, threshold, burst), allocations, own, reserve, requests)


@dataclass(frozen=True)
class Loss:
    """How many of the User's requests were served, with its profile and without."""

    scenario: Scenario
    served: int
    without: int

    @property
    def part(self) -> float:
        """Of what is served without a profile; below 0 where more is served with it."""
        return 1.0 - self.served / self.without if self.without else 0.0


def loss(scenario: Scenario) -> Loss:
    """Run a scenario twice. Raises AssertionError if the profile moved anybody else within its allocation."""
    served, within = _run(scenario, scenario.reserve)
    without, as_ever = _run(scenario, 0.0)
    if within != as_ever:
        raise AssertionError(f"seed {scenario.seed}: others are not within their allocations as without the profile")
    return Loss(scenario, served, without)


def _run(scenario: Scenario, reserve: float) -> tuple[int, list[bool]]:
    """How many requests of the User are served, and whether each of the others' is within."""
    own = scenario.own
    throttle = Throttle(scenario.limits, scenario.allocations, 0.0, {own: reserve} if reserve else {})
    accounts = {name: throttle.account(name) for name in scenario.allocations}
    classes = random.Random(scenario.seed)
    served, within = 0, []
    for now, name, weight in scenario.requests:
        kept = reserve if name == own and classes.random() < BULK else 0.0
        outcome = throttle.decide(accounts[name], weight, now, kept)
        if name == own:
            served += outcome != THROTTLED
        else:
            within.append(outcome == WITHIN)
    return served, within


def summary(losses: Sequence[Loss]) -> str:
    """In a sentence or two."""
    parts = [each.part for each in losses]
    worst = max(losses, key=lambda each: each.part)
    return (
        f"{sum(part > 0.01 for part in parts)} of {len(losses)} scenarios lost more than 1% of the User's throughput, "
        f"{sum(part > 0.05 for part in parts)} more than 5%; the worst {worst.part:.1%} "
        f"({worst.without - worst.served} of {worst.without} requests, seed {worst.scenario.seed})"
    )


def main(words: Sequence[str]) -> int:
    """Print what was lost."""
    parser = argparse.ArgumentParser(prog="bench.profile_loss", description=__doc__.partition("\n")[0])
    parser.add_argument("--scenarios", type=int, default=62, help="how many, from seed 0 on")
    parser.add_argument("--asks", type=float, default=1.3, help="the User's load, as a multiple of its allocation")
    parser.add_argument("--each", action="store_true", help="print each scenario too")
    chosen = parser.parse_args(words)
    losses = [loss(Scenario.drawn(seed, chosen.asks)) for seed in range(chosen.scenarios)]
    if chosen.each:
        for each in losses:
            of = each.scenario
            limits = of.limits
            print(
                f"seed {of.seed}: {len(of.allocations)} Users, T*B {limits.threshold * limits.burst_seconds:.0f}, "
                f"allocation {of.allocations[of.own]:.1f} SR/s, reserve {of.reserve:g}: "
                f"{each.served} served, {each.without} without"
            )
    print(summary(losses))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
