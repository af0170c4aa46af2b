"""What the gateway itself answers to a decided request: when to come back, and the RateLimit fields."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil, floor
from typing import Final

from sluicegate.front.problems import Problem, rendered

WINDOWS = (1, 10, 60, 600, 3600)  # seconds; RateLimit-Policy has whole numbers only

THROTTLED: Final = "throttled"
TOO_MANY = Problem(THROTTLED, 429, "Throttled: above the User's allocation")
UNAVAILABLE = Problem(THROTTLED, 503, "Throttled: above the User's allocation")
BACKLOG: Final = "csp-backlog"
BACKLOG_429 = Problem(BACKLOG, 429, "The network for this device is behind")
BACKLOG_503 = Problem(BACKLOG, 503, "The network for this device is behind")

MOST_DIGITS = 3  # of a Retry-After: the longest line is 300 s


class ComeAgain:
    """A problem whose sender may come again, prepared: only the numbers differ from one answer to the next."""

    __slots__ = ("_after", "_before", "_heads", "status")

    def __init__(self, problem: Problem, detail: str) -> None:
        body = rendered(problem, detail, retry_after="@").decode()
        self.status = problem.status
        # The rest of the text may hold a percent sign, so it is joined and not formatted.
        before, after = body.rsplit('"@"', 1)
        status = b"HTTP/1.1 %d %b" % (problem.status, HTTPStatus(problem.status).phrase.encode())
        self._before, self._after = b"\r\n" + before.encode(), after.encode()
        # One head for each number of digits: nothing is kept for each number of seconds, for there are many Users.
        self._heads = tuple(
            b"%b\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nRetry-After: "
            % (status, len(before.encode()) + digits + len(self._after))
            for digits in range(MOST_DIGITS + 1)
        )

    def render(self, seconds: int, fields: bytes, connection: bytes) -> bytes:
        """The whole answer. `fields` are the RateLimit fields, `connection` a Connection field or nothing."""
        digits = b"%d" % seconds
        return b"".join(
            (self._heads[len(digits)], digits, b"\r\n", fields, connection, self._before, digits, self._after)
        )

    def body(self, seconds: int) -> bytes:
        """The problem details alone."""
        return b"%b%d%b" % (self._before[2:], seconds, self._after)


class ThrottledAnswer(ComeAgain):
    """The answer to a throttled request of one User. The allocation is in SR/s."""

    __slots__ = ()

    def __init__(self, problem: Problem, name: str, allocation: float) -> None:
        super().__init__(
            problem,
            f"Traffic management is active, and {name} is above its allocation of {allocation:g} SR/s. "
            "Send the request again after the given number of seconds.",
        )


class RateLimitFields:
    """`RateLimit-Policy` and `RateLimit` (IETF httpapi draft 10) of one User: its own allocation, nobody else's.

    The quota is in whole SR over a window of whole seconds, the shortest that states the allocation within 1%.
    """

    __slots__ = ("_allocation", "_depth", "_prefix")

    def __init__(self, allocation: float, depth: float) -> None:
        self._allocation = allocation
        self._depth = depth
        for window in WINDOWS:
            quota = round(allocation * window)
            if abs(quota - allocation * window) <= 0.01 * allocation * window:
                break
        self._prefix = b'RateLimit-Policy: "allocation";q=%d;w=%d\r\nRateLimit: "allocation";r=' % (quota, window)

    def render(self, level: float, kept: float = 0.0) -> bytes:
        """Both fields, for a bank that holds `level` SR: what remains, and in how many seconds it is full.

        Of a User with a profile what remains is for the class of the request: without what is `kept` above it, in SR.
        """
        if self._allocation <= 0.0:
            return self._prefix + b"0;t=0\r\n"
        return b"%b%d;t=%d\r\n" % (
            self._prefix,
            floor(level - kept + 1e-6) if level > kept else 0,
            ceil((self._depth - level) / self._allocation - 1e-6),
        )
