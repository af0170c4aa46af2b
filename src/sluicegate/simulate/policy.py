"""Policies: the mechanism under test and its alternatives, alone or together (`allocation+own-priority`)."""

import math
from dataclasses import dataclass

NAMES = {
    "none": "No mechanism: whatever arrives goes to the DSP.",
    "allocation": "Traffic management: at the threshold, fair sharing of what the allocations leave.",
    "allocation-first-come": "Traffic management as the rule plainly reads: what is left goes to whoever comes first.",
    "imposed-priority": "One order of priority for everybody, imposed at the front door.",
    "own-priority": "Inside its allocation, each User's own order of priority.",
    "adt": "Anomaly Detection Thresholds: what is over a count is quarantined, after the DSP has received it.",
    "capacity:K": "K times the capacity, and whatever else is named beside it.",
    "adaptive": "Traffic management whose capacity is estimated from the DSP's latency.",
}
"""What there is, in the order in which reports show it."""

MOST_CAPACITY = 100.0
ALLOCATIONS = ("allocation", "allocation-first-come")


class PolicyError(ValueError):
    """A policy that cannot be; `str()` says what would be one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, read from its name.

    sharing: `""` without allocations, else how the spare is shared (see `throttle.Limits.sharing`).
    capacity: what the DSP's capacity is multiplied by, and the limits with it.
    """

    name: str
    sharing: str = ""
    imposed: bool = False
    own_priority: bool = False
    adt: bool = False
    adaptive: bool = False
    capacity: float = 1.0


def parse(text: str) -> Policy:
    """Read `a+b`. The name is put into one order, so that the same policy has one name.

    Raises PolicyError.
    """
    parts = [part.strip() for part in text.split("+")]
    capacity = 1.0
    plain = []
    for part in parts:
        if part.startswith("capacity:"):
            capacity *= _capacity(part)
        elif part in NAMES and part != "capacity:K":
            plain.append(part)
        else:
            raise PolicyError(f"{part!r} is not a policy. There are: {', '.join(NAMES)}; two together: a+b")
    return _assemble(text, plain, capacity)


def _capacity(part: str) -> float:
    try:
        factor = float(part.removeprefix("capacity:"))
    except ValueError:
        factor = math.nan
    if not 0 < factor <= MOST_CAPACITY:
        raise PolicyError(f"{part!r}: K is a number above 0 and at most {MOST_CAPACITY:g}, such as capacity:1.5")
    return factor


def _assemble(text: str, parts: list[str], capacity: float) -> Policy:
    if len(set(parts)) < len(parts):
        raise PolicyError(f"{text!r} names a policy twice")
    if "none" in parts and len(parts) > 1:
        raise PolicyError(f"{text!r}: none is no mechanism, so nothing but capacity:K goes with it")
    if all(name in parts for name in ALLOCATIONS):
        raise PolicyError(f"{text!r}: allocation is fair, so allocation-first-come does not go with it")
    sharing = "first-come" if "allocation-first-come" in parts else ""
    if not sharing and ("allocation" in parts or "own-priority" in parts or "adaptive" in parts):
        sharing = "fair"
    ordered = [name for name in NAMES if name in parts and name != "none"]
    if capacity != 1.0:
        ordered.insert(0, f"capacity:{capacity:g}")
    return Policy(
        "+".join(ordered) or "none",
        sharing,
        imposed="imposed-priority" in parts,
        own_priority="own-priority" in parts,
        adt="adt" in parts,
        adaptive="adaptive" in parts,
        capacity=capacity,
    )
