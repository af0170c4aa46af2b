"""Several policies over one scenario, on the same requests: the summary, and the rows beneath it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sluicegate.simulate.measures import Entry
from sluicegate.simulate.policy import Policy, parse
from sluicegate.simulate.scenario import Scenario
from sluicegate.simulate.study.crew import Silent, Watch, perform_all
from sluicegate.simulate.study.equivalent import MOST_REQUESTS, Search, absent, target_of
from sluicegate.simulate.study.head import head
from sluicegate.simulate.study.task import Finding, Task

SEARCHES = "equivalent capacity"
"""What `Watch.reached` is told of the search for equivalent capacities."""
_TRIES = 11


@dataclass
class Study:
    """What came out. cells: by policy, rows by User, kind and CSP; sweep_rows: a row a run of the sweep."""

    summary: dict[str, Any]
    cells: dict[str, list[Entry]]
    sweep_rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """False where it was stopped."""
        return bool(self.summary["complete"])


def study(
    scenario: Scenario,
    policies: Sequence[Policy],
    seed: int,
    *,
    watch: Watch | None = None,
    equivalent: bool | None = None,
    jobs: int = 1,
) -> Study:
    """Run each policy, and look for equivalent capacities.

    equivalent: None leaves it out where there are more than MOST_REQUESTS SRs. Ctrl-C ends it with what has been
    finished, and `complete` is false then: the KeyboardInterrupt does not come through.
    """
    watch = watch or Silent()
    unique = list({policy.name: policy for policy in policies}.values())
    findings: dict[str, Finding] = {}
    complete = True
    try:
        tasks = [Task(scenario, policy, seed) for policy in unique]
        for task, finding in perform_all(tasks, jobs, lambda task, part: watch.reached(task.name, part)):
            findings[task.name] = finding
        searches = _searches(scenario, unique, findings, wanted=equivalent)
        try:
            _search_all(scenario, seed, searches, _known(unique, findings), watch, jobs)
        finally:
            for name, search in searches.items():
                findings[name].entry["equivalent_capacity"] = search.result()
    except KeyboardInterrupt:
        complete = False
    kept = {policy.name: findings[policy.name] for policy in unique if policy.name in findings}
    entries = [finding.entry for finding in kept.values()]
    summary = head(scenario.world, seed, scenario.source(seed).expected, entries, complete=complete)
    return Study(summary, {name: finding.cells for name, finding in kept.items()})


def _searches(
    scenario: Scenario, policies: Sequence[Policy], findings: dict[str, Finding], *, wanted: bool | None
) -> dict[str, Search]:
    """One for each policy that does anything but buy; for the others, and where there can be none, it says why."""
    searches = {}
    for policy in policies:
        if not does_something(policy):
            continue
        finding = findings[policy.name]
        expected = scenario.source(scenario.seed).expected if wanted is None else 0.0
        if wanted is False:
            finding.entry["equivalent_capacity"] = absent("It was not asked for.")
        elif expected > MOST_REQUESTS:
            why = f"It was left out: with {expected / 1e6:,.0f} million requests it takes long (--equivalent)."
            finding.entry["equivalent_capacity"] = absent(why)
        elif finding.urgent_share is None:
            finding.entry["equivalent_capacity"] = absent("There were no urgent requests.")
        else:
            searches[policy.name] = Search(target_of(finding.urgent_share, finding.entry["urgent"]["offered"]))
    return searches


def does_something(policy: Policy) -> bool:
    """Whether there is a mechanism beside the capacity."""
    return bool(policy.sharing or policy.imposed or policy.adt)


def _known(policies: Sequence[Policy], findings: dict[str, Finding]) -> dict[float, float]:
    """Shares of policies that only buy, by k: these need no second run."""
    return {
        policy.capacity: findings[policy.name].urgent_share or 0.0 for policy in policies if not does_something(policy)
    }


def _search_all(
    scenario: Scenario, seed: int, searches: dict[str, Search], known: dict[float, float], watch: Watch, jobs: int
) -> None:
    """All searches, a round of evaluations at a time: what several want is run once."""
    done = 0
    while wanted := {name: k for name, search in searches.items() if (k := search.wanted) is not None}:
        missing = sorted(set(wanted.values()) - known.keys())
        tasks = [Task(scenario, parse(f"capacity:{k:g}"), seed, whole=False) for k in missing]
        for task, finding in perform_all(tasks, jobs, lambda *_: None):
            known[task.policy.capacity] = finding.urgent_share or 0.0
        for name, k in wanted.items():
            searches[name].tell(k, known[k])
        done += 1
        watch.reached(SEARCHES, min(1.0, done / _TRIES))
    if searches:
        watch.reached(SEARCHES, 1.0)
