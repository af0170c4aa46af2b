"""A book as a file that people may edit: CSV, a line a User, with its allocation (SR/s) and why it is that."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sluicegate.allocation.propose import Proposed, plain
from sluicegate.operations.book.checking import wrong_with
from sluicegate.operations.book.sheet import Sheet, figure_of
from sluicegate.operations.book.users_file import MOST_RATE
from sluicegate.settings import Settings
from sluicegate.settings.problems import shown

COLUMNS: Final = ("user", "allocation", "why")
LONGEST_WHY: Final = 500  # characters


def written(book: Iterable[Proposed]) -> str:
    """The text of the file."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.name, plain(one.allocation), one.why) for one in book)
    return told.getvalue()


def read_book(path: Path, settings: Settings | None = None) -> list[Proposed]:
    """The book of a file. Raises SettingsError with all that is wrong: then nothing of it counts.

    `settings`: it must be one that can be in force under them.
    """
    sheet = Sheet(path, COLUMNS[:2], lambda name: None if name in COLUMNS else f"there is no such column: {COLUMNS}")
    found: list[Proposed] = []
    lines: dict[str, int] = {}
    for line in sheet:
        name, text, why = (line.fields.get(column, "") for column in COLUMNS)
        if name in lines:
            sheet.wrong(line.number, "user", f"{shown(name)} is in line {lines[name]} too")
        lines[name] = line.number
        if len(why) > LONGEST_WHY or not (why.isprintable() or not why):
            sheet.wrong(line.number, "why", f"must have at most {LONGEST_WHY} printable characters")
        try:
            found.append(Proposed(name, figure_of(text or "nothing", MOST_RATE), why))
        except ValueError as error:
            sheet.wrong(line.number, "allocation", str(error))
    sheet.sound()
    for user, reason in wrong_with(figures_of(found), settings) if settings is not None else ():
        sheet.wrong(lines.get(user), "user" if user else "allocation", reason)
    sheet.sound()
    return found


def figures_of(book: Iterable[Proposed]) -> dict[str, float]:
    """SR/s by User, as versions hold them."""
    return {one.name: float(one.allocation) for one in book}
