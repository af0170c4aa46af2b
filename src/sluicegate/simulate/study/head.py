"""`summary.json` as a whole: what was simulated, and the policies."""

from collections.abc import Sequence
from typing import Any

from sluicegate import __version__
from sluicegate.simulate.measures import Entry, role_names
from sluicegate.simulate.measures.rounding import rounded
from sluicegate.simulate.world import World


def head(world: World, seed: int, expected: float, entries: Sequence[Entry], *, complete: bool) -> dict[str, Any]:
    """The summary, with `entries` as its policies. `expected`: SRs, about, where no policy has been finished."""
    allocations = sum(user.allocation for user in world.users)
    return {
        "sluicegate": __version__,
        "what": "simulation",
        "complete": complete,
        "anonymous": False,
        "scenario": _scenario(world, seed, expected, entries),
        "users": [
            {
                "name": user.name,
                "role": user.role,
                "allocation": rounded(user.allocation),
                "meters": user.meters,
                "share": rounded(user.allocation / allocations if allocations else 0.0),
            }
            for user in world.users
        ],
        "roles": role_names(world),
        "kinds": [
            {
                "name": kind.name,
                "srv": kind.srv,
                "urgent": kind.urgent,
                "in_time": rounded(kind.in_time),
                "deadline": rounded(kind.deadline),
                "internal": kind.internal,
            }
            for kind in world.kinds
        ],
        "csps": [{"name": csp.name, "capacity": rounded(csp.capacity)} for csp in world.csps],
        "policies": list(entries),
        "sweep": None,
    }


def _scenario(world: World, seed: int, expected: float, entries: Sequence[Entry]) -> dict[str, Any]:
    requests, background = round(expected), 0
    if entries:
        background = sum(entries[0]["kinds"][kind.name]["offered"] for kind in world.kinds if kind.internal)
        requests = entries[0]["total"]["offered"] - background
    return {
        "name": world.name,
        "title": world.title,
        "description": world.description,
        "date": world.date,
        "first_second": rounded(world.first_second),
        "seconds": rounded(world.seconds),
        "drain": rounded(world.drain),
        "seed": seed,
        "scale": rounded(world.scale),
        "requests": requests,
        "background": background,
        "maximum": rounded(world.limits.maximum),
        "operating_threshold": rounded(world.limits.threshold),
        "burst_seconds": rounded(world.limits.burst_seconds),
        "dsp_capacity": rounded(world.dsp.capacity),
        "assumptions": list(world.assumptions),
    }
