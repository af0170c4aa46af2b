"""From a configuration and what a record showed to a `World`: who is in it, and what had to be assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from sluicegate.allocation import Profile
from sluicegate.duis import CATALOGUE
from sluicegate.settings import Settings
from sluicegate.simulate.record.columns import moment
from sluicegate.simulate.replay.habits import Habit
from sluicegate.simulate.replay.rows import NOWHERE, OTHER_SRVS, Ints
from sluicegate.simulate.replay.survey import Survey, parts_of
from sluicegate.simulate.world import NO_CSP, Csp, Dsp, Flow, Kind, Retry, User, World
from sluicegate.throttle import Limits

Unknown = Literal["zero", "leave-out"]
UNKNOWN: Final[tuple[Unknown, ...]] = ("zero", "leave-out")
UNKNOWN_ROLE: Final = "unknown"

URGENT: Final = ("2.2", "2.5", "7.1", "7.3")
"""SRVs that count as urgent: without them somebody may stay without supply (top up, emergency credit, enable, arm)."""

SECOND_HALF: Final = 5  # Command Variant of a pre-command that is signed and sent

_BOUNDLESS: Final = 1e9  # SR/s: a CSP that nothing waits in
_DRAIN: Final = 3600.0


@dataclass(frozen=True)
class Setting:
    """A world, and how it was come by.

    flows: of each of `Survey.codes` the flow, -1 for what is left out. unknown: Users of the record that the
    configuration does not name. order: of each User of the world its number in the survey, -1 where it sent nothing.
    """

    world: World
    flows: Ints
    unknown: tuple[str, ...]
    order: Ints

    def with_profile(self, user: str, profile: Profile | None) -> Setting:
        """The same with another priority profile for one User."""
        users = tuple(replace(one, profile=profile) if one.name == user else one for one in self.world.users)
        return replace(self, world=replace(self.world, users=users))


def setting(
    survey: Survey, settings: Settings, habit: Habit, title: str, *, unknown: Unknown, dsp_capacity: float | None
) -> Setting:
    """The world of a replay. See docs/replay.md for what it assumes."""
    names = survey.reader.users.texts
    sent = [name for number, name in enumerate(names) if survey.outcomes[number].sum()]
    named = {user.name for user in settings.users}
    strangers = tuple(sorted(name for name in sent if name not in named))
    number = {name: place for place, name in enumerate(names)}
    users = _users(survey, settings, habit, strangers if unknown == "zero" else (), number)
    place_of = {user.name: place for place, user in enumerate(users)}
    kinds, kind_of = _kinds(survey, settings)
    csps = tuple(Csp(region, _BOUNDLESS) for region in sorted(survey.reader.regions.texts))
    csp_of = {csp.name: place for place, csp in enumerate(csps)}
    flows: list[Flow] = []
    numbers = []
    for user, srv, region in map(parts_of, survey.codes.tolist()):
        place = place_of.get(names[user], -1)
        numbers.append(len(flows) if place >= 0 else -1)
        if place >= 0:
            known = region != NOWHERE and not _ends_at_the_dsp(kinds[kind_of[srv]].srv)
            csp = csp_of[survey.reader.regions.texts[region]] if known else NO_CSP
            flows.append(Flow(place, kind_of[srv], csp))
    world = _world(survey, settings, habit, title, users, kinds, csps, flows, dsp_capacity)
    order = np.array([number.get(user.name, -1) for user in users], np.int64)
    return Setting(world, np.array(numbers, np.int32), strangers, order)


def _world(
    survey: Survey,
    settings: Settings,
    habit: Habit,
    title: str,
    users: tuple[User, ...],
    kinds: tuple[Kind, ...],
    csps: tuple[Csp, ...],
    flows: list[Flow],
    dsp_capacity: float | None,
) -> World:
    capacity = settings.capacity
    began = moment(survey.base)
    returning = any(user.retry.habit != "none" for user in users)
    return World(
        name="replay",
        title=title,
        seconds=survey.seconds,
        users=users,
        kinds=kinds,
        csps=csps,
        flows=tuple(flows),
        dsp=Dsp(dsp_capacity or capacity.maximum, math.inf),
        limits=Limits(
            maximum=capacity.maximum,
            threshold=capacity.operating_threshold,
            burst_seconds=capacity.burst_seconds,
            calm_seconds=capacity.calm_seconds,
            heaviest=capacity.heaviest,
            sharing=capacity.sharing,
        ),
        drain=_DRAIN if returning else 60.0,
        first_second=float(began.hour * 3600 + began.minute * 60),
        date=began.date().isoformat(),
        description="What recorded traffic would have met under another configuration. Times are UTC.",
        assumptions=assumptions(survey, settings, habit, users, dsp_capacity),
    )


def _users(
    survey: Survey, settings: Settings, habit: Habit, strangers: Sequence[str], number: dict[str, int]
) -> tuple[User, ...]:
    known = [(user.name, str(user.role), user.allocation, Profile.of_user(user)) for user in settings.users]
    strange = [(name, UNKNOWN_ROLE, 0.0, None) for name in strangers]
    return tuple(
        User(name, role, allocation, retry=_retry(survey, habit, number.get(name)), profile=profile)
        for name, role, allocation, profile in (*known, *strange)
    )


def _retry(survey: Survey, habit: Habit, number: int | None) -> Retry:
    if habit.name == "seen":
        return survey.shown[number].retry if number is not None else Retry("none", attempts=1)
    if habit.name in ("recorded", "none"):
        return Retry("none", attempts=1)
    return Retry(habit.name, first=habit.seconds)  # type: ignore[arg-type]


def _kinds(survey: Survey, settings: Settings) -> tuple[tuple[Kind, ...], list[int]]:
    """The kinds, in order of SRV; and of each SRV of the survey its kind."""
    texts = survey.reader.srvs.texts
    ordered = sorted(texts, key=_srv_order)
    place = {srv: at for at, srv in enumerate(ordered)}
    kinds = tuple(_kind(srv, settings.capacity.weights.get(srv, 1.0)) for srv in ordered)
    return kinds, [place[srv] for srv in texts]


def _srv_order(srv: str) -> tuple[int, ...]:
    return (10**6,) if srv == OTHER_SRVS else tuple(map(int, srv.split(".")))


def _kind(srv: str, weight: float) -> Kind:
    """Ranks: 0 urgent; 2 what the catalogue lets wait (scheduled, dated, or for no device); 1 all else."""
    variant = CATALOGUE.get(srv)
    name = f"{srv} {variant.name}" if variant else "Other SRVs" if srv == OTHER_SRVS else srv
    urgent = srv in URGENT
    patient = variant is not None and (
        variant.dcc_scheduled or variant.future_dated_at_dsp or variant.future_dated_at_device or variant.non_device
    )
    rank = 0 if urgent else 2 if patient else 1
    # Of a critical request the halves are one kind here: the second one's class, which is never below the first one's.
    halves = SECOND_HALF if variant is not None and variant.critical else 1
    return Kind(name, srv, halves, urgent=urgent, weight=weight, rank=rank, imposed=rank)


def _ends_at_the_dsp(srv: str) -> bool:
    variant = CATALOGUE.get(srv)
    return variant is not None and variant.non_device


def assumptions(
    survey: Survey, settings: Settings, habit: Habit, users: Sequence[User], dsp_capacity: float | None
) -> tuple[str, ...]:
    """What a reader of the result must know, in sentences."""
    capacity = f"{dsp_capacity or settings.capacity.maximum:g} SR/s"
    told = [
        "The first attempt of each request (told by the hash of its RequestID, for an hour) is what was wanted."
        if not habit.whole
        else "Every recorded attempt is replayed as it came, retries too, and nobody comes back otherwise. Rejected "
        "attempts are left out: no decision was taken on them.",
        _HABITS.get(habit.name, f"Every User's systems come back in one way: {habit}."),
        f"The DSP works off {capacity}, in order, with all the room that it needs, and does not fail.",
        "CSPs take no time and are never full: a record does not say what they can do.",
        "At the start of the record all banks are full, and traffic management is not active.",
        f"Urgent are {', '.join(URGENT)}, and in time is within 30 s.",
    ]
    if survey.resent:
        told.append(
            f"{survey.resent:,} recorded attempts came again though they had been let through; "
            + ("they are replayed." if habit.whole else "they are not replayed.")
        )
    if not settings.capacity.enforce or not all(user.enforce for user in settings.users):
        told.append("The replay enforces the allocations, also where the configuration says enforce = false.")
    if any(user.profile is not None for user in users):
        told.append(
            "Priority profiles and teams are those of the configuration. A record has no devices: a class or a team "
            "with `targets` is taken for one that nothing is in. Both halves of a critical request are in one "
            "class, that of the second."
        )
    if any(user.role == UNKNOWN_ROLE for user in users):
        told.append("Users that the configuration does not name hold an allocation of 0.")
    return tuple(told)


_HABITS: Final = {
    "seen": "A User's systems behave as the record shows: where at least half of the requests that were throttled at "
    "first came again, they come back after the median of the intervals seen, as often as at most one request did. "
    "Where not, or where nothing was ever throttled, they do not come back.",
    "recorded": "The intervals between attempts stay as they were recorded.",
    "none": "Nobody comes back: what is throttled is given up.",
}
