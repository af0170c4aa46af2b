"""Where a table of devices is read from, row by row: a CSV file, or what a query gives."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from sluicegate.routing.problems import RouteProblem, RoutesError
from sluicegate.settings import Database
from sluicegate.settings.problems import shown

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

HEADER = ["device", "region"]
LONGEST_LINE = 1000
ROWS_AT_ONCE = 10_000
CONNECT_SECONDS = 10

Rows = Iterator[tuple[int, object, object]]
"""Number of the line or row, device, region. Where a line has not two columns, all of them stand for the device."""


class Source(Protocol):
    """Something that has rows. It can be read again, if there is something to say about it."""

    name: str

    def rows(self) -> Rows:
        """Raises RoutesError where it cannot be read at all."""


class CsvFile:
    """A CSV file (RFC 4180) in UTF-8 whose first line is `device,region`. Empty lines are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def rows(self) -> Rows:
        try:
            # What is not UTF-8 is an unknown region or no device, and is told with its line.
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                yield from self._rows(csv.reader(self._lines(file), strict=True))
        except OSError as error:
            raise self._wrong(None, "", f"cannot be read: {error.strerror or error}") from None

    def _lines(self, file: Any) -> Iterator[str]:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
                raise self._wrong(number, "", f"the line is longer than {LONGEST_LINE:,} characters")
            yield line

    def _rows(self, reader: Any) -> Rows:
        try:
            header: list[str] = next(reader, [])
            if header != HEADER:
                raise self._wrong(1, "", f'must be "device,region", and is {shown(",".join(header))}')
            for row in reader:
                if len(row) == 2:
                    yield reader.line_num, row[0], row[1]
                elif row:
                    yield reader.line_num, row, None
        except csv.Error as error:
            raise self._wrong(reader.line_num, "", f"is not CSV: {error}") from None

    def _wrong(self, line: int | None, field: str, reason: str) -> RoutesError:
        return RoutesError([RouteProblem(self.name, line, field, reason)])


class Query:
    """What a SELECT gives: two columns, device and region. Asked in a transaction that cannot write."""

    name = "dispatch.routes.query"

    def __init__(self, database: Database, query: str) -> None:
        self.database = database
        self.query = query

    def rows(self) -> Rows:
        with self._told(), self._engine().connect() as connection:
            for number, row in enumerate(self._asked(connection), 1):
                yield number, row[0], row[1]

    def _asked(self, connection: Any) -> Iterator[Any]:
        from sqlalchemy import text  # noqa: PLC0415

        options: dict[str, object] = {"stream_results": True, "yield_per": ROWS_AT_ONCE}
        if self.database.postgresql:
            options["postgresql_readonly"] = True
        connection = connection.execution_options(**options)
        # A colon is no parameter here: there are none.
        result = connection.execute(text(self.query.replace(":", "\\:")))
        if len(result.keys()) != 2:
            raise self._wrong(f"must give two columns, device and region, and gives {len(result.keys())}")
        yield from result

    def _engine(self) -> Engine:
        from sqlalchemy import create_engine  # noqa: PLC0415 - only where a database is asked
        from sqlalchemy.engine import make_url  # noqa: PLC0415
        from sqlalchemy.pool import NullPool  # noqa: PLC0415

        if not self.database.remote:
            file = f"file:{quote(str(self.database))}?mode=ro"
            connect = lambda: sqlite3.connect(file, uri=True, timeout=CONNECT_SECONDS)  # noqa: E731
            return create_engine("sqlite://", creator=connect, poolclass=NullPool)
        url = make_url(self.database)
        if not self.database.postgresql:
            return create_engine(url, poolclass=NullPool)
        seconds = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
        url = url.set(drivername="postgresql+psycopg")  # without a driver SQLAlchemy takes the old one
        return create_engine(url, poolclass=NullPool, connect_args=seconds)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the database or its driver says, without secrets, and without what would lead to them."""
        from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError  # noqa: PLC0415

        try:
            yield
        except DBAPIError as error:
            raise self._wrong(f"{self.database} refused: {error.orig}") from None
        except (NoSuchModuleError, ImportError) as error:
            raise self._wrong(f"the driver of {self.database} is not installed: {error}") from None
        except SQLAlchemyError as error:
            raise self._wrong(f"{self.database} could not be asked: {error}") from None

    def _wrong(self, reason: str) -> RoutesError:
        return RoutesError([RouteProblem(self.name, None, "", self.database.censored(reason))])
