"""What dispatcher and gateway say of themselves, read with suspicion: a missing figure is 0."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sluicegate.simulate.demo.statuses import json_object, number

_BREAKERS = ("closed", "open", "half-open", "busy")


@dataclass(frozen=True)
class CspStatus:
    """One CSP, as the dispatcher sees it. ``failed`` are attempts."""

    breaker: str = "closed"
    backlog: int = 0
    delivered: int = 0
    failed: int = 0
    full: bool = False
    oldest: float = 0.0
    """Seconds."""


@dataclass(frozen=True)
class DispatcherStatus:
    """``GET /api/v1/status`` of the dispatcher."""

    csps: Mapping[str, CspStatus] = field(default_factory=dict)
    responses_open: int = 0
    """Responses on their way to Users."""

    @property
    def open(self) -> int:
        """All that is on its way."""
        return self.responses_open + sum(csp.backlog for csp in self.csps.values())

    @classmethod
    def read(cls, body: bytes) -> "DispatcherStatus":
        """Raises ValueError when ``body`` is not a status document at all."""
        document = json_object(body)
        csps, users = ({} if not isinstance(part := document.get(key), dict) else part for key in ("csps", "users"))
        return cls(
            {str(name): _csp(csp) for name, csp in csps.items()},
            int(sum(number(user, "backlog") for user in users.values())),
        )


def _csp(document: object) -> CspStatus:
    told = document if isinstance(document, dict) else {}
    breaker = told.get("breaker")
    return CspStatus(
        breaker if breaker in _BREAKERS else "none",
        int(number(told, "backlog")),
        int(number(told, "delivered")),
        int(number(told, "failed")),
        told.get("full") is True,
        number(told, "oldest_seconds"),
    )


def refused_by_csp(body: bytes) -> Mapping[str, int]:
    """From the gateway's status: how many requests it refused because a CSP is behind, by CSP.

    Raises ValueError when ``body`` is not a status document at all.
    """
    refused: Counter[str] = Counter()
    users = json_object(body).get("users")
    for user in users if isinstance(users, list) else []:
        by_csp = user.get("refused_by_csp") if isinstance(user, dict) else None
        for name in by_csp if isinstance(by_csp, dict) else ():
            refused[str(name)] += int(number(by_csp, name))
    return refused
