"""`sluicegate notices`: what Users are told, and whether their channels work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.operations import moment, operator, store_of

if TYPE_CHECKING:
    from sluicegate.operations.notices.notice import Notice

_STATES = ("waiting", "sent", "given up", "shown")


@click.group(
    epilog="""\b
Examples:
  sluicegate notices test "Large Supplier A" --config sluicegate.toml
  sluicegate notices list --config sluicegate.toml
"""
)
def notices() -> None:
    """Notices: a User is told that it comes close to its allocation, and of traffic management.

    Each [[user]] has its channels, as [[user.channel]], in the configuration. docs/notices.md says more.
    """


@notices.command(
    epilog="""\b
Examples:
  sluicegate notices test "Large Supplier A" --config sluicegate.toml
  sluicegate notices test "Large Supplier A" --channel duty -c sluicegate.toml

\b
Exit code: 0 every channel took it, 1 one did not, 2 wrong usage.
"""
)
@click.argument("user", metavar="USER")
@config_option
@click.option("--channel", metavar="NAME", help="Only this one.")
def test(user: str, config: Path, channel: str | None) -> None:
    """Send a test to each channel of USER (the name of a [[user]]), now and once, and say what became of it."""
    import asyncio  # noqa: PLC0415
    from time import time  # noqa: PLC0415

    from sluicegate.operations.notices import testing  # noqa: PLC0415
    from sluicegate.operations.notices.opening import ways_of  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, settings):
        ways = ways_of(settings, [user])
        names = [name for _, name in ways if channel in (None, name)]
        if names:
            with store.changing() as connection:
                testing.noted(connection, user, names, operator(), trail.now())
        try:
            tested = asyncio.run(testing.tried(ways, user, operator(), time, channel))
        except LookupError as error:
            raise click.BadParameter(str(error), param_hint="USER" if channel is None else "--channel") from None
        with store.changing() as connection:
            testing.kept(connection, tested)
    for one in tested:
        click.echo(f"{one.channel}: {one.why or 'taken'} ({one.seconds:.2f} s)", err=bool(one.why))
    failed = sum(bool(one.why) for one in tested)
    if failed:
        raise click.ClickException(f"{failed} of {len(tested)} did not take it")


@notices.command(
    "list",
    epilog="""\b
Examples:
  sluicegate notices list --config sluicegate.toml
  sluicegate notices list --user "Large Supplier A" --last 500 -c sluicegate.toml
  sluicegate notices list --state waiting --json -c sluicegate.toml
""",
)
@config_option
@click.option("--user", metavar="NAME", help="Only what this User is told.")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these; may be repeated.")
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def list_(config: Path, user: str | None, states: tuple[str, ...], last: int, as_json: bool) -> None:
    """What was told, over which channel, and what became of it: the newest last."""
    from sluicegate.operations.notices import outbox, showing  # noqa: PLC0415

    with store_of(config) as (store, _), store.reading() as connection:
        found = outbox.newest(connection, last, user, states or None)
    if as_json:
        click.echo(json.dumps([showing.notice(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in reversed(found):
        click.echo(_line(one))
    if not found:
        click.echo("There are none.")


def _line(one: Notice) -> str:
    where = f"{one.user or 'everybody'}{f', {one.channel}' if one.channel else ''}"
    why = f" ({one.attempts} attempts; {one.why})" if one.why else ""
    return f"{moment(one.made_at)}  {one.state:<8}  {where}: {one.told['title']}{why}"
