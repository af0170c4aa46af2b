"""`sluicegate book propose`: from USERS.csv to a book, what changes with it, and what last month would have met."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluicegate.cli.book_options import named, print_table, rate, signed
from sluicegate.cli.configuration import ConfigurationRefused, config_option
from sluicegate.cli.evidence import Bars, packages_needed
from sluicegate.cli.records import print_problems, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sluicegate.allocation.propose import Proposed
    from sluicegate.settings import Settings


def _figure(_ctx: click.Context, param: click.Parameter, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        figure = Decimal(text)
    except InvalidOperation:
        figure = Decimal(0)
    if not (figure.is_finite() and 0 < figure <= 10**7):
        raise click.BadParameter(f"must be SR/s above 0, and is {text[:40]!r}", param=param)
    return figure


@click.command(
    epilog="""\b
Examples:
  sluicegate book propose USERS.csv --config sluicegate.toml
  sluicegate book propose USERS.csv -c sluicegate.toml --weights weights.toml --out book.csv
  sluicegate book propose USERS.csv -c sluicegate.toml --record record/ --month 2026-10

\b
USERS.csv, a line a User (floor and contract in SR/s, forecasts in SRs a month):
  user,role,floor,contract,devices ESME,devices GSME,forecast 2.2,forecast 4.8.1
  Large Supplier A,IS,,,5200000,4100000,3000000,40000000

\b
weights.toml, all of it optional (a kind counts as in [capacity.weights], all else 1):
  [roles]
  ED = 0.5
  [kinds]
  "11.1" = 5
  [devices]
  ESME = 2
"""
)
@click.argument("path", metavar="USERS.csv", type=click.Path(path_type=Path))
@config_option
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help="What counts for how much (TOML).")
@click.option("--maximum", callback=_figure, metavar="X", help="SR/s to give out. [the configuration's maximum]")
@click.option("--resolution", callback=_figure, default="0.01", show_default=True, metavar="X", help="Steps, in SR/s.")
@click.option("--out", type=click.Path(path_type=Path), metavar="BOOK.csv", help="Write the book, for `put`.")
@click.option("--record", metavar="RECORD", help="Replay this traffic record under the book.")
@click.option("--month", metavar="YYYY-MM", help="Which month of it, in London. [the last whole one]")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def propose(
    path: Path,
    config: Path,
    weights: Path | None,
    maximum: Decimal | None,
    resolution: Decimal,
    out: Path | None,
    record: str | None,
    month: str | None,
    as_json: bool,
) -> None:
    """Allocations for the Users of USERS.csv that add up to the maximum exactly. Nothing comes into force by it.

    \b
    points     = weight of the Role * (SRs a month * weight of their kind + devices * weight of their type)
    allocation = the greater of floor, contract, and the part of the maximum that the points make
    """
    from sluicegate.operations.book.comparing import changes  # noqa: PLC0415

    settings = settings_of(config)
    book = _proposed(path, settings, weights, maximum, resolution)
    after = {one.name: float(one.allocation) for one in book}
    version, before = _in_force(settings)
    met = None if record is None else _met(record, month, settings, after, quiet=as_json)
    if out is not None:
        _write(out, book)
    if as_json:
        _as_json(book, version, before, met)
        return
    why = {one.name: one.why for one in book}
    rows = [
        (
            one["user"],
            rate(one["from"]),
            rate(one["to"]),
            signed(one["change"]),
            why.get(one["user"], "no longer there"),
        )
        for one in changes(before, after)
    ]
    print_table(("User", named(version) if version else "file", "proposed", "change", "why"), rows, (1, 2, 3))
    click.echo(f"{rate(float(sum(one.allocation for one in book)))} SR/s in all; in force is {named(version)}.")
    if met is not None:
        _print_met(met)
    if out is not None:
        click.echo(f"{out} is written: `sluicegate book put {out}` makes it a version.")


def _proposed(
    path: Path, settings: Settings, weights: Path | None, maximum: Decimal | None, resolution: Decimal
) -> Sequence[Proposed]:
    from sluicegate.allocation.propose import CannotPropose, propose  # noqa: PLC0415
    from sluicegate.operations.book.users_file import read_users  # noqa: PLC0415
    from sluicegate.operations.book.weights_file import read_weights, weights_of  # noqa: PLC0415
    from sluicegate.settings import SettingsError  # noqa: PLC0415

    most = Decimal(repr(settings.capacity.maximum))
    if maximum is not None and maximum > most:
        raise click.BadParameter(f"the configuration's maximum is {rate(float(most))} SR/s", param_hint="--maximum")
    try:
        weigh = weights_of(settings) if weights is None else read_weights(weights, settings)
        return propose(read_users(path, settings), maximum or most, weigh, resolution)
    except SettingsError as error:
        raise ConfigurationRefused(error) from None
    except CannotPropose as error:
        raise click.ClickException(str(error)) from None


def _in_force(settings: Settings) -> tuple[int, dict[str, float]]:
    """The book in force; the file's where no database is configured, for a proposal needs none."""
    from sluicegate.database.errors import StoreError  # noqa: PLC0415
    from sluicegate.operations.book.looking import Seen, look  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    where = settings.operations
    try:
        seen = Seen() if where is None else look(str.__str__(where.database), trail.now())
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    return seen.version, dict(seen.book or {user.name: user.allocation for user in settings.users})


