"""One run of a study: a scenario, a policy and a seed; small enough to be sent to another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sluicegate.simulate.measures import Entry, Measures
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.run import run
from sluicegate.simulate.scenario import Scenario
from sluicegate.simulate.study.costs import costs
from sluicegate.simulate.study.titles import explanation, title

Reached = Callable[[float], None]


@dataclass(frozen=True)
class Task:
    """A run that is to be made. `whole`: all that can be said of it is wanted, not only the measures of a sweep."""

    scenario: Scenario
    policy: Policy
    seed: int
    whole: bool = True

    @property
    def name(self) -> str:
        """What the run is called on a screen."""
        return self.policy.name


@dataclass(frozen=True)
class Finding:
    """What came out. entry: the policy's part of `summary.json`; cells: rows by User, kind and CSP."""

    entry: Entry
    cells: list[Entry]
    urgent_share: float | None


def perform(task: Task, reached: Reached) -> Finding:
    """Run it. `reached` is told which part of the run has been made, 0 to 1."""
    world = task.scenario.world
    measures = Measures(world)
    horizon = world.seconds + world.drain
    source = task.scenario.source(task.seed)
    report = run(world, task.policy, source, task.seed, measures.take, lambda at, _: reached(at / horizon))
    entry: dict[str, Any] = {
        "name": task.policy.name,
        "title": title(task.policy),
        "explanation": explanation(task.policy),
        **measures.summary(report, task.policy),
    }
    if not task.whole:
        del entry["series"]
        return Finding(entry, [], measures.urgent_share)
    entry["equivalent_capacity"] = None
    entry["costs"] = costs(world, task.policy, entry, measures)
    return Finding(entry, measures.cells(), measures.urgent_share)
