"""`sluicegate usage`: who sent how much, when, and of what."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.evidence import packages_needed
from sluicegate.cli.operations import moment, store_of
from sluicegate.cli.records import moment_of, zone_option

if TYPE_CHECKING:
    from sluicegate.operations.history.reading import Usages

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_STEPS = ("1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d")
_MOST_DRAWN = 200  # points, where the step is ours to choose


class _Span(click.ParamType[int]):
    """Minutes, hours, days or weeks, in microseconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value[:40]!r} is no span: write 90m, 24h, 7d or 4w", param, ctx)
        return int(found[1]) * _UNITS[found[2]] * 1_000_000


@click.command(
    epilog="""\b
Examples:
  sluicegate usage -c sluicegate.toml                                        all Users together, the last 24 hours
  sluicegate usage -c sluicegate.toml --user "Large Supplier A" --last 7d
  sluicegate usage -c sluicegate.toml --by user --last 4w                    who sent how much
  sluicegate usage -c sluicegate.toml --by srv --user "Large Supplier A"     and of what
  sluicegate usage -c sluicegate.toml --srv 4.8.1 --last 26w --step 1d
  sluicegate usage -c sluicegate.toml --by user --since 2026-11-01 --until 2026-12-01 --step 1h --csv november.csv
  sluicegate usage -c sluicegate.toml --by srv --last 4w --step 1d --parquet mix.parquet
"""
)
@config_option
@click.option("--user", metavar="NAME", help="Only this User. [all together]")
@click.option("--srv", metavar="SRV", help="Only this SRV, such as 4.8.1.")
@click.option(
    "--by", type=click.Choice(["time", "user", "srv"]), default="time", show_default=True, help="What is told apart."
)
@click.option("--last", type=_Span(), metavar="SPAN", help="So long until now: 90m, 24h, 7d, 4w. [24h]")
@click.option("--since", metavar="TIME", help="From this time on (ISO 8601), instead of --last.")
@click.option("--until", metavar="TIME", help="Before this time. [now]")
@click.option("--step", type=_Span(), metavar="SPAN", help="Of each point: 1m to 30m, 1h to 12h, days. [by the window]")
@zone_option
@click.option("--csv", "to_csv", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write rows.")
@click.option(
    "--parquet", "to_parquet", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The same."
)
def usage(config: Path, **asked: Any) -> None:
    """Who sent how much, when, and of what: from the database of [operations], while it is written.

    Prints a plot over time, or a table by User or by SRV. With --csv or --parquet it writes a row for each step and
    User, or step and SRV, that has anything. Minutes are there 13 months, hours 3 years, days 10 years ([history]).
    """
    since, until = _window(asked)
    step = asked["step"] or _step(until - since, finest="1h" if asked["srv"] or asked["by"] == "srv" else "1m")
    with store_of(config) as (store, _), store.reading() as connection:
        from sluicegate.operations.history.minute import Unreadable  # noqa: PLC0415
        from sluicegate.operations.history.reading import Usages, check_step  # noqa: PLC0415

        try:
            check_step(step, asked["srv"] or (asked["by"] if asked["by"] == "srv" else None))
            usages = Usages(connection)
            if asked["to_csv"] or asked["to_parquet"]:
                _export(usages, since, until, step, asked)
            else:
                _show(usages, since, until, step, asked)
        except Unreadable as error:
            raise click.ClickException(str(error)) from None
        except ValueError as error:
            raise click.UsageError(f"--step: {error}") from None


def _window(asked: dict[str, Any]) -> tuple[int, int]:
    zone: ZoneInfo = asked["zone"]
    if asked["since"] is not None and asked["last"] is not None:
        raise click.UsageError("--last and --since say two things: give one of them")
    end = moment_of(asked["until"], zone, "--until")
    until = int(end.timestamp() * 1e6) if end is not None else int(time() * 1e6)
    begin = moment_of(asked["since"], zone, "--since")
    since = int(begin.timestamp() * 1e6) if begin is not None else until - (asked["last"] or 86_400_000_000)
    if since >= until:
        raise click.UsageError(f"the window is empty: it begins at {moment(since)} and ends at {moment(until)}")
    return since, until


def _step(window: int, finest: str) -> int:
    """The finest step of which a window has few enough for a screen."""
    span = _Span()
    for name in _STEPS[_STEPS.index(finest) :]:
        step = span.convert(name, None, None)
        if window <= step * _MOST_DRAWN:
            break
    return step


def _export(usages: Usages, since: int, until: int, step: int, asked: dict[str, Any]) -> None:
    from sluicegate.operations.history import exporting  # noqa: PLC0415

    ways = ((asked["to_csv"], exporting.to_csv), (asked["to_parquet"], exporting.to_parquet))
    for path, write in ways:
        if path is None:
            continue
        found = exporting.rows(usages, asked["by"], asked["user"], asked["srv"], since, until, step)
        try:
            with packages_needed():
                count = write(path, found)
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from None
        click.echo(f"{path}: {count:,} rows")


def _show(usages: Usages, since: int, until: int, step: int, asked: dict[str, Any]) -> None:
    about = asked["user"] or "all Users"
    about += f", SRV {asked['srv']}" if asked["srv"] else ""
    if asked["by"] == "time":
        _plot(usages, since, until, step, asked, about)
        return
    if asked["by"] == "user":
        found: dict[str, Any] = usages.by_user(since, until, asked["srv"])
        if asked["user"] is not None:
            found = {name: counts for name, counts in found.items() if name == asked["user"]}
    else:
        found = {srv: (*counts, 0, 0) for srv, counts in usages.by_srv(asked["user"], since, until).items()}
    click.echo(f"{about}, {moment(since)} to {moment(until)}")
    if found:
        _table({"user": "User", "srv": "SRV"}[asked["by"]], found)
    else:
        _nothing(usages)


def _plot(usages: Usages, since: int, until: int, step: int, asked: dict[str, Any], about: str) -> None:
    from sluicegate.operations.history.drawing import draw, totals  # noqa: PLC0415

    series = usages.series(asked["user"], since, until, step, asked["srv"])
    click.echo(f"{about}, {moment(since)} to {moment(until)}, a point each {step // 60_000_000:,} min")
    if series.since > since:
        click.echo(f"Before {moment(series.since)} steps as fine are thinned out: try --step 1h or --step 1d.")
    if not any(any(counts) for _, counts in series.points):
        _nothing(usages)
        return
    colours = sys.stdout.isatty()
    click.echo(draw(series, asked["zone"], shutil.get_terminal_size((100, 24)).columns, colours=colours))
    _table("", {"in all": totals(series.points)})


def _table(head: str, found: dict[str, Any]) -> None:
    """Whoever sent most comes first."""
    from sluicegate.operations.history.counts import OUTCOMES  # noqa: PLC0415

    width = max(len(head), *(len(name) for name in found))
    click.echo(f"{head:<{width}}  {'offered':>14}" + "".join(f"  {name:>13}" for name in OUTCOMES))
    for name, counts in sorted(found.items(), key=lambda one: -sum(one[1][:3])):
        figures = "".join(f"  {count:>13,}" for count in counts)
        click.echo(f"{name:<{width}}  {sum(counts[:3]):>14,}{figures}")


def _nothing(usages: Usages) -> None:
    first = usages.first()
    if first is None:
        click.echo("Nothing has been counted yet: a minute is written when it is over.")
    else:
        click.echo(f"Nothing was counted then. The history begins at {moment(first)}.")
