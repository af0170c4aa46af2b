"""What happened when: counts in bins of time, a minute wide or wider, however long the run."""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.measures.counting import tally
from sluicegate.simulate.source import Chunk
from sluicegate.simulate.world import World

MOST_BINS: Final = 1500  # a day and an hour of drain, in minutes
MOST_USER_BINS: Final = 360
_STEPS: Final = (60, 120, 300, 600, 900, 1800, 3600)


def step_for(seconds: float, most: int, multiple_of: int = 1) -> int:
    """The shortest sensible step, in seconds, that makes at most `most` bins of the run."""
    for step in _STEPS:
        if step % multiple_of == 0 and seconds <= step * most:
            return step
    longest = max(_STEPS[-1], multiple_of)
    return longest * -(-int(np.ceil(seconds)) // (longest * most))


class Series:
    """Counts by time: of all SRs in `step`, and of what each User's systems send in the coarser `users_step`.

    What fires inside the DSP counts in the totals, and in the last row of the tables by User, which belongs to none:
    a User's picture shows what it sends through the gate.
    """

    def __init__(self, world: World) -> None:
        """Room for the run of `world`, its drain included."""
        seconds = world.seconds + world.drain
        self.step = step_for(seconds, MOST_BINS)
        self.users_step = step_for(seconds, MOST_USER_BINS, self.step)
        self.bins = max(1, -(-int(np.ceil(seconds)) // self.step))
        self.users_bins = -(-self.bins * self.step // self.users_step)
        self._ratio = self.users_step // self.step
        self._rows = len(world.users) + 1
        self._row = np.array(
            [len(world.users) if world.kinds[flow.kind].internal else flow.user for flow in world.flows], np.int64
        )
        self.offered, self.delivered, self.throttled, self.failed, self.retried = np.zeros((5, self.bins), np.int64)
        by_user = np.zeros((3, self._rows * self.users_bins), np.int64)
        self._users_offered, self._users_delivered, self._users_throttled = by_user

    def take_offered(self, chunk: Chunk) -> None:
        """Count arrivals. They are in order of time, so a bin is a slice, and costs nothing for each SR."""
        first, last = (min(int(at // self.step), self.bins - 1) for at in (chunk.start, chunk.end))
        edges = np.arange(first + 1, last + 1) * float(self.step)
        cuts = [0, *np.searchsorted(chunk.times, edges).tolist(), len(chunk.times)]
        for at, (since, until) in enumerate(pairwise(cuts), start=first):
            if until > since:
                self.offered[at] += until - since
                here = np.bincount(chunk.flows[since:until], minlength=len(self._row))
                column = self._users_offered.reshape(self._rows, self.users_bins)[:, at // self._ratio]
                np.add.at(column, self._row, here)

    def take_delivered(self, flow: NDArray[np.int32], ended: NDArray[np.float64]) -> None:
        """Count SRs by when they were delivered."""
        self._take(self.delivered, self._users_delivered, flow, ended)

    def take_throttled(self, flow: NDArray[np.int32], at: NDArray[np.float64]) -> None:
        """Count throttled answers."""
        self._take(self.throttled, self._users_throttled, flow, at)

    def take_failed(self, at: NDArray[np.float64]) -> None:
        """Count refusals and losses at the DSP."""
        tally(self.failed, self._bin(at))

    def take_retried(self, at: NDArray[np.float64]) -> None:
        """Count attempts beyond the first."""
        tally(self.retried, self._bin(at))

    def delivered_until(self, seconds: float) -> int:
        """How many SRs had been delivered by then, to the bin."""
        return int(self.delivered[: -(-int(np.ceil(seconds)) // self.step)].sum())

    def users(self) -> dict[str, NDArray[np.int64]]:
        """Tables by User, [users + 1, users_bins]: the last row is what fires inside the DSP."""
        shape = (self._rows, self.users_bins)
        return {
            "offered": self._users_offered.reshape(shape),
            "delivered": self._users_delivered.reshape(shape),
            "throttled": self._users_throttled.reshape(shape),
        }

    def _take(
        self,
        total: NDArray[np.int64],
        users: NDArray[np.int64],
        flow: NDArray[np.int32],
        at: NDArray[np.float64],
    ) -> None:
        if len(at):
            found = self._bin(at)
            tally(total, found)
            if self._ratio > 1:
                found //= self._ratio
            found += self._row[flow] * self.users_bins
            tally(users, found)

    def _bin(self, at: NDArray[np.float64]) -> NDArray[np.int64]:
        found = (at / self.step).astype(np.int64)
        return np.clip(found, 0, self.bins - 1, out=found)
