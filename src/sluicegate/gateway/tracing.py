"""Which requests are traced, and what their spans say."""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final, NamedTuple

from sluicegate.operations.telemetry.span import (
    Attributes,
    Parent,
    Span,
    new_id,
    read_traceparent,
    written_traceparent,
)

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.gateway.carriage import Carriage
    from sluicegate.gateway.note import Note
    from sluicegate.settings import Upstream

NAME: Final = "service request"
_DELIBERATE: Final = frozenset(("throttled", "csp-backlog"))
"""Outcomes whose 503 says that traffic management works, and not that something is broken."""
_METHOD: Final = ("http.request.method", "POST")


class Sampler:
    """Chooses requests as they come, so that those that are not chosen cost no more than that.

    Args:
        share: of all requests, 0 to 1.
        asked_per_second: at most so many a second are chosen because their sender records them; a second's worth may
            come at once. Those above are chosen like the rest: nobody else decides how much is traced here.
        chance: a number of 0 to 1, below 1.

    Attributes:
        hears: whether what senders ask for counts at all.
    """

    __slots__ = ("_at", "_chance", "_level", "_rate", "_share", "hears")

    def __init__(self, share: float, asked_per_second: float, chance: Callable[[], float] = random) -> None:
        self._share = share
        self._rate = asked_per_second
        self.hears = asked_per_second > 0
        self._level = max(asked_per_second, 1.0)
        self._at: float | None = None
        self._chance = chance

    def draw(self) -> bool:
        """Whether the next request is among the share."""
        return self._chance() < self._share

    def takes(self, drawn: bool, parent: Parent | None, now: float) -> bool:
        """Whether a request is traced. A parent that is not recorded is not extended.

        Args:
            drawn: whether it is among the share.
            parent: what its sender says.
            now: seconds of the monotonic clock.
        """
        if parent is None:
            return drawn
        return parent.sampled and (drawn or (self.hears and self._asked(now)))

    def _asked(self, now: float) -> bool:
        if self._at is not None and now > self._at:
            self._level = min(max(self._rate, 1.0), self._level + (now - self._at) * self._rate)
        self._at = now if self._at is None else max(now, self._at)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


class Tracing:
    """Begins traces. A part of the desk for as long as the gateway runs.

    Args:
        sampler: which requests.
        take: is given each span when it has ended.
        active: whether traffic management is active.
        upstream: where requests go.
    """

    def __init__(
        self,
        sampler: Sampler,
        take: Callable[[Span], None],
        active: Callable[[], bool],
        upstream: Callable[[], Upstream],
    ) -> None:
        self._sampler = sampler
        self.take = take
        self._active = active
        self.upstream = upstream

    def begin(self, carriage: Carriage, started: float, user: str, header: Header) -> Trace | None:
        """The trace of a request that has been read at `started`; None where it is not sampled.

        The upstream is told the span that it stands below. Where there is no trace it gets what the sender wrote.
        """
        head, sampler = carriage.head, self._sampler
        drawn = sampler.draw()
        if head is None or not (drawn or (sampler.hears and head.traceparent is not None)):
            return None  # nearly every request: what its sender says is not even read
        parent = read_traceparent(head.traceparent)
        if not sampler.takes(drawn, parent, started):
            return None
        about: Attributes = (
            _METHOD,
            ("sluicegate.user", user),
            ("sluicegate.srv", header.srv),
            ("sluicegate.duis_version", str(header.version)),
            ("sluicegate.state", "active" if self._active() else "normal"),
        )
        trace = Trace(self, parent, started, about)
        carriage.head = head.traced(trace.goes_on, keep_state=parent is not None)
        carriage.known = None  # the head that goes on is its own
        return trace


class _Ids(NamedTuple):
    """Of the trace, of the sender's span (empty: there is none), and of the two spans that are ours."""

    trace: bytes
    above: bytes
    own: bytes
    below: bytes


class Trace:
    """One traced request: a span from its header to its answer, and below it one at the upstream.

    Attributes:
        goes_on: the `traceparent` for the upstream.
    """

    __slots__ = ("_about", "_ids", "_started", "_tracing", "_wall", "goes_on")

    def __init__(self, tracing: Tracing, parent: Parent | None, started: float, about: Attributes) -> None:
        trace, above = (parent.trace, parent.span) if parent is not None else (new_id(16), b"")
        self._ids = _Ids(trace, above, new_id(8), new_id(8))
        self._tracing = tracing
        self._about = about
        self._started = started
        self._wall = time_ns() - round((monotonic() - started) * 1e9)
        self.goes_on = written_traceparent(trace, self._ids.below)

    def end(self, note: Note, size: int, status: int | None) -> None:
        """The request has ended: `size` octets of body came, and the User got `status` (None: it had left)."""
        ids, now = self._ids, monotonic()
        self._tracing.take(self._own(note, size, status, now))
        if not note.sent_at:
            return
        upstream, got = self._tracing.upstream(), note.upstream_status
        about: Attributes = (_METHOD, ("server.address", upstream.host), ("server.port", upstream.port))
        until = now if note.latency is None else note.sent_at + note.latency
        wrong = "it did not answer" if got is None else f"it answered {got}" if got >= 500 else ""
        if got is not None:
            about = (*about, ("http.response.status_code", got))
        self._tracing.take(
            Span(
                ids.trace,
                ids.below,
                ids.own,
                "upstream",
                "client",
                self._at(note.sent_at),
                self._at(until),
                about,
                wrong,
            )
        )

    def _own(self, note: Note, size: int, status: int | None, now: float) -> Span:
        ids = self._ids
        about = (*self._about, ("sluicegate.outcome", note.outcome), ("http.request.body.size", size))
        wrong = "the sender left before the answer"
        if status is not None:
            about = (*about, ("http.response.status_code", status))
            wrong = f"answered {status}" if status >= 500 and note.outcome not in _DELIBERATE else ""
        return Span(ids.trace, ids.own, ids.above, NAME, "server", self._at(self._started), self._at(now), about, wrong)

    def _at(self, seconds: float) -> int:
        """Nanoseconds since 1970 UTC of a time of the monotonic clock."""
        return self._wall + round((seconds - self._started) * 1e9)
