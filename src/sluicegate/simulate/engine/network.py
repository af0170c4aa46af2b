"""A CSP: channels that serve first come, first served, known outages, and the way to the device."""

import math
from collections import deque
from heapq import heapreplace
from typing import Final

FAILED: Final = -1.0


class Network:
    """One region's network. Attempts come in order of time.

    Attributes:
        arrived, most: what came in each second, in SR, and how many waited for a channel at the most.
        waiting: SRs that wait at the DSP for another attempt here.
    """

    def __init__(
        self,
        capacity: float,
        servers: int,
        latency: float,
        spread: float,
        buffer: float,
        outages: list[tuple[float, float]],
        draws: list[float],
        exponential: bool = False,
    ) -> None:
        self.attempts = 0
        self.failures = 0
        self.waiting = 0
        self.arrived: list[float] = []
        self.most: list[float] = []
        self.most_waiting: list[float] = []
        self._service = servers / capacity
        self._servers = servers
        self._latency = latency
        self._spread = spread
        self._buffer = buffer
        self._outages = outages
        self._outage = 0
        self._exponential = exponential
        self._draws = draws  # 2**n exponential draws of mean 1, taken round and round
        self._mask = len(draws) - 1
        self._drawn = 0
        self._free_at = -math.inf
        self._channels = [-math.inf] * servers  # a heap: when each is free
        self._starts: deque[float] = deque()  # when each of those that wait will begin
        self._second = 0
        self._second_ends = 1.0
        self._in_second = 0.0
        self._held = 0.0
        self._held_back = 0.0

    def attempt(self, weight: float, now: float) -> float:
        """One attempt at `now`; when the device's answer is there, or FAILED."""
        if now >= self._second_ends:
            self.roll(now)
        self.attempts += 1
        self._in_second += weight
        if self._outages and self._is_out(now):
            self.failures += 1
            return FAILED
        service = self._service * weight
        if self._exponential:
            service *= self._draw()
        if self._servers == 1:
            start = self._free_at
            if start <= now:
                start = now
            else:
                waiting = (start - now) / self._service - 1.0
                if waiting > self._held:
                    self._held = waiting
                if waiting + 2.0 > self._buffer:
                    self.failures += 1
                    return FAILED
                if self._outages:
                    start = self._resumed(start)
            self._free_at = done = start + service
        else:
            done = self._on_a_channel(now, service)
            if done < 0.0:
                self.failures += 1
                return FAILED
        return done + self._latency + (self._spread * self._draw() if self._spread > 0.0 else 0.0)

    def wait(self, more: int) -> None:
        """So many more SRs (or fewer) wait at the DSP for another attempt."""
        self.waiting += more
        if self.waiting > self._held_back:
            self._held_back = float(self.waiting)

    def roll(self, now: float) -> None:
        """Write down the seconds that are over."""
        while now >= self._second_ends:
            self.arrived.append(self._in_second)
            self.most.append(self._held)
            self.most_waiting.append(self._held_back)
            self._in_second = self._held = 0.0
            self._held_back = float(self.waiting)
            self._second += 1
            self._second_ends = self._second + 1.0

    def _on_a_channel(self, now: float, service: float) -> float:
        starts = self._starts
        while starts and starts[0] <= now:
            starts.popleft()
        waiting = len(starts)
        if waiting > self._held:
            self._held = float(waiting)
        start = self._channels[0]
        if start <= now:
            start = now
        else:
            if waiting + self._servers + 1.0 > self._buffer:
                return FAILED
            if self._outages:
                start = self._resumed(start)
            starts.append(start)
        done = start + service
        heapreplace(self._channels, done)
        return done

    def _draw(self) -> float:
        self._drawn += 1
        return self._draws[self._drawn & self._mask]

    def _is_out(self, now: float) -> bool:
        while self._outage < len(self._outages) and self._outages[self._outage][1] <= now:
            self._outage += 1
        return self._outage < len(self._outages) and self._outages[self._outage][0] <= now

    def _resumed(self, start: float) -> float:
        """What would begin during an outage waits until that is over."""
        for since, until in self._outages[self._outage :]:
            if since <= start < until:
                start = until
        return start
