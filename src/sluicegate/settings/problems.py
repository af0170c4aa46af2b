"""What is wrong with a configuration: where, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Where a value stands in the document: `("user", 2, "ids", 0)`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `line` counts from 1 in the TOML file; None where it is not known. `where` is the key, such as
    `user[2] "Small Supplier C".allocation`; it is empty where the whole file is meant.
    """

    line: int | None
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.line}: " if self.line is not None else ""
        return f"{place}{self.where}: {self.message}" if self.where else f"{place}{self.message}"


class SettingsError(ValueError):
    """A configuration that cannot be used. `problems` holds all that is wrong with it, in line order."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda p: (p.line is None, p.line or 0)))
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> tuple[str, ...]:
        """One line of text per problem: `file:line: where: message`."""
        return tuple(f"{self.source}:{'' if p.line is not None else ' '}{p}" for p in self.problems)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that is known by its place in the document, before it has a line.

    `about` names further places that the finding rests on: where one of them is wrong in itself, the
    finding is not reported, for it may be nothing but a consequence. `see` is a place whose line is told, too.
    """

    path: Path
    message: str
    about: tuple[Path, ...] = ()
    see: Path | None = None


def shown(value: Any, longest: int = 60) -> str:
    """A value as a message may show it: on one line, short, nothing unprintable, texts in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a whole number of more than 18 digits"
    if isinstance(value, (int, float)):
        return figure(value)
    text = str(value)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def figure(number: float) -> str:
    """A number without a needless `.0`: 300, 0.5, 1250."""
    return str(int(number)) if abs(number) < 1e15 and number == int(number) else repr(float(number))


def holds(value: Any, step: str | int) -> bool:
    """Whether a value may have such a step below it: a table its keys, a list its entries."""
    return isinstance(value, list if isinstance(step, int) else dict)


def place(path: Path, document: Any) -> str:
    """The key that a path means, as a reader would look for it; an entry of a list of tables also by its name."""
    said = ""
    for step in path:
        if not holds(document, step):
            break  # a short form in the file, where the model has a table
        if isinstance(step, int):
            said += f"[{step}]"
            document = document[step] if step < len(document) else None
            if isinstance(document, dict) and isinstance(document.get("name"), str):
                said += f" {shown(document['name'], 40)}"
        else:
            key = step if 0 < len(step) <= 60 and all(c.isalnum() or c in "_-" for c in step) else shown(step)
            said += f".{key}" if said else key
            document = document.get(step)
    return said
