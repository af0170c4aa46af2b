"""What a sweep goes over: settings, each with its values, and all of their combinations."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MOST_RUNS: Final = 100_000
_FORM: Final = re.compile(r"(?P<path>[^=]+)=(?P<first>[^=:]+?)\.\.(?P<last>[^=:]+):(?P<count>[0-9]{1,6})")


class SweepError(ValueError):
    """A sweep that cannot be. `str()` says what would be one."""


@dataclass(frozen=True)
class Parameter:
    """A setting of the scenario, by its path, and its values in order."""

    path: str
    values: tuple[float, ...]


def parameter(text: str) -> Parameter:
    """Read `path=a..b:n`: n values from a to b, both included. Raises SweepError."""
    found = _FORM.fullmatch(text.strip())
    try:
        if not found:
            raise ValueError(text)  # noqa: TRY301 - one sentence for all that can be wrong with the form
        first, last, count = float(found["first"]), float(found["last"]), int(found["count"])
        if not (math.isfinite(first) and math.isfinite(last)) or count < 2 or first == last:
            raise ValueError(text)  # noqa: TRY301
    except ValueError:
        raise SweepError(
            f"{text[:200]!r} is no sweep. One is path=from..to:count, with two values at least, such as "
            "capacity.operating_threshold=0.6..1.0:9"
        ) from None
    if count > MOST_RUNS:
        raise SweepError(f"{text[:200]!r} has {count:,} values: {MOST_RUNS:,} runs are the most")
    values = (round(first + (last - first) * at / (count - 1), 12) for at in range(count))
    return Parameter(found["path"].strip(), tuple(values))


def points(parameters: Sequence[Parameter]) -> Iterator[dict[str, float]]:
    """All combinations, the last parameter's values changing fastest."""
    paths = [one.path for one in parameters]
    for values in itertools.product(*(one.values for one in parameters)):
        yield dict(zip(paths, values, strict=True))


def corners(parameters: Sequence[Parameter]) -> Iterator[dict[str, float]]:
    """The first, and each extreme value with the others at their first: what is checked before anything runs."""
    start = {one.path: one.values[0] for one in parameters}
    yield start
    for one in parameters:
        yield {**start, one.path: one.values[-1]}


def check_size(parameters: Sequence[Parameter], policies: int, seeds: int) -> int:
    """How many runs that is. Raises SweepError beyond MOST_RUNS, and for a path that is named twice."""
    paths = [one.path for one in parameters]
    for path in paths:
        if paths.count(path) > 1:
            raise SweepError(f"{path} is swept twice")
    runs = math.prod(len(one.values) for one in parameters) * policies * seeds
    if runs > MOST_RUNS:
        raise SweepError(f"that is {runs:,} runs, and {MOST_RUNS:,} are the most: take fewer values, policies or seeds")
    return runs
