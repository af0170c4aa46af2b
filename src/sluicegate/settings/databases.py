"""Where a database is. A URL may hold a password: what is printed of it never does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import ValidationInfo

LONGEST = 4096

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_POSTGRES = ("postgresql", "postgresql+psycopg")
_HIDDEN = "***"


class Database(str):
    """The absolute path of an SQLite file, or an SQLAlchemy URL.

    As a text it is whole, to be handed to SQLAlchemy as it is. `str()`, `repr()` and f-strings give what may be
    shown: without the password, and without the values behind the `?`.
    """

    __slots__ = ()

    @property
    def remote(self) -> bool:
        """Whether it is a URL, and not the path of a file."""
        return "://" in self

    @property
    def postgresql(self) -> bool:
        """Whether it is a URL of PostgreSQL."""
        return self.remote and self.partition(":")[0] in _POSTGRES

    def __str__(self) -> str:
        if not self.remote:
            return super().__str__()
        url = _parsed(self)
        who = f"{url.username or ''}{':' + _HIDDEN if url.password else ''}@" if url.username or url.password else ""
        port = f":{url.port}" if url.port else ""
        more = f"?{_HIDDEN}" if url.query else ""
        return f"{url.drivername}://{who}{url.host or ''}{port}/{url.database or ''}{more}"

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def censored(self, text: str) -> str:
        """What somebody says of this database, such as its driver: on one line, short, and without its secrets."""
        if self.remote:
            url = _parsed(self)
            values = [v for value in url.query.values() for v in ((value,) if isinstance(value, str) else value)]
            secrets = {str(url.password or ""), *values} - {""}
            forms = {
                form for secret in secrets for form in (secret, quote(secret), quote(secret, ""), quote_plus(secret))
            }
            for form in sorted({super().__str__(), *forms}, key=len, reverse=True):
                text = text.replace(form, _HIDDEN)
        line = " ".join(text.split())
        return "".join(c if c.isprintable() else "?" for c in line)[:300]


def _parsed(url: str) -> Any:
    """An SQLAlchemy URL. Raises ArgumentError, or ValueError for a port that is none."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - only where there is a URL

    return make_url(url)


def store(value: Any, info: ValidationInfo) -> Database:
    """The path of an SQLite file, or a URL of PostgreSQL. A relative path is taken from the configuration's folder."""
    database = _database(value, info, "dispatch.db")
    if database.remote and not database.postgresql:
        raise ValueError(
            'must be the path of a file, or a URL of PostgreSQL such as "postgresql://sluicegate@db.example/dispatch"'
        )
    return database


def operations(value: Any, info: ValidationInfo) -> Database:
    """As `store`: where operators and Users keep what is theirs."""
    database = _database(value, info, "operations.db")
    if database.remote and not database.postgresql:
        raise ValueError(
            'must be the path of a file, or a URL of PostgreSQL such as "postgresql://sluicegate@db.example/operations"'
        )
    return database


def any_database(value: Any, info: ValidationInfo) -> Database:
    """The path of an SQLite file, or the URL of any database that SQLAlchemy knows."""
    return _database(value, info, "devices.db")


def _database(value: Any, info: ValidationInfo, example: str) -> Database:
    """What is wrong is never repeated: it may hold a password."""
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST or not value.isprintable():
        raise ValueError(f'must be the path of a file such as "{example}", or the URL of a database')
    if not _SCHEME.match(value):
        return Database((Path((info.context or {}).get("base", ".")) / value).absolute())
    if value.startswith(("sqlite:", "sqlite+")):
        raise ValueError(f'an SQLite file is named by its path: write "{example}"')
    refused = ValueError(
        'is neither the path of a file nor a URL such as "postgresql://user:password@db.example/name" (in the '
        "password, write %40 for @, %2F for / and so on)"
    )
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = _parsed(value) if "://" in value else None
    except (ArgumentError, ValueError):
        raise refused from None
    if url is None or "@" in (url.host or "") or "@" in (url.database or ""):
        raise refused  # a password with an @ in it, written plainly, ends up there
    return Database(value)


def select(value: Any) -> str:
    """A single SELECT; a `;` at its end is taken away. It is not repeated where it is wrong."""
    if not isinstance(value, str) or not 1 <= len(value) <= 100_000:
        raise ValueError('must be a text such as "SELECT device, region FROM devices"')
    query = value.strip().removesuffix(";").rstrip()
    if not re.match(r"select\b", query, re.IGNORECASE) or ";" in query:
        raise ValueError("must be one SELECT, and nothing else: it begins with that word and holds no ;")
    return query
