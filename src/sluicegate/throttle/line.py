"""Retry-After: each User has a line, so that thousands who obey it come back as a stream and not as a herd."""

from math import floor

from sluicegate.throttle.account import GOLDEN, Account

LONGEST_LINE = 300.0  # seconds
LUMP = 1.2  # a little more than the bank is deep: jitter spreads the lumps
FIRST = 0.5  # seconds; nobody returns sooner than after 1 s: a line from 0 would have a crowd in its first second
STRETCH = 0.2  # jitter: up to this part of the wait is added


def come_back_in(user: Account, weight: float, now: float, rate: float, held: float, burst: float) -> int:
    """Take the next place in the User's line; returns the wait in whole seconds, at least 1.

    The line moves at the User's `rate` (its allocation and its present part of the spare, SR/s) and begins with what
    it holds (`held`, SR). Whole seconds bring those who were refused together back together, in lumps, and a bank takes
    no larger lump than it is deep: so where a bank holds less than a second (`burst`), the line moves that much slower.
    Whole seconds are all that the header can say: a dither makes up for what rounding down
    takes, on average. Dither and jitter are low-discrepancy sequences, so that a thousand waits are spread evenly
    and the same history gives the same advice.
    """
    rate *= min(1.0, LUMP * burst)
    slot = max(user.slot, now + FIRST - min(held, weight) / rate) + weight / rate
    user.slot = min(slot, now + LONGEST_LINE)
    wait = slot - now
    user.advised += 1
    jitter = (user.offset + user.advised * GOLDEN) % 1.0
    if wait > LONGEST_LINE:
        return floor(LONGEST_LINE * (0.5 + 0.5 * jitter))
    dither = (user.offset + user.advised * SILVER) % 1.0
    return max(1, floor(wait * (1.0 + STRETCH * jitter) + dither))


SILVER = 0.4142135623730951  # another irrational: the two sequences do not move together
