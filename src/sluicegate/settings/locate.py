"""In which line of a TOML file a key stands. `tomllib` reads the values and does not say where they were.

The text is one that `tomllib` has accepted, so this reader only has to find its way, never to judge. What it
found is compared with what `tomllib` read: if they differ in a single key, no line is given at all, because a
wrong line number is worse than none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from sluicegate.settings.problems import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""(?:"(?!")|""(?!"))?|'
    r"'''(?:[^']|'(?!''))*'''(?:'(?!')|''(?!'))?|"
    r'"(?:[^"\\]|\\.)*"|'
    r"'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def lines_of(text: str, document: Any) -> dict[Path, int]:
    """For each table, key and list element of `document` the line (from 1) where it begins in `text`.

    `document` is what `tomllib` made of `text`. Empty where this reader and `tomllib` do not agree.
    """
    reader = _Reader(text)
    try:
        reader.read()
        found = reader.lines
        return found if set(found) == set(_paths(document)) else {}
    except (_Lost, IndexError, RecursionError):
        return {}


def line_of(path: Path, lines: dict[Path, int]) -> int | None:
    """The line of a place, or, where that is not in the file, of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _paths(document: Any) -> list[Path]:
    """Every place in a document, parents before children."""
    found: list[Path] = []
    waiting: list[tuple[Path, Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if path:
            found.append(path)
        if isinstance(value, dict):
            waiting.extend(((*path, key), child) for key, child in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), child) for index, child in enumerate(value))
    return found


class _Lost(Exception):  # noqa: N818 - never leaves this module
    """The text is not what this reader expected here."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._listed: dict[Path, int] = {}  # tables in [[double brackets]]: how many so far

    def read(self) -> None:
        table: Path = ()
        self._skip()
        while self.at < len(self.text):
            if self._took("[["):
                table = self._table_of_a_list()
            elif self._took("["):
                table = self._table()
            else:
                self._pair(table)
            self._skip()

    def _table(self) -> Path:
        line = self._line()
        path = self._around(self._key())
        self._expect("]")
        self._mark(path, line)
        self.lines[path] = line  # its own header, even where a table inside it came first
        return path

    def _table_of_a_list(self) -> Path:
        line = self._line()
        key = self._key()
        path = (*self._around(key[:-1]), key[-1])
        self._expect("]]")
        index = self._listed.get(path, 0)
        self._listed[path] = index + 1
        self._mark((*path, index), line)
        return (*path, index)

    def _around(self, key: Path) -> Path:
        """A header's key as a place: inside a list of tables it means the latest of them."""
        path: Path = ()
        for step in key:
            path = (*path, step)
            if path in self._listed:
                path = (*path, self._listed[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table + self._key()
        self._expect("=")
        self._mark(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        if self._took("["):
            self._elements(path)
        elif self._took("{"):
            self._inline(path)
        elif self.text[self.at] in "\"'":
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _elements(self, path: Path) -> None:
        index = 0
        self._skip()
        while not self._took("]"):
            self._mark((*path, index), self._line())
            self._value((*path, index))
            index += 1
            self._comma("]")

    def _inline(self, path: Path) -> None:
        self._skip()
        while not self._took("}"):
            self._pair(path)
            self._comma("}")

    def _comma(self, end: str) -> None:
        self._skip()
        if not self._took(",") and not self.text.startswith(end, self.at):
            raise _Lost
        self._skip()

    def _key(self) -> Path:
        steps: list[str] = []
        while True:
            self._skip()
            if self.text[self.at] in "\"'":
                steps.append(_unquoted(self._match(_STRING)))
            else:
                steps.append(self._match(_BARE_KEY))
            self._skip()
            if not self._took("."):
                return tuple(steps)

    def _mark(self, path: Path, line: int) -> None:
        """Notes a place and those around it, each where it was first seen."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                break
            self.lines[path[:length]] = line

    def _line(self) -> int:
        return bisect_right(self._ends, self.at - 1) + 1

    def _skip(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _took(self, token: str) -> bool:
        taken = self.text.startswith(token, self.at)
        self.at += len(token) if taken else 0
        return taken

    def _expect(self, token: str) -> None:
        self._skip()
        if not self._took(token):
            raise _Lost

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _Lost
        self.at = found.end()
        return found[0]


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    return _ESCAPE.sub(_character, key[1:-1])


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else _ESCAPED.get(found[4], found[4])
