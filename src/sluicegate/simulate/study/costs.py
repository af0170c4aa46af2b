"""What a policy costs in a year, as far as the scenario gives prices: both sides of the business case."""

from typing import Any

from sluicegate.simulate.measures import Entry, Measures
from sluicegate.simulate.policy import Policy
from sluicegate.simulate.world import Prices, User, World


def costs(world: World, policy: Policy, entry: Entry, measures: Measures) -> dict[str, Any] | None:
    """`costs` of a policy, in pounds; None where the scenario has no prices.

    capacity: of the whole DSP, as the policy has it, for a year. What happened in the run counts `days_like_this`
    times. outages: minutes of outage. late: urgent SRs that were delivered after `in_time`. undelivered: SRs that ended
    otherwise than delivered, or had not ended with the run (no SR is both). delay: hours by which deliveries came
    after `in_time`, summed over SRs. change: what Users pay once to adapt their systems (see `must_change`), all of it
    in this year. What cannot be said of one User (capacity, outages) is missing under `users`.
    """
    prices = world.prices
    if prices is None:
        return None
    hours, late = measures.late_hours(), measures.urgent_late()
    users = {
        user.name: _of_user(prices, entry["users"][user.name], late[user.name], hours[user.name], policy, user)
        for user in world.users
    }
    summed = {
        name: _pounds(sum(one[name] for one in users.values())) for name in ("late", "undelivered", "delay", "change")
    }
    shared = {
        "capacity": _pounds(prices.capacity_per_sr_s_year * world.dsp.capacity * policy.capacity),
        "outages": _pounds(prices.outage_minute * entry["dsp"]["outage_minutes"] * prices.days_like_this),
    }
    return {**shared, **summed, "total_year": _pounds(sum(shared.values()) + sum(summed.values())), "users": users}


def must_change(policy: Policy, user: User) -> bool:
    """Whether a User has to adapt its systems to the policy.

    Under policies that throttle at the gate, Users whose systems neither honour `Retry-After` nor send what is most
    urgent first: they would lose their place, or waste it. With own-priority the gateway keeps places for the urgent,
    so that systems can stay as they are. More capacity, and what is done behind the gate, asks nothing of Users.
    """
    throttles = bool(policy.sharing) or policy.imposed
    ready = user.retry.habit == "honour" or user.retry.order == "priority"
    return throttles and not policy.own_priority and not ready


def _of_user(prices: Prices, row: Entry, late: int, hours: float, policy: Policy, user: User) -> dict[str, float]:
    days = prices.days_like_this
    found = {
        "late": _pounds(prices.urgent_late * late * days),
        "undelivered": _pounds(prices.undelivered * (row["offered"] - row["delivered"]) * days),
        "delay": _pounds(prices.delay_hour * hours * days),
        "change": _pounds(user.change if must_change(policy, user) else 0.0),
    }
    return {**found, "total_year": _pounds(sum(found.values()))}


def _pounds(figure: float) -> float:
    return round(figure, 2) + 0.0