def _write(out: Path, book: Sequence[Proposed]) -> None:
    from sluicegate.operations.book.book_file import written  # noqa: PLC0415
    from sluicegate.simulate.evidence.files import put  # noqa: PLC0415

    try:
        put({out: written(book).encode()})
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None


def _met(
    record: str, month: str | None, settings: Settings, book: Mapping[str, float], *, quiet: bool
) -> Sequence[Mapping[str, Any]]:
    """What a month of recorded traffic met, and would have met under the book, by User."""
    with packages_needed():
        from sluicegate.operations.book import effective  # noqa: PLC0415
        from sluicegate.operations.book.in_force import under  # noqa: PLC0415
        from sluicegate.operations.store import trail  # noqa: PLC0415
        from sluicegate.simulate.record import RecordError, open_record  # noqa: PLC0415
        from sluicegate.simulate.replay import READING, Question, own_policy, replay  # noqa: PLC0415

        try:
            since, until = effective.month(month or effective.month_before(trail.now()))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--month") from None
        try:
            opened = open_record(record, since=since, until=until)
            if not opened.rows:
                raise click.ClickException(f"{record} has no row in {since:%Y-%m}: name another month with --month")
            asked = Question(title=f"{since:%B %Y} under the proposed book")
            with Bars([READING, own_policy(settings).name], quiet=quiet) as bars:
                done = replay(opened, under(settings, book), asked, bars.reached)
        except RecordError as error:
            raise click.ClickException(str(error)) from None
        print_problems(opened)
        found: Sequence[Mapping[str, Any]] = done.summary["replay"]["per_user"]
        return found


def _print_met(met: Sequence[Mapping[str, Any]]) -> None:
    click.echo("\nWhat the traffic of that month met, and would have met under it (attempts that were throttled):")
    rows = [
        (
            one["user"], f"{one['demand']:,}", f"{one['recorded']['throttled']:,}", f"{one['replayed']['throttled']:,}",
            signed(one["replayed"]["throttled"] - one["recorded"]["throttled"]),
        )
        for one in sorted(met, key=lambda one: (-one["demand"], one["user"]))
    ]  # fmt: skip
    print_table(("User", "wanted", "recorded", "under it", "change"), rows, (1, 2, 3, 4))


def _as_json(
    book: Sequence[Proposed], version: int, before: Mapping[str, float], met: Sequence[Mapping[str, Any]] | None
) -> None:
    users = [
        {"user": one.name, "allocation": float(one.allocation), "from": before.get(one.name), "why": one.why}
        for one in book
    ]
    click.echo(json.dumps({"from": version, "users": users, "traffic": met}, indent=2, ensure_ascii=False))
