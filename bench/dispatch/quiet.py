"""Other people's work on the machine: waited for, and what it has disturbed is measured again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from bench.processes import Bystanders

T = TypeVar("T")

QUIET_CORES = 0.25
"""What others may use on average during a window."""
LOOK, TRIES = 3.0, 3


def speed(passes: int = 2_000_000) -> float:
    """How fast this machine is now: millions of passes of an empty Python loop a second, on one core.

    A virtual machine's cores are not always equally fast, and the same program is then as much slower as this is.
    """
    begun = time.perf_counter()
    for _ in range(passes):
        pass
    return passes / 1e6 / (time.perf_counter() - begun)


def wait(
    patience: float, sleep: Callable[[float], None] = time.sleep, made: Callable[[], Bystanders] = Bystanders
) -> bool:
    """Wait until others have used little for some seconds, at most `patience` seconds. Whether they do."""
    spent = 0.0
    while spent < patience:
        others = made()
        sleep(LOOK)
        spent += LOOK
        if others.cores() <= QUIET_CORES:
            return True
    return False


def undisturbed(patience: float, measure: Callable[[], tuple[T, float]]) -> T:
    """What `measure` found in a window in which others used little; after some tries, the least disturbed one.

    Args:
        patience: seconds to wait for quiet before each try; 0: measure once, whatever others do.
        measure: what was found, and the cores that others used meanwhile.
    """
    found: list[tuple[float, T]] = []
    for _ in range(TRIES if patience else 1):
        wait(patience)
        value, cores = measure()
        found.append((cores, value))
        if cores <= QUIET_CORES:
            break
    return min(found, key=lambda one: one[0])[1]
