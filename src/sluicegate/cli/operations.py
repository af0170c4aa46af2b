"""How commands open the database of `[operations]`, and who they say they are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sluicegate.cli.configuration import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.settings import Settings


@contextmanager
def store_of(config: Path) -> Iterator[tuple[OperationsStore, Settings]]:
    """The store that a configuration names, and its settings. Raises ClickException for all that goes wrong with it."""
    from sluicegate.database.errors import StoreError  # noqa: PLC0415
    from sluicegate.operations.store.store import OperationsStore  # noqa: PLC0415

    settings = read_settings(config, insecure=True)  # addresses are none of this command's business
    if settings.operations is None:
        raise click.ClickException(
            f"{config} has no [operations]: add that table, with `database`, for tokens and what Users set themselves"
        )
    try:
        store = OperationsStore(str.__str__(settings.operations.database))
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    try:
        yield store, settings
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    finally:
        store.close()


def operator() -> str:
    """Who works here, for the audit trail: the account of the machine."""
    import getpass  # noqa: PLC0415

    try:
        return f"operator {getpass.getuser()}, command line"
    except (OSError, KeyError):
        return "operator, command line"


def moment(at: int) -> str:
    """Microseconds since 1970 as UTC, to the second."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
