"""`sluicegate session`: who has signed in to the site with a browser."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.operations import moment, operator, store_of


@click.group(
    epilog="""\b
Examples:
  sluicegate session list --config sluicegate.toml
  sluicegate session end 118 --config sluicegate.toml
"""
)
def session() -> None:
    """Sessions of browsers: each ends by itself, and can be ended."""


@session.command(
    "list",
    epilog="""\b
Examples:
  sluicegate session list --config sluicegate.toml
  sluicegate session list --config sluicegate.toml --json
""",
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def list_(config: Path, as_json: bool) -> None:
    """Who has signed in, as what, until when at the most."""
    from sluicegate.operations.store import sessions, trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.reading() as connection:
        found = [one for one in sessions.every(connection) if one.ends_at > trail.now()]
    if as_json:
        told = [
            {"session": one.seq, "who": one.who, "role": one.role, "user": one.user, "by": one.how,
             "since": moment(one.made_at), "seen": moment(one.seen_at), "until": moment(one.ends_at)}
            for one in found
        ]  # fmt: skip
        click.echo(json.dumps(told, indent=2))
        return
    for one in found:
        of = f" of {one.user}" if one.user else ""
        click.echo(
            f"{one.seq:>6}  {one.who}, {one.role}{of}, by {one.how}; since {moment(one.made_at)}, "
            f"seen {moment(one.seen_at)}, until {moment(one.ends_at)} at the most"
        )
    if not found:
        click.echo("Nobody has signed in.")


@session.command(
    epilog="""\b
Examples:
  sluicegate session end 118 --config sluicegate.toml
"""
)
@click.argument("number", type=click.IntRange(1))
@config_option
def end(number: int, config: Path) -> None:
    """From now on session NUMBER does not count. Who has it can sign in again: revoke a token, or ask the provider."""
    from sluicegate.operations.store import sessions, trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.changing() as connection:
        found = {one.seq: one for one in sessions.every(connection)}.get(number)
        if found is not None:
            sessions.end(connection, found, trail.now(), who=operator())
    if found is None:
        raise click.ClickException(f"there is no session {number}: `sluicegate session list` has those that there are")
    click.echo(f"Session {number} of {found.who} has ended.")
