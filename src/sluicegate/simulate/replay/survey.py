"""The first pass over a record: who there is, what was wanted, what was answered, and who came again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.record import OUTCOMES, Record, RecordError
from sluicegate.simulate.record.columns import microseconds
from sluicegate.simulate.replay.attempts import Attempts
from sluicegate.simulate.replay.cells import MINUTE, Cells
from sluicegate.simulate.replay.habits import Shown, Watched, by_user, grown
from sluicegate.simulate.replay.rows import EXCESS, PASSED, REJECTED, THROTTLED, WITHIN, Ints, Reader, Rows

DEMAND, ADMITTED, HELD, REFUSED = range(4)
"""Columns of the recorded cells: first attempts; attempts that were let through, throttled, and rejected."""

MOST_DAYS: Final = 31
_MOST_MINUTES: Final = MOST_DAYS * 1440 + 60  # a month in which the clocks go back has an hour more
MICRO: Final = 1_000_000
_MINUTE: Final = MINUTE * MICRO
_COLUMN_OF: Final = np.zeros(len(OUTCOMES), np.int64)
_COLUMN_OF[[WITHIN, EXCESS, PASSED, THROTTLED, REJECTED]] = ADMITTED, ADMITTED, ADMITTED, HELD, REFUSED

Reached = Callable[[float], None]
Masks = list[tuple[int, NDArray[np.uint8]]]


@dataclass(frozen=True)
class Survey:
    """What one pass found. A bit is kept for each row, and otherwise memory goes with Users, kinds and minutes.

    base: microseconds since 1970 of second 0, a whole minute. seconds: from there to the end of the last minute.
    codes: flows that occur (see `codes_of`), rising. masks: of each batch its rows, and the bits of those replayed.
    outcomes: [Users, OUTCOMES] of all attempts. demand: first attempts by User. again: attempts that came again;
    resent: those of them that came again though they had been let through.
    """

    reader: Reader
    base: int
    seconds: float
    codes: Ints
    masks: Masks
    cells: Cells
    outcomes: Ints
    demand: Ints
    replayed: Ints
    shown: list[Shown]
    again: int
    resent: int

    @property
    def rows(self) -> int:
        """Good rows."""
        return sum(count for count, _ in self.masks)


def survey(record: Record, reader: Reader, reached: Reached, *, whole: bool) -> Survey:
    """Read all of it. `whole`: every row is to be replayed but the rejected ones, which no gateway decided on.

    Raises RecordError: nothing in it, too long, or it cannot be read.
    """
    base, seconds = stretch(record)
    attempts, watched, cells = Attempts(), Watched(), Cells()
    masks: Masks = []
    codes = np.empty(0, np.int64)
    outcomes = np.zeros((0, len(OUTCOMES)), np.int64)
    firsts = np.zeros((0, 2), np.int64)  # demand, replayed
    again = resent = done = 0
    for batch in record.batches():
        rows = reader.rows(batch)
        users = len(reader.users.texts)
        seen = attempts.take(rows)
        chosen = rows.outcomes != REJECTED if whole else seen.first
        masks.append((len(chosen), np.packbits(chosen)))
        codes = np.union1d(codes, codes_of(rows)[chosen])
        outcomes, firsts = grown(outcomes, users), grown(firsts, users)
        outcomes += by_user(rows.users, rows.outcomes, (len(outcomes), len(OUTCOMES)))
        firsts[:, 0] += np.bincount(rows.users[seen.first], minlength=len(firsts))
        firsts[:, 1] += np.bincount(rows.users[chosen], minlength=len(firsts))
        minutes = (rows.times - base) // _MINUTE
        cells.add(DEMAND, rows.users[seen.first], minutes[seen.first])
        cells.add(_COLUMN_OF[rows.outcomes], rows.users, minutes)
        watched.take(rows, seen, users)
        again += int((~seen.first).sum())
        resent += int(((seen.before == WITHIN) | (seen.before == EXCESS) | (seen.before == PASSED)).sum())
        done += len(chosen)
        reached(min(1.0, done / record.rows))
    users = len(reader.users.texts)
    if not done:
        raise RecordError("the record has no good row: there is nothing to replay")
    return Survey(
        reader,
        base,
        seconds,
        codes,
        masks,
        cells,
        outcomes[:users],
        firsts[:users, 0],
        firsts[:users, 1],
        watched.shown()[:users],
        again,
        resent,
    )


def stretch(record: Record) -> tuple[int, float]:
    """The minute in which a record begins (microseconds since 1970), and seconds to the end of that in which it ends.

    Raises RecordError where there is nothing in it, or more than MOST_DAYS.
    """
    if record.span is None:
        raise RecordError("the record has no row: nothing in it, or nothing between --since and --until")
    base = microseconds(record.span.first) // _MINUTE * _MINUTE
    minutes = (microseconds(record.span.last) - base) // _MINUTE + 1
    if minutes > _MOST_MINUTES:
        raise RecordError(
            f"the record goes from {record.span.first:%Y-%m-%d} to {record.span.last:%Y-%m-%d}: at most {MOST_DAYS} "
            "days can be replayed at once, so name a part with --since and --until"
        )
    return base, float(minutes * MINUTE)


def codes_of(rows: Rows) -> Ints:
    """User, SRV and region of each row as one number."""
    return rows.users << 24 | rows.srvs << 8 | (rows.regions + 1)


def parts_of(code: int) -> tuple[int, int, int]:
    """User, SRV and region of a number."""
    return code >> 24, code >> 8 & 0xFFFF, (code & 0xFF) - 1
