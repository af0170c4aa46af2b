"""What the throttle is told: the capacity and how its spare is shared."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

Sharing = Literal["fair", "first-come"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The capacity under management.

    Args:
        maximum: maximum capacity C, in SR/s. The allocations may not add up to more.
        threshold: operating threshold T, in SR/s, `0 < T <= C`.
        burst_seconds: B, the burst that a bank holds at its rate, in seconds.
        calm_seconds: how long nothing must have happened before the state is `normal` again, in seconds.
        heaviest: h, the heaviest weight configured, in SR.
        sharing: how the spare under the threshold is shared out: `fair` (weighted max-min) or `first-come`.

    Raises:
        ValueError: naming the value that cannot be.
    """

    maximum: float
    threshold: float
    burst_seconds: float = 0.5
    calm_seconds: float = 30.0
    heaviest: float = 1.0
    sharing: Sharing = "fair"

    def __reduce__(self) -> tuple[type["Limits"], tuple[float | str, ...]]:
        """To another process as it was made: a compiled dataclass cannot be pickled by its fields."""
        figures = (self.maximum, self.threshold, self.burst_seconds, self.calm_seconds, self.heaviest, self.sharing)
        return Limits, figures

    def __post_init__(self) -> None:
        for name in ("maximum", "threshold", "burst_seconds", "calm_seconds", "heaviest"):
            value = getattr(self, name)
            if not isfinite(value) or value <= 0:
                raise ValueError(f"{name} must be a finite number above 0, not {value!r}")
        if self.threshold > self.maximum:
            raise ValueError(
                f"the operating threshold ({self.threshold:g} SR/s) is above "
                f"the maximum capacity ({self.maximum:g} SR/s)"
            )
        if self.sharing not in ("fair", "first-come"):
            raise ValueError(f'sharing must be "fair" or "first-come", not {self.sharing!r}')
