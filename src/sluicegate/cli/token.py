"""`sluicegate token`: who may use the site and its API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.operations import moment, operator, store_of

if TYPE_CHECKING:
    from sluicegate.settings import Settings

MOST_DAYS = 3650


@click.group(
    epilog="""\b
Examples:
  sluicegate token create "Large Supplier A" --config sluicegate.toml > token
  sluicegate token create --role operator --name alice --config sluicegate.toml > token
  sluicegate token list --config sluicegate.toml
  sluicegate token revoke 3 --config sluicegate.toml
"""
)
def token() -> None:
    """API tokens: each is of one User, or of one person with a role; it ends by itself, and can be revoked.

    They are kept in the database of [operations], which knows a token by its SHA-256 only: it is shown once.
    """


@token.command(
    epilog="""\b
Examples:
  sluicegate token create "Large Supplier A" --config sluicegate.toml
  sluicegate token create "Large Supplier A" --days 30 --note "head-end, Leeds" -c sluicegate.toml > token
  sluicegate token create --role operator --name alice -c sluicegate.toml > token
"""
)
@click.argument("user", metavar="[USER]", required=False)
@config_option
@click.option(
    "--role",
    type=click.Choice(["operator", "approver", "viewer", "user"]),
    default="user",
    show_default=True,
    help="What its holder may do.",
)
@click.option("--name", help="Who holds it, where that is no User: its name in the audit trail.")
@click.option(
    "--days", type=click.FloatRange(0, MOST_DAYS, min_open=True), default=90, show_default=True, help="It ends after."
)
@click.option("--note", default="", help="What it is for, for those who read the list.")
def create(user: str | None, config: Path, role: str, name: str | None, days: float, note: str) -> None:
    """Make a token and print it, which nothing does a second time.

    It is for USER (the name of a [[user]]), or with --role for one person among the operators: operators change what
    is in force, approvers agree to what operators propose, viewers look.
    """
    from sluicegate.operations.store import tokens, trail  # noqa: PLC0415

    if len(note) > tokens.MOST_NOTE or (note and not note.isprintable()):
        raise click.BadParameter(f"at most {tokens.MOST_NOTE} printable characters", param_hint="--note")
    with store_of(config) as (store, settings):
        holder = _holder(settings, config, role, user, name)
        with store.changing() as connection:
            shown, made, _ = tokens.create(
                connection, name=holder, role=role, days=days, note=note, who=operator(), at=trail.now()
            )
    click.echo(shown)
    click.echo(
        f"Token {made.id} of {holder} ({role}), until {moment(made.expires_at)}. Keep it safe: it is not shown again.",
        err=True,
    )


def _holder(settings: Settings, config: Path, role: str, user: str | None, name: str | None) -> str:
    """Whose token it is to be. Raises BadParameter."""
    from sluicegate.operations.site.principal import NAME  # noqa: PLC0415

    if role == "user":
        wanted = user or name
        if wanted is None or (user and name):
            raise click.BadParameter("name one [[user]], or give a --role", param_hint="USER")
        if wanted not in {one.name for one in settings.users}:
            names = ", ".join(one.name for one in settings.users[:10])
            raise click.BadParameter(f"{wanted[:60]!r} is no User of {config}; it has {names}", param_hint="USER")
        return wanted
    if user is not None:
        raise click.BadParameter(f"--role {role} is for a person: give its --name, and no USER", param_hint="USER")
    if name is None or not NAME.fullmatch(name):
        raise click.BadParameter(
            "who holds it: at most 100 letters, digits and . _ - + @, such as alice", param_hint="--name"
        )
    return name


@token.command(
    "list",
    epilog="""\b
Examples:
  sluicegate token list --config sluicegate.toml
  sluicegate token list --config sluicegate.toml --json
""",
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def list_(config: Path, as_json: bool) -> None:
    """Which tokens there are, and which of them count."""
    from sluicegate.operations.store import tokens, trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.reading() as connection:
        found = tokens.every(connection)
    now = trail.now()
    told = [
        {"token": one.id, "role": one.scope, "user": one.name, "state": one.state(now), "made": moment(one.made_at),
         "until": moment(one.expires_at), "note": one.note}
        for one in found
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    if not told:
        click.echo("There are none. `sluicegate token create USER` makes one.")
        return
    _table(told)


@token.command(
    epilog="""\b
Examples:
  sluicegate token revoke 3 --config sluicegate.toml
"""
)
@click.argument("number", type=click.IntRange(1))
@config_option
def revoke(number: int, config: Path) -> None:
    """From now on token NUMBER does not count."""
    from sluicegate.operations.store import tokens, trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.changing() as connection:
        found = tokens.revoke(connection, number, who=operator(), at=trail.now())
    if found is None:
        raise click.ClickException(f"there is no token {number}: `sluicegate token list` has those that there are")
    one, row = found
    was = "" if row is not None else " already"
    click.echo(f"Token {number} of {one.name} is revoked{was}.")


def _table(told: list[dict[str, object]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in told[0]:
        table.add_column(
            heading, justify="right" if heading == "token" else "left", no_wrap=heading in ("made", "until")
        )
    for one in told:
        table.add_row(*(str(value) for value in one.values()))
    Console(highlight=False, markup=False).print(table)
