"""`sluicegate simulate`: a scenario under several policies, on the same requests."""

from __future__ import annotations

import signal
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluicegate.cli.evidence import Bars, packages_needed, print_policies, read_key

if TYPE_CHECKING:
    from sluicegate.simulate.policy import Policy
    from sluicegate.simulate.scenario import Scenario
    from sluicegate.simulate.study import Parameter, Study

_MOST_FAILURES = 5
STOPPED = 130
SEEDS = 10
SMALL = 20_000
"""SRs: a run of fewer is over before other processes have started."""


@click.command(
    epilog="""\b
Examples:
  sluicegate simulate --list
  sluicegate simulate cold-snap
  sluicegate simulate mine.toml --policy none --policy allocation+own-priority --seed 7 --out results
  sluicegate simulate cold-snap --set capacity.operating_threshold=0.8 --scale 0.1
  sluicegate simulate cold-snap --sweep capacity.operating_threshold=0.6..1.0:9 --seeds 20
  sluicegate simulate gb-day --anonymous --key-file secret.key
"""
)
@click.argument("scenario", required=False)
@click.option("--list", "listing", is_flag=True, help="Show the scenarios that come with Sluicegate, and the policies.")
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="A policy; again for another. [the scenario's]"
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the traffic. [the scenario's]")
@click.option("--scale", type=float, metavar="X", help="Multiply every rate, in place of the scenario's own scale.")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Another value for a setting of the file.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the files. [out/SCENARIO-SEED]")
@click.option(
    "--equivalent/--no-equivalent",
    default=None,
    help="Look for the capacity that delivers as much. [where there are at most 3 million requests, and no sweep]",
)
@click.option("--anonymous", is_flag=True, help="Pseudonyms and bands, so that no User can be told by name or size.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key of the pseudonyms: 16 octets or more that you keep.",
)
@click.option("--sweep", "sweeps", multiple=True, metavar="PATH=A..B:N", help="Also with N values of a setting.")
@click.option("--seeds", type=click.IntRange(1, 100_000), metavar="N", help="Seeds of the sweep, each a run. [10]")
@click.option("--cluster", metavar="ADDRESS", help="Sweep on this Dask cluster, such as tcp://host:8786.")
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="J", help="Processes on this machine. [one a core]")
@click.option("--quiet", is_flag=True, help="Neither bars nor a table: only where the files are.")
def simulate(scenario: str | None, *, listing: bool, **options: Any) -> None:
    """A day under each policy, on the same requests: who is better off, who pays, what the CSPs see.

    SCENARIO is the name of one that comes with Sluicegate, or a TOML file. Writes summary.json, results.parquet and
    report.html (a self-contained page: open it in a browser). Ctrl-C writes what has been finished, and says so.

    \b
    Exit code: 0 done, 1 it could not be done, 2 wrong usage, 130 stopped with Ctrl-C or SIGTERM.
    """
    with packages_needed():
        import sluicegate.simulate.study  # noqa: F401, PLC0415 - what is missing is said before anything else
    if listing:
        _list()
        return
    if scenario is None:
        raise click.UsageError("name a scenario; `sluicegate simulate --list` shows those that there are")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # else what it has started would go on
    try:
        code = _simulate(scenario, **options)
    except KeyboardInterrupt:
        click.echo("Stopped before anything was finished. Nothing was written.", err=True)
        code = STOPPED
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(code)


def _simulate(
    name: str,
    *,
    policies: tuple[str, ...],
    seed: int | None,
    scale: float | None,
    settings: tuple[str, ...],
    out: Path | None,
    equivalent: bool | None,
    anonymous: bool,
    key_file: Path | None,
    sweeps: tuple[str, ...],
    seeds: int | None,
    cluster: str | None,
    jobs: int | None,
    quiet: bool,
) -> int:
    """The exit code."""
    from sluicegate.simulate.study import cores, corners, study  # noqa: PLC0415

    if not sweeps and (seeds is not None or cluster is not None):
        raise click.UsageError("--seeds and --cluster belong to --sweep")
    key = read_key(key_file, anonymous=anonymous)
    overrides = dict(_setting(text) for text in settings)
    scenario = _load(name, scale, overrides)
    seed = scenario.seed if seed is None else seed
    chosen = _policies(policies or scenario.policies)
    parameters = _parameters(sweeps, len(chosen), seeds or SEEDS)
    for corner in corners(parameters):  # what cannot be is said before anything runs
        _load(name, scale, {**overrides, **corner})
    folder = out or Path("out") / f"{scenario.name}-{seed}"
    _check(folder)
    jobs = jobs or (cores() if scenario.source(seed).expected > SMALL else 1)
    with Bars([policy.name for policy in chosen], quiet=quiet) as bars:
        wanted = False if sweeps and equivalent is None else equivalent
        done = study(scenario, chosen, seed, watch=bars, equivalent=wanted, jobs=jobs)
        failures: list[str] = []
        if parameters and done.complete:
            all_seeds = [seed + number for number in range(seeds or SEEDS)]
            failures = _sweep(done, name, scale, overrides, parameters, chosen, all_seeds, jobs, cluster, bars)
    return _finish(folder, done, scenario, key, failures, quiet=quiet)


