"""A dry run of a priority profile: which of a User's recorded requests would have gone the other way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluicegate.allocation import Profile
from sluicegate.settings import Settings
from sluicegate.simulate.record import Record, open_record
from sluicegate.simulate.record.columns import moment
from sluicegate.simulate.replay.habits import Habit
from sluicegate.simulate.replay.replay import own_policy
from sluicegate.simulate.replay.rows import Reader
from sluicegate.simulate.replay.source import Replayed
from sluicegate.simulate.replay.survey import survey
from sluicegate.simulate.replay.world import Setting, setting
from sluicegate.simulate.run import Output, run

MOST_ROWS: Final = 1000
"""Requests that are named one by one; all are counted."""

HOUR: Final = timedelta(hours=1)

Row = tuple[float, str]
"""A request that was throttled: seconds since the record's first, and its SRV."""


@dataclass(frozen=True)
class Turned:
    """One request that would have gone the other way. `passes`: it was throttled, and would have passed."""

    at: datetime
    srv: str
    name: str
    passes: bool


@dataclass(frozen=True)
class OtherWay:
    """What a profile would have changed for its User, in requests.

    classes: of each class by name ("": what is in none), throttled without and with the profile.
    turned: the first MOST_ROWS requests that would have gone the other way, in order of time.
    passes, throttled: how many would have passed that did not, and the other way round.
    """

    classes: dict[str, tuple[int, int]]
    passes: int
    throttled: int
    turned: tuple[Turned, ...]


def last_hour(name: str, since: datetime | None = None, until: datetime | None = None) -> Record:
    """A record, from a time on; its last hour where none is said. Raises RecordError."""
    whole = open_record(name, since=since, until=until)
    if since is not None or whole.span is None:
        return whole
    return open_record(name, since=whole.span.last - HOUR, until=until)


def other_way(
    record: Record,
    settings: Settings,
    user: str,
    profile: Profile | None,
    reached: Callable[[float], None] = lambda _part: None,
) -> OtherWay:
    """Replay the record as it came, with the profile that the settings have for this User and with another one.

    Only this User's requests are told of; the others' are replayed too, for what is spare depends on them. A record
    does not say what would have come back later, or not: every recorded attempt is decided on where it stands.

    Raises:
        KeyError: no such User.
        RecordError: a record that cannot be replayed.
    """
    if user not in {one.name for one in settings.users}:
        raise KeyError(user)
    own = own_policy(settings)
    found = survey(record, Reader(frozenset(settings.capacity.weights)), lambda part: reached(part / 3), whole=True)
    plan = setting(found, settings, Habit("recorded"), "profile", unknown="zero", dsp_capacity=None)
    before: Counter[Row] = Counter()
    after: Counter[Row] = Counter()
    for step, (throttled, world) in enumerate(((before, plan.world), (after, plan.with_profile(user, profile).world))):
        horizon = world.seconds + world.drain
        mine = _of_user(plan, user, throttled)
        run(
            world, own, Replayed(record, found, plan.flows, 0.0), 1, mine,
            lambda at, _, s=step, h=horizon: reached((1 + s + min(1.0, at / h)) / 3),  # type: ignore[misc]
        )  # fmt: skip
    variants = {kind.srv: kind.command_variant for kind in plan.world.kinds}
    return _told(found.base, profile or Profile(), variants, before, after)


def _of_user(plan: Setting, user: str, throttled: Counter[Row]) -> Callable[[object, Output], None]:
    world = plan.world
    srv = {
        number: world.kinds[flow.kind].srv
        for number, flow in enumerate(world.flows)
        if world.users[flow.user].name == user
    }

    def take(_: object, output: Output) -> None:
        for at, flow in zip(output.throttled.at.tolist(), output.throttled.flow.tolist(), strict=True):
            if flow in srv:
                throttled[at, srv[flow]] += 1

    return take


def _told(
    base: int, profile: Profile, variants: Mapping[str, int], before: Counter[Row], after: Counter[Row]
) -> OtherWay:
    """`variants`: of each SRV the Command Variant that it was replayed with."""
    names = [*(one.name for one in profile.classes), ""]

    def name(srv: str) -> str:
        return names[profile.place(srv, variants[srv], "")[0]]

    classes = {
        one: (
            sum(count for (_, srv), count in before.items() if name(srv) == one),
            sum(count for (_, srv), count in after.items() if name(srv) == one),
        )
        for one in names
    }
    passing, stopped = before - after, after - before
    turned = sorted(
        (at, srv, passes) for rows, passes in ((passing, True), (stopped, False)) for at, srv in rows.elements()
    )[:MOST_ROWS]
    return OtherWay(
        classes,
        passing.total(),
        stopped.total(),
        tuple(Turned(moment(base + round(at * 1e6)), srv, name(srv), passes) for at, srv, passes in turned),
    )
