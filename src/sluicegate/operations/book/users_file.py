"""USERS.csv: what is known of each User before a book is proposed. A line a User.

Columns: `user`, `role`; where wanted `floor` and `contract` (SR/s), `devices TYPE`, and `forecast SRV` (SRs a month).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final

from sluicegate.allocation.propose import Applicant
from sluicegate.operations.book.sheet import Line, Sheet, figure_of
from sluicegate.settings import Settings
from sluicegate.settings.fields import srv
from sluicegate.settings.problems import shown
from sluicegate.settings.table import HIGHEST_RATE

MOST_COUNT: Final = Decimal(10**12)
MOST_RATE: Final = Decimal(HIGHEST_RATE)
_DEVICES, _FORECAST = "devices ", "forecast "
DEVICE_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}", re.ASCII)


def read_users(path: Path, settings: Settings) -> list[Applicant]:
    """The Users of a file, in its order. Raises SettingsError with all that is wrong: then nothing of it counts.

    Every User of the configuration must be there, and nobody else: who is forgotten would have nothing.
    """
    sheet = Sheet(path, ("user", "role"), _unknown)
    roles = {user.name: user.role for user in settings.users}
    found: dict[str, Applicant] = {}
    lines: dict[str, int] = {}
    for line in sheet:
        name, figures = line.fields["user"], _figures(sheet, line)
        if name in lines:
            sheet.wrong(line.number, "user", f"{shown(name)} is in line {lines[name]} too")
            continue
        if name not in roles:
            sheet.wrong(line.number, "user", f"{shown(name)} is no [[user]] of the configuration")
            continue
        lines[name] = line.number
        if (role := line.fields["role"]) != roles[name]:
            sheet.wrong(line.number, "role", f"is {shown(role)}, and {roles[name]} in the configuration")
        found[name] = Applicant(
            name,
            roles[name],
            _part(figures, _DEVICES),
            _part(figures, _FORECAST),
            figures.get("floor", Decimal(0)),
            figures.get("contract", Decimal(0)),
        )
    if not sheet.problems:  # else a line that cannot be read may be the missing one
        for name in roles:
            if name not in lines:
                sheet.wrong(None, "user", f"{shown(name)} has no line, and is a [[user]] of the configuration")
    sheet.sound()
    return list(found.values())


def forecasts_of(users: Iterable[Applicant]) -> dict[str, dict[str, float]]:
    """SRs a month by User and SRV, as they are kept beside a version of the book."""
    return {one.name: {kind: float(count) for kind, count in one.forecast.items()} for one in users}


def _unknown(column: str) -> str | None:
    if column in ("user", "role", "floor", "contract"):
        return None
    if column.startswith(_DEVICES) and DEVICE_TYPE.fullmatch(column.removeprefix(_DEVICES)):
        return None
    if column.startswith(_FORECAST):
        try:
            srv(column.removeprefix(_FORECAST))
        except ValueError as error:
            return str(error).removesuffix(", in quotes")
        return None
    return "there is no such column: user, role, floor, contract, `devices ESME`, `forecast 2.2`"


def _figures(sheet: Sheet, line: Line) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for column, text in line.fields.items():
        if column in ("user", "role"):
            continue
        try:
            found[column] = figure_of(text, MOST_RATE if column in ("floor", "contract") else MOST_COUNT)
        except ValueError as error:
            sheet.wrong(line.number, column, str(error))
    return found


def _part(figures: dict[str, Decimal], prefix: str) -> dict[str, Decimal]:
    return {
        column.removeprefix(prefix): figure
        for column, figure in figures.items()
        if column.startswith(prefix) and figure
    }
