"""How the fields of a message are written: one text each, or a row of figures packed; and nothing that cannot be."""

import struct
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

MOST: Final = 1e12  # SR, SR/s or seconds: above it is no figure of a fleet
LONGEST: Final = 256  # characters of a name

Field = str | float | int | bool
"""A field's kind is a letter: n name, w word (may be empty), i whole number, x amount (0 or more), r rate (above 0),
l level (may be below 0), p part of the whole, f yes or no, s way of sharing."""


class MalformedError(ValueError):
    """A message, or a field of it, that cannot be."""


def written(fields: Iterable[Field], kinds: str) -> list[str]:
    """The fields as texts. Raises MalformedError for one that cannot be."""
    return [_written(field, kind) for field, kind in zip(fields, kinds, strict=True)]


def read(texts: Sequence[str | bytes], at: int, kinds: str) -> list[Field]:
    """So many fields from `at` on. Raises MalformedError for one that is missing or cannot be."""
    if at + len(kinds) > len(texts):
        raise MalformedError(f"the message ends after {len(texts)} fields")
    return [_read(text, kind) for text, kind in zip(texts[at:], kinds, strict=False)]


def packed(figures: Sequence[float]) -> bytes:
    """A row of figures: there are many, and as texts they would be half of what a draw costs. Whoever reads checks."""
    return struct.pack(f"<{len(figures)}d", *figures)


def unpacked(row: str | bytes, kinds: str) -> list[float]:
    """The figures of a row. Raises MalformedError for one that cannot be, or another number of them."""
    if not isinstance(row, bytes) or len(row) != 8 * len(kinds):
        raise MalformedError(f"{row!r:.80} is no row of {len(kinds)} figures")
    try:
        return [
            _figure(figure, kind) for figure, kind in zip(struct.unpack(f"<{len(kinds)}d", row), kinds, strict=True)
        ]
    except ValueError as error:
        raise MalformedError(f"{error} cannot be a figure of a row") from error


def count(texts: Sequence[str | bytes], at: int, most: int, width: int) -> int:
    """How many rows of `width` fields follow the field at `at`, with nothing behind them."""
    (field,) = read(texts, at, "i")
    rows = int(field)
    if rows > most or len(texts) != at + 1 + rows * width:
        raise MalformedError(
            f"{rows} rows of {width} fields do not fit a message of {len(texts)}, or are more than {most}"
        )
    return rows


def _written(field: Field, kind: str) -> str:
    text = ("1" if field else "0") if kind == "f" else str(field)
    _read(text, kind)
    return text


def _read(given: str | bytes, kind: str) -> Field:
    try:
        text = given.decode() if isinstance(given, bytes) else given
        match kind:
            case "n" | "w":
                return _word(text, least=1 if kind == "n" else 0)
            case "f":
                return ("0", "1").index(text) == 1
            case "s":
                return ("fair", "first-come")[("fair", "first-come").index(text)]
            case "i":
                number = int(text)
                return number if 0 <= number <= MOST else _refuse(text)
            case _:
                return _figure(float(text), kind)
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedError(f"{given!r:.80} cannot be a field of kind {kind!r}") from error


def _word(text: str, least: int) -> str:
    if not least <= len(text) <= LONGEST or "\n" in text:
        raise ValueError(text)
    return text


def _figure(figure: float, kind: str) -> float:
    least = -MOST if kind == "l" else 0.0
    most = 1.0 + 1e-6 if kind == "p" else MOST
    if not isfinite(figure) or not least <= figure <= most or (kind == "r" and figure == 0.0):
        raise ValueError(figure)
    return figure


def _refuse(text: str) -> int:
    raise ValueError(text)