def _load(name: str, scale: float | None, overrides: dict[str, object]) -> Scenario:
    from sluicegate.simulate import scenario  # noqa: PLC0415

    try:
        return scenario.load(name, scale=scale, overrides=overrides)
    except scenario.ScenarioError as error:
        raise click.UsageError(str(error)) from None


def _policies(names: tuple[str, ...]) -> list[Policy]:
    from sluicegate.simulate.policy import PolicyError, parse  # noqa: PLC0415

    try:
        return list({(policy := parse(name)).name: policy for name in names}.values())
    except PolicyError as error:
        raise click.UsageError(str(error)) from None


def _parameters(texts: tuple[str, ...], policies: int, seeds: int) -> list[Parameter]:
    from sluicegate.simulate.study import SweepError, check_size, parameter  # noqa: PLC0415

    try:
        found = [parameter(text) for text in texts]
        check_size(found, policies, seeds)
    except SweepError as error:
        raise click.UsageError(str(error)) from None
    return found


def _setting(text: str) -> tuple[str, object]:
    """`path=value`, the value as TOML has it; what is no TOML is text."""
    path, sign, value = text.partition("=")
    if not sign or not path.strip():
        raise click.UsageError(f"--set {text[:200]!r}: must be PATH=VALUE, such as capacity.operating_threshold=0.8")
    try:
        found = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        found = {}
    return path.strip(), found["value"] if list(found) == ["value"] else value


def _check(folder: Path) -> None:
    from sluicegate.simulate.study import NAMES, FolderError, check_folder  # noqa: PLC0415

    try:
        check_folder(folder, NAMES)
    except FolderError as error:
        raise click.UsageError(str(error)) from None


def _sweep(
    done: Study,
    name: str,
    scale: float | None,
    overrides: dict[str, object],
    parameters: list[Parameter],
    policies: list[Policy],
    seeds: list[int],
    jobs: int,
    cluster: str | None,
    bars: Bars,
) -> list[str]:
    """Sweep, and put what came out into `done`; sentences about runs that failed."""
    from sluicegate.simulate.scenario import load  # noqa: PLC0415
    from sluicegate.simulate.study import ClusterError, sweep  # noqa: PLC0415

    try:
        found = sweep(
            lambda point: load(name, scale=scale, overrides={**overrides, **point}),
            parameters,
            policies,
            seeds,
            jobs=jobs,
            cluster=cluster,
            watch=bars,
        )
    except ClusterError as error:
        return [str(error)]
    done.summary["sweep"] = found.summary
    done.summary["complete"] = found.complete
    done.sweep_rows = found.rows
    return found.failures


def _finish(
    folder: Path, done: Study, scenario: Scenario, key: bytes | None, failures: list[str], *, quiet: bool
) -> int:
    from rich.console import Console  # noqa: PLC0415

    from sluicegate.simulate.study import FolderError, write  # noqa: PLC0415

    try:
        written = write(folder, done, scenario.world, key)
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    except (FolderError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if not quiet:
        print_policies(Console(highlight=False), done.summary["policies"])
    for path in written:
        click.echo(str(path))
    if not done.complete:
        click.echo("Stopped before the end: the files hold what had been finished, and say so.", err=True)
        return STOPPED
    for sentence in failures[:_MOST_FAILURES]:
        click.echo(f"sweep: {sentence}", err=True)
    if len(failures) > _MOST_FAILURES:
        click.echo(f"{len(failures):,} runs of the sweep failed in all; the others count.", err=True)
    return 1 if failures else 0


def _list() -> None:
    from sluicegate.simulate.policy import NAMES  # noqa: PLC0415
    from sluicegate.simulate.scenario import shipped  # noqa: PLC0415

    click.echo("Scenarios:")
    for name, title in shipped():
        click.echo(f"  {name:22} {title}")
    click.echo("\nPolicies (two together: a+b):")
    for name, said in NAMES.items():
        click.echo(f"  {name:22} {said}")
