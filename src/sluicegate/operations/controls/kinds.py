"""The kinds of controls: what each needs, and what it will do, in a sentence for the one who confirms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sluicegate.allocation import Overlay
from sluicegate.settings import Settings
from sluicegate.settings.problems import figure

OBSERVE, ENFORCE = "observe", "enforce"
OBSERVE_USER = "observe-user"
EMERGENCY, THRESHOLD = "emergency-capacity", "lowered-threshold"
TEMPORARY, DRILL = "temporary-allocation", "drill"

MOST_REASON: Final = 500  # characters
LONGEST: Final = 366 * 86_400  # seconds
LONGEST_DRILL: Final = 3600  # seconds


class Kind(NamedTuple):
    """What a control needs. `user`, `value`: whether it names one; `ends`: whether it must say until when."""

    user: bool
    value: bool
    ends: bool


KINDS: Final[dict[str, Kind]] = {
    OBSERVE: Kind(user=False, value=False, ends=False),
    ENFORCE: Kind(user=False, value=False, ends=False),
    OBSERVE_USER: Kind(user=True, value=False, ends=False),
    EMERGENCY: Kind(user=False, value=True, ends=False),
    THRESHOLD: Kind(user=False, value=True, ends=True),
    TEMPORARY: Kind(user=True, value=True, ends=True),
    DRILL: Kind(user=True, value=True, ends=True),
}


class Wanted(NamedTuple):
    """A control that somebody wants.

    `value`: SR/s, of a drill the part of requests. `seconds`: for how long; None: until it is ended.
    """

    kind: str
    user: str | None = None
    value: float | None = None
    seconds: float | None = None


class Unfit(ValueError):  # noqa: N818 - named after what it is
    """It cannot be; `str()` says what to do."""


def check(wanted: Wanted, settings: Settings) -> None:
    """Whether a control can be, by the settings in force. Raises Unfit."""
    needs = KINDS.get(wanted.kind)
    if needs is None:
        raise Unfit(f"there is no control {wanted.kind[:40]!r}: there are {', '.join(KINDS)}")
    for what, needed, given in (
        ("user", needs.user, wanted.user is not None),
        ("value", needs.value, wanted.value is not None),
    ):
        if needed != given:
            raise Unfit(
                f"{wanted.kind} needs a {what}" if needed else f"{wanted.kind} is for everybody: leave {what} out"
            )
    if wanted.user is not None and all(user.name != wanted.user for user in settings.users):
        raise Unfit(f"{wanted.user[:60]!r} is no User of the configuration")
    longest = LONGEST_DRILL if wanted.kind == DRILL else LONGEST
    if needs.ends and wanted.seconds is None:
        raise Unfit(f"{wanted.kind} must say for how long: seconds, at most {longest:,}")
    if wanted.seconds is not None and not 1 <= wanted.seconds <= longest:
        raise Unfit(f"seconds must be at least 1 and at most {longest:,}")
    if wanted.value is not None:
        _check_value(wanted.kind, wanted.value, settings)


def _check_value(kind: str, value: float, settings: Settings) -> None:
    capacity = settings.capacity
    if kind == DRILL:
        if not 0 < value <= 1:
            raise Unfit("the part of requests that a drill throttles is above 0 and at most 1")
    elif kind == TEMPORARY:
        if not 0 <= value <= capacity.maximum:
            raise Unfit(f"a temporary allocation is 0 to {figure(capacity.maximum)} SR/s, the maximum capacity")
    elif not 0.001 <= value <= 10_000_000:
        raise Unfit("a capacity is 0.001 to 10,000,000 SR/s")
    if kind == THRESHOLD and value > capacity.operating_threshold:
        raise Unfit(f"the operating threshold is {figure(capacity.operating_threshold)} SR/s: name a lower one")


def meaning(wanted: Wanted, settings: Settings) -> str:
    """What it will do, for the one who confirms it."""
    capacity, value = settings.capacity, figure(wanted.value or 0.0)
    total = sum(user.allocation for user in settings.users)
    until = f" It ends by itself after {figure(wanted.seconds)} s." if wanted.seconds is not None else ""
    if wanted.kind == OBSERVE:
        return f"Nothing is refused any more, for all {len(settings.users)} Users: the DSP gets whatever comes.{until}"
    if wanted.kind == ENFORCE:
        return f"Throttled requests are refused again, of all {len(settings.users)} Users that are not observed.{until}"
    if wanted.kind == OBSERVE_USER:
        return (
            f"Nothing of {wanted.user} is refused any more: what it sends beyond its allocation reaches the DSP.{until}"
        )
    if wanted.kind == EMERGENCY:
        cut = min(1.0, (wanted.value or 0.0) / total) if total else 1.0
        what = "no allocation is cut" if cut == 1.0 else f"every allocation is cut to {cut:.1%} of what it is, at once"
        return f"The maximum capacity is {value} SR/s instead of {figure(capacity.maximum)}: {what}.{until}"
    if wanted.kind == THRESHOLD:
        return (
            f"Traffic management begins at {value} SR/s instead of {figure(capacity.operating_threshold)}; "
            f"allocations stay as they are.{until}"
        )
    if wanted.kind == TEMPORARY:
        now = next(user.allocation for user in settings.users if user.name == wanted.user)
        after = total - now + (wanted.value or 0.0)
        more = ""
        if after > capacity.maximum:
            more = f" The sum would be {figure(after)} SR/s: every allocation is cut to {capacity.maximum / after:.1%}."
        return f"{wanted.user} has {value} SR/s instead of {figure(now)}.{more}{until}"
    return f"{(wanted.value or 0.0):.0%} of what {wanted.user} sends is throttled, whatever the load is.{until}"


class Control(NamedTuple):
    """One that counts. Times are microseconds since 1970."""

    seq: int
    kind: str
    user: str | None
    value: float | None
    made_at: int
    until: int | None
    who: str
    reason: str


def overlay_of(controls: Sequence[Control], allocations: dict[str, float] | None = None) -> Overlay:
    """What controls (the oldest first) and an allocation book come to together."""
    enforce: bool | None = None
    values: dict[str, float] = {}
    for one in controls:
        if one.kind in (OBSERVE, ENFORCE):
            enforce = one.kind == ENFORCE
        elif one.user is None and one.value is not None:
            values[one.kind] = one.value
    return Overlay(
        allocations=allocations,
        maximum=values.get(EMERGENCY),
        threshold=values.get(THRESHOLD),
        enforce=enforce,
        observed=frozenset(one.user for one in controls if one.kind == OBSERVE_USER and one.user),
        temporary=_by_user(controls, TEMPORARY),
        drills=_by_user(controls, DRILL),
    )


def _by_user(controls: Iterable[Control], kind: str) -> dict[str, float]:
    return {one.user: one.value for one in controls if one.kind == kind and one.user and one.value is not None}
