"""How the spare under the operating threshold is shared among the Users who want it.

`Fair` is weighted max-min, decision by decision, at a constant cost whatever the number of Users. Picture one water
level that rises as capacity is set aside for excess, and a vessel per User, as wide as the User's share. What stands
in a vessel is its User's credit. A request may pass when its User's credit is not below nil, and takes its weight
out, so that credit swings between minus one request and nil for a User who always wants more. The vessel of a User
who wants less fills up to a cap, and what would rise above the cap flows back and lifts the others. That is max-min
fairness: nobody's part can grow but at the cost of one who has less for its weight.

Capacity is set aside (`pool`) as soon as the system bank holds any, and only excess is served from it: so a credit
is good also while a burst within somebody's allocation holds the system bank in debt.

Who takes part is whoever asked for excess within the last `burst_seconds` or a little more. What such a set adds up
to (shares, marks, weights) is kept as sums for each of a few short rounds, so that a User who stops asking leaves
without anybody having to look for it, and a newcomer joins at the level of the water.

docs/throttle.md has the argument, the sources and the measurements.
"""

from sluicegate.throttle.account import Account
from sluicegate.throttle.depths import system_depth
from sluicegate.throttle.limits import Limits

EPSILON = 1e-6  # "holds w" = level >= w - EPSILON
CAP = 1.25  # a vessel holds this many times its User's part of one burst
ROUNDS = 4  # a User takes part until its last ask is so many rounds ago
RELAX = 5.0
SPREAD = 2.0


class Spare:
    """Who wants excess, what is set aside for it, and how high the water stands: the base of both ways of sharing.

    Attributes:
        pool: what is set aside for excess, in SR; never more than the system bank's depth.
        spilled: what the full banks could not take since the last look, in SR.
        water: the level of the water, in SR per unit of share (so: seconds).
        pace: how fast it rose lately, in SR/s per unit of share.
    """

    __slots__ = (
        "burst",
        "cap",
        "cap_floor",
        "depth",
        "first_round",
        "heaviest",
        "lent",
        "marks",
        "measured_at",
        "measured_water",
        "members",
        "pace",
        "pool",
        "poured_at",
        "reserve",
        "round",
        "round_ends",
        "round_seconds",
        "rounds",
        "shares",
        "spilled",
        "water",
        "weights",
    )

    def __init__(self, limits: Limits, now: float) -> None:
        self.burst = limits.burst_seconds
        self.depth = system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)
        self.heaviest = limits.heaviest
        self.round_seconds = limits.burst_seconds / (ROUNDS - 1)
        self.round = 0
        self.pool = 0.0
        self.dissolve(now)

    def dissolve(self, now: float) -> float:
        """Forget who took part, for the overload is over; returns what was set aside, in SR."""
        lapsed, self.pool = self.pool, 0.0
        self.round += ROUNDS  # nobody who asked before takes part
        self.first_round = self.round
        self.round_ends = now + self.round_seconds
        self.rounds = [[0.0, 0.0, 0.0, 0] for _ in range(ROUNDS)]
        self.members = 0
        self.shares = self.marks = self.weights = 0.0
        self.water = self.measured_water = self.pace = self.lent = self.spilled = 0.0
        self.measured_at = self.poured_at = now
        self._measure(now)
        self.cap = self.depth
        return lapsed

    def part(self, user: Account) -> float:
        """The User's present part of the spare, in SR/s; as if all of the threshold were, until it was measured."""
        if self.pace > 0.0:
            return min(user.share * self.pace, self.depth / self.burst)
        return self.depth / self.burst * user.share / max(self.shares, user.share)

    def _turn(self, now: float) -> None:
        """Begin the next round: whoever asked only in the oldest one is out."""
        late = int((now - self.round_ends) / self.round_seconds)
        for _ in range(min(1 + late, ROUNDS)):
            self.round += 1
            self.rounds[self.round % ROUNDS] = [0.0, 0.0, 0.0, 0]
        self.round_ends = max(self.round_ends + self.round_seconds * (1 + late), now)
        self.shares, self.marks, self.weights, self.members = (sum(of) for of in zip(*self.rounds, strict=True))
        self._measure(now)

    def _measure(self, now: float) -> None:
        """How fast the water rises (over one burst, at least), and what follows from how many take part."""
        elapsed = now - self.measured_at
        if elapsed >= self.burst:
            self.pace = (self.water - self.measured_water) / elapsed
            self.measured_at = now
            self.measured_water = self.water
        elif self.pace == 0.0 and self.shares > 0.0:  # nothing was measured yet: as if all were spare
            self.pace = self.depth / (self.burst * self.shares)
        members = max(1, self.members)
        self.reserve = min(self.depth / 2, self.heaviest * (1.0 + members**0.5))
        self.cap = CAP * self.pace * self.burst
        self.cap_floor = min(2 * self.heaviest, (self.depth - self.heaviest) / (2 * members))

    def _leave(self, user: Account) -> None:
        """Take what the User added to the sums out of them, where its round still counts."""
        if user.round > self.round - ROUNDS:
            left = self.rounds[user.round % ROUNDS]
            left[0] -= user.in_share
            left[1] -= user.in_marks
            left[2] -= user.in_weight
            left[3] -= 1
            self.shares -= user.in_share
            self.marks -= user.in_marks
            self.weights -= user.in_weight
            self.members -= 1

    def _join(self, user: Account, share: float, marks: float, weight: float) -> None:
        """Add the User to the sums, in this round."""
        joined = self.rounds[self.round % ROUNDS]
        joined[0] += share
        joined[1] += marks
        joined[2] += weight
        joined[3] += 1
        self.shares += share
        self.marks += marks
        self.weights += weight
        self.members += 1
        user.round = self.round
        user.in_share, user.in_marks, user.in_weight = share, marks, weight


