"""A sweep: the same scenario with other settings and other seeds, over all cores or on a cluster."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped]

from sluicegate.simulate.measures import Entry
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.scenario import Scenario, ScenarioError
from sluicegate.simulate.study.crew import Silent, Watch, deaf_to_ctrl_c
from sluicegate.simulate.study.grid import Parameter, check_size, points
from sluicegate.simulate.study.interval import interval
from sluicegate.simulate.study.task import Task, perform

Load = Callable[[dict[str, Any]], Scenario]
"""A scenario with settings by path put in. Raises ScenarioError."""

NAME: Final = "sweep"
_CONNECT_SECONDS = 10


class ClusterError(Exception):
    """The cluster cannot be used. `str()` says why."""


@dataclass(frozen=True)
class Measured:
    """One run of a sweep: its place among all runs, and its measures, or what went wrong."""

    place: int
    measures: dict[str, float | None]
    error: str | None = None


@dataclass
class Sweep:
    """What came out. summary: `sweep` of `summary.json`; rows: of `sweep.parquet`; failures: sentences."""

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    complete: bool
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """One run to make. Without a scenario it says what is wrong with its settings."""

    place: int
    policy: Policy
    seed: int
    scenario: Scenario | None
    error: str | None


def sweep(
    load: Load,
    parameters: Sequence[Parameter],
    policies: Sequence[Policy],
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    cluster: str | None = None,
    watch: Watch | None = None,
) -> Sweep:
    """Run every combination of values, policy and seed. Ctrl-C ends it with what there is, `complete` false.

    jobs: processes on this machine; cluster: the address of a Dask scheduler, instead of them. A run that fails is
    noted and the rest goes on. Raises SweepError, ClusterError.
    """
    watch = watch or Silent()
    total = check_size(parameters, len(policies), len(seeds))
    found: dict[int, Measured] = {}
    complete = True
    try:
        for one in _run(_all_jobs(load, parameters, policies, seeds), min(jobs, total), cluster):
            found[one.place] = one
            watch.reached(NAME, len(found) / total)
    except KeyboardInterrupt:
        complete = False
    rows = _rows(parameters, policies, seeds, found)
    failures = [f"{_said(row, parameters)}: {row['error']}" for row in rows if row["error"]]
    return Sweep(_summary(parameters, policies, seeds, found), rows, complete, failures)


def _all_jobs(
    load: Load, parameters: Sequence[Parameter], policies: Sequence[Policy], seeds: Sequence[int]
) -> Iterator[Job]:
    place = 0
    for point in points(parameters):
        scenario, error = None, None
        try:
            scenario = load(point)
        except ScenarioError as wrong:
            error = str(wrong)
        for policy in policies:
            for seed in seeds:
                yield Job(place, policy, seed, scenario, error)
                place += 1


def _run(all_jobs: Iterator[Job], jobs: int, cluster: str | None) -> Iterator[Measured]:
    """Measures, in any order."""
    if cluster is None and jobs <= 1:
        yield from map(measured, all_jobs)
        return
    with _backend(jobs, cluster):
        parallel = Parallel(return_as="generator_unordered", batch_size=1)
        yield from parallel(delayed(_measured_apart)(job) for job in all_jobs)


@contextlib.contextmanager
def _backend(jobs: int, cluster: str | None) -> Iterator[None]:
    if cluster is None:
        with parallel_config(backend="loky", n_jobs=jobs):
            yield
        return
    try:
        from distributed import Client  # noqa: PLC0415 - only who has a cluster needs it
    except ImportError:
        raise ClusterError("a cluster needs more packages: pip install 'sluicegate[cluster]'") from None
    try:
        client = Client(cluster, timeout=_CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"the cluster {cluster} cannot be reached: {error}") from None
    with client, parallel_config(backend="dask", n_jobs=-1):
        yield


def _measured_apart(job: Job) -> Measured:
    deaf_to_ctrl_c()
    return measured(job)


def measured(job: Job) -> Measured:
    """Make one run. Whatever goes wrong in it is said, and not raised: there are others."""
    if job.scenario is None:
        return Measured(job.place, {}, job.error)
    try:
        found = perform(Task(job.scenario, job.policy, job.seed, whole=False), lambda _: None)
    except Exception as error:  # a sweep of hours must not end with one run
        return Measured(job.place, {}, f"{type(error).__name__}: {error}")
    return Measured(job.place, small(found.entry))


def small(entry: Entry) -> dict[str, float | None]:
    """The measures that a sweep keeps of a run."""
    total = entry["total"]
    offered = total["offered"]
    return {
        "urgent_share": entry["urgent"]["share"],
        "urgent_p95": entry["urgent"]["p95"],
        "outage_minutes": entry["dsp"]["outage_minutes"],
        "harm_share": entry["harm"]["share"],
        "jain": entry["jain"],
        "amplification": entry["amplification"],
        "delivered_share": rounded(total["delivered"] / offered) if offered else None,
        "throttled_share": rounded(total["throttled"] / offered) if offered else None,
        "active_minutes": entry["active_minutes"],
    }


MEASURES: Final = (
    "urgent_share",
    "urgent_p95",
    "outage_minutes",
    "harm_share",
    "jain",
    "amplification",
    "delivered_share",
    "throttled_share",
    "active_minutes",
)


def _rows(
    parameters: Sequence[Parameter], policies: Sequence[Policy], seeds: Sequence[int], found: dict[int, Measured]
) -> list[dict[str, Any]]:
    rows = []
    combinations = ((point, policy, seed) for point in points(parameters) for policy in policies for seed in seeds)
    for place, (point, policy, seed) in enumerate(combinations):
        one = found.get(place)
        if one is not None:
            figures = {name: one.measures.get(name) for name in MEASURES}
            rows.append({**point, "policy": policy.name, "seed": seed, **figures, "error": one.error})
    return rows


def _summary(
    parameters: Sequence[Parameter], policies: Sequence[Policy], seeds: Sequence[int], found: dict[int, Measured]
) -> dict[str, Any]:
    """Lists have a value for each combination of values, the last parameter's changing fastest."""
    combinations = sum(1 for _ in points(parameters))
    by_policy: dict[str, Any] = {}
    for number, policy in enumerate(policies):
        by_policy[policy.name] = {}
        for name in MEASURES:
            ends: list[tuple[float | int | None, ...]] = []
            for point in range(combinations):
                first = (point * len(policies) + number) * len(seeds)
                runs = (found.get(first + at) for at in range(len(seeds)))
                values = [value for run in runs if run and (value := run.measures.get(name)) is not None]
                ends.append(tuple(map(rounded, interval(values))))
            mean, low, high = (list(column) for column in zip(*ends, strict=True))
            by_policy[policy.name][name] = {"mean": mean, "low": low, "high": high}
    return {
        "parameters": [{"path": one.path, "values": list(one.values)} for one in parameters],
        "seeds": len(seeds),
        "policies": by_policy,
    }


def _said(row: dict[str, Any], parameters: Sequence[Parameter]) -> str:
    settings = ", ".join(f"{one.path}={row[one.path]:g}" for one in parameters)
    return f"{settings}, {row['policy']}, seed {row['seed']}"
