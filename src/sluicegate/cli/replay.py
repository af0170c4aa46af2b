"""`sluicegate replay`: recorded traffic under another configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.evidence import Bars, packages_needed, read_key
from sluicegate.cli.records import STOPPED, UNFIT, moment_of, print_problems, settings_of, zone_option

if TYPE_CHECKING:
    from sluicegate.simulate.policy import Policy
    from sluicegate.simulate.record import Record
    from sluicegate.simulate.replay import Question, Replay

MOST_LISTED = 20


class _UnfitError(Exception):
    """The record has problems, and none are permitted."""


@click.command(
    epilog="""\b
Examples:
  sluicegate replay record/ --config new.toml
  sluicegate replay 'record/traffic-2026-11-24*' --config new.toml --since 2026-11-24T16:00 --until 2026-11-24T20:00
  sluicegate replay day.csv --config new.toml --habit honour --policy none --policy allocation --out results
  sluicegate replay record/ --config same.toml --habit recorded --strict
"""
)
@click.argument("record", metavar="RECORD")
@config_option
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="A policy; again for another. [the configuration's own]"
)
@click.option("--since", metavar="TIME", help="Rows from this time on (ISO 8601).")
@click.option("--until", metavar="TIME", help="Rows before this time.")
@zone_option
@click.option(
    "--habit",
    default="seen",
    show_default=True,
    metavar="HABIT",
    help="How Users come back: seen (as the record shows each), recorded (every row as it came), none, immediate, "
    "fixed:S, exponential, honour.",
)
@click.option(
    "--unknown",
    type=click.Choice(["zero", "leave-out"]),
    default="zero",
    show_default=True,
    help="Users whom the configuration does not name: allocation 0, or left out.",
)
@click.option(
    "--dsp-capacity", type=float, metavar="X", help="SR/s that the DSP works off. [the configuration's maximum]"
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the files. [out/replay]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of retries by chance.")
@click.option("--anonymous", is_flag=True, help="Pseudonyms and bands; nothing by User and minute is written.")
@click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="The key of the pseudonyms.")
@click.option("--strict", is_flag=True, help="Bad rows end it, with exit code 2: nothing is written.")
@click.option("--quiet", is_flag=True, help="Neither bars nor a table: only where the files are.")
def replay(record: str, **options: Any) -> None:
    """What would have happened: recorded traffic under another configuration.

    RECORD is a file (Parquet or CSV), a folder of them, or a pattern. First attempts are what was wanted; retries
    follow a model. Writes comparison.parquet (by minute and User: recorded, replayed), summary.json and report.html.
    Bad rows are told and passed over. Ctrl-C writes nothing.

    \b
    Exit code: 0 done, 1 it could not be done, 2 wrong usage or (--strict) bad rows, 130 stopped with Ctrl-C.
    """
    with packages_needed():
        import sluicegate.simulate.replay  # noqa: F401, PLC0415 - what is missing is said before anything else
    try:
        code = _replay(record, **options)
    except KeyboardInterrupt:
        click.echo("Stopped before the end. Nothing was written.", err=True)
        code = STOPPED
    sys.exit(code)


def _replay(
    name: str,
    *,
    config: Path,
    policies: tuple[str, ...],
    since: str | None,
    until: str | None,
    zone: ZoneInfo,
    out: Path | None,
    anonymous: bool,
    key_file: Path | None,
    strict: bool,
    quiet: bool,
    **asked: Any,
) -> int:
    """The exit code."""
    from sluicegate.simulate.evidence.files import FolderError, check_folder  # noqa: PLC0415
    from sluicegate.simulate.record import RecordError  # noqa: PLC0415
    from sluicegate.simulate.replay import READING, own_policy, replay  # noqa: PLC0415
    from sluicegate.simulate.replay.files import NAMES  # noqa: PLC0415

    key = read_key(key_file, anonymous=anonymous)
    times = [moment_of(text, zone, option) for text, option in ((since, "--since"), (until, "--until"))]
    settings = settings_of(config)
    question = _question(name, config, policies, **asked)
    folder = out or Path("out") / "replay"
    try:
        check_folder(folder, NAMES)
        record = _open(name, *times)
        names = [policy.name for policy in question.policies or [own_policy(settings)]]
        with Bars([READING, *names], quiet=quiet) as bars:
            done = replay(record, settings, question, bars.reached, lambda: _check(record, strict=strict))
    except _UnfitError:
        print_problems(record)
        click.echo("The record has problems, and with --strict nothing is written.", err=True)
        return UNFIT
    except FolderError as error:
        raise click.UsageError(str(error)) from None
    except RecordError as error:
        raise click.ClickException(str(error)) from None
    print_problems(record)
    return _finish(folder, done, key, quiet=quiet)


def _question(
    name: str,
    config: Path,
    policies: Sequence[str],
    *,
    habit: str,
    unknown: Any,
    dsp_capacity: float | None,
    seed: int,
) -> Question:
    from sluicegate.simulate.policy import PolicyError  # noqa: PLC0415
    from sluicegate.simulate.replay import HabitError, Question, parse_habit  # noqa: PLC0415

    if dsp_capacity is not None and not 0 < dsp_capacity < 1e9:
        raise click.BadParameter("must be above 0, and below 1,000,000,000", param_hint="--dsp-capacity")
    title = f"{Path(name).name or name} under {config.name}"
    try:
        return Question(
            _policies(policies),
            parse_habit(habit),
            unknown,
            dsp_capacity,
            seed,
            title,
            str(config),
        )
    except HabitError as error:
        raise click.BadParameter(str(error), param_hint="--habit") from None
    except PolicyError as error:
        raise click.BadParameter(str(error), param_hint="--policy") from None


def _policies(names: Sequence[str]) -> list[Policy]:
    from sluicegate.simulate.policy import parse  # noqa: PLC0415
    from sluicegate.simulate.replay import check_policies  # noqa: PLC0415

    found = list({(policy := parse(name)).name: policy for name in names}.values())
    check_policies(found)
    return found


def _open(name: str, since: datetime | None, until: datetime | None) -> Record:
    from sluicegate.simulate.record import open_record  # noqa: PLC0415

    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be before --until")
    return open_record(name, since=since, until=until)


def _check(record: Record, *, strict: bool) -> None:
    if strict and record.problems.count:
        raise _UnfitError


def _finish(folder: Path, done: Replay, key: bytes | None, *, quiet: bool) -> int:
    from sluicegate.simulate.evidence.files import put  # noqa: PLC0415
    from sluicegate.simulate.replay.files import COMPARISON, replay_files  # noqa: PLC0415

    try:
        files = {folder / name: content for name, content in replay_files(done, key).items()}
        stale = (folder / COMPARISON,) if folder / COMPARISON not in files else ()
        put(files, stale)
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    strangers = done.summary["replay"]["unknown_users"]
    if strangers and key is None:
        few = ", ".join(one["user"] for one in strangers[:3]) + (", ..." if strangers[3:] else "")
        held = "left out" if done.summary["replay"]["unknown"] == "leave-out" else "given an allocation of 0"
        count = "1 User" if len(strangers) == 1 else f"{len(strangers):,} Users"
        click.echo(f"not in the configuration, and {held}: {count} ({few})", err=True)
    if not quiet and key is None:
        _table(done.summary["replay"]["per_user"])
    for path in files:
        click.echo(str(path))
    return 0


def _table(people: Sequence[Mapping[str, Any]]) -> None:
    """Recorded against replayed by User, those who wanted most first."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("User")
    for head in ("wanted", "let through", "replayed", "throttled", "replayed"):
        table.add_column(head, justify="right")
    wanted = sorted(people, key=lambda one: (-one["demand"], one["user"]))
    for one in wanted[:MOST_LISTED]:
        pairs = (f"{one[side][name]:,}" for name in ("admitted", "throttled") for side in ("recorded", "replayed"))
        table.add_row(Text(one["user"]), f"{one['demand']:,}", *pairs)
    console = Console(highlight=False)
    console.print(table)
    if len(wanted) > MOST_LISTED:
        console.print(f"{len(wanted) - MOST_LISTED:,} more Users are in summary.json.")
