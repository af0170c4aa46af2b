"""The DSP as a server: first in, first out, a finite buffer, and the failure that traffic management prevents.

    UP ──held reaches the high mark──▶ OVERLOADED ──still there after outage_after──▶ DOWN
     ▲                                     │                                           │
     ├────────held falls below it──────────┘                                           │
     └────────────────────after restart: cold, empty buffer────────────────────────────┘

In closed form: with one server, what is held follows from when it will be free, so that an arrival costs the same
whatever is held, and nothing is kept for each. Work is in SR of weight 1, times in seconds, rates in SR/s.
"""

import math
from typing import Final

UP: Final = 0
OVERLOADED: Final = 1
DOWN: Final = 2

REFUSED: Final = -1.0
LOST: Final = -2.0

HAIR: Final = 1e-6  # SR: what rounding may make of a whole number


class Server:
    """One DSP. `offer` and `advance` move it on; times may not go back.

    Attributes:
        state: UP, OVERLOADED or DOWN.
        free_at: when it will have finished all that it holds.
        turn_at: OVERLOADED: when it fails, unless relieved; DOWN: when it is up again; else infinity.
        failed_at: when it failed last.
        rate: the capacity that it has now.
        outages: (from, until) of each, the present one included.
    """

    def __init__(
        self,
        capacity: float,
        buffer: float,
        outage_after: float = math.inf,
        restart: float = 0.0,
        high_mark: float = 0.6,
        now: float = 0.0,
    ) -> None:
        self.state = UP
        self.buffer = buffer
        self.outage_after = outage_after
        self.restart = restart
        self.mark = max(1.0, float(math.ceil(buffer * high_mark))) if buffer < math.inf else math.inf
        self.free_at = now
        self.turn_at = math.inf
        self.failed_at = -math.inf
        self.outages: list[tuple[float, float]] = []
        self.refused = 0
        self.lost = 0
        self._seen = now
        self._full = capacity
        self.rate = capacity
        self._rate_until = math.inf
        self._changes: list[tuple[float, float]] = []

    def change(self, at: float, part: float) -> None:
        """From `at` on, it works at this part of its capacity. In order of time, and before anything arrives."""
        if not self._changes:
            self._rate_until = at
        self._changes.append((at, self._full * part))

    def held(self, now: float) -> float:
        """What it holds at `now`, in SR: the one in service counts in full."""
        if self.free_at <= now:
            return 0.0
        return float(math.ceil(self._between(now, self.free_at) - HAIR))

    def offer(self, work: float, now: float) -> float:
        """When it will be finished; or REFUSED, LOST. Call `advance(now)` first.

        The time holds unless the server fails before: not before `certain_until(now)`.
        """
        if self.state == DOWN:
            self.lost += 1
            return LOST
        free_at = self.free_at
        if free_at <= now:
            if now < self._rate_until and work <= self.buffer:
                free_at = now + work / self.rate
                if free_at <= self._rate_until:
                    self.free_at = free_at
                    if self.state == UP and work >= self.mark:
                        self._overload(now)
                    return free_at
            held = 0.0
            free_at = now
        else:
            held = float(math.ceil(self._between(now, free_at) - HAIR))
        if held + work > self.buffer:
            self.refused += 1
            return REFUSED
        self.free_at = free_at = self._after(free_at, work)
        if self.state == UP and held + work >= self.mark:
            self._overload(now)
        return free_at

    def certain_until(self, now: float) -> float:
        """No failure can come before: what is finished until then is certain to be."""
        return self.turn_at if self.state == OVERLOADED else now + self.outage_after

    def advance(self, now: float) -> bool:
        """Move to `now`; whether it failed since the last time (at `failed_at`): what it then held is lost."""
        if now >= self._rate_until:
            self._follow(now)
        failed = False
        if self.state == OVERLOADED:
            relief = self._relief()
            if relief <= self.turn_at:
                if relief <= now:
                    self.state = UP
                    self.turn_at = math.inf
            elif self.turn_at <= now:
                self._fail()
                failed = True
        if self.state == DOWN and self.turn_at <= now:
            self.state = UP
            self.free_at = self.turn_at
            self.turn_at = math.inf
        self._seen = now
        return failed

    def down_seconds(self, now: float) -> float:
        """Seconds spent in outages until `now`."""
        return sum(max(0.0, min(now, until) - since) for since, until in self.outages)

    def _overload(self, now: float) -> None:
        self.state = OVERLOADED
        self.turn_at = now + self.outage_after

    def _relief(self) -> float:
        """When it will hold less than the mark, if nothing more arrives."""
        behind = self.mark - 1.0 + HAIR  # the last of the mark is in service: then fewer are held
        if self.free_at <= self._rate_until:
            return self.free_at - behind / self.rate
        seen = self._seen  # it was overloaded then, and its failure had not come
        left = self._between(seen, self.free_at) - behind
        return self._after(seen, left) if left > 0.0 else seen

    def _fail(self) -> None:
        at = self.turn_at
        self.state = DOWN
        self.failed_at = at
        self.turn_at = at + self.restart
        self.outages.append((at, self.turn_at))
        self.free_at = at

    def _follow(self, now: float) -> None:
        """The rate that holds at `now`."""
        while self._changes and self._changes[0][0] <= now:
            self.rate = self._changes.pop(0)[1]
            self._rate_until = self._changes[0][0] if self._changes else math.inf

    def _after(self, since: float, work: float) -> float:
        """When `work` is done that is begun at `since`."""
        if since >= self._rate_until:
            return self._after_changes(since, work)
        at = since + work / self.rate
        return at if at <= self._rate_until else self._after_changes(since, work)

    def _after_changes(self, since: float, work: float) -> float:
        rate, at = self.rate, since
        for when, next_rate in self._changes:
            if when > at:
                done = (when - at) * rate
                if done >= work:
                    break
                work -= done
                at = when
            rate = next_rate
        return at + work / rate

    def _between(self, since: float, until: float) -> float:
        """The work done from `since` to `until`."""
        if since >= self._rate_until:
            self._follow(since)
        if until <= self._rate_until:
            return (until - since) * self.rate
        rate, at, work = self.rate, since, 0.0
        for when, next_rate in self._changes:
            if when >= until:
                break
            work += (when - at) * rate
            at, rate = when, next_rate
        return work + (until - at) * rate
