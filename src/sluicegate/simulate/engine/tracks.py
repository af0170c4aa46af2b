"""What the engine reads of the world for each request: flows, Users and kinds, in a form that compiles well."""

from typing import Final

from sluicegate.throttle import Account

DEBT: Final = 3600.0  # seconds of its allocation: a longer backlog is forgotten


class Party:
    """A User in the run.

    Attributes:
        account: its account in the throttle, where the policy has one.
        rate, depth, floor, level, filled_at: the reference bank that tells which requests conform. It is charged with
            every request, and its debt is what the User would still have to send had it had its allocation alone.
        habit, first, ceiling, attempts, queued, ranked: see `world.Retry`.
        queue: SRs that wait for a place in time, as a heap of (rank, born, number, Case).
    """

    def __init__(self, name: str, rate: float, depth: float) -> None:
        self.name = name
        self.account: Account | None = None
        self.rate = rate
        self.depth = depth
        self.floor = -DEBT * rate
        self.level = depth
        self.filled_at = 0.0
        self.habit = 0
        self.first = 1.0
        self.ceiling = 60.0
        self.attempts = 1
        self.queued = False
        self.ranked = False
        self.queue: list[tuple[int, float, int, Case]] = []


class Quota:
    """An Anomaly Detection Threshold: how many of one User's SRs of a kind were received in the present period."""

    def __init__(self, period: float, limit: float) -> None:
        self.period = period
        self.limit = limit
        self.number = -1
        self.count = 0.0

    def exceeded(self, weight: float, now: float) -> bool:
        """Count one; whether it is beyond the threshold."""
        number = int(now / self.period)
        if number != self.number:
            self.number = number
            self.count = 0.0
        self.count += weight
        return self.count > self.limit


class Track:
    """A flow in the run: what is the same for all of its SRs.

    Attributes:
        reserve: what its User keeps for more urgent requests, in SR. line: its class, for the Retry-After.
        parted: whether its User has teams; team: which of them this is, -1 for none.
    """

    def __init__(self, number: int, party: Party, csp: int, weight: float) -> None:
        self.number = number
        self.party = party
        self.csp = csp
        self.weight = weight
        self.internal = False
        self.deadline = 0.0
        self.rank = 0
        self.reserve = 0.0
        self.line = 0
        self.parted = False
        self.team = -1
        self.imposed = 0.0
        self.quota: Quota | None = None


class Case:
    """An SR that did not simply pass: it is kept until it has ended. Most never become one.

    Attributes:
        number: in order of creation; breaks ties.
        tag: twice its flow's number, and 1 more where it is conforming.
        attempts: at the gate (or at the DSP, for what fires inside).
        throttled, failed: answers that it got: throttled; refused or lost.
        received: the DSP has worked it off once.
        sent: how often it failed at its CSP (or, once it is the DSP's, at the DSP).
    """

    def __init__(self, number: int, track: Track, tag: int, born: float) -> None:
        self.number = number
        self.track = track
        self.tag = tag
        self.born = born
        self.attempts = 0
        self.throttled = 0
        self.failed = 0
        self.received = False
        self.sent = 0
