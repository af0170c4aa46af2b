"""`sluicegate book`: the allocation book, its versions, who approved them, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sluicegate.cli.book_campaign import campaign
from sluicegate.cli.book_forecast import forecast
from sluicegate.cli.book_options import (
    allocations_of,
    as_option,
    by_whom,
    changing,
    current,
    named,
    note_option,
    print_table,
    rate,
    signed,
    told,
)
from sluicegate.cli.book_propose import propose
from sluicegate.cli.configuration import ConfigurationRefused, config_option
from sluicegate.cli.operations import moment, store_of
from sluicegate.cli.records import moment_of


@click.group(
    epilog="""\b
Examples:
  sluicegate book propose USERS.csv -c sluicegate.toml --out book.csv
  sluicegate book put book.csv -c sluicegate.toml --as ann --note "October's forecasts"
  sluicegate book approve 3 -c sluicegate.toml --as bob
  sluicegate book rollback -c sluicegate.toml --as ann
"""
)
def book() -> None:
    """The allocation book: proposed by a formula, approved by a second account, in force from a Monday on.

    Versions are kept in the database of [operations]. The one in force counts instead of the allocations of the
    configuration file, in every gateway, without a restart.
    """


for command in (propose, forecast, campaign):
    book.add_command(command)


@book.command(
    epilog="""\b
Examples:
  sluicegate book put book.csv --config sluicegate.toml --as ann
  sluicegate book put book.csv -c sluicegate.toml --as ann --from 2027-01-04T00:00 --note "after the merger"
  sluicegate book put book.csv -c sluicegate.toml --as ann --forecasts USERS.csv
"""
)
@click.argument("path", metavar="BOOK.csv", type=click.Path(path_type=Path))
@config_option
@as_option
@note_option
@click.option("--from", "since", metavar="TIME", help="In force from (London). [the Monday after it is approved]")
@click.option(
    "--forecasts",
    type=click.Path(path_type=Path),
    metavar="USERS.csv",
    help="Keep what it was proposed from beside it.",
)
def put(path: Path, config: Path, who: str, note: str, since: str | None, forecasts: Path | None) -> None:
    """Make a file (columns `user`, `allocation`, `why`) the next version, which waits for a second account."""
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.book.book_file import figures_of, read_book  # noqa: PLC0415
    from sluicegate.operations.book.effective import LONDON, microseconds  # noqa: PLC0415
    from sluicegate.operations.book.users_file import forecasts_of, read_users  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415
    from sluicegate.settings import SettingsError  # noqa: PLC0415

    asked = moment_of(since, LONDON, "--from")
    if len(note) > versions.MOST_NOTE or (note and not note.isprintable()):
        raise click.BadParameter(f"at most {versions.MOST_NOTE} printable characters", param_hint="--note")
    with store_of(config) as (store, settings):
        try:
            read = read_book(path, settings)
            expected = None if forecasts is None else forecasts_of(read_users(forecasts, settings))
        except SettingsError as error:
            raise ConfigurationRefused(error) from None
        with changing(store) as connection:
            made = versions.put(
                connection, figures_of(read), who=who, at=trail.now(), note=note,
                reasons={one.name: one.why for one in read if one.why},
                asked_at=None if asked is None else microseconds(asked), forecasts=expected, **by_whom(),
            )  # fmt: skip
    click.echo(f"Version {made.version}, put by {who}: a second account approves it (`sluicegate book approve`).")


@book.command(
    epilog="""\b
Examples:
  sluicegate book show --config sluicegate.toml
  sluicegate book show 3 --config sluicegate.toml --csv > book.csv
"""
)
@click.argument("version", type=click.IntRange(0), required=False)
@config_option
@click.option("--csv", "as_csv", is_flag=True, help="As `put` takes it.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def show(version: int | None, config: Path, as_csv: bool, as_json: bool) -> None:
    """The book in force, or VERSION of it (0: the configuration file), each figure with its reason."""
    from decimal import Decimal  # noqa: PLC0415

    from sluicegate.allocation.propose import Proposed  # noqa: PLC0415
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.book.book_file import written  # noqa: PLC0415
    from sluicegate.operations.book.checking import total_of  # noqa: PLC0415
    from sluicegate.operations.book.in_force import next_change  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    now = trail.now()
    with store_of(config) as (store, settings), store.reading() as connection:
        in_force, _ = current(connection, settings, now)
        number = in_force if version is None else version
        figures = allocations_of(connection, settings, number)
        why = versions.find(connection, number).why if number else {}
        later = next_change(connection, now)
    if as_json:
        shown = {"version": number, "in_force": in_force, "next_change": later, "allocations": figures, "why": why}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    elif as_csv:
        rows = (Proposed(name, Decimal(repr(float(one))), why.get(name, "")) for name, one in figures.items())
        click.echo(written(rows), nl=False)
    else:
        print_table(
            ("User", "SR/s", "why"), ((name, rate(one), why.get(name, "")) for name, one in figures.items()), (1,)
        )
        click.echo(f"{rate(float(total_of(figures)))} SR/s in all; {named(number)}; in force is {named(in_force)}.")
        if later is not None:
            click.echo(f"The next book comes into force at {moment(later)}.")


@book.command(
    "versions",
    epilog="""\b
