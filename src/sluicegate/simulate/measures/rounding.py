"""Figures as they are written: as many digits as mean something, and the same digits each time."""

import math

DIGITS = 6


def rounded(figure: float | None, digits: int = DIGITS) -> float | int | None:
    """`figure` to so many significant digits; a whole number as an int; None for None and for what is no number."""
    if figure is None or not math.isfinite(figure):
        return None
    short = float(f"{figure:.{digits}g}")
    return int(short) if short.is_integer() else short
