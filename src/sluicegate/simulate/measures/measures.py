"""The measures of one run: fed with the engine's output, they make one policy's part of `summary.json`."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.measures.counting import grouped
from sluicegate.simulate.measures.counts import COUNTS, Counts
from sluicegate.simulate.measures.fairness import jain, overload_parts
from sluicegate.simulate.measures.histogram import percentiles
from sluicegate.simulate.measures.plant import binned, csp_entry, dsp_entry, minutes
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.measures.series import Series
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.run import Output, Report
from sluicegate.simulate.source import Chunk
from sluicegate.simulate.world import World

Entry = dict[str, Any]

PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_TIME_DIGITS: Final = 4
_AT: Final = {name: column for column, name in enumerate(COUNTS)}


class Measures:
    """Counts, times and series of one run, in memory that depends on the world and not on the number of SRs.

    Percentiles are wrong by `histogram.ERROR` of themselves at most. What is counted as in time is exact.
    """

    def __init__(self, world: World) -> None:
        """Nothing has been counted."""
        self.world = world
        self._counts = Counts(world)
        self._series = Series(world)

    def take(self, chunk: Chunk, output: Output) -> None:
        """Count a chunk and what became known with it."""
        counts, series = self._counts, self._series
        counts.take_offered(chunk.flows)
        series.take_offered(chunk)
        counts.take_delivered(output.delivered)
        series.take_delivered(output.delivered.flow, output.delivered.ended)
        others = output.others
        if len(others.flow):
            counts.take_others(others)
            done = others.state == 0
            series.take_delivered(others.flow[done], others.ended[done])
        series.take_throttled(*output.throttled)
        series.take_failed(output.failed.at)
        series.take_retried(output.retried.at)

    def summary(self, report: Report, policy: Policy) -> Entry:
        """The entry of `policies` in summary.json, but for the title, the equivalent capacity and the costs."""
        world = self.world
        table = self._counts.table()
        by_user = self._by([flow.user for flow in world.flows], len(world.users))
        roles = role_names(world)
        sent = self._users_only(table)
        return {
            "total": self._by([0] * len(world.flows), 1)[0],
            "users": {user.name: figures for user, figures in zip(world.users, by_user, strict=True)},
            "roles": self._named([roles.index(world.users[flow.user].role) for flow in world.flows], roles),
            "kinds": self._named([flow.kind for flow in world.flows], [kind.name for kind in world.kinds]),
            "csps": self._csps(report),
            "dsp": dsp_entry(world, policy, report, self._series.delivered_until(world.seconds)),
            "urgent": self._urgent(),
            "harm": self._harm(table),
            "amplification": rounded(_ratio(sent["offered"] + sent["retries"], sent["offered"])),
            "jain": rounded(self._jain()),
            "active_minutes": rounded(minutes(report.active)),
            "series": self._drawn(report),
        }

    def cells(self) -> list[Entry]:
        """M of each User, kind and CSP that had traffic, with `user`, `kind` and `csp` as indices into the world."""
        world = self.world
        names = sorted({(flow.user, flow.kind, flow.csp) for flow in world.flows})
        number = {name: at for at, name in enumerate(names)}
        figures = self._by([number[flow.user, flow.kind, flow.csp] for flow in world.flows], len(names))
        return [
            {"user": user, "kind": kind, "csp": csp, **row}
            for (user, kind, csp), row in zip(names, figures, strict=True)
            if row["offered"]
        ]

    @property
    def urgent_share(self) -> float | None:
        """Which part of the urgent SRs was delivered in time; None if there was none."""
        table = self._counts.table()[self._is_urgent()]
        return _ratio(int(table[:, _AT["in_time"]].sum()), int(table[:, _AT["offered"]].sum()))

    def late_hours(self) -> dict[str, float]:
        """By User: how long deliveries came after `Kind.in_time`, summed, in hours."""
        late = np.zeros(len(self.world.users))
        np.add.at(late, [flow.user for flow in self.world.flows], self._counts.late)
        return {user.name: float(seconds) / 3600 for user, seconds in zip(self.world.users, late, strict=True)}

    def urgent_late(self) -> dict[str, int]:
        """By User: urgent SRs that were delivered, but not in time."""
        table = self._counts.table()
        late = (table[:, _AT["delivered"]] - table[:, _AT["in_time"]]) * self._is_urgent()
        sums = np.zeros(len(self.world.users), np.int64)
        np.add.at(sums, [flow.user for flow in self.world.flows], late)
        return {user.name: int(count) for user, count in zip(self.world.users, sums, strict=True)}

    def _by(self, group: list[int], groups: int) -> list[Entry]:
        """M of each group of flows. A flow in a negative group counts in none."""
        of = np.array(group, np.int64)
        counts = grouped(self._counts.table(), of, groups)
        times = percentiles(grouped(self._counts.times, of, groups), tuple(PARTS.values()))
        return [
            {
                **dict(zip(COUNTS, row, strict=True)),
                **{name: rounded(time, _TIME_DIGITS) for name, time in zip(PARTS, found, strict=True)},
            }
            for row, found in zip(counts.tolist(), times.tolist(), strict=True)
        ]

    def _named(self, group: list[int], names: list[str]) -> dict[str, Entry]:
        return dict(zip(names, self._by(group, len(names)), strict=True))

    def _csps(self, report: Report) -> dict[str, Entry]:
        figures = self._named([flow.csp for flow in self.world.flows], [csp.name for csp in self.world.csps])
        return {name: {**row, **csp_entry(csp)} for (name, row), csp in zip(figures.items(), report.csps, strict=True)}

    def _is_urgent(self) -> NDArray[np.bool_]:
        return np.array([self.world.kinds[flow.kind].urgent for flow in self.world.flows], bool)

    def _urgent(self) -> Entry:
        row = self._by([0 if urgent else -1 for urgent in self._is_urgent().tolist()], 1)[0]
        kept = {name: row[name] for name in ("offered", "delivered", "in_time")}
        share = rounded(_ratio(row["in_time"], row["offered"]))
        return {**kept, "share": share, **{name: row[name] for name in PARTS}}

    def _harm(self, table: NDArray[np.int64]) -> Entry:
        owners = np.array([flow.user for flow in self.world.flows], np.int64)
        columns = [_AT["conforming"], _AT["harmed"]]
        by_user = grouped(table[:, columns], owners, len(self.world.users)).tolist()
        conforming, harmed = (sum(row[column] for row in by_user) for column in (0, 1))
        return {
            "conforming": conforming,
            "harmed": harmed,
            "share": rounded(_ratio(harmed, conforming)),
            "users": {
                user.name: {"conforming": row[0], "harmed": row[1]}
                for user, row in zip(self.world.users, by_user, strict=True)
            },
        }

    def _users_only(self, table: NDArray[np.int64]) -> dict[str, int]:
        """Counts of what went through the gate."""
        external = np.array([not self.world.kinds[flow.kind].internal for flow in self.world.flows], bool)
        return dict(zip(COUNTS, table[external].sum(axis=0).tolist(), strict=True))

    def _jain(self) -> float | None:
        tables = self._series.users()
        offered, delivered = tables["offered"][:-1], tables["delivered"][:-1]
        return jain(overload_parts(self.world, offered, delivered, self._series.users_step))

    def _drawn(self, report: Report) -> Entry:
        """The series, in SR/s. `attempts` asked for capacity, from inside too; `admitted` is what reached the DSP."""
        series = self._series
        step, bins = series.step, series.bins
        attempts = series.offered + series.retried
        users = {name: rates(table[:-1], series.users_step) for name, table in series.users().items()}
        return {
            "step": step,
            "t": [at * step for at in range(bins)],
            "offered": rates(series.offered, step),
            "attempts": rates(attempts, step),
            "admitted": rates(attempts - series.throttled, step),
            "delivered": rates(series.delivered, step),
            "throttled": rates(series.throttled, step),
            "failed": rates(series.failed, step),
            "down": _stretches(report.outages),
            "active": _stretches(report.active),
            "users_step": series.users_step,
            "users_t": [at * series.users_step for at in range(series.users_bins)],
            "users": {
                user.name: {name: table[row] for name, table in users.items()}
                for row, user in enumerate(self.world.users)
            },
            "csps": {
                csp.name: {
                    "arrived": rates(binned(found.log.arrived, step, bins), step),
                    "backlog": rates(binned(found.log.most, step, bins, most=True), 1),
                    "waiting": rates(binned(found.waiting, step, bins, most=True), 1),
                }
                for csp, found in zip(self.world.csps, report.csps, strict=True)
            },
        }


def role_names(world: World) -> list[str]:
    """The Roles of the Users, in order of first appearance."""
    return list(dict.fromkeys(user.role for user in world.users))


def rates(counts: NDArray[Any], step: int) -> list[Any]:
    """Counts of `step` seconds each as SR/s, with three decimals at most; nested as `counts` is."""
    found = np.round(counts / step, 3).tolist()
    return [[_short(one) for one in row] if isinstance(row, list) else _short(row) for row in found]


def _short(figure: float) -> float | int:
    return int(figure) if figure.is_integer() else figure


def _stretches(stretches: tuple[tuple[float, float], ...]) -> list[list[float | int | None]]:
    return [[rounded(since, 9), rounded(until, 9)] for since, until in stretches]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
