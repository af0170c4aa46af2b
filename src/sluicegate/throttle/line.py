"""Retry-After: each User has a line, so that thousands who obey it come back as a stream and not as a herd."""

from typing import Final

from sluicegate.throttle.account import GOLDEN, Account, Line

LONGEST_LINE: Final = 300.0  # seconds
LUMP: Final = 1.2  # a little more than the bank is deep: jitter spreads the lumps
FIRST: Final = 0.5  # seconds; nobody returns sooner than after 1 s: from 0 a line would have a crowd in its first one
SILVER: Final = 0.4142135623730951  # an irrational beside the golden one: the two sequences do not move together
STRETCH: Final = 0.2  # jitter: up to this part of the wait is added, and
LATEST: Final = 2.0  # seconds at the most: the end of a long line, spread out, would meet those refused once more


def lump(burst_seconds: float) -> float:
    """By what a line is slowed down where a bank holds less than a second.

    Whole seconds bring those who were refused together back together, in lumps, and a bank takes no larger lump than
    it is deep.
    """
    return min(1.0, LUMP * burst_seconds)


MOST_LINES: Final = 65  # classes of a profile, and what is below them all


def place_of_class(user: Account, rank: int) -> Line:
    """The line of one class of a User with a profile: behind those of the more urgent classes, never before them.

    Nor before the line that the User had without a profile, or it could leave that behind by putting one.
    """
    lines = user.lines
    while len(lines) <= rank < MOST_LINES:
        lines.append(Line((user.offset + len(lines) * SILVER) % 1.0))
    line = lines[rank]
    if user.slot > line.slot:
        line.slot = user.slot
    for above in lines[:rank]:
        if above.slot > line.slot:
            line.slot = above.slot
    return line


def back_to_one_line(user: Account) -> None:
    """A profile is taken back: the User's line ends where the longest of its classes does.

    Else it could leave its lines behind by that. They stay as they are: begun anew, so would their jitter.
    """
    for line in user.lines:
        if line.slot > user.slot:
            user.slot = line.slot


def put_behind(user: Account, rank: int, seconds: float, now: float) -> None:
    """A request of a class took a place of so many seconds: those in the lines of less urgent classes wait longer."""
    for below in user.lines[rank + 1 :]:
        if below.slot > now:
            below.slot = min(below.slot + seconds, now + LONGEST_LINE)


def come_back_in(user: Account | Line, weight: float, now: float, rate: float, held: float, slowed: float) -> int:
    """Take the next place in the User's line; returns the wait in whole seconds, at least 1.

    The line moves at the User's `rate` (its allocation and its present part of the spare, SR/s) and begins with what
    it holds (`held`, SR); where a bank holds less than a second, it moves that much slower (`slowed`, see `lump`).
    Whole seconds are all that the header can say: a dither makes up for what rounding down takes, on average.
    A User with a profile has a line per class.

    Dither and jitter are low-discrepancy sequences, so that a thousand waits are spread evenly and the same history
    gives the same advice.
    """
    rate *= slowed
    slot = now + FIRST - (held if held < weight else weight) / rate
    if slot < user.slot:
        slot = user.slot
    slot += weight / rate
    wait = slot - now
    user.slot = slot if wait < LONGEST_LINE else now + LONGEST_LINE
    advised = user.advised = user.advised + 1
    jitter = (user.offset + advised * GOLDEN) % 1.0
    stretch = STRETCH * wait
    told = int(wait + (stretch if stretch < LATEST else LATEST) * jitter + (user.offset + advised * SILVER) % 1.0)
    if told >= LONGEST_LINE:
        return int(LONGEST_LINE * (0.5 + 0.5 * jitter))
    return told if told > 1 else 1
