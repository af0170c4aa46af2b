"""How an hour lies in its row: sixty minutes by outcome, each outcome as narrow as its largest count permits.

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

_WIDTHS: Final = {
    1: struct.Struct(f"<{MINUTES}B"),
    2: struct.Struct(f"<{MINUTES}H"),
    4: struct.Struct(f"<{MINUTES}I"),
    8: struct.Struct(f"<{MINUTES}Q"),
}

Columns = Sequence[Sequence[int]]
"""Of each outcome sixty counts."""


def pack(columns: Columns) -> bytes:
    """Octets for the columns of all outcomes."""
    pieces = []
    for column in columns:
        most = max(column)
        width = 0 if not most else 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4 if most < 1 << 32 else 8
        pieces.append(bytes((width,)))
        if width:
            pieces.append(_WIDTHS[width].pack(*column))
    return b"".join(pieces)


def unpack(octets: bytes) -> list[tuple[int, ...]]:
    """The columns again. Raises Unreadable."""
    columns: list[tuple[int, ...]] = []
    at = 0
    try:
        for _ in OUTCOMES:
            width = octets[at]
            at += 1
            if not width:
                columns.append(ZEROS)
                continue
            columns.append(_WIDTHS[width].unpack_from(octets, at))
            at += width * MINUTES
    except (IndexError, KeyError, struct.error):
        raise Unreadable("an hour of usage cannot be read") from None
    if at != len(octets):
        raise Unreadable("an hour of usage is longer than it should be")
    return columns
