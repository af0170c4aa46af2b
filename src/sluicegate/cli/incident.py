"""`sluicegate incident`: the investigation of one period of a traffic record."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from sluicegate.cli.evidence import Bars, packages_needed
from sluicegate.cli.records import STOPPED, UNFIT, moment_of, print_problems, settings_of, zone_option

if TYPE_CHECKING:
    from sluicegate.simulate.replay.incident import HeldMinute, Period

MINUTE = timedelta(minutes=1)
MOST_LISTED = 10
READING = "reading the record"


@click.command(
    epilog="""\b
Examples:
  sluicegate incident record/ --from 2026-11-24T18:00 --to 2026-11-24T18:20
  sluicegate incident record/ --from 2026-07-24T18:00 --to 2026-07-24T18:20 --zone Europe/London
  sluicegate incident record/ --from 2026-11-24T18:00 --to 2026-11-24T18:20 --demand held.csv
  sluicegate incident day.csv --from 2026-11-24T18:00Z --to 2026-11-24T19:00Z --config gateway.toml --out evening.html
"""
)
@click.argument("record", metavar="RECORD")
@click.option("--from", "since", required=True, metavar="TIME", help="Where the period begins (ISO 8601).")
@click.option("--to", "until", required=True, metavar="TIME", help="Where it ends.")
@zone_option
@click.option("--config", "-c", type=click.Path(path_type=Path), metavar="FILE", help="For allocations and capacity.")
@click.option(
    "--demand",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What a User's relay held back meanwhile (`sluicegate relay demand --out FILE.csv`). As often as there are.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("incident.html"),
    show_default=True,
    metavar="FILE",
    help="The page, .html; beside it the same as .json.",
)
@click.option("--strict", is_flag=True, help="Bad rows end it, with exit code 2: nothing is written.")
@click.option("--quiet", is_flag=True, help="Neither a bar nor a table: only where the files are.")
def incident(record: str, **options: Any) -> None:
    """Investigate a period: who sent what, who was held, what followed.

    RECORD is a file (Parquet or CSV), a folder of them, or a pattern. What is usual is told by the hour before the
    period (or as long before as the period is). Writes one self-contained page, and its figures as JSON.

    \b
    Exit code: 0 done, 1 it could not be done, 2 wrong usage or (--strict) bad rows, 130 stopped with Ctrl-C.
    """
    with packages_needed():
        import sluicegate.simulate.replay  # noqa: F401, PLC0415 - what is missing is said before anything else
    try:
        code = _incident(record, **options)
    except KeyboardInterrupt:
        click.echo("Stopped before the end. Nothing was written.", err=True)
        code = STOPPED
    sys.exit(code)


def _incident(
    name: str,
    *,
    since: str,
    until: str,
    zone: ZoneInfo,
    config: Path | None,
    demand: Sequence[Path],
    out: Path,
    strict: bool,
    quiet: bool,
) -> int:
    """The exit code."""
    from sluicegate.simulate.record import RecordError  # noqa: PLC0415
    from sluicegate.simulate.replay.incident import PeriodError, incident, look_into  # noqa: PLC0415

    if out.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{str(out)!r} must end in .html", param_hint="--out")
    first, last = moment_of(since, zone, "--from"), moment_of(until, zone, "--to")
    assert first is not None and last is not None  # noqa: S101, PT018 - both are required
    settings = settings_of(config) if config else None
    try:
        record, when = look_into(name, first, last)
        with Bars([READING], quiet=quiet) as bars:
            held = _demand_of(demand, when)
            told = incident(record, when, settings, str(config or ""), lambda part: bars.reached(READING, part), held)
    except (RecordError, PeriodError) as error:
        raise click.ClickException(str(error)) from None
    print_problems(record)
    if strict and record.problems.count:
        click.echo("The record has problems, and with --strict nothing is written.", err=True)
        return UNFIT
    return _finish(out, told, quiet=quiet)


def _demand_of(paths: Sequence[Path], when: Period) -> list[HeldMinute] | None:
    """What the exports of relays have of the period; None where none was given. Raises ClickException."""
    from sluicegate.relay.demand import COLUMNS, read  # noqa: PLC0415

    if not paths:
        return None
    found: list[HeldMinute] = []
    for path in paths:
        try:
            if path.is_file():
                with path.open(encoding="utf-8", errors="replace") as file:
                    if file.readline(1000).strip() != ",".join(COLUMNS):
                        raise click.BadParameter(
                            f"{path} is no export of `sluicegate relay demand` as CSV: its first line must be "
                            f"{','.join(COLUMNS)}",
                            param_hint="--demand",
                        )
            elif not path.is_dir():
                raise click.BadParameter(f"{path} is not there", param_hint="--demand")
            found += read(path, when.since - MINUTE, when.until)
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from None
    return found


def _finish(out: Path, told: Mapping[str, Any], *, quiet: bool) -> int:
    from sluicegate.simulate.evidence.files import as_json, put  # noqa: PLC0415
    from sluicegate.simulate.replay.incident import incident_page  # noqa: PLC0415

    files = {out: incident_page(told).encode("utf-8"), out.with_suffix(".json"): as_json(told)}
    try:
        put(files)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None
    if not quiet:
        _print(told)
    for path in files:
        click.echo(str(path))
    return 0


def _print(told: Mapping[str, Any]) -> None:
    """What happened in words, and who sent most."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    console.print(Text(" ".join(told["said"])))
    users = [one for one in told["users"] if one["during"]["attempts"]]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("User")
    for head in ("SR/s", "usual", "allocation", "throttled", "rejected", "retries", "errors"):
        table.add_column(head, justify="right")
    for one in users[:MOST_LISTED]:
        rates = (_rate(one[name]) for name in ("rate", "usual", "allocation"))
        counts = (f"{one['during'][name]:,}" for name in ("throttled", "rejected", "retries", "errors"))
        table.add_row(Text(one["user"]), *rates, *counts)
    console.print(table)
    if len(users) > MOST_LISTED:
        console.print(f"{len(users) - MOST_LISTED:,} more Users are on the page.")


def _rate(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:,.1f}"
