"""What the commands of `sluicegate book` have in common: who works here, which version is meant, tables of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sluicegate.cli.operations import operator

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sluicegate.operations.book.versions import Version
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.settings import Settings

LONGEST_NAME = 100


def _account(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str:
    if name is None:
        import getpass  # noqa: PLC0415

        try:
            return getpass.getuser()
        except (OSError, KeyError):
            raise click.BadParameter("this machine does not say whose account this is: name one") from None
    if not (len(name.strip()) > 0 and len(name) <= LONGEST_NAME and name.isprintable()):
        raise click.BadParameter(f"must have 1 to {LONGEST_NAME} printable characters")
    return name.strip()


as_option: Callable[[Any], Any] = click.option(
    "--as", "who", metavar="NAME", callback=_account, help="Your account. [this machine's account]"
)
note_option: Callable[[Any], Any] = click.option("--note", default="", help="Why, for those who read the versions.")


def by_whom() -> dict[str, str]:
    """What the audit trail is told beside the account: by which way, and under which account of the machine."""
    return {"by": operator()}


@contextmanager
def changing(store: OperationsStore) -> Iterator[Connection]:
    """A transaction of the book: what is refused in it has changed nothing, and is said in a sentence."""
    from sluicegate.operations.book.campaigns import CampaignRefused  # noqa: PLC0415
    from sluicegate.operations.book.versions import BookRefused  # noqa: PLC0415

    try:
        with store.changing() as connection:
            yield connection
    except (BookRefused, CampaignRefused) as error:
        raise click.ClickException(str(error)) from None


def allocations_of(connection: Connection, settings: Settings, version: int) -> dict[str, float]:
    """SR/s by User of a version; 0 stands for the configuration file. Raises ClickException."""
    from sluicegate.operations.book import comparing, versions  # noqa: PLC0415

    try:
        return comparing.allocations_of(connection, settings, version)
    except versions.NoSuchBook as error:
        raise click.ClickException(str(error)) from None


def current(connection: Connection, settings: Settings, at: int) -> tuple[int, dict[str, float]]:
    """The version in force at a time (0: the configuration file), and its allocations."""
    from sluicegate.operations.book.in_force import version_in_force  # noqa: PLC0415

    version = version_in_force(connection, at)
    return version, allocations_of(connection, settings, version)


def named(version: int) -> str:
    """As a person calls it."""
    return f"version {version}" if version else "the configuration file"


def rate(figure: float | None) -> str:
    """SR/s as it is read in a table."""
    return "-" if figure is None else f"{figure:,.3f}".rstrip("0").rstrip(".")


def signed(figure: float) -> str:
    """A change, with its sign; nothing where there is none."""
    return f"{figure:+,.3f}".rstrip("0").rstrip(".") if round(figure, 3) else ""


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A table for a terminal. `right`: columns of figures."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place in right else "left", no_wrap=place in right)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def told(one: Version, state: str) -> dict[str, Any]:
    """A version for a program."""
    return {
        "version": one.version, "state": state, "put": one.made_at, "by": one.who, "approved": one.approved_at,
        "approver": one.approver, "effective": one.effective_at, "asked": one.asked_at,
        "restores": one.restores, "withdrawn": one.withdrawn_at, "note": one.note,
    }  # fmt: skip
