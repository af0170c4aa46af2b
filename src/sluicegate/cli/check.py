"""`sluicegate check`: what is wrong with a configuration, or what it can let through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import config_option, insecure_option, read_settings

if TYPE_CHECKING:
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
    for row in _figures(settings):
        table.add_row(*row)
    console.print(table)
    for line in _reserves(settings):
        console.print(Text.assemble(("profile: ", "cyan"), line), soft_wrap=True)
    for caution in cautions(settings):
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
    """What the reserves of each User with a profile serve, and a proposal where they serve too little."""
    from sluicegate.allocation.reserve import LIKELY_PART, SERVED, proposed_reserve, served_by  # noqa: PLC0415

    proposal = proposed_reserve(LIKELY_PART) or 0
    lines = []
    for user in settings.users:
        if not user.classes or not user.allocation:
            continue
        whole = sum(entry.reserve for entry in user.classes)
        first = f"{user.name}: {_rate(whole)} requests reserved"
        if whole < proposal:
            lines.append(
                f"{first}. reserve = {proposal} at its most urgent class serves {SERVED:.1%} of an urgent load that "
                f"comes at random and is half of its allocation ({_rate(user.allocation * LIKELY_PART)} SR/s); "
                f"0.8 of it: {proposed_reserve(0.8)}"
            )
        else:
            parts = [part / 20 for part in range(1, 20) if served_by(whole, part / 20) >= SERVED]
            most = f"{max(parts) * user.allocation:.3g}" if parts else "0"
            lines.append(f"{first}: {SERVED:.1%} of an urgent load up to {most} SR/s that comes at random")
    return lines


def _rate(figure: float) -> str:
    return f"{figure:,.3f}".rstrip("0").rstrip(".")
