"""WEIGHTS.toml: what counts for how much in a proposal. Tables `[roles]`, `[kinds]` and `[devices]`, figures from 0."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sluicegate.allocation.propose import Weights
from sluicegate.operations.book.sheet import figure_of
from sluicegate.operations.book.users_file import DEVICE_TYPE
from sluicegate.settings import ROLES, Settings
from sluicegate.settings.patterns import srv_pattern
from sluicegate.settings.problems import Problem, SettingsError, shown

MOST_OCTETS: Final = 2**20
MOST_WEIGHT: Final = Decimal(1_000_000)


def weights_of(settings: Settings) -> Weights:
    """Where no file says otherwise: a kind of request counts as it does in the decision, all else 1."""
    kinds = {srv: Decimal(repr(float(weight))) for srv, weight in settings.capacity.weights.items()}
    return Weights(kinds=kinds)


def read_weights(path: Path, settings: Settings) -> Weights:
    """The weights of a file; a table that it leaves out is as in `weights_of`. Raises SettingsError with all of it."""
    document = _document(path)
    said = "there is no such table: [roles], [kinds], [devices]"
    problems = [Problem(None, shown(name), said) for name in document if name not in _KEYS]
    tables: dict[str, dict[str, Decimal]] = {}
    for name, check in _KEYS.items():
        if name in document:
            tables[name] = {}
            for key, found in _figures(document[name], name, check):
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    tables[name][key] = found
    if problems:
        raise SettingsError(str(path), problems)
    return Weights(tables.get("roles", {}), tables.get("kinds", weights_of(settings).kinds), tables.get("devices", {}))


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
        if len(octets) > MOST_OCTETS:
            raise SettingsError(str(path), [Problem(None, "", f"is too large: at most {MOST_OCTETS:,} octets")])
        return tomllib.loads(octets.decode(), parse_float=Decimal)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = f"is no TOML: {error}"
    raise SettingsError(str(path), [Problem(None, "", reason)])


def _figures(table: Any, name: str, check: Callable[[str], str | None]) -> Iterator[tuple[str, Decimal | Problem]]:
    if not isinstance(table, dict):
        yield "", Problem(None, name, f"must be a table: [{name}]")
        return
    for key, value in table.items():
        where = f"{name}.{shown(key)}"
        reason = check(key)
        try:
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                reason = reason or f"must be a number, and is {shown(value)}"
            figure = figure_of(str(value), MOST_WEIGHT) if reason is None else Decimal(0)
        except ValueError as error:
            reason, figure = str(error), Decimal(0)
        yield key, figure if reason is None else Problem(None, where, reason)


def _role(key: str) -> str | None:
    return None if key in ROLES else f"there is no such Role: {', '.join(ROLES)}"


def _kind(key: str) -> str | None:
    try:
        srv_pattern(key)
    except ValueError as error:
        return str(error)
    return None


def _type(key: str) -> str | None:
    return None if DEVICE_TYPE.fullmatch(key) else "is no type of a device: letters, digits, - and _"


_KEYS: Final[dict[str, Callable[[str], str | None]]] = {"roles": _role, "kinds": _kind, "devices": _type}
