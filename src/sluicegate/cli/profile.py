"""`sluicegate profile`: a User's own priorities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluicegate.cli.account import account_of, account_options, delete, dry_run, put, restore, show, versions
from sluicegate.cli.configuration import ConfigurationRefused
from sluicegate.cli.evidence import Bars, packages_needed
from sluicegate.cli.records import moment_of, settings_of, zone_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from sluicegate.allocation import Profile

ROLES = ("IS", "GS", "ES", "ED", "GT", "OU", "RSA")


@click.group(
    epilog="""\b
Examples:
  sluicegate profile suggest > profile.toml
  sluicegate profile suggest --role GS
  sluicegate profile check profile.toml
  sluicegate profile try profile.toml --record record/ --config sluicegate.toml --user "Large Supplier A"
  sluicegate profile put profile.toml --account https://account.example:8091 --token-file token
""",
)
def profile() -> None:
    """A User's own priorities: which of its requests go first while it is throttled."""


@profile.command(
    epilog="""\b
Examples:
  sluicegate profile suggest
  sluicegate profile suggest --role ED > profile.toml
"""
)
@click.option("--role", type=click.Choice(ROLES), help="Only what this User Role may send.")
def suggest(role: str | None) -> None:
    """Print a commented profile to start from, made from the catalogue of SRVs.

    A suggestion: edit it, then put it into the configuration file. Nothing uses it by itself.
    """
    from sluicegate.allocation.suggest import suggested  # noqa: PLC0415

    click.echo(suggested(role), nl=False)


@profile.command(
    epilog="""\b
Examples:
  sluicegate profile check profile.toml
"""
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
def check(path: Path) -> None:
    """Say what is wrong with a profile, line by line; of a right one, which SRVs are in which class.

    \b
    Exit code: 0 right, 1 wrong, 2 wrong usage.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from sluicegate.duis import CATALOGUE  # noqa: PLC0415

    read = _read(path)
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("class", "reserve", "SRVs of the catalogue (Command Variant 1)"):
        table.add_column(heading)
    of_class: dict[int, list[str]] = {}
    for srv in CATALOGUE:
        of_class.setdefault(read.rank(srv, 1, "?"), []).append(srv)
    for rank in range(len(read.classes) + 1):
        one = read.classes[rank] if rank < len(read.classes) else None
        reserve = f"{one.reserve:g}" if one is not None else ""
        table.add_row(one.name if one is not None else "(the rest)", reserve, " ".join(of_class.get(rank, ["none"])))
    console.print(table)
    if read.teams:
        console.print("teams: " + ", ".join(f"{team.name} {team.part:g}" for team in read.teams))


def _read(path: Path) -> Profile:
    from sluicegate.allocation import Profile  # noqa: PLC0415
    from sluicegate.settings import SettingsError, load_profile  # noqa: PLC0415

    try:
        read = Profile.of_user(load_profile(path))
    except SettingsError as error:
        raise ConfigurationRefused(error) from None
    if read is None:
        raise click.ClickException(f"{path}: there is no [[class]] and no [[team]] in it")
    return read


@profile.command(
    "try",
    epilog="""\b
Examples:
  sluicegate profile try profile.toml --record record/ --config sluicegate.toml --user "Large Supplier A"
  sluicegate profile try profile.toml --record record/ --config sluicegate.toml --user A --since 2026-11-24T17:00
  sluicegate profile try profile.toml --account https://account.example:8091 --token-file token
""",
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--record", metavar="RECORD", help="The operator: the traffic record, a file, a folder, or a pattern.")
@click.option(
    "--config", "-c", metavar="FILE", type=click.Path(path_type=Path), help="The operator: the configuration."
)
@click.option("--user", metavar="NAME", help="The operator: whose profile it is.")
@account_options
@click.option("--since", metavar="TIME", help="Rows from this time on (ISO 8601). [the record's last hour]")
@click.option("--until", metavar="TIME", help="Rows before this time.")
@zone_option
@click.option("--quiet", is_flag=True, help="No bar.")
def try_(
    path: Path,
    *,
    record: str | None,
    config: Path | None,
    user: str | None,
    account: str | None,
    token_file: Path | None,
    ca: Path | None,
    since: str | None,
    until: str | None,
    zone: ZoneInfo,
    quiet: bool,
) -> None:
    """A dry run: which throttled requests of the last hour would have gone the other way.

    Replays the record with the profile that the configuration has for the User, and with this one; everybody's
    requests, for what is spare depends on them. Nothing is changed anywhere. The operator names the record; a User
    asks its account, which replays the gateway's own.

    \b
    Exit code: 0 done, 1 it could not be done, 2 wrong usage.
    """
    wanted = _read(path)
    if record is None:
        _print_told(dry_run(account_of(account, token_file, ca), path))
        return
    if config is None or user is None:
        raise click.UsageError("beside --record, say --config FILE and --user NAME")
    with packages_needed():
        import sluicegate.simulate.replay.profiles as replaying  # noqa: PLC0415
    from sluicegate.simulate.record import RecordError  # noqa: PLC0415

    settings = settings_of(config)
    first, last = moment_of(since, zone, "--since"), moment_of(until, zone, "--until")
    if user not in {one.name for one in settings.users}:
        raise click.BadParameter(f"{user[:60]!r} is no User of {config}", param_hint="--user")
    try:
        opened = replaying.last_hour(record, first, last)
        with Bars(["replaying"], quiet=quiet) as bars:
            told = replaying.other_way(opened, settings, user, wanted, lambda part: bars.reached("replaying", part))
    except RecordError as error:
        raise click.ClickException(str(error)) from None
    span = opened.span
    said = f"{span.first:%Y-%m-%d %H:%M:%S} to {span.last:%H:%M:%S} UTC" if span is not None else ""
    _print(said, told.classes, told.passes, told.throttled)


def _print_told(told: dict[str, Any]) -> None:
    """What an account has answered."""
    said = f"{told['since']} to {told['until']}" if told["since"] is not None else ""
    classes = {one["class"] or "": (one["throttled"], one["with_this_profile"]) for one in told["classes"]}
    _print(said, classes, told["would_have_passed"], told["would_have_been_throttled"])


def _print(span: str, classes: Mapping[str, tuple[int, int]], passes: int, throttled: int) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False)
    if span:
        console.print(span)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("class")
    for heading in ("throttled", "with this profile"):
        table.add_column(heading, justify="right")
    for name, (before, after) in classes.items():
        table.add_row(name or "(the rest)", f"{before:,}", f"{after:,}")
    console.print(table)
    console.print(f"{passes:,} that were throttled would have passed; {throttled:,} the other way round.")


for command in (show, put, delete, versions, restore):
    profile.add_command(command)
