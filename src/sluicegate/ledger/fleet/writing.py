"""How the fields of a message are written: one text each, or a row of figures packed; and nothing that cannot be."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import ulp
from operator import le
from struct import Struct
from typing import Final

MOST: Final = 1e12  # SR, SR/s or seconds: above it is no figure of a fleet
LONGEST: Final = 256  # characters of a name
BETWEEN: Final = {"x": (0.0, MOST), "r": (ulp(0.0), MOST), "l": (-MOST, MOST), "p": (0.0, 1.0 + 1e-6)}
"""The least and the most that a figure of a kind can be."""

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
    return _row(len(figures)).pack(*figures)


def unpacked(figures: str | bytes, kinds: str, rows: int) -> list[tuple[float, ...]]:
    """So many rows of figures. Raises MalformedError for one that cannot be, or another number of them."""
    if not isinstance(figures, bytes) or len(figures) != 8 * len(kinds) * rows:
        raise MalformedError(f"{figures!r:.80} are not {rows} rows of {len(kinds)} figures")
    all_of_them = _row(len(kinds) * rows).unpack(figures)
    least, most = _bounds(kinds)
    # What is no number is neither below nor above.
    if all(map(le, least * rows, all_of_them)) and all(map(le, all_of_them, most * rows)):
        return list(_row(len(kinds)).iter_unpack(figures))
    raise MalformedError(f"not all of {all_of_them!s:.200} can be figures of the kinds {kinds!r}")


def named(names: Sequence[str]) -> str:
    """Names in one text: `read` and the ledger refuse one with an end of line in it."""
    return "\n".join(names)


def names_of(text: str | bytes, rows: int) -> list[str]:
    """So many names of one text. Raises MalformedError for one that cannot be, or another number of them."""
    whole = text.encode() if isinstance(text, str) else text
    names = whole.split(b"\n") if whole else []
    if len(names) != rows:
        raise MalformedError(f"{len(names)} names, and {rows} rows of figures")
    return [str(name) for name in read(names, 0, "n" * rows)]


@cache
def _row(figures: int) -> Struct:
    return Struct(f"<{figures}d")


@cache
def _bounds(kinds: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(BETWEEN[kind][0] for kind in kinds), tuple(BETWEEN[kind][1] for kind in kinds)


def count(texts: Sequence[str | bytes], at: int, most: int, *, fields: int = 0, width: int = 0) -> int:
    """How many rows the field at `at` says there are; so many `fields` and `width` for each row follow, and nothing
    behind them. Raises MalformedError."""
    (field,) = read(texts, at, "i")
    rows = int(field)
    if rows > most or len(texts) != at + 1 + fields + rows * width:
        raise MalformedError(f"{rows} rows do not fit a message of {len(texts)} fields, or are more than {most}")
    return rows


def _written(field: Field, kind: str) -> str:
    text = ("1" if field else "0") if kind == "f" else str(field)
    if not isinstance(field, float):
        _read(text, kind)
    elif kind not in BETWEEN or not _can_be(field, kind):
        raise MalformedError(f"{text} cannot be a field of kind {kind!r}")
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
                return figure if _can_be(figure := float(text), kind) else _refuse(text)
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedError(f"{given!r:.80} cannot be a field of kind {kind!r}") from error


def _word(text: str, least: int) -> str:
    if not least <= len(text) <= LONGEST or "\n" in text:
        raise ValueError(text)
    return text


def _can_be(figure: float, kind: str) -> bool:
    least, most = BETWEEN[kind]
    return least <= figure <= most


def _refuse(text: str) -> int:
    raise ValueError(text)
