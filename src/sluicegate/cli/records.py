"""What commands that read a traffic record have in common: times, and rows that were passed over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from sluicegate.cli.configuration import ConfigurationRefused

if TYPE_CHECKING:
    from sluicegate.settings import Settings
    from sluicegate.simulate.record import Record

MOST_PROBLEMS = 10
"""So many are printed; of more, only how many there are."""

STOPPED = 130
UNFIT = 2


def _zone(_ctx: click.Context, _param: click.Parameter, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise click.BadParameter(
            f"{name[:60]!r} is no time zone that this system knows: write one such as Europe/London"
        ) from None


zone_option = click.option(
    "--zone", callback=_zone, default="UTC", show_default=True, metavar="ZONE", help="Of times without an offset."
)


def moment_of(text: str | None, zone: ZoneInfo, option: str) -> datetime | None:
    """A time in ISO 8601; None for none. Without an offset it is one of `zone`. Raises click.BadParameter."""
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text[:60]!r} is no time in ISO 8601: write 2026-11-24T18:00, or with an offset 2026-11-24T18:00+01:00",
            param_hint=option,
        ) from None
    return told if told.tzinfo is not None else told.replace(tzinfo=zone)


def settings_of(path: Path) -> Settings:
    """A configuration of which only the capacity and the Users count: certificates need not be there."""
    from sluicegate import settings  # noqa: PLC0415

    try:
        return settings.load(path, insecure=True, files=False)
    except settings.SettingsError as error:
        raise ConfigurationRefused(error) from None


def print_problems(record: Record) -> None:
    """What was passed over, on standard error: the first ones, and how many there are."""
    problems = record.problems
    for problem in problems.first[:MOST_PROBLEMS]:
        click.echo(str(problem), err=True)
    if problems.count > MOST_PROBLEMS:
        click.echo(f"{problems.count:,} problems in all; {problems.count - MOST_PROBLEMS:,} are not shown.", err=True)
