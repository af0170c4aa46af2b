"""A CSV that people write: every line is read for itself, and all that is wrong is told with line and field."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from sluicegate.settings.problems import Problem, SettingsError, shown

MOST_OCTETS: Final = 64 * 2**20
MOST_LINES: Final = 100_001
MOST_COLUMNS: Final = 400
LONGEST_LINE: Final = 65_536
LONGEST_FIELD: Final = 1_000  # characters


class Line(NamedTuple):
    """A line of the sheet: its number in the file, and its fields by column."""

    number: int
    fields: dict[str, str]


class Sheet:
    """The lines of a CSV, and what is wrong with them.

    Nothing of a sheet with a problem may be used: whoever reads one adds what it finds, and ends with `sound`.

    Raises:
        SettingsError: it cannot be read, it is too large, or its first line names no columns that are known.
    """

    def __init__(self, path: Path, required: Collection[str], known: Callable[[str], str | None]) -> None:
        """`known`: what is wrong with the name of a column; None for one that is known."""
        self.path = path
        self.problems: list[Problem] = []
        self._lines = _octets(path).splitlines() or [b""]
        self.columns = self._header(required, known)

    def wrong(self, number: int | None, field: str, reason: str) -> None:
        """Something is."""
        self.problems.append(Problem(number, field, reason))

    def sound(self) -> None:
        """Raise SettingsError, with all of it, if anything was wrong."""
        if self.problems:
            raise SettingsError(str(self.path), self.problems)

    def __iter__(self) -> Iterator[Line]:
        """The lines that have as many fields as the first, empty ones passed over; the others are problems."""
        for number, octets in enumerate(self._lines[1:], 2):
            if not octets.strip():
                continue
            fields = self._fields(number, octets)
            if fields is None:
                continue
            if len(fields) != len(self.columns):
                self.wrong(number, "", f"has {len(fields)} fields, and the first line has {len(self.columns)}")
                continue
            yield Line(number, dict(zip(self.columns, fields, strict=True)))

    def _header(self, required: Collection[str], known: Callable[[str], str | None]) -> list[str]:
        names = self._fields(1, self._lines[0].removeprefix(b"\xef\xbb\xbf")) or []
        if len(names) == 1 and (separator := next((s for s in ";\t|" if s in names[0]), "")):
            self.wrong(1, "", f"the columns are separated by {separator!r}: write commas")
            self.sound()
        if len(names) > MOST_COLUMNS:
            self.wrong(1, "", f"has {len(names):,} columns: at most {MOST_COLUMNS}")
            self.sound()
        for name in dict.fromkeys(names):
            reason = known(name)
            if names.count(name) > 1:
                self.wrong(1, shown(name), "this column is there twice")
            elif reason is not None:
                self.wrong(1, shown(name), reason)
        for name in required:
            if name not in names:
                self.wrong(1, name, "this column is missing")
        self.sound()
        return names

    def _fields(self, number: int, octets: bytes) -> list[str] | None:
        reason = ""
        if len(octets) > LONGEST_LINE:
            reason = f"is longer than {LONGEST_LINE:,} octets"
        else:
            try:
                fields = [text.strip() for text in next(csv.reader([octets.decode()], strict=True), [])]
            except UnicodeDecodeError as error:
                reason = f"is not UTF-8 (octet 0x{octets[error.start]:02x})"
            except csv.Error as error:
                reason = f"is no line of a CSV: {error}"
            else:
                long = next((text for text in fields if len(text) > LONGEST_FIELD), None)
                if long is None:
                    return fields
                reason = f"a field has {len(long):,} characters: at most {LONGEST_FIELD:,}"
        self.wrong(number, "", reason)
        return None


def figure_of(text: str, most: Decimal, places: int = 9) -> Decimal:
    """A figure from 0 to `most` with at most so many decimal places; an empty field is 0. Raises ValueError."""
    if not text:
        return Decimal(0)
    try:
        figure = Decimal(text) if text.isascii() and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        figure = Decimal("NaN")
    if not figure.is_finite():
        hint = ", without separators between its digits" if "," in text or "_" in text or " " in text else ""
        raise ValueError(f"must be a number{hint}, and is {shown(text)}")
    if not 0 <= figure <= most:
        raise ValueError(f"must be from 0 to {most:,f}, and is {shown(text)}")
    if figure and figure.normalize().as_tuple().exponent < -places:  # type: ignore[operator]
        raise ValueError(f"must have at most {places} decimal places, and is {shown(text)}")
    return figure


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise SettingsError(str(path), [Problem(None, "", f"cannot be read: {error.strerror}")]) from None
    if len(octets) > MOST_OCTETS or octets.count(b"\n") > MOST_LINES:
        said = f"is too large: at most {MOST_OCTETS // 2**20} MiB and {MOST_LINES:,} lines"
        raise SettingsError(str(path), [Problem(None, "", said)])
    return octets
