"""`sluicegate check`: what is wrong with a configuration, or what it can let through."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import config_option, insecure_option, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluicegate.ledger import ShutOut
    from sluicegate.settings import Settings


@click.command()
@config_option
@insecure_option
def check(config: Path, insecure: bool) -> None:
    """Say what is wrong with a configuration, line by line.

    For a right one: its Users and rates, the worst burst and the sustained rate that it can let through, and
    what may surprise. Certificate files are read and held against each other.

    \b
    Exit code: 0 right, 1 wrong, 2 wrong usage.

    \b
    Examples:
      sluicegate check --config sluicegate.toml
      sluicegate check --config /etc/sluicegate/gateway.toml --insecure
    """
    settings = read_settings(config, insecure=insecure)
    _summary(config, settings)


def _summary(config: Path, settings: Settings) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from sluicegate.settings import cautions  # noqa: PLC0415

    console = Console(highlight=False)
    console.print(Text(f"{config}: right", style="bold green"), soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    in_force, about = _book(settings)
    for row in _figures(in_force):
        table.add_row(*row)
    console.print(table)
    for line in _reserves(settings):
        console.print(Text.assemble(("profile: ", "cyan"), line), soft_wrap=True)
    for caution in (*about, *cautions(settings), *_shut_out(settings)):
        said = Text.assemble(("warning: ", "yellow"), caution)
        console.print(said, soft_wrap=True)


def _figures(settings: Settings) -> list[tuple[str, str, str]]:
    from sluicegate.allocation import Book  # noqa: PLC0415
    from sluicegate.ledger.bounds import bounds  # noqa: PLC0415

    capacity, book = settings.capacity, Book.from_settings(settings)
    own = settings.profiles.most_reserve if settings.account is not None else 0.0
    most = bounds(capacity, book, own)
    enforced = capacity.enforce and all(user.enforce for user in settings.users)
    remark = "" if enforced else " (not enforced)"
    return [
        ("Users", f"{len(book.holders):,}", f"with {len(book.by_id):,} IDs"),
        ("sum of allocations", _rate(book.total), "SR/s"),
        ("operating threshold", _rate(capacity.operating_threshold), "SR/s"),
        ("maximum", _rate(capacity.maximum), "SR/s"),
        ("worst burst", _rate(most.worst_burst), "SR at once, after a lull" + remark),
        ("sustained rate", _rate(most.sustained), "SR/s at most, for as long as it lasts" + remark),
    ]


def _reserves(settings: Settings) -> list[str]:
    """What the reserves of each User with a profile serve, and a proposal where they serve too little and more fits."""
    from sluicegate.allocation import Book  # noqa: PLC0415
    from sluicegate.allocation.reserve import LIKELY_PART, SERVED, proposed_reserve, served_by  # noqa: PLC0415
    from sluicegate.ledger.bounds import fitting_reserve  # noqa: PLC0415

    proposal = proposed_reserve(LIKELY_PART) or 0
    everybody = settings.account is not None
    fits = fitting_reserve(settings.capacity, Book.from_settings(settings), proposal, everybody)
    lines = []
    for user in settings.users:
        if not user.classes or not user.allocation:
            continue
        whole = sum(entry.reserve for entry in user.classes)
        first = f"{user.name}: {_rate(whole)} requests reserved"
        half = (
            "of an urgent load that comes at random and is half of its allocation "
            f"({_rate(user.allocation * LIKELY_PART)} SR/s)"
        )
        if whole < fits == proposal:
            lines.append(
                f"{first}. reserve = {proposal} at its most urgent class serves {SERVED:.1%} {half}; "
                f"0.8 of it: {proposed_reserve(0.8)}"
            )
        elif whole < fits:
            lines.append(
                f"{first}. reserve = {fits} at its most urgent class serves {served_by(fits, LIKELY_PART):.1%} {half}; "
                f"{SERVED:.1%} would take {proposal}, and all Users' together would then be too much"
            )
        else:
            parts = [part / 20 for part in range(1, 20) if served_by(whole, part / 20) >= SERVED]
            most = f"{max(parts) * user.allocation:.3g}" if parts else "0"
            lines.append(f"{first}: {SERVED:.1%} of an urgent load up to {most} SR/s that comes at random")
    return lines


def _shut_out(settings: Settings) -> Iterator[str]:
    """What may surprise of all reserves together: the settings alone, below the banks, cannot tell."""
    from sluicegate.allocation import Book  # noqa: PLC0415
    from sluicegate.ledger.bounds import LONGEST_SHUT_OUT, fitting_reserve, shut_out  # noqa: PLC0415

    capacity, book = settings.capacity, Book.from_settings(settings)
    keeps = f"would keep it at {_rate(LONGEST_SHUT_OUT)} s"
    ours = shut_out(capacity, book)
    if ours.least > LONGEST_SHUT_OUT:
        having = sum(holder.profile is not None and holder.allocation > 0 for holder in book.holders)
        fits = int(LONGEST_SHUT_OUT * capacity.operating_threshold / having)
        yield f"the reserves of all Users together, {_owed(ours)}. A reserve of {fits} for each that has one {keeps}"
    if settings.account is None:
        return
    most = settings.profiles.most_reserve
    theirs = shut_out(capacity, book, most)
    if theirs.least > max(LONGEST_SHUT_OUT, ours.least):
        advice = (
            f"{fitting_reserve(capacity, book, int(most))} {keeps}"
            if ours.least <= LONGEST_SHUT_OUT
            else ("what the file reserves is too much by itself")
        )
        yield f"profiles.most_reserve = {_rate(most)}, if all Users reserve that, {_owed(theirs)}. {advice}"


def _owed(time: ShutOut) -> str:
    longest = f"{time.most:,.3g} s" if time.most < inf else "without end"
    return (
        f"spent at once after a lull, could shut out all excess for {time.least:,.3g} s"
        f" ({longest} while everybody uses its allocation)"
    )


def _book(settings: Settings) -> tuple[Settings, list[str]]:
    """The settings with the allocations that count, and what is said where those of the file do not.

    The database is looked at, and left as it is.
    """
    from sluicegate.cli.operations import moment  # noqa: PLC0415
    from sluicegate.database.errors import StoreError  # noqa: PLC0415
    from sluicegate.operations.book import looking  # noqa: PLC0415
    from sluicegate.operations.book.in_force import under  # noqa: PLC0415
    from sluicegate.operations.store import trail  # noqa: PLC0415

    if settings.operations is None:
        return settings, []
    try:
        found = looking.look(str.__str__(settings.operations.database), trail.now())
    except StoreError as error:
        return settings, [f"whether a book is in force cannot be seen: {error}"]
    said = []
    if found.book is not None:
        said.append(
            f"version {found.version} of the allocation book is in force since {moment(found.since)}: its "
            f"{_rate(sum(found.book.values()))} SR/s count, and the allocations of this file do not"
        )
        missing = [user.name for user in settings.users if user.name not in found.book]
        if missing:
            said.append(f"the book does not name {', '.join(missing[:3])}{', ...' * (len(missing) > 3)}: no allocation")
    if found.later is not None:
        said.append(f"another book comes into force at {moment(found.later)}")
    return under(settings, found.book), said


def _rate(figure: float) -> str:
    return f"{figure:,.3f}".rstrip("0").rstrip(".")
