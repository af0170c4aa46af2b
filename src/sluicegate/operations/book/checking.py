"""Whether a book can be in force under a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from sluicegate.operations.book import versions
from sluicegate.operations.book.users_file import MOST_COUNT
from sluicegate.operations.book.versions import BookRefused, Version
from sluicegate.settings import Settings
from sluicegate.settings.fields import srv
from sluicegate.settings.problems import figure, shown
from sluicegate.settings.table import LOWEST_RATE


def wrong_with(allocations: Mapping[str, float], settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with a book: the User (empty: the whole of it), and why, in a sentence."""
    users = {user.name for user in settings.users}
    for name, allocation in allocations.items():
        if name not in users:
            yield name, f"{shown(name)} is no [[user]] of the configuration"
        if 0 < allocation < LOWEST_RATE:
            yield name, f"must be 0 (the User lives on the spare) or at least {LOWEST_RATE} SR/s"
    for user in settings.users:
        if user.name not in allocations:
            yield user.name, f"{shown(user.name)} is not in it, and is a [[user]] of the configuration"
    total, maximum = total_of(allocations), Decimal(repr(settings.capacity.maximum))
    if total > maximum:
        said = f"the allocations add up to {figure(float(total))} SR/s and the maximum is {figure(float(maximum))}"
        yield "", f"{said}: {figure(float(total - maximum))} SR/s too many"


def wrong_forecast(forecasts: Mapping[str, Mapping[str, float]], settings: Settings) -> Iterator[str]:
    """What is wrong with the forecasts that are to be kept with a book (SRs a month by User and SRV), in sentences."""
    users = {user.name for user in settings.users}
    for name, kinds in forecasts.items():
        if name not in users:
            yield f"forecasts: {shown(name)} is no [[user]] of the configuration"
        for kind, count in kinds.items():
            try:
                srv(kind)
            except ValueError as error:
                yield f"forecasts: {shown(name)}: {str(error).removesuffix(', in quotes')}"
            if not 0 <= count <= MOST_COUNT:
                yield f"forecasts: {shown(name)}: {kind[:20]}: must be from 0 to {MOST_COUNT:,} SRs a month"


def approve_fitting(
    connection: Connection, version: int, settings: Settings, *, who: str, at: int, **said: Any
) -> Version:
    """A second account agrees to a version that fits the configuration as it is now. Raises BookRefused, NoSuchBook."""
    wrong = next(wrong_with(versions.find(connection, version).book or {}, settings), None)
    if wrong is not None:
        raise BookRefused(f"version {version} does not fit the configuration: {wrong[1]}")
    return versions.approve(connection, version, who=who, at=at, **said)


def total_of(allocations: Mapping[str, float]) -> Decimal:
    """The sum in SR/s, as the figures are written."""
    return sum((Decimal(repr(float(one))) for one in allocations.values()), Decimal(0))
