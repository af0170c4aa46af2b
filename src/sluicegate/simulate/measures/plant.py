"""How the DSP and the CSPs fared: peaks, backlogs, outages."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.run import CspReport, Report
from sluicegate.simulate.world import World

MINUTE = 60


def dsp_entry(world: World, policy: Policy, report: Report, delivered: int) -> dict[str, Any]:
    """`dsp` of a policy. Utilisation: `delivered` (while SRs arrived) as a part of what its capacity was for."""
    able = world.dsp.capacity * policy.capacity * max(world.seconds, 1.0)
    return {
        "outages": len(report.outages),
        "outage_minutes": rounded(minutes(report.outages)),
        "peak": rounded(_most(report.dsp.arrived)),
        "most_held": rounded(_most(report.dsp.most)),
        "refused": report.refused,
        "lost": report.lost,
        "utilisation": rounded(delivered / able),
    }


def csp_entry(report: CspReport) -> dict[str, Any]:
    """C of a CSP: peak (SR in the busiest second), peak_minute (SR/s over the busiest minute), and what piled up."""
    return {
        "peak": rounded(_most(report.log.arrived)),
        "peak_minute": rounded(_most(binned(report.log.arrived, MINUTE)) / MINUTE),
        "most_backlog": rounded(_most(report.log.most)),
        "most_waiting": rounded(_most(report.waiting)),
        "attempts": report.attempts,
        "failures": report.failures,
    }


def binned(
    by_second: NDArray[np.float64], step: int, bins: int | None = None, *, most: bool = False
) -> NDArray[np.float64]:
    """Sums, or maxima, of `step` seconds each; `bins` of them, the missing ones 0."""
    count = -(-len(by_second) // step) if bins is None else bins
    whole = np.zeros(count * step)
    fits = by_second[: len(whole)]
    whole[: len(fits)] = fits
    rows = whole.reshape(count, step)
    found: NDArray[np.float64] = rows.max(axis=1) if most else rows.sum(axis=1)
    return found


def minutes(stretches: tuple[tuple[float, float], ...]) -> float:
    """How long (from, until) are together, in minutes."""
    return sum(until - since for since, until in stretches) / MINUTE


def _most(figures: NDArray[np.float64]) -> float:
    return float(figures.max()) if len(figures) else 0.0