class FirstCome(Spare):
    """The plain reading of the rule: whoever asks while the bank holds it. Only the advice looks at parts."""

    __slots__ = ()

    def permits(self, user: Account, weight: float, now: float) -> bool:
        """Whether the User may take `weight` SR of the pool; takes it."""
        if now >= self.round_ends:
            self._turn(now)
        if user.round != self.round:
            self._leave(user)
            self._join(user, user.share, 0.0, 0.0)
        if self.pool < weight - EPSILON:
            return False
        self.pool -= weight
        self.water += weight / self.shares
        return True

    def credit(self, _user: Account) -> float:
        """Nobody has any."""
        return 0.0

    def give_back(self, _user: Account, weight: float) -> None:
        """What the User took was not used after all."""
        self.pool += weight


class Fair(Spare):
    """Weighted max-min among the Users who want excess."""

    __slots__ = ()

    def permits(self, user: Account, weight: float, now: float) -> bool:
        """Whether the User may take `weight` SR of the pool; takes it."""
        if now >= self.round_ends:
            self._turn(now)
        share = user.share
        self._pour(share, now)
        fresh = user.round < self.first_round
        if fresh:
            self._welcome(user, weight)
        credit = share * (self.water - user.mark)

        if now >= user.asked_until:  # how much it asked for within one burst
            user.asked_before = user.asked if now < user.asked_until + self.burst else 0.0
            user.asked = 0.0
            user.asked_until = now + self.burst
        user.asked += weight
        wanted = CAP * (user.asked if user.asked > user.asked_before else user.asked_before)
        top = share * self.cap
        if top > wanted:
            top = wanted
        if top < self.cap_floor:
            top = self.cap_floor
        full = credit >= top
        if full:  # what it does not use lifts the others
            credit = top
            user.mark = self.water - top / share

        permitted = credit >= -EPSILON and self.pool >= weight - EPSILON
        if permitted:
            self.pool -= weight
            user.mark += weight / share
            credit -= weight
        if full or fresh:
            self._leave(user)
            self._join(user, 0.0, -max(0.0, credit), 0.0)
            if permitted:
                user.last_weight = weight
        elif user.round == self.round and user.in_share > 0.0 and (not permitted or user.last_weight == weight):
            if permitted:
                user.in_marks += weight
                self.marks += weight
                self.rounds[self.round % ROUNDS][1] += weight
        else:
            self._leave(user)
            if permitted:
                user.last_weight = weight
            self._join(user, share, share * user.mark, user.last_weight)
        return permitted

    def credit(self, user: Account) -> float:
        """What stands in the User's vessel, in SR; nil where it takes no part."""
        if user.round <= self.round - ROUNDS:
            return 0.0
        return user.share * (self.water - user.mark)

    def _welcome(self, user: Account, weight: float) -> None:
        """The User is new in this overload: its credit begins at nil.

        Where there are many, they must not all be served at once: their turns are spread over one request each.
        """
        spread = weight * min(1.0, SPREAD * (self.members + 1) * weight / self.depth)
        user.mark = self.water + spread * user.offset / user.share
        user.last_weight = spread

    def give_back(self, user: Account, weight: float) -> None:
        """What the User took was not used after all."""
        self.pool += weight
        if user.round >= self.first_round:
            self._leave(user)
            user.mark -= weight / user.share
            self._join(user, user.share, user.share * user.mark, user.last_weight)

    def _pour(self, share: float, now: float) -> None:
        """Let the water rise by what is set aside beyond what stands in the vessels already.

        A vessel whose User always wants more stands between minus its last weight and nil, half of that below
        nil on average: that half is counted as if it were there. A small reserve stays in the pool for those who
        are served a little before their turn.
        """
        if self.lent > 0.0:
            self.lent *= max(0.0, 1.0 - (now - self.poured_at) / RELAX)
        self.poured_at = now
        shares = self.shares
        if shares < EPSILON:  # nobody wants more than it gets: all that is free is there for whoever asks
            shares = share
        if self.spilled > 0.0:  # the full bank lost it: the vessels must have stood too high
            self.water += self.spilled / shares
            self.lent = min(self.lent + self.spilled, self.depth + 0.5 * self.weights)
            self.spilled = 0.0
        standing = self.water * self.shares - self.marks + 0.5 * self.weights
        free = self.pool - self.reserve - standing + self.lent
        if free > 0.0:
            self.water += free / shares
