"""`sluicegate audit`: who did what."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sluicegate.cli.configuration import config_option
from sluicegate.cli.operations import moment, store_of

_KNOWN = re.compile(r"([1-9][0-9]{0,17}):([0-9a-fA-F]{64})", re.ASCII)


@click.group(
    epilog="""\b
Examples:
  sluicegate audit show --config sluicegate.toml
  sluicegate audit verify --config sluicegate.toml
"""
)
def audit() -> None:
    """The audit trail: append-only, each row with the hash of the one before."""


@audit.command(
    epilog="""\b
Examples:
  sluicegate audit show --config sluicegate.toml
  sluicegate audit show --last 1000 --about "Large Supplier A" -c sluicegate.toml
"""
)
@config_option
@click.option("--last", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="So many rows.")
@click.option("--about", metavar="NAME", help="Only what is about this User.")
def show(config: Path, last: int, about: str | None) -> None:
    """Who did what about whom, the newest last."""
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, _), store.reading() as connection:
        found = trail.newest(connection, last, about)
    for row in reversed(found):
        click.echo(f"{row.seq:>6}  {moment(row.at)}  {row.who}: {row.did}, {row.about}  {row.details}")
    if not found:
        click.echo("Nothing has been done yet.")


@audit.command(
    epilog="""\b
Examples:
  sluicegate audit verify --config sluicegate.toml
  sluicegate audit verify --config sluicegate.toml --known 118:6f0c...e1

A row's hash that was noted elsewhere (each is in the log of the process that wrote it, and the last one is printed
here) also shows whether rows were taken from the end.
"""
)
@config_option
@click.option("--known", metavar="ROW:HASH", help="A row that was noted earlier: it must still be there.")
def verify(config: Path, known: str | None) -> None:
    """Was the database tampered with? Checks every row's hash, and every token and version against the trail.

    \b
    Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage.
    """
    from sluicegate.operations.store.verify import verify as verified  # noqa: PLC0415

    noted = None
    if known is not None:
        form = _KNOWN.fullmatch(known)
        if form is None:
            raise click.BadParameter(
                "must be ROW:HASH, such as 118 and 64 hexadecimal digits", param_hint="--known"
            )  # fmt: skip
        noted = int(form[1]), form[2]
    with store_of(config) as (store, _), store.reading() as connection:
        found = verified(connection, noted)
    for said in found.problems:
        click.echo(said, err=True)
    if found.count > len(found.problems):
        click.echo(f"and {found.count - len(found.problems):,} more", err=True)
    last = "" if found.last is None else f"; the last is {found.last[0]}:{found.last[1]}"
    click.echo(f"{found.rows:,} rows of the audit trail{last}")
    if found.count:
        raise click.ClickException(f"{found.count:,} {'thing is' if found.count == 1 else 'things are'} not as written")
    click.echo("Nothing was tampered with.")
