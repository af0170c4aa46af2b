"""Figures as people read them. None is a dash."""

import math
from collections.abc import Sequence

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def count(number: float | None) -> str:
    """A number of things: 1,234."""
    return NOTHING if number is None else f"{number:,.0f}"


def rate(number: float | None) -> str:
    """SR/s, with a place more where it is small."""
    if number is None:
        return NOTHING
    return f"{number:,.0f}" if number >= 100 or number == round(number) else f"{number:,.1f}"


def part_of(some: float | None, all_of_it: float | None) -> float | None:
    """A share; None where there is nothing to have a share of."""
    return None if some is None or not all_of_it else some / all_of_it


def share(part: float | None) -> str:
    """A share (0 to 1). 100% is said of all only, 0% of none only: near both ends there are two places, cut off."""
    if part is None:
        return NOTHING
    percent = 100 * part
    if percent in (0, 100):
        return f"{percent:.0f}%"
    if percent < 0.01:
        return "<0.01%"
    if percent < 1 or 99 < percent < 100:
        return f"{math.floor(percent * 100 + 1e-6) / 100:.2f}%"
    return f"{percent:.1f}%"


def seconds(time: float | None) -> str:
    """A time, from milliseconds to days: 120 ms, 1.2 s, 3 min 20 s, 1 h 12 min."""
    if time is None:
        return NOTHING
    if time < 0.95:
        return f"{time * 1000:.0f} ms" if time else "0 s"
    if time < 59.5:
        return f"{time:.1f} s"
    if time < 3599.5:
        whole, rest = divmod(round(time), 60)
        return f"{whole} min {rest} s" if rest and whole < 10 else f"{round(time / 60)} min"
    hours, rest = divmod(round(time / 60), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def minutes(time: float | None) -> str:
    """The same, of a time in minutes."""
    return NOTHING if time is None else seconds(60 * time)


def index(value: float | None) -> str:
    """An index of fairness, in three places: 1 is said of 1 only."""
    return NOTHING if value is None else f"{math.floor(value * 1000 + 1e-6) / 1000:.3f}"


def times(factor: float | None) -> str:
    """A multiple, with its sign."""
    return NOTHING if factor is None else f"{factor:,.2f} {TIMES}"


def pounds(money: float | None) -> str:
    """Money, to three figures where it is much."""
    if money is None:
        return NOTHING
    size, sign = abs(money), "\N{MINUS SIGN}" if money < 0 else ""
    if size >= 999_500:
        return f"{sign}£{float(f'{size / 1e6:.3g}'):,g} million"
    return f"{sign}£{float(f'{size:.3g}') if size >= 1000 else round(size):,.0f}"


def clock(time: float) -> str:
    """Seconds since midnight as hours and minutes."""
    return f"{int(time // 3600) % 24:02d}:{int(time // 60) % 60:02d}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """A, B and C; beyond ``most``: A, B, C and 4 more."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
