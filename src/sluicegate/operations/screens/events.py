"""The timeline: what has changed at the gateway, noticed by looking once a second. In memory, and bounded."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sluicegate.operations.status import Rates, above
from sluicegate.settings.problems import figure

if TYPE_CHECKING:
    from sluicegate.operations.watch import Watched

MOST: Final = 300
MOST_NAMED: Final = 3


class Event(NamedTuple):
    """`tone`: calm, warm or bad; `at`: seconds since 1970."""

    seq: int
    at: float
    tone: str
    said: str


class Look(NamedTuple):
    """What is compared from one second to the next."""

    active: bool
    breaker: str
    maximum: float
    threshold: float
    factor: float
    enforce: bool
    failing: str
    record: str
    reload_error: str | None
    full: frozenset[str]
    controls: tuple[tuple[int, str], ...]
    draining: bool
    alone: bool


class Timeline:
    """The last events. For the event loop of the gateway."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST)
        self._last: Look | None = None
        self.seq = 0

    def look(self, watched: Watched, rates: Rates, now: float, wall: float) -> None:
        """Compare with the last second. `now` is of the monotonic clock, `wall` in seconds since 1970."""
        look, last = _look(watched, now), self._last
        self._last = look
        if last is None:
            self.add(wall, "calm", "This gateway has started.")
            last = look._replace(
                active=False, breaker="closed", failing="", record="", full=frozenset(), controls=(), alone=False
            )
        for tone, said in _changes(last, look):
            if said == ACTIVE:
                said += _who(watched, rates)  # noqa: PLW2901
            self.add(wall, tone, said)

    def add(self, wall: float, tone: str, said: str) -> None:
        """One event."""
        self.seq += 1
        self._events.append(Event(self.seq, wall, tone, said))

    def told(self) -> list[dict[str, Any]]:
        """The newest first, ready for JSON."""
        return [one._asdict() for one in reversed(self._events.copy())]


ACTIVE: Final = "Traffic management is active."


def _look(watched: Watched, now: float) -> Look:
    capacity, pressure, recorder = watched.settings.capacity, watched.backpressure, watched.recorder
    accounts, governed = watched.accounts, getattr(watched, "governed", None)
    told = watched.ledger.told(now)
    return Look(
        watched.ledger.state(now).active,
        watched.breaker_state,
        capacity.maximum,
        capacity.operating_threshold,
        watched.ledger.factor,
        capacity.enforce,
        accounts.failing if accounts is not None else "",
        recorder.stopped or "" if recorder is not None else "",
        watched.last_reload_error,
        frozenset(pressure.csps) if pressure is not None else frozenset(),
        tuple((one.seq, f"{one.kind}{f' of {one.user}' if one.user else ''}, by {one.who}: {one.reason}")
              for one in governed.controls) if governed is not None else (),
        watched.draining,
        told is not None and told.answered and told.alone is not None,
    )  # fmt: skip


def _changes(last: Look, now: Look) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def note(tone: str, said: str) -> None:
        found.append((tone, said))

    if now.active != last.active:
        note(*(("warm", ACTIVE) if now.active else ("calm", "Traffic management is over: nobody is limited.")))
    if now.breaker != last.breaker and "closed" in (now.breaker, last.breaker):
        closed = now.breaker == "closed"
        note("calm" if closed else "bad", "The DSP is reached again." if closed else "The DSP cannot be reached.")
    for name, before, after in (
        ("Maximum capacity", last.maximum, now.maximum),
        ("Operating threshold", last.threshold, now.threshold),
    ):
        if before != after:
            note("warm", f"{name}: {figure(after)} SR/s, it was {figure(before)}.")
    if now.factor != last.factor:
        cut = f"Every allocation is cut to {now.factor:.1%} of what it is." if now.factor < 1 else ""
        note("bad" if cut else "calm", cut or "Allocations count in full again.")
    if now.enforce != last.enforce:
        note("warm", "Throttled requests are refused." if now.enforce else "Observing only: nothing is refused.")
    if bool(now.failing) != bool(last.failing):
        note(
            *(
                ("bad", f"The operations database fails: {now.failing}")
                if now.failing
                else ("calm", "The operations database works again.")
            )
        )
    if now.record and not last.record:
        note("bad", f"The traffic record has stopped: {now.record}")
    if now.reload_error and now.reload_error != last.reload_error:
        note("warm", f"A reload was refused: {now.reload_error}")
    for csp in sorted(now.full ^ last.full):
        full = csp in now.full
        note(
            "warm" if full else "calm",
            f"CSP {csp} is full: it takes no more from some." if full else f"CSP {csp} takes requests again.",
        )
    before_, after_ = dict(last.controls), dict(now.controls)
    for seq, said in after_.items():
        if seq not in before_:
            note("warm", f"Control put: {said}")
    for seq, said in before_.items():
        if seq not in after_:
            note("calm", f"Control ended: {said}")
    if now.alone != last.alone:
        note(*(("bad", "The ledger is away: this worker decides by its share.") if now.alone
               else ("calm", "The ledger answers again.")))  # fmt: skip
    if now.draining and not last.draining:
        note("warm", "This gateway is stopping.")
    return found


def _who(watched: Watched, rates: Rates) -> str:
    """Who was above its allocation at that moment, the worst first."""
    found = sorted(above(watched, rates), key=lambda one: one.allocation - one.offered)
    if not found:
        return ""
    named = ", ".join(
        f"{one.user} ({figure(round(one.offered, 1))} of {figure(one.allocation)} SR/s)" for one in found[:MOST_NAMED]
    )
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f" Above their allocation: {named}{more}."
