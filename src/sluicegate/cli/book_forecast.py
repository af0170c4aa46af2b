"""`sluicegate book forecast`: what Users forecast, and what they wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.book_options import print_table
from sluicegate.cli.configuration import ConfigurationRefused, config_option
from sluicegate.cli.evidence import packages_needed
from sluicegate.cli.records import print_problems, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluicegate.allocation.propose import Applicant
    from sluicegate.operations.book.forecast import Month

MOST_LISTED = 20


@click.command(
    epilog="""\b
Examples:
  sluicegate book forecast USERS.csv --config sluicegate.toml --record record/
  sluicegate book forecast USERS.csv -c sluicegate.toml --record record/ --month 2026-10 --out october
"""
)
@click.argument("path", metavar="USERS.csv", type=click.Path(path_type=Path))
@config_option
@click.option("--record", required=True, metavar="RECORD", help="The traffic record: a file, a folder or a pattern.")
@click.option("--month", metavar="YYYY-MM", help="Which month of it, in London. [the last whole one]")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder. [out/forecast-YYYY-MM]")
def forecast(path: Path, config: Path, record: str, month: str | None, out: Path | None) -> None:
    """A month's forecasts (of USERS.csv) against what came: a page for the operator, a page and a file for each User.

    Writes forecast.html, forecast.json, and for each User a page and a CSV with nothing of anybody else's. Who wanted
    more than 10% above its forecast stands out. A record that does not cover the whole month is held against the same
    part of the forecast.
    """
    from sluicegate.operations.book.users_file import read_users  # noqa: PLC0415
    from sluicegate.settings import SettingsError  # noqa: PLC0415

    settings = settings_of(config)
    try:
        users = read_users(path, settings)
    except SettingsError as error:
        raise ConfigurationRefused(error) from None
    with packages_needed():
        told = _month(record, month, users)
        files = _write(told, out or Path("out") / f"forecast-{told.name}")
    _print(told)
    for file in files[:2]:
        click.echo(str(file))
    click.echo(f"and a page and a file for each of {len(told.users):,} Users beside them.")


def _month(record: str, month: str | None, users: Sequence[Applicant]) -> Month:
    from sluicegate.operations.book import effective  # noqa: PLC0415
    from sluicegate.operations.book.demand import demand_of  # noqa: PLC0415
    from sluicegate.operations.book.forecast import against  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415
    from sluicegate.simulate.record import RecordError, open_record  # noqa: PLC0415

    name = month or effective.month_before(trail.now())
    try:
        since, until = effective.month(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--month") from None
    try:
        opened = open_record(record, since=since, until=until)
        found = demand_of(opened, {srv for user in users for srv in user.forecast})
    except RecordError as error:
        raise click.ClickException(str(error)) from None
    print_problems(opened)
    if not found.covered:
        raise click.ClickException(f"{record} has no row in {name}: name another month with --month")
    hours = round((until.timestamp() - since.timestamp()) / 3600)
    return against(name, users, found.by_srv, min(1.0, len(found.covered) / hours))


def _write(told: Month, folder: Path) -> list[Path]:
    from sluicegate.operations.book.forecast import as_dict  # noqa: PLC0415
    from sluicegate.operations.book.forecast_page import PAGE, files_of  # noqa: PLC0415
    from sluicegate.simulate.evidence.files import FolderError, as_json, check_folder, put  # noqa: PLC0415

    named = {**{name: text.encode() for name, text in files_of(told).items()}, "forecast.json": as_json(as_dict(told))}
    try:
        check_folder(folder, named.keys())
        put({folder / name: content for name, content in named.items()})
    except FolderError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return [folder / PAGE, folder / "forecast.json"]


def _print(told: Month) -> None:
    if told.part < 1:
        click.echo(
            f"The record covers {told.part:.1%} of the hours of {told.name}; forecasts are of that part.", err=True
        )
    rows = [
        (one.whole.name, f"{one.whole.forecast:,.0f}", f"{one.whole.actual:,}", one.whole.said,
         "OVER" if one.whole.stands_out else "")
        for one in told.users[:MOST_LISTED]
    ]  # fmt: skip
    print_table(("User", "forecast", "actual", "against it", ""), rows, (1, 2, 3))
    if len(told.users) > MOST_LISTED:
        click.echo(f"{len(told.users) - MOST_LISTED:,} more are in the page.")
