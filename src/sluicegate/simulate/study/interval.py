"""A mean, and how far it can be trusted."""

import math
from collections.abc import Sequence
from typing import Final

CONFIDENCE: Final = 0.95


def interval(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Mean, and the ends of its two-sided 95% interval of confidence (Student's t, n - 1 degrees of freedom).

    Seeds are independent of each other, so the means of runs may be taken as such. One value has no interval.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load, for sweeps only

    count = len(values)
    if not count:
        return None, None, None
    mean = math.fsum(values) / count
    if count == 1:
        return mean, None, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance / count)
    return mean, mean - half, mean + half
