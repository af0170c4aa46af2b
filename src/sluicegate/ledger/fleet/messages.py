"""What a worker and the ledger tell each other in one draw, and how that is written: as flat lists.

Amounts are SR, times seconds, rates SR/s. What cannot be is refused on both sides: neither can poison the other.

Three things a worker must hold to, or the bounds do not:

- Everything told of tokens in hand is told as it *is* (`held`), not as what was spent since: what the ledger has booked
  beyond that counts as spent. So an ask or an answer that was lost is put right by the next ask, if that has a want of
  each User whose tokens may have changed: spent, lapsed, or granted by an answer that was lost. Of a User without a
  want the ledger goes on believing what it has booked, and that counts against its depth.
- One draw is under way at a time. An answer to a draw that was given up is used for nothing: not its share, not its
  tokens (the next ask does not tell them as held; what it does not hold may be given back, if it was booked).
- Tokens in hand are not spent later than `Terms.hold` after the worker *sent* the last draw that was answered, for then
  they lapse at the ledger. (So a worker draws at least every half of that.) From that instant, and not before, a worker
  that is alone may fill the banks of its share: from then on the ledger fills that much slower, until the worker is
  back or its lease has ended.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sluicegate.ledger.fleet.writing import MalformedError, count, named, names_of, packed, read, unpacked, written
from sluicegate.throttle.limits import Sharing

FORM: Final = "2"  # of these messages; a ledger that knows another one says so
MOST_WANTS: Final = 1000  # in one ask
MOST_SEEN: Final = 10_000  # workers in one look


class Terms(NamedTuple):
    """What all workers of a fleet are configured with. The ledger takes them from a worker whose terms have changed.

    `maximum` to `sharing` as in `Limits`; `deepest` is the sum of the D_i. `hold`: how long tokens in hand are good
    after a worker's last draw. `lease`: how long after it its share is its own. `settle`: how long an empty ledger
    waits for somebody who holds a share of before, until it believes that there is nobody; 0 where its maker knows.
    `parts`: this ledger is one of so many, and all figures are its own.
    """

    maximum: float
    threshold: float
    burst_seconds: float
    calm_seconds: float
    heaviest: float
    sharing: Sharing
    deepest: float
    hold: float = 1.0
    lease: float = 600.0
    settle: float = 3.0
    parts: int = 1


class Want(NamedTuple):
    """What a worker needs of one User's, and tells of it. Several for one User are served in the order sent: one per
    weight and reserve of the requests that wait; each tells what is in hand (`held`, `excess_held`), the first one all
    else that happened since the last draw.

    user: the name. allocation, depth: a_i (effective), D_i.
    unit: the weight of a request; grants are whole units.
    reserve: what must stay in the bank besides; 0 where traffic management is not active.
    waiting: requests that wait for this draw. Each is served from the bank, or else as excess, or refused. They are
        charged to the offered bank here: they are not *owed*.
    ahead: wanted in advance from the allocation bank.
    excess: wanted in advance from the User's credit.
    asked: excess that requests asked for since the last draw without waiting, throttled or served of what was in hand.
    late: served within the allocation on an offered token, charged to the User's bank now (never below 0).
    held, excess_held: tokens in hand now, after what is given back.
    back, excess_back: tokens given back now.
    alone: what was admitted of this User's while the worker was alone, told once.
    age: how long ago the first of those came who wait, or were served late: what the full bank would have gained since
        is not lost.
    again: of what waits of this User, what a draw before has asked for already: it was counted in `Given.demand` then.
    """

    user: str
    allocation: float
    depth: float
    unit: float = 1.0
    reserve: float = 0.0
    waiting: float = 0.0
    ahead: float = 0.0
    excess: float = 0.0
    asked: float = 0.0
    late: float = 0.0
    held: float = 0.0
    back: float = 0.0
    excess_held: float = 0.0
    excess_back: float = 0.0
    alone: float = 0.0
    age: float = 0.0
    again: float = 0.0


class Ask(NamedTuple):
    """One draw.

    worker: its name in the fleet. Who comes with the same name and another `life` proves that the one before is dead:
        what that had in hand, and its share, are free at once. So a name is given to one process at a time only.
    life: a text of this process alone.
    epoch: the one last told; empty at first. Tokens of another epoch are worth nothing.
    number: 1, 2, ...; an ask that is not above the last one that arrived changes nothing (`StaleError`).
    clock: the worker's monotonic clock at the sending. The ledger's clock never gets ahead of any worker's by more than
        a tenth of a second in all: a server whose clock jumps mints nothing, and no worker's clock mints anything.
    share: of the whole, the part that it holds now: the one told by the last answer that it used.
    owed: requests that were offered without an offered token and did not wait: charged to the offered bank.
    offered: offered tokens wanted in advance. offered_held, offered_back: as in `Want`.
    unsent: admitted on an offered token, and certainly did not reach the system behind: goes back to the system bank.
    stray: in hand of what was granted to requests that waited, of Users without a want: the rest of it was spent.
    throttled: whether it throttled since the last draw.
    """

    worker: str
    life: str
    epoch: str
    number: int
    clock: float
    terms: Terms
    share: float = 0.0
    owed: float = 0.0
    offered: float = 0.0
    offered_held: float = 0.0
    offered_back: float = 0.0
    unsent: float = 0.0
    stray: float = 0.0
    throttled: bool = False
    wants: tuple[Want, ...] = ()


class Given(NamedTuple):
    """What a `Want` got, and how its User stands after it.

    within, excess: tokens granted. Those who wait are served of `within` first.
    level: of its allocation bank at the ledger. elsewhere: its tokens in other workers' hands, without those that
        requests waited for: they are spent as they arrive.
    credit: what stands in its vessel (below 0: not its turn yet).
    demand: what its requests asked for lately in the whole fleet: each request once, times exp(-age / LATELY).
        The worker that keeps the same sum of its own has its part of it: by that its Retry-After line moves.
    """

    within: float
    excess: float
    level: float
    elsewhere: float
    credit: float
    demand: float


LATELY: Final = 5.0  # seconds: see `Given.demand`


class Answer(NamedTuple):
    """What a draw got.

    epoch: another one than the ask's: all tokens in hand have lapsed.
    number: of the ask. offered: tokens granted. level: of the offered bank, after it; below 0: in debt.
    active, since: the state, and for how many seconds.
    share: of the whole, the worker's from now on. workers: how many draw or may be alone.
    fill: the part of their rates at which the ledger's banks fill now; below 1 while shares may be in use elsewhere.
    pace: by how much a User's part of the spare rises, in SR/s per SR/s of its share (`Spare.part`).
    """

    epoch: str
    number: int
    offered: float
    level: float
    active: bool
    since: float
    share: float
    workers: int
    fill: float
    pace: float
    given: tuple[Given, ...] = ()


SILENT: Final = 3.0
"""Seconds without a draw, of a worker that draws each second at least."""


class Seen(NamedTuple):
    """One worker, as the ledger's books have it: `age` of its last draw; `share` the greatest that it may hold;
    `lease` left; `held` in hand in all; `alone` what it told that it admitted while alone, since it came."""

    worker: str
    age: float
    share: float
    lease: float
    held: float
    alone: float

    @property
    def silent(self) -> bool:
        """Whether it draws no more: it is alone, or gone."""
        return self.age > SILENT


class Look(NamedTuple):
    """The fleet as the ledger sees it: banks (`system` may be below 0), what all hold, and each worker. To look changes
    nothing. An `epoch` that is empty: no worker has come yet. Of a ledger in several `parts` all that answered are
    summed up; `away` are the others, from 0."""

    epoch: str
    active: bool
    since: float
    offered: float
    system: float
    pool: float
    held: float
    fill: float
    workers: tuple[Seen, ...] = ()
    parts: int = 1
    away: tuple[int, ...] = ()


_TERMS: Final = "rrrxrsxxxxi"
_WANT: Final = "xxr" + "x" * 13  # behind the name, packed
_ASK: Final = "nnwixpxxxxxxf"
_GIVEN: Final = "xxlxlx"  # packed
_ANSWER: Final = "nixlfxpipx"
_SEEN: Final = "nxpxxx"
_LOOK: Final = "wfxlllxp"


def ask_to_texts(ask: Ask) -> list[str | bytes]:
    """An ask as the ledger reads it. Raises MalformedError for a figure that cannot be, or too many wants; what is in
    the wants the ledger checks."""
    if len(ask.wants) > MOST_WANTS:
        raise MalformedError(f"an ask has at most {MOST_WANTS} wants, and this one {len(ask.wants)}")
    texts: list[str | bytes] = [
        FORM,
        *written((*ask[:5], *ask[6:-1]), _ASK),
        *_terms_written(ask.terms),
        str(len(ask.wants)),
    ]
    texts.append(named([want[0] for want in ask.wants]))
    texts.append(packed([figure for want in ask.wants for figure in want[1:]]))
    return texts


@lru_cache(maxsize=8)
def _terms_written(terms: Terms) -> list[str]:
    """They are the same with each draw."""
    return written(terms, _TERMS)


def ask_from_texts(texts: Sequence[str | bytes]) -> Ask:
    """The ask that was written so. Raises MalformedError."""
    _check_form(texts)
    at = 1 + len(_ASK)
    head: Any = read(texts, 1, _ASK)
    terms: Any = read(texts, at, _TERMS)
    at += len(_TERMS)
    rows = count(texts, at, MOST_WANTS, fields=2)
    figures = unpacked(texts[at + 2], _WANT, rows)
    wants = (Want(user, *row) for user, row in zip(names_of(texts[at + 1], rows), figures, strict=True))
    return Ask._make((*head[:5], Terms._make(terms), *head[5:], tuple(wants)))


def answer_to_texts(answer: Answer) -> list[str | bytes]:
    """An answer as the ledger writes it: for a ledger's stand-in. Raises MalformedError."""
    figures = [figure for given in answer.given for figure in given]
    return [FORM, *written(answer[:-1], _ANSWER), str(len(answer.given)), packed(figures)]


