"""Jain's fairness index of a run, against what a fair and lossless gate would have let through."""

import numpy as np
from numpy.typing import NDArray

from sluicegate.simulate.world import World


def jain(parts: NDArray[np.float64]) -> float | None:
    """(sum x)^2 / (n sum x^2): 1 where all are alike, 1/n where one has all; None where nobody has anything.

    Jain, Chiu, Hawe: "A quantitative measure of fairness and discrimination for resource allocation in shared computer
    systems", DEC-TR-301, 1984.
    """
    squares = float((parts * parts).sum())
    return float(parts.sum()) ** 2 / (len(parts) * squares) if squares > 0 else None


def overload_parts(
    world: World, offered: NDArray[np.int64], delivered: NDArray[np.int64], step: float
) -> NDArray[np.float64]:
    """x of each User that had anything to get: what it got while there was too little, as a part of what was fair.

    Demand over a run usually fits into the capacity of a run, so shares of the whole say little; and a share of one's
    demand would call it unfair that whoever asks for nine times its allocation gets less of what it asks for. So the
    yardstick, which depends on the traffic alone and is the same for every policy, is a fluid gate without losses: at
    the operating threshold (or what the DSP can do, if that is less), by weighted max-min on the allocations, where
    what finds no place waits. x = min(1, delivered / served fairly) over the bins of time in which something waits
    there; over the whole run where nothing ever does. More than the fair part is not counted against anybody: whether
    others paid for it shows in theirs, and capacity that was bought is no unfairness. The index says nothing of how
    much was delivered: where everybody gets nothing alike, all are alike.

    offered, delivered: what Users send through the gate, SR by User and bin of `step` seconds.
    """
    weights = np.array([max(user.allocation, 1 / world.limits.burst_seconds) for user in world.users])
    room = _room(world, offered.shape[1], step)
    served = np.zeros(offered.shape)
    waiting = np.zeros(len(weights))
    overloaded = np.zeros(offered.shape[1], bool)
    for at in range(offered.shape[1]):
        demand = waiting + offered[:, at]
        served[:, at] = share_out(demand, weights, float(room[at]))
        waiting = demand - served[:, at]
        overloaded[at] = bool(waiting.sum() > 0.5)
    if not overloaded.any():
        overloaded[:] = True
    fair = served[:, overloaded].sum(axis=1)
    got = delivered[:, overloaded].sum(axis=1)
    some = fair >= 0.5
    parts: NDArray[np.float64] = np.minimum(1.0, got[some] / fair[some])
    return parts


def share_out(demand: NDArray[np.float64], weights: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """Weighted max-min: everybody up to one level times its weight, as high as `room` permits."""
    if demand.sum() <= room:
        return demand.copy()
    order = np.argsort(demand / weights, kind="stable")
    levels = (demand / weights)[order]
    left = room - np.concatenate(([0.0], np.cumsum(demand[order])[:-1]))
    weight_left = np.cumsum(weights[order][::-1])[::-1]
    reachable = left / weight_left  # the level, if all before in order are satisfied and none after
    first = int(np.argmax(reachable < levels))
    shared: NDArray[np.float64] = np.minimum(demand, max(0.0, float(reachable[first])) * weights)
    return shared


def _room(world: World, bins: int, step: float) -> NDArray[np.float64]:
    """What a bin of time has room for, SR: the threshold, or the DSP's capacity as it was then, on the average."""
    starts = np.arange(bins) * step
    room = np.zeros(bins)
    changes = [(0.0, 1.0), *sorted(world.dsp.changes)]
    for (since, part), (until, _) in zip(changes, [*changes[1:], (np.inf, 0.0)], strict=True):
        inside = np.clip(np.minimum(starts + step, until) - np.maximum(starts, since), 0.0, None)
        room += inside * min(world.limits.threshold, world.dsp.capacity * part)
    return room
