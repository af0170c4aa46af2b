"""The gate: what a policy does with a request before it reaches the DSP. The allocations' part is the throttle's."""

from dataclasses import replace
from typing import Final

from sluicegate.allocation import effective
from sluicegate.simulate.engine.tracks import Track
from sluicegate.throttle import THROTTLED, WITHIN, Limits, Throttle, system_depth

HAIR: Final = 1e-6
LONGEST_LINE: Final = 300.0  # seconds


class Gate:
    """No mechanism: everything passes."""

    def __init__(self) -> None:
        self.outcomes = [0, 0, 0]
        self.active: list[tuple[float, float]] = []

    def decide(self, _track: Track, _now: float) -> bool:
        """Whether the request may pass."""
        return True

    def retry_after(self, _track: Track, _now: float) -> float:
        """What a throttled request is told, in seconds; 0: nothing."""
        return 0.0

    def look(self, _now: float, _delay: float) -> None:
        """Called each second of the run with how long the DSP takes now, in seconds."""

    def finish(self, _now: float) -> None:
        """The run has ended."""


class Imposed:
    """One order of priority for everybody: a bank, of which each rank leaves a part to those before it."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.threshold
        self.depth = system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)
        self._level = self.depth
        self._now = 0.0
        self._slot = 0.0

    def passes(self, track: Track, now: float) -> bool:
        """Whether the bank holds the request, and what is kept for those before it."""
        level = self._level + (now - self._now) * self._rate
        self._now = now
        if level > self.depth:
            level = self.depth
        self._level = level
        if level < track.weight + track.imposed * self.depth - HAIR:
            return False
        self._level = level - track.weight
        return True

    def retry_after(self, track: Track, now: float) -> float:
        """One line for all who were refused, at the rate of the bank: seconds, at least 1."""
        slot = min(max(self._slot, now) + track.weight / self._rate, now + LONGEST_LINE)
        self._slot = slot
        return max(1.0, slot - now)


class Mechanism(Gate):
    """Traffic management by allocations, an imposed order, or both: then a request must pass both.

    adaptive: `Adapted` gives the present limits.
    """

    def __init__(self, throttle: Throttle | None, imposed: Imposed | None, adapted: "Adapted | None" = None) -> None:
        super().__init__()
        self._throttle = throttle
        self._imposed = imposed
        self._adapted = adapted
        self._since = -1.0

    def decide(self, track: Track, now: float) -> bool:
        """Whether the request may pass."""
        outcome = WITHIN
        throttle = self._throttle
        account = track.party.account
        if throttle is not None and account is not None:
            if track.parted:
                outcome = throttle.decide_team(account, track.weight, now, track.reserve, track.team)
            else:
                outcome = throttle.decide(account, track.weight, now, track.reserve)
        if outcome != THROTTLED and self._imposed is not None and not self._imposed.passes(track, now):
            if throttle is not None and account is not None:
                throttle.give_back(account, track.weight, outcome, now, track.team)
            outcome = THROTTLED
        self.outcomes[outcome] += 1
        return outcome != THROTTLED

    def retry_after(self, track: Track, now: float) -> float:
        """What the throttle advises, or the imposed order."""
        account = track.party.account
        if self._throttle is not None and account is not None:
            return float(self._throttle.retry_after(account, track.weight, now, track.line, track.reserve))
        return self._imposed.retry_after(track, now) if self._imposed is not None else 0.0

    def look(self, now: float, delay: float) -> None:
        """Note whether traffic management is active; adapt the limits."""
        if self._throttle is None:
            return
        if self._adapted is not None:
            self._adapted.look(self._throttle, now, delay)
        state = self._throttle.state(now)
        if state.active and self._since < 0.0:
            self._since = state.since
        elif not state.active and self._since >= 0.0:
            self.active.append((self._since, min(now, state.since)))
            self._since = -1.0

    def finish(self, now: float) -> None:
        """Close what is open."""
        if self._since >= 0.0:
            self.active.append((self._since, now))
            self._since = -1.0


def cut(allocations: dict[str, float], maximum: float) -> dict[str, float]:
    """The allocations by User that count under this maximum, in SR/s."""
    return dict(zip(allocations, effective([*allocations.values()], maximum).allocations, strict=True))


class Adapted:
    """The capacity, estimated: additive increase, multiplicative decrease by the longest delay since the last look."""

    def __init__(
        self,
        limits: Limits,
        allocations: dict[str, float],
        reserves: dict[str, float],
        teams: dict[str, tuple[float, ...]],
        target: float,
        interval: float,
        factor: float,
        step: float,
        floor: float,
    ) -> None:
        self._limits = limits
        self._allocations = allocations
        self._reserves = reserves
        self._teams = teams
        self._target = target
        self._interval = interval
        self._factor = factor
        self._step = step
        self._floor = floor
        self._part = 1.0
        self._worst = 0.0
        self._next = interval

    def look(self, throttle: Throttle, now: float, delay: float) -> None:
        """Take the delay in; once an interval, take another capacity."""
        self._worst = max(self._worst, delay)
        if now < self._next:
            return
        self._next = now + self._interval
        part = self._part * self._factor if self._worst > self._target else self._part + self._step
        part = min(1.0, max(self._floor, part))
        self._worst = 0.0
        if part != self._part:
            self._part = part
            maximum = self._limits.maximum * part
            limits = replace(self._limits, maximum=maximum, threshold=self._limits.threshold * part)
            throttle.reconfigure(limits, cut(self._allocations, maximum), now, self._reserves, self._teams)
