"""How a stand-in behaves: what may befall a message, and how likely it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

MOST_SECONDS = 3600.0
MOST_RATE = 1_000_000.0
MOST_QUEUE = 1_000_000

_LIKELY = ("busy", "fail", "no_answer", "no_answer_devices", "drop", "cut", "late")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All of it can be combined, and changed while the stand-in runs. Times in seconds, probabilities 0 to 1."""

    latency: float = 0.0
    """Before an answer: uniform from ``latency - spread`` to ``latency + spread``."""
    spread: float = 0.0
    rate: float = 0.0
    """Capacity in SR/s, one after the other; 0: no limit."""
    queue: int = 0
    """SRs that are held when there is a capacity; more get 503. 0: as many as are served in a second."""
    busy: float = 0.0
    """503 with Retry-After."""
    busy_seconds: float = 5.0
    """What Retry-After says."""
    fail: float = 0.0
    """500, and nothing was done."""
    no_answer: float = 0.0
    """The device does not answer this time (E21)."""
    no_answer_devices: float = 0.0
    """Part of the devices that never answer (E21): always the same ones."""
    drop: float = 0.0
    """The message is taken, and the connection breaks without an answer."""
    cut: float = 0.0
    """The message is taken, and the connection breaks in the middle of the answer."""
    late: float = 0.0
    """The SR is acknowledged (I99), and its outcome comes ``late_seconds`` later."""
    late_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the figure, for what cannot be."""
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value < math.inf:  # an int of any size can be compared
                raise ValueError(f"{field.name} must be a number, 0 or more, and is {value!r:.60}")
        if self.queue > MOST_QUEUE or self.queue != int(self.queue):
            raise ValueError(f"queue is a whole number of SRs up to {MOST_QUEUE}, not {self.queue!s:.20}")
        for name in _LIKELY:
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a probability, 0 to 1, and is {getattr(self, name)!s:.20}")
        for name in ("latency", "spread", "busy_seconds", "late_seconds"):
            if getattr(self, name) > MOST_SECONDS:
                raise ValueError(f"{name} is at most {MOST_SECONDS:g} seconds, and is {getattr(self, name)!s:.20}")
        if self.spread > self.latency:
            raise ValueError(f"the spread of the latency, {self.spread}, must not be above its mean, {self.latency}")
        if self.rate > MOST_RATE or 0 < self.rate < 1 / MOST_SECONDS:
            raise ValueError(
                f"rate is 0 (no limit), or {1 / MOST_SECONDS:.4f} to {MOST_RATE:g} SR/s, not {self.rate!s:.20}"
            )

    @property
    def held(self) -> int:
        """SRs that are held at most, the one in service included."""
        return int(self.queue) or max(1, math.ceil(self.rate))

    @property
    def by_chance(self) -> bool:
        """Whether anything is left to chance."""
        return bool(
            self.spread or self.busy or self.fail or self.no_answer or self.drop or self.cut or self.late
        )  # no_answer_devices is settled by the device

    def changed(self, changes: Mapping[str, object]) -> "Behaviour":
        """This with other figures. Raises ValueError for an unknown name, or a figure that cannot be."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(f"{name!r:.60} is unknown; there are state, {', '.join(known)}")
        return replace(self, **cast("Mapping[str, Any]", changes))
