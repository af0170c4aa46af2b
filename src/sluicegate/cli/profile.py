"""`sluicegate profile`: a User's own priorities."""

from __future__ import annotations

from pathlib import Path

import click

from sluicegate.cli.configuration import ConfigurationRefused

ROLES = ("IS", "GS", "ES", "ED", "GT", "OU", "RSA")


@click.group(
    epilog="""\b
Examples:
  sluicegate profile suggest > profile.toml
  sluicegate profile suggest --role GS
  sluicegate profile check profile.toml
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

    from sluicegate.allocation import Profile  # noqa: PLC0415
    from sluicegate.duis import CATALOGUE  # noqa: PLC0415
    from sluicegate.settings import SettingsError, load_profile  # noqa: PLC0415

    try:
        read = Profile.of_user(load_profile(path))
    except SettingsError as error:
        raise ConfigurationRefused(error) from None
    if read is None:
        raise click.ClickException(f"{path}: there is no [[class]] and no [[team]] in it")
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