def answer_from_texts(texts: Sequence[str | bytes], ask: Ask) -> Answer:
    """What was answered to an ask. Raises MalformedError, also for the answer to another one."""
    _check_form(texts)
    head: Any = read(texts, 1, _ANSWER)
    rows = count(texts, 1 + len(_ANSWER), MOST_WANTS, fields=1)
    answer = Answer._make((*head, tuple(map(Given._make, unpacked(texts[-1], _GIVEN, rows)))))
    if answer.number != ask.number or len(answer.given) != len(ask.wants):
        raise MalformedError(f"draw {ask.number} for {len(ask.wants)} was answered with {answer.number} of {rows}")
    return answer


def burial_from_texts(texts: Sequence[str | bytes]) -> bool:
    """Whether the ledger knew the worker whose death it was told. Raises MalformedError."""
    _check_form(texts)
    return bool(read(texts, 1, "f")[0])


def seat_from_texts(texts: Sequence[str | bytes]) -> int:
    """The part that a worker belongs to from now on, from 0. Raises MalformedError."""
    _check_form(texts)
    part: Any = read(texts, 1, "i")[0]
    return int(part)


def look_from_texts(texts: Sequence[str | bytes]) -> Look:
    """What the ledger tells of the fleet. Raises MalformedError."""
    _check_form(texts)
    head: Any = read(texts, 1, _LOOK)
    at, width = 1 + len(_LOOK), len(_SEEN)
    rows = range(at + 1, at + 1 + count(texts, at, MOST_SEEN, width=width) * width, width)
    return Look._make((*head, tuple(Seen._make(read(texts, row, _SEEN)) for row in rows), 1, ()))


def _check_form(texts: Sequence[str | bytes]) -> None:
    if not texts or texts[0] not in (FORM, FORM.encode()):
        raise MalformedError(f"messages here are of form {FORM}")
