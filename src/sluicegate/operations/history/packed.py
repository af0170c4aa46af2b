"""How an hour lies in its row: sixty minutes by outcome, each outcome as narrow as its largest count permits. A day of
pieces lies the same way.

A User that sends a few requests a second takes some 130 octets for the minutes of its hour; one that sends nothing has
no row. A column of nothing but zeros takes one octet.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from sluicegate.operations.history.counts import OUTCOMES
from sluicegate.operations.history.minute import Unreadable

MINUTES: Final = 60
ZEROS: Final = (0,) * MINUTES

_LETTERS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Of `struct`, by octets."""

Columns = Sequence[Sequence[int]]
"""Of each outcome as many counts."""


def pack(columns: Columns) -> bytes:
    """Octets for the columns of all outcomes."""
    pieces = []
    for column in columns:
        most = max(column)
        width = 0 if not most else 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4 if most < 1 << 32 else 8
        pieces.append(bytes((width,)))
        if width:
            pieces.append(struct.pack(f"<{len(column)}{_LETTERS[width]}", *column))
    return b"".join(pieces)


def unpack(octets: bytes, many: int = MINUTES) -> list[tuple[int, ...]]:
    """The columns again, of so many counts each. Raises Unreadable."""
    zeros = ZEROS if many == MINUTES else (0,) * many
    columns: list[tuple[int, ...]] = []
    at = 0
    try:
        for _ in OUTCOMES:
            width = octets[at]
            at += 1
            if not width:
                columns.append(zeros)
                continue
            columns.append(struct.unpack_from(f"<{many}{_LETTERS[width]}", octets, at))
            at += width * many
    except (IndexError, KeyError, struct.error):
        raise Unreadable("packed usage cannot be read") from None
    if at != len(octets):
        raise Unreadable("packed usage is longer than it should be")
    return columns
