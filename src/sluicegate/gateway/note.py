"""What the traffic record and a trace are to say of one request, gathered on its way through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.gateway.carriage import Carriage
    from sluicegate.gateway.tracing import Trace, Tracing
    from sluicegate.operations.record import Recorder

DECIDED: Final = {WITHIN: "within", EXCESS: "excess", THROTTLED: "throttled"}


class Note:
    """One request of a known User.

    Attributes:
        outcome: `rejected` until it is decided; `csp-backlog` where it is refused for its CSP, undecided.
        upstream_status: of the upstream's answer, once its head has come.
        sent_at: when it was forwarded, in seconds of the monotonic clock, where the upstream may have seen it; or 0.
        latency: seconds from forwarding to the head of the answer.
    """

    __slots__ = (
        "_header",
        "_recorder",
        "_started",
        "_trace",
        "_user",
        "latency",
        "outcome",
        "sent_at",
        "upstream_status",
    )

    def __init__(
        self, recorder: Recorder | None, trace: Trace | None, started: float, user: str, header: Header
    ) -> None:  # fmt: skip
        self._recorder = recorder
        self._trace = trace
        self._started = started
        self._user = user
        self._header = header
        self.outcome = "rejected"
        self.upstream_status: int | None = None
        self.sent_at = 0.0
        self.latency: float | None = None

    def answered(self, status: int, sent_at: float, latency: float) -> None:
        """The head of the upstream's answer has come."""
        self.upstream_status, self.sent_at, self.latency = status, sent_at, latency

    def end(self, size: int, status: int | None) -> None:
        """Nothing more will happen to it: `size` octets of body came, and the User got `status` (None: it had left)."""
        if self._trace is not None:
            self._trace.end(self, size, status)
        if self._recorder is not None:
            self._recorder.take(
                (
                    self._started,
                    self._user,
                    self._header,
                    size,
                    self.outcome,
                    status,
                    self.upstream_status,
                    self.latency,
                )
            )


class Noting:
    """Who makes notes of requests: for the traffic record, of all; for traces, of those that are sampled."""

    __slots__ = ("_recorder", "_tracing")

    def __init__(self, recorder: Recorder | None, tracing: Tracing | None) -> None:
        self._recorder = recorder
        self._tracing = tracing

    def of(self, carriage: Carriage, started: float, user: str, header: Header) -> Note | None:
        """A note of a request that has been read; None where nobody wants one."""
        trace = self._tracing.begin(carriage, started, user, header) if self._tracing is not None else None
        if trace is None and self._recorder is None:
            return None
        return Note(self._recorder, trace, started, user, header)
