"""The decision: who may pass when a shared capacity runs short. Pure, without a clock and without I/O."""

from sluicegate.throttle.account import Account
from sluicegate.throttle.depths import allocation_depth, system_depth
from sluicegate.throttle.limits import Limits, Sharing
from sluicegate.throttle.teams import MOST_TEAMS, NO_TEAM, Teams
from sluicegate.throttle.throttle import EXCESS, THROTTLED, WITHIN, State, Throttle

__all__ = [
    "EXCESS",
    "MOST_TEAMS",
    "NO_TEAM",
    "THROTTLED",
    "WITHIN",
    "Account",
    "Limits",
    "Sharing",
    "State",
    "Teams",
    "Throttle",
    "allocation_depth",
    "system_depth",
]
