"""What a priority profile and teams change of a User's bank."""

from collections.abc import Sequence

from sluicegate.throttle.account import Account
from sluicegate.throttle.depths import allocation_depth
from sluicegate.throttle.limits import Limits
from sluicegate.throttle.line import back_to_one_line
from sluicegate.throttle.teams import Teams


def team_banks(parts: Sequence[float], allocation: float, limits: Limits, now: float) -> Teams | None:
    """The banks of a User's teams, full; None without any, or where there is no allocation to part.

    Raises:
        ValueError: the parts cannot be.
    """
    if not parts or allocation <= 0.0:
        return None
    return Teams(parts, allocation, limits.burst_seconds, limits.heaviest, now)


def on_top(teams: Teams | None, allocation: float, reserve: float | None, burst: float, heaviest: float) -> float:
    """How much deeper a bank is than without a profile, in SR: its reserve, and each team's heaviest request."""
    least = allocation_depth(allocation, burst, heaviest)
    return (reserve or 0.0) + (max(0.0, teams.depth - least) if teams is not None else 0.0)


def check_reserve(reserve: float | None) -> None:
    """A reserve that cannot be would reach every User by the system's floor. Raises ValueError for one."""
    if reserve is not None and not 0.0 <= reserve < float("inf"):
        raise ValueError(f"a reserve is 0 SR or more, and this is {reserve!r}")


def take_profile(user: Account, reserve: float | None, teams: Teams | None) -> None:
    """The User has a profile from now on, or none (`reserve` is None). Lines, and banks that stay, keep what they are.

    The User's bank has its new size, and the teams' banks are of the same instant.
    """
    if user.profiled and reserve is None:
        back_to_one_line(user)
    user.profiled = reserve is not None
    before, user.teams = user.teams, teams
    if teams is not None and before is not None and len(before.parts) == len(teams.parts):
        teams.like(before)
    if teams is not None:
        teams.fit(user.level)  # put in an overload, they hold no more than the User has left
