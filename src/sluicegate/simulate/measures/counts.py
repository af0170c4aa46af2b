"""What became of the SRs of each flow, as counts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.measures.counting import tally
from sluicegate.simulate.measures.histogram import BINS, bins
from sluicegate.simulate.run import Delivered, Others
from sluicegate.simulate.world import World

COUNTS: Final = (
    "offered",
    "delivered",
    "returned",
    "given_up",
    "quarantined",
    "pending",
    "throttled",
    "answers",
    "failed",
    "retries",
    "in_time",
    "conforming",
    "harmed",
)
"""The counts of a flow, in the order of the columns of `Counts.table`."""

_IN_TIME: Final = 5  # beside the states of `run.STATES`: delivered, and in time
_SHAPE: Final = (6, 2, 2, 2)  # state, conforming, throttled at least once, refused or lost at least once
_CODES: Final = 48


class Counts:
    """Counts and times to delivery by flow. Memory goes with the number of flows, never with that of SRs."""

    def __init__(self, world: World) -> None:
        """Nothing has been counted."""
        flows = len(world.flows)
        self._in_time = np.array([world.kinds[flow.kind].in_time for flow in world.flows], np.float64)
        self._external = np.array([not world.kinds[flow.kind].internal for flow in world.flows], bool)
        self._offered = np.zeros(flows, np.int64)
        self._fates = np.zeros(flows * _CODES, np.int64)
        self._answers, self._failed, self._retries = np.zeros((3, flows), np.int64)
        self._times = np.zeros(flows * BINS, np.uint32)
        self._late = np.zeros(flows, np.float64)

    @property
    def times(self) -> NDArray[np.uint32]:
        """Times to delivery by flow, counted in the bins of `histogram`: [flows, BINS]."""
        return self._times.reshape(-1, BINS)

    @property
    def late(self) -> NDArray[np.float64]:
        """By flow: seconds that deliveries came after `Kind.in_time`, summed."""
        return self._late

    def take_offered(self, flows: NDArray[np.int32]) -> None:
        """Count arrivals."""
        tally(self._offered, flows.astype(np.int64))

    def take_delivered(self, rows: Delivered) -> None:
        """Count SRs that were delivered at their first attempt."""
        if len(rows.flow):
            in_time = self._take_times(rows.flow, rows.ended - rows.born)
            code = rows.flow.astype(np.int64)
            code *= _CODES
            code += in_time * np.int8(_IN_TIME * 8)
            code += rows.conforming.view(np.int8) << 2
            tally(self._fates, code)

    def take_others(self, rows: Others) -> None:
        """Count SRs that ended otherwise, or later."""
        if not len(rows.flow):
            return
        flow = rows.flow.astype(np.int64)
        state = rows.state.astype(np.int64)
        done = np.flatnonzero(rows.state == 0)
        in_time = self._take_times(rows.flow[done], rows.ended[done] - rows.born[done])
        state[done[in_time]] = _IN_TIME
        code = flow * _CODES + state * 8
        code += rows.conforming.view(np.int8) << 2
        code += (rows.throttled > 0).view(np.int8) << 1
        code += rows.failed > 0
        tally(self._fates, code)
        for table, figures in (
            (self._answers, rows.throttled),
            (self._failed, rows.failed),
            (self._retries, np.maximum(rows.attempts, 1) - 1),
        ):
            some = np.flatnonzero(figures)
            np.add.at(table, flow[some], figures[some].astype(np.int64))

    def _take_times(self, flow: NDArray[np.int32], seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Count times to delivery; which of them were in time."""
        place = bins(seconds)
        place += flow.astype(np.int64) * BINS
        tally(self._times, place)
        limit = self._in_time[flow]
        in_time: NDArray[np.bool_] = seconds <= limit
        late = np.flatnonzero(~in_time)
        if len(late):
            np.add.at(self._late, flow[late].astype(np.int64), seconds[late] - limit[late])
        return in_time

    def table(self) -> NDArray[np.int64]:
        """Counts by flow, [flows, columns], columns as in COUNTS.

        What fires inside the DSP asks for no admission, so it is neither conforming nor harmed.
        """
        fates = self._fates.reshape(-1, *_SHAPE)
        states = fates.sum(axis=(2, 3, 4))
        in_time = states[:, _IN_TIME]
        conforming = fates[:, :, 1].sum(axis=1)
        whole = conforming.sum(axis=(1, 2)) * self._external
        unharmed = conforming[:, 0, 0] * self._external
        columns = (
            self._offered,
            states[:, 0] + in_time,
            *states[:, 1:_IN_TIME].T,
            fates[:, :, :, 1].sum(axis=(1, 2, 3)),
            self._answers,
            self._failed,
            self._retries,
            in_time,
            whole,
            whole - unharmed,
        )
        return np.stack(columns, axis=1)
