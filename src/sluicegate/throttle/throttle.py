"""The decision: may this request pass? Section "The decision" of docs/throttle.md is this module in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sluicegate.throttle.account import Account, Size
from sluicegate.throttle.depths import system_depth
from sluicegate.throttle.limits import Limits
from sluicegate.throttle.line import LONGEST_LINE, come_back_in, lump, place_of_class, put_behind
from sluicegate.throttle.profiled import check_reserve, on_top, take_profile, team_banks
from sluicegate.throttle.sharing import EPSILON, Fair, FirstCome
from sluicegate.throttle.teams import NO_TEAM

WITHIN: Final = 0
EXCESS: Final = 1
THROTTLED: Final = 2

NO_RESERVES: Mapping[str, float] = {}
NO_TEAMS: Mapping[str, Sequence[float]] = {}
SLOWEST: Final = 1.0 / LONGEST_LINE  # SR/s: a User without any part is told to come back after the longest wait


@dataclass(frozen=True, slots=True)
class State:
    """Whether traffic management is active, and since when on the throttle's clock (seconds)."""

    active: bool
    since: float


class Throttle:
    """Decides who may pass: every User's allocation bank, the system bank, and the sharing of the spare.

    It has no clock and does no I/O: times are passed in, in seconds on any monotonic clock, and the throttle's own
    time is the largest that it has seen. Given the same times and order it decides the same: the gateway, the
    simulator and replay share it. One decision costs the same whatever the number of Users, and keeps nothing.

    Args:
        limits: the capacity under management.
        allocations: SR/s by User; they may not add up to more than the maximum capacity.
        now: the time at which the banks are full, in seconds.
        reserves: of each User with a profile, the greatest reserve with which its requests come (see `decide`), in SR.
        teams: of each User with teams, their parts of its allocation (see `decide_team`).

    Raises:
        ValueError: the allocations add up to more than the maximum, or one is negative; parts of teams cannot be.
    """

    __slots__ = (
        "_accounts",
        "_active",
        "_calm",
        "_clear_at",
        "_count",
        "_depth",
        "_floor",
        "_lump",
        "_now",
        "_offered",
        "_offered_floor",
        "_room",
        "_shared",
        "_since",
        "_spare",
        "_system",
        "_threshold",
        "_throttled_at",
        "limits",
    )

    def __init__(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        now: float = 0.0,
        reserves: Mapping[str, float] = NO_RESERVES,
        teams: Mapping[str, Sequence[float]] = NO_TEAMS,
    ) -> None:
        self._now = now
        self._count = 0
        self._accounts: dict[str, Account] = {}
        self._active = False
        self._since = now
        self._throttled_at = self._clear_at = float("-inf")
        self._room = 0.0
        self._shared = False
        self._take(limits)
        self._system = self._offered = self._depth
        self.reconfigure(limits, allocations, now, reserves, teams)

    @property
    def now(self) -> float:
        """The throttle's own time: the largest that it has seen, in seconds."""
        return self._now

    def account(self, name: str) -> Account:
        """The account of a User.

        Raises:
            KeyError: no such User.
        """
        return self._accounts[name]

    def decide_team(self, user: Account, weight: float, now: float, reserve: float, team: int) -> int:
        """As `decide`, for a request of a team (NO_TEAM: of none) of a User that has some.

        While traffic management is active, the User's bank must hold what the other teams' banks hold besides.
        """
        teams = user.teams
        if teams is None:
            return self.decide(user, weight, now, reserve)
        if team >= len(teams.parts):
            team = NO_TEAM  # of a profile that was
        outcome = self.decide(
            user, weight, now, reserve, teams.kept_for_others(team, now if now > self._now else self._now)
        )
        if outcome == WITHIN:
            teams.charge(team, weight, user.level)
        return outcome

    def decide(self, user: Account, weight: float, now: float, reserve: float = 0.0, beside: float = 0.0) -> int:
        """Decide on one request of `weight` SR at `now` seconds, and charge it: WITHIN, EXCESS or THROTTLED.

        While traffic management is active, the request is served from the User's bank only while that holds `reserve`
        SR more: what the User keeps for its more urgent requests (trunk reservation). Else it is excess, and served
        from the User's part of the spare while that holds the reserve too, as far as it can.
        """
        if now > self._now:
            gained = (now - self._now) * self._threshold
            self._now = now
            offered = self._offered + gained
            if offered > self._depth:
                offered = self._depth
            system = self._system + gained
            if system > self._room:
                if self._shared:
                    self._spare.spilled += system - self._room
                system = self._room
            self._system = system
        else:
            now = self._now
            offered = self._offered

        left = offered - weight
        if left < 0.0:
            if self._active and offered >= 0.0:  # it was out of debt: perhaps for long enough
                self._settle(now)
            if left < self._offered_floor:
                left = self._offered_floor
            self._clear_at = now - left / self._threshold
        self._offered = left

        level = user.level + (now - user.filled_at) * user.allocation
        if level > user.depth:
            level = user.depth
        needed = weight - EPSILON
        kept = 0.0
        if self._active and (reserve > 0.0 or beside > 0.0):
            if now >= self._throttled_at + self._calm:
                self._settle(now)
            if self._active:
                kept = reserve
                needed += reserve + beside
        if level >= needed and user.depth > 0.0:
            user.filled_at = now
            user.level = level - weight
            system = self._system - weight
            self._system = system if system > self._floor else self._floor
            return WITHIN

        spare = self._spare
        if offered >= weight - EPSILON:  # nothing is shared out
            if self._shared:
                self._system += spare.dissolve(now)
                self._room = self._depth
                self._shared = False
            self._system -= weight
            return EXCESS

        if not self._shared:
            spare.dissolve(now)
            self._shared = True
        if self._system > 0.0:  # set it aside for excess
            spare.pool += self._system
            self._system = 0.0
        permitted = spare.permits(user, weight, now, kept)
        self._room = self._depth - spare.pool
        if permitted:
            return EXCESS

        self._throttled_at = now
        if not self._active:
            self._active = True
            self._since = now
        return THROTTLED

    def give_back(self, user: Account, weight: float, outcome: int, now: float, team: int = NO_TEAM) -> None:
        """Undo the charge of a request that certainly did not reach the system behind. Never beyond a bank's depth.

        `team` is the one with which it was decided (see `decide_team`): its bank gets it back too.
        """
        if outcome == THROTTLED:
            return
        self._advance(now)
        if outcome == WITHIN:
            user.level = min(user.depth, user.level_at(self._now) + weight)
            user.filled_at = self._now
            if user.teams is not None:
                user.teams.give_back(team, weight, user.level, self._now)
        elif self._shared:
            self._spare.give_back(user, min(weight, self._room - max(0.0, self._system)))
            self._room = self._depth - self._spare.pool
            return
        self._system = min(self._room, self._system + weight)

    def retry_after(self, user: Account, weight: float, now: float, rank: int = 0, reserve: float = 0.0) -> int:
        """When a throttled request should come back: whole seconds, at least 1; takes a place in the User's line.

        Of a User with a profile (`set_profile`) each class has a line: `rank` and `reserve` are those of the request's.
        """
        if now < self._now:
            now = self._now
        spare = self._spare
        rate = user.allocation + spare.part(user)
        if rate > self._threshold:
            rate = self._threshold if self._threshold > user.allocation else user.allocation
        if rate < SLOWEST:
            rate = SLOWEST
        held = user.level if now == user.filled_at else user.level_at(now)
        if reserve > 0.0:
            held = held - reserve if held > reserve else 0.0
        credit = spare.credit(user)
        if credit > 0.0:
            held += credit
        if not user.profiled:
            return come_back_in(user, weight, now, rate, held, self._lump)
        told = come_back_in(place_of_class(user, rank), weight, now, rate, held, self._lump)
        put_behind(user, rank, weight / (rate * self._lump), now)
        return told

    def state(self, now: float) -> State:
        """Whether traffic management is active at `now` seconds, and since when.

        It begins with the first throttled request, and ends when for `calm_seconds` the bank that is charged with
        every request (the throttled ones too) was not in debt and nothing was throttled.
        """
        end = self._calm_at()
        if self._active and max(now, self._now) >= end:
            return State(active=False, since=end)
        return State(self._active, self._since)

    def at_a_refusal(self, user: Account) -> tuple[float, float, float, float | None]:
        """What stood against a request that was throttled just now, for whoever must explain it.

        What the bank holds that is charged with every request (SR; below 0: in debt), the User's part of the spare
        (SR/s), what it holds of it (SR), and since when traffic management is active (None: it is not).
        """
        spare = self._spare
        return self._offered, spare.part(user), spare.credit(user), self._since if self._active else None

    def _calm_at(self) -> float:
        """When traffic management ends, if nothing more happens, in seconds."""
        return max(self._throttled_at, self._clear_at) + self.limits.calm_seconds

    def _settle(self, now: float) -> None:
        """Note that traffic management has ended, if it has."""
        end = self._calm_at()
        if self._active and now >= end:
            self._active = False
            self._since = end

    def _advance(self, now: float) -> None:
        """Fill the banks up to `now`: what `decide` does in line."""
        if now > self._now:
            gained = (now - self._now) * self._threshold
            self._now = now
            self._offered = min(self._depth, self._offered + gained)
            system = self._system + gained
            if system > self._room:
                if self._shared:
                    self._spare.spilled += system - self._room
                system = self._room
            self._system = system

    def empty(self, now: float) -> None:
        """All banks hold nothing at `now` seconds, as if all had just been spent. Debts stay."""
        self._advance(now)
        self._spare.dissolve(self._now)
        self._room, self._shared = self._depth, False
        self._system, self._offered = min(0.0, self._system), min(0.0, self._offered)
        for user in self._accounts.values():
            user.level, user.filled_at = 0.0, self._now
            if user.teams is not None:
                user.teams.fit(0.0)

    def set_profile(self, user: Account, reserve: float | None, now: float, teams: Sequence[float] = ()) -> None:
        """Change what one User keeps for its more urgent requests (`reserve`, in SR), and its teams' parts.

        None: it has no profile. Its bank keeps its level as far as the depth allows, and nobody's sharing, level or
        line is touched: a User may do this as often as it likes.

        Raises:
            ValueError: the reserve, or the parts of the teams, cannot be. Nothing has changed.
        """
        check_reserve(reserve)
        self._advance(now)
        now = self._now
        banks = team_banks(teams, user.allocation, self.limits, now)
        before = user.deepest
        limits = self.limits
        on = on_top(banks, user.allocation, reserve, limits.burst_seconds, limits.heaviest)
        user.resize(Size.of(user.allocation, on, limits), now)
        take_profile(user, reserve, banks)
        self._floors(self.limits, user.deepest - before - self._floor)
        self._system = max(self._floor, self._system)
        self._offered = max(self._offered_floor, self._offered)

    def reconfigure(
        self,
        limits: Limits,
        allocations: Mapping[str, float],
        now: float,
        reserves: Mapping[str, float] = NO_RESERVES,
        teams: Mapping[str, Sequence[float]] = NO_TEAMS,
    ) -> None:
        """Take other limits and allocations. Users who stay keep what their banks hold, and so does the system.

        Raises:
            ValueError: the allocations add up to more than the maximum, one is negative, or the parts of somebody's
                teams cannot be. Nothing has changed.
        """
        _check(limits, allocations)
        for each in reserves.values():
            check_reserve(each)
        now = max(now, self._now)
        banks = {name: team_banks(parts, allocations[name], limits, now) for name, parts in teams.items()}
        self._advance(now)
        accounts: dict[str, Account] = {}
        sizes: dict[tuple[float, float], Size] = {}
        for name, allocation in allocations.items():
            reserve, own = reserves.get(name), banks.get(name)
            key = allocation, on_top(own, allocation, reserve, limits.burst_seconds, limits.heaviest)
            size = sizes.get(key) or sizes.setdefault(key, Size.of(*key, limits))
            account = self._accounts.get(name)
            if account is None:
                account = Account(name, size, now, self._count)
                self._count += 1
            else:
                account.resize(size, now)
            take_profile(account, reserve, own)
            account.deepest = account.depth
            accounts[name] = account
        lapsed = self._spare.dissolve(now)
        self._accounts = accounts
        self._take(limits, sum(account.depth for account in accounts.values()), self._spare.first)
        self._system = max(self._floor, min(self._depth, self._system + lapsed))
        self._offered = max(self._offered_floor, min(self._system, self._offered))

    def _take(self, limits: Limits, deepest: float = 0.0, first: int = 0) -> None:
        self.limits = limits
        self._threshold = limits.threshold
        self._calm = limits.calm_seconds
        self._lump = lump(limits.burst_seconds)
        self._depth = system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)
        self._floors(limits, deepest)
        self._room = self._depth
        self._spare: Fair | FirstCome = (Fair if limits.sharing == "fair" else FirstCome)(limits, self._now, first)
        self._shared = False

    def _floors(self, limits: Limits, deepest: float) -> None:
        """How deep the system's banks may go into debt, all allocation banks holding `deepest` SR together."""
        self._floor = -deepest
        self._offered_floor = -max(deepest, limits.threshold * limits.calm_seconds)


def _check(limits: Limits, allocations: Mapping[str, float]) -> None:
    for name, allocation in allocations.items():
        if not 0.0 <= allocation < float("inf"):
            raise ValueError(f"the allocation of {name} must be 0 SR/s or more, not {allocation!r}")
    total = sum(allocations.values())
    if total > limits.maximum * (1 + 1e-9):
        raise ValueError(
            f"the allocations add up to {total:g} SR/s, more than the maximum capacity of {limits.maximum:g} SR/s"
        )
