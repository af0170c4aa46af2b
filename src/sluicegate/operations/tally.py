"""What is counted. Plain numbers that the event loop alone writes; whoever asks derives rates and metrics from them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal

MOST_VERSIONS = 32  # distinct DUIS versions told apart for one User
MOST_SRVS = 256  # distinct SRVs told apart for one User between two looks
OTHER_SRVS = "other"


class Tally:
    """The counters of one User, since the process started.

    Attributes:
        within, excess, throttled: decided requests by outcome.
        drilled: of the throttled, those of a drill.
        passed: throttled requests that went through all the same, because nothing is enforced.
        rejected: refused for another reason than throttling, after the User was known.
        refused_by_csp: refused undecided because the CSP of that name is full.
        answered_429, answered_503: throttled answers by status.
        versions: requests by the DUIS version of the message.
        classes: of a User with a profile: within, excess, throttled of each class by name, and ("") of what is in none.
        srvs: within, excess, throttled of each SRV, since `take_srvs` was called last.
    """

    __slots__ = (
        "answered_429",
        "answered_503",
        "classes",
        "drilled",
        "excess",
        "passed",
        "refused_by_csp",
        "rejected",
        "srvs",
        "throttled",
        "versions",
        "within",
    )

    def __init__(self) -> None:
        self.within = self.excess = self.throttled = self.passed = self.rejected = self.drilled = 0
        self.answered_429 = self.answered_503 = 0
        self.versions: dict[Decimal, int] = {}
        self.refused_by_csp: dict[str, int] = {}
        self.classes: list[tuple[str, list[int]]] = []
        self.srvs: dict[str, list[int]] = {}

    def has_classes(self, names: Sequence[str] | None) -> None:
        """The classes of the User's profile, the most urgent first; None: it has no profile. Counts go by the name."""
        before = dict(self.classes)
        self.classes = [] if names is None else [(name, before.get(name) or [0, 0, 0]) for name in (*names, "")]

    def saw_version(self, version: Decimal) -> None:
        """Count one message of this DUIS version; beyond MOST_VERSIONS a new one is not told apart."""
        versions = self.versions
        if version in versions:
            versions[version] += 1
        elif len(versions) < MOST_VERSIONS:
            versions[version] = 1

    def saw_srv(self, srv: str) -> list[int]:
        """Where to count the outcomes of an SRV that is not in `srvs`; beyond MOST_SRVS it is not told apart."""
        name = srv if len(self.srvs) < MOST_SRVS else OTHER_SRVS
        return self.srvs.setdefault(name, [0, 0, 0])

    def take_srvs(self) -> dict[str, list[int]]:
        """What was counted by SRV since the last time. For the event loop, and for one who asks."""
        srvs = self.srvs
        if srvs:
            self.srvs = {}
        return srvs

    def refuse_for(self, csp: str) -> None:
        """Count one request that is refused because its CSP is full. There are as many CSPs as routes lead to."""
        self.refused_by_csp[csp] = self.refused_by_csp.get(csp, 0) + 1

    def outcomes(self) -> tuple[int, int, int, int, int]:
        """within, excess, throttled, rejected, refused because a CSP is full."""
        of_csps = self.refused_by_csp
        refused = sum(tuple(of_csps.values())) if of_csps else 0  # a tuple: a thread asks, while the event loop counts
        return self.within, self.excess, self.throttled, self.rejected, refused


class Histogram:
    """Observations in seconds, by bucket. An observation costs one bisection and two additions."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


DECISION_BOUNDS = (1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 1e-3, 1e-2)
UPSTREAM_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Totals:
    """The counters of the gateway as a whole.

    Attributes:
        refused: our own refusals by problem (`throttled`, `malformed`, ...).
        upstream: the upstream's answers by status.
        decision: seconds that reading the header and deciding took.
        response: seconds from forwarding a request to the head of the upstream's answer.
        asked_http, asked_grpc: questions of proxies, by external authorisation and by the Rate Limit Service.
    """

    __slots__ = (
        "abandoned",
        "asked_grpc",
        "asked_http",
        "connections",
        "decision",
        "handshake_failures",
        "refused",
        "response",
        "upstream",
    )

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.upstream: dict[int, int] = {}
        self.decision = Histogram(DECISION_BOUNDS)
        self.response = Histogram(UPSTREAM_BOUNDS)
        self.connections = 0
        self.handshake_failures = 0
        self.abandoned = self.asked_http = self.asked_grpc = 0

    def refuse(self, problem: str) -> None:
        """Count one refusal of ours."""
        self.refused[problem] = self.refused.get(problem, 0) + 1