Examples:
  sluicegate book versions --config sluicegate.toml
  sluicegate book versions --config sluicegate.toml --last 200 --json
""",
)
@config_option
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many, the newest.")
@click.option("--json", "as_json", is_flag=True, help="For a program; times are microseconds since 1970.")
def versions_(config: Path, last: int, as_json: bool) -> None:
    """Which versions there are: who put and who approved them, and from when they count."""
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.book.in_force import version_in_force  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    now = trail.now()
    with store_of(config) as (store, _), store.reading() as connection:
        in_force = version_in_force(connection, now)
        found = [(one, versions.state(one, now, in_force)) for one in versions.newest(connection, last)]
    if as_json:
        click.echo(json.dumps([told(one, state) for one, state in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("There is none: the allocations of the configuration file count.")
        return
    rows = [
        (
            str(one.version), state, f"{one.who}, {moment(one.made_at)}", one.approver or "-",
            moment(one.effective_at) if one.effective_at is not None else "-",
            one.note or (f"back to {named(one.restores)}" if one.restores is not None else ""),
        )
        for one, state in found
    ]  # fmt: skip
    print_table(("version", "state", "put by", "approved by", "in force from", "note"), rows, (0,))


@book.command(
    epilog="""\b
Examples:
  sluicegate book diff --config sluicegate.toml            from the one in force to the newest
  sluicegate book diff 2 3 --config sluicegate.toml --all
"""
)
@click.argument("before", metavar="[FROM]", type=click.IntRange(0), required=False)
@click.argument("after", metavar="[TO]", type=click.IntRange(0), required=False)
@config_option
@click.option("--all", "everybody", is_flag=True, help="Those too whose allocation stays.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def diff(before: int | None, after: int | None, config: Path, everybody: bool, as_json: bool) -> None:
    """What changes from one version to another; 0 is the configuration file."""
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.book.comparing import changes  # noqa: PLC0415
    from sluicegate.operations.book.in_force import version_in_force  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, settings), store.reading() as connection:
        first = version_in_force(connection, trail.now()) if before is None else before
        newest = versions.newest(connection, 1)
        second = after if after is not None else (newest[0].version if newest else 0)
        found = changes(allocations_of(connection, settings, first), allocations_of(connection, settings, second))
    found = [one for one in found if everybody or one["from"] != one["to"]]
    if as_json:
        click.echo(json.dumps({"from": first, "to": second, "users": found}, indent=2, ensure_ascii=False))
        return
    click.echo(f"From {named(first)} to {named(second)}, SR/s:")
    rows = [(one["user"], rate(one["from"]), rate(one["to"]), signed(one["change"])) for one in found]
    if rows:
        print_table(("User", "from", "to", "change"), rows, (1, 2, 3))
    else:
        click.echo("Nothing changes.")


@book.command(
    epilog="""\b
Examples:
  sluicegate book approve 3 --config sluicegate.toml --as bob
"""
)
@click.argument("version", type=click.IntRange(1))
@config_option
@as_option
def approve(version: int, config: Path, who: str) -> None:
    """Approve VERSION, which another account has put: it comes into force on the next Monday, 00:00 in London."""
    from sluicegate.operations.book.checking import approve_fitting  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, settings), changing(store) as connection:
        one = approve_fitting(connection, version, settings, who=who, at=trail.now(), **by_whom())
    click.echo(
        f"Version {version}, put by {one.who}, is approved by {who}: in force from {moment(one.effective_at or 0)}."
    )


@book.command(
    epilog="""\b
Examples:
  sluicegate book withdraw 3 --config sluicegate.toml --as ann
"""
)
@click.argument("version", type=click.IntRange(1))
@config_option
@as_option
def withdraw(version: int, config: Path, who: str) -> None:
    """VERSION will not come into force."""
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    with store_of(config) as (store, _), changing(store) as connection:
        versions.withdraw(connection, version, who=who, at=trail.now(), **by_whom())
    click.echo(f"Version {version} is withdrawn.")


@book.command(
    epilog="""\b
Examples:
  sluicegate book rollback --config sluicegate.toml --as ann --note "Small Supplier C starves"
  sluicegate book rollback 2 --config sluicegate.toml --as ann
"""
)
@click.argument("version", type=click.IntRange(0), required=False)
@config_option
@as_option
@note_option
def rollback(version: int | None, config: Path, who: str, note: str) -> None:
    """The book that was in force before, or VERSION (0: the configuration file), is in force again, at once.

    One account may do it, for two have approved what comes back.
    """
    from sluicegate.operations.book import versions  # noqa: PLC0415
    from sluicegate.operations.book.in_force import next_change  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    now = trail.now()
    with store_of(config) as (store, _), changing(store) as connection:
        one = versions.rollback(connection, version, who=who, at=now, note=note, **by_whom())
        later = next_change(connection, now)
    click.echo(f"In force now: {named(one.restores or 0)}, as version {one.version}.")
    if later is not None:
        click.echo(f"Another book still comes into force at {moment(later)}: `sluicegate book withdraw` stops it.")
