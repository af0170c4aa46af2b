"""What the replay of one policy came to, beside what was recorded: by User, by minute, and over time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluicegate.simulate.measures import Measures
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.replay.cells import MINUTE, Cells, minutes_of
from sluicegate.simulate.replay.rows import EXCESS, PASSED, REJECTED, THROTTLED, WITHIN, Ints
from sluicegate.simulate.replay.survey import ADMITTED, DEMAND, HELD, REFUSED, Survey
from sluicegate.simulate.replay.world import Setting
from sluicegate.simulate.run import Output
from sluicegate.simulate.source import Chunk

_BORN, _AGAIN, _HELD, _FAILED = range(4)
COUNTED: Final = ("demand", "admitted", "throttled", "rejected")

COMPARISON: Final = pa.schema(
    [
        pa.field("policy", pa.string(), nullable=False),
        pa.field("minute", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        *(
            pa.field(f"{side}_{name}", pa.int64(), nullable=False)
            for side in ("recorded", "replayed")
            for name in COUNTED
        ),
    ]
)
"""One row for each policy, minute and User with anything in either. demand: requests; the others: attempts."""


class Outcome:
    """Takes the engine's output in: the measures, and counts by User and minute."""

    def __init__(self, setting: Setting) -> None:
        self.measures = Measures(setting.world)
        self._owners = np.array([flow.user for flow in setting.world.flows], np.int64)
        self._cells = Cells()

    def take(self, chunk: Chunk, output: Output) -> None:
        """See `run`."""
        self.measures.take(chunk, output)
        self._add(_BORN, chunk.flows, chunk.times)
        self._add(_AGAIN, *output.retried)
        self._add(_HELD, *output.throttled)
        self._add(_FAILED, *output.failed)

    def _add(self, column: int, flows: NDArray[np.int32], at: NDArray[np.float64]) -> None:
        if len(flows):
            self._cells.add(column, self._owners[flows], minutes_of(at))

    def table(self) -> tuple[Ints, Ints, Ints]:
        """Minutes, Users of the world, and counts as COUNTED."""
        minutes, users, counts = self._cells.table()
        attempts = counts[:, _BORN] + counts[:, _AGAIN]
        admitted = attempts - counts[:, _HELD] - counts[:, _FAILED]
        return minutes, users, np.stack((counts[:, _BORN], admitted, counts[:, _HELD], counts[:, _FAILED]), axis=1)


class Comparison:
    """Recorded against replayed. `whole`: the rejected attempts were not asked again, and count as before."""

    def __init__(self, survey: Survey, setting: Setting, outcome: Outcome, *, whole: bool) -> None:
        self._survey = survey
        self._setting = setting
        users = setting.world.users
        minutes, numbers, counts = survey.cells.table()
        of = np.full(len(survey.reader.users.texts) + 1, -1, np.int64)
        of[setting.order] = np.arange(len(users))
        of[-1] = -1
        kept = of[numbers] >= 0
        recorded = counts[kept][:, [DEMAND, ADMITTED, HELD, REFUSED]]
        replayed_minutes, replayed_users, replayed = outcome.table()
        width = max(1, len(users))
        first = minutes[kept] * width + of[numbers][kept]
        second = replayed_minutes * width + replayed_users
        cells = np.union1d(first, second)
        self.minutes, self.users = cells // width, cells % width
        self.recorded, self.replayed = np.zeros((2, len(cells), len(COUNTED)), np.int64)
        self.recorded[np.searchsorted(cells, first)] = recorded
        self.replayed[np.searchsorted(cells, second)] = replayed
        if whole:
            self.replayed[:, -1] += self.recorded[:, -1]

    def table(self, policy: str) -> pa.Table:
        """Rows of COMPARISON, in order of minute and User."""
        names = np.array([user.name for user in self._setting.world.users], object)
        times = self._survey.base + self.minutes * MINUTE * 1_000_000
        columns = [
            pa.array([policy] * len(times), pa.string()),
            pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            pa.array(names[self.users].tolist(), pa.string()),
            *(pa.array(side[:, place]) for side in (self.recorded, self.replayed) for place in range(len(COUNTED))),
        ]
        return pa.table(columns, schema=COMPARISON)

    def per_user(self) -> list[dict[str, Any]]:
        """Of each User of the world: what it wanted, and what came of it, recorded and replayed."""
        count = len(self._setting.world.users)
        replayed = np.zeros((count, len(COUNTED)), np.int64)
        np.add.at(replayed, self.users, self.replayed)
        found = []
        for place, user in enumerate(self._setting.world.users):
            number = int(self._setting.order[place])
            demand = int(self._survey.demand[number]) if number >= 0 else 0
            found.append(
                {
                    "user": user.name,
                    "allocation": rounded(user.allocation),
                    "demand": demand,
                    "recorded": self._recorded(number),
                    "replayed": _replayed(replayed[place]),
                }
            )
        return found

    def _recorded(self, number: int) -> dict[str, int]:
        outcomes = self._survey.outcomes[number].tolist() if number >= 0 else [0] * (PASSED + 1)
        return {
            "attempts": sum(outcomes),
            "admitted": outcomes[WITHIN] + outcomes[EXCESS] + outcomes[PASSED],
            "within": outcomes[WITHIN],
            "excess": outcomes[EXCESS],
            "passed": outcomes[PASSED],
            "throttled": outcomes[THROTTLED],
            "rejected": outcomes[REJECTED],
        }

    def series(self) -> dict[str, Any]:
        """Attempts over time, in SR/s by minute, of all Users of the world together."""
        count = int(self.minutes.max(initial=-1)) + 1
        found: dict[str, Any] = {"step": MINUTE, "t": [minute * MINUTE for minute in range(count)]}
        for side, counts in (("recorded", self.recorded), ("replayed", self.replayed)):
            sums = np.zeros((count, len(COUNTED)), np.int64)
            np.add.at(sums, self.minutes, counts)
            rates = np.round(sums / MINUTE, 3)
            found[side] = {name: rates[:, place].tolist() for place, name in enumerate(COUNTED)}
        return found


def _replayed(counts: Ints) -> dict[str, int]:
    _, admitted, throttled, rejected = counts.tolist()
    attempts = admitted + throttled + rejected
    return {"attempts": attempts, "admitted": admitted, "throttled": throttled, "rejected": rejected}
