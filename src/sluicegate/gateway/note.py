"""What the traffic record is to say of one request, gathered on its way through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

if TYPE_CHECKING:
    from sluicegate.duis import Header
    from sluicegate.operations.record import Recorder

DECIDED: Final = {WITHIN: "within", EXCESS: "excess", THROTTLED: "throttled"}


class Note:
    """One request of a known User.

    Attributes:
        outcome: `rejected` until it is decided; `csp-backlog` where it is refused for its CSP, undecided.
        upstream_status: of the upstream's answer, once its head has come.
        latency: seconds from forwarding to that.
    """

    __slots__ = ("_header", "_recorder", "_started", "_user", "latency", "outcome", "upstream_status")

    def __init__(self, recorder: Recorder, started: float, user: str, header: Header) -> None:
        self._recorder = recorder
        self._started = started
        self._user = user
        self._header = header
        self.outcome = "rejected"
        self.upstream_status: int | None = None
        self.latency: float | None = None

    def end(self, size: int, status: int | None) -> None:
        """Nothing more will happen to it: `size` octets of body came, and the User got `status` (None: it had left)."""
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
