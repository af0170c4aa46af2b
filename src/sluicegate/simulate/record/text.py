"""A CSV of a record: read line by line, so that whatever is wrong is told with its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from sluicegate.simulate.record.columns import PART_SCHEMA, REQUIRED, SCHEMA, microseconds
from sluicegate.simulate.record.conform import LONGEST_REQUEST, check_columns, number_of
from sluicegate.simulate.record.piece import GROUP_ROWS, Group, Looked
from sluicegate.simulate.record.problems import Problem, Problems, RecordError, shown

LONGEST_LINE = 65_536
"""Octets of one line, its end included."""

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


class _Wrong(ValueError):  # noqa: N818 - never leaves this module
    """A line, or a field of it, that cannot be read."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class _Place(NamedTuple):
    """Where a group begins: the octet and the line (from 1), and how many lines it has."""

    octet: int
    line: int
    lines: int


class CsvPiece:
    """A CSV file. It is read once when it is opened, to find its groups and its bad rows, and again for each group."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self._problems = problems
        self._looked = Looked(path, problems)
        self.groups: list[Group] = []
        self._places: list[_Place] = []
        with self._open() as file:
            self._columns = self._header(file)
            place = _Place(file.tell(), 2, 0)
            while True:
                lines, table = self._some(file, place.line, GROUP_ROWS, problems.add)
                if not lines:
                    break
                rows = self._looked.take(table, len(self.groups), self._numbers.__getitem__)
                self._places.append(place._replace(lines=lines))
                self.groups.append(_group(rows))
                place = _Place(file.tell(), place.line + lines, 0)

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise RecordError(f"{self.path} cannot be read: {error.strerror}") from None

    def _header(self, file: BinaryIO) -> list[str]:
        """The columns, in the file's order.

        Raises:
            RecordError: the first line names no columns of a record.
        """
        octets = file.readline(LONGEST_LINE + 1)
        try:
            names = [name.strip() for name in _fields(octets.removeprefix(b"\xef\xbb\xbf"))]
        except _Wrong as wrong:
            raise RecordError(f"{self.path}:1: {wrong}: the first line must name the columns") from None
        if len(names) == 1 and (separator := next((s for s in ";\t|" if s in names[0]), "")):
            raise RecordError(f"{self.path}:1: the columns are separated by {separator!r}: write commas")
        extra = check_columns(pa.schema([(name, _type_of(name)) for name in names]), self.path)
        for name in extra:
            self._looked.not_read(name)
        return names

    def _some(self, file: BinaryIO, line: int, most: int, tell: Callable[[Problem], None]) -> tuple[int, pa.Table]:
        """The next lines, at most so many, that can be read: how many there were, and a table of them."""
        values: dict[str, list[object]] = {name: [] for name in self._columns if name in SCHEMA.names}
        self._numbers: list[int] = []
        lines = 0
        for octets in _lines(file, most):
            number = line + lines
            lines += 1
            if octets.strip():
                try:
                    row = self._row(octets)
                except _Wrong as wrong:
                    tell(Problem(self.path, number, wrong.field, str(wrong)))
                    continue
                for name, value in row.items():
                    values[name].append(value)
                self._numbers.append(number)
        columns = {name: pa.array(taken, _type_of(name)) for name, taken in values.items()}
        return lines, pa.table(columns)

    def _row(self, octets: bytes) -> dict[str, object]:
        fields = _fields(octets)
        if len(fields) != len(self._columns):
            raise _Wrong(f"has {len(fields)} fields, and the first line has {len(self._columns)}")
        row = {}
        for name, text in zip(self._columns, fields, strict=True):
            if name in _READ:
                stripped = text.strip()
                if not stripped and name in REQUIRED:
                    raise _Wrong("is missing", name)
                row[name] = _READ[name](stripped, name) if stripped else None
        return row

    def read(self, index: int) -> pa.Table:
        """The good rows of one group."""
        place = self._places[index]
        with self._open() as file:
            file.seek(place.octet)
            lines, table = self._some(file, place.line, place.lines, lambda _: None)
        rows = self._looked.take(table, index, self._numbers.__getitem__)
        if lines != place.lines or _group(rows) != self.groups[index]:
            raise RecordError(f"{self.path} has changed while it was read: read it again once it is whole")
        return rows


def _group(rows: pa.Table) -> Group:
    if not rows.num_rows:
        return Group(0, 0, 0)
    times = rows["time"].cast(pa.int64()).to_numpy()
    return Group(rows.num_rows, int(times.min()), int(times.max()))


def _lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The next lines. One that is too long is cut at `LONGEST_LINE + 1` octets, and its rest passed over."""
    for _ in range(most):
        octets = file.readline(LONGEST_LINE + 1)
        if not octets:
            return
        rest = octets
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE + 1)
        yield octets


def _fields(octets: bytes) -> list[str]:
    """The fields of one line (RFC 4180, but a field does not go on in the next line)."""
    if len(octets) > LONGEST_LINE:
        raise _Wrong(f"is longer than {LONGEST_LINE:,} octets")
    try:
        text = octets.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _Wrong(f"is not UTF-8 (octet 0x{octets[error.start]:02x})") from None
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise _Wrong(f"is no line of a CSV: {error}") from None


def _time(text: str, name: str) -> int:
    try:
        told = datetime.fromisoformat(text)
        if told.tzinfo is not None:
            return microseconds(told)
    except (ValueError, OverflowError):
        pass
    raise _Wrong(
        f"must be a time with its offset, such as 2026-11-24T13:00:00.125Z, and is {shown(text)}", name
    ) from None


def _whole(text: str, name: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise _Wrong(f"must be a whole number, and is {shown(text)}", name)
    return int(text)


def _seconds(text: str, name: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise _Wrong(f"must be a number of seconds, and is {shown(text)}", name)
    return float(text)


def _request(text: str, name: str) -> int:
    if len(text) > LONGEST_REQUEST:
        raise _Wrong(f"must have at most {LONGEST_REQUEST} characters, and has {len(text)}", name)
    return number_of(text)


def _text(text: str, _name: str) -> str:
    return text


_READ: dict[str, Callable[[str, str], object]] = {
    "time": _time,
    "user": _text,
    "request": _request,
    "srv": _text,
    "command_variant": _whole,
    "region": _text,
    "duis": _text,
    "size": _whole,
    "outcome": _text,
    "status": _whole,
    "upstream_status": _whole,
    "latency": _seconds,
}


def _type_of(name: str) -> pa.DataType:
    """What a column of a CSV is before it is held against its bounds."""
    if name not in _READ:
        return pa.string()
    if _READ[name] is _whole:
        return pa.int64()
    return pa.float64() if name == "latency" else PART_SCHEMA.field(name).type
