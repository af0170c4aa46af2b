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
to (shares, marks, members) is kept as sums for each of a few short rounds, so that a User who stops asking leaves
without anybody having to look for it, and a newcomer joins at the level of the water.

docs/throttle.md has the argument, the sources and the measurements.
"""

from typing import Final

from sluicegate.throttle.account import FLOWS, Account, Round
from sluicegate.throttle.depths import system_depth
from sluicegate.throttle.limits import Limits

MUCH: Final = 1e300  # SR: whoever was refused wants more than it has
EPSILON: Final = 1e-6  # "holds w" = level >= w - EPSILON
CAP: Final = 1.25  # a vessel holds this many times its User's part of one burst
ROUNDS: Final = 4  # a User takes part until its last ask is so many rounds ago
RELAX: Final = 5.0  # seconds in which what was lent is forgotten
SPREAD: Final = 2.0  # the turns of newcomers are spread over this many bursts' worth of the bank


class Spare:
    """Who wants excess, what is set aside for it, and how high the water stands: the base of both ways of sharing.

    Attributes:
        pool: what is set aside for excess, in SR; never more than the system bank's depth.
        spilled: what the full banks could not take since the last look, in SR.
        water: the level of the water, in SR per unit of share (so: seconds).
        pace: how fast it rose lately, in SR/s per unit of share.
        quickest: the greater of the last two paces: Users who ask in bursts make the water rise in leaps.
        current: the present round; its number only grows, also over a change of the limits.
    """

    __slots__ = (
        "burst",
        "cap",
        "cap_floor",
        "current",
        "depth",
        "first",
        "heaviest",
        "kept",
        "lent",
        "marks",
        "measured_at",
        "measured_water",
        "members",
        "pace",
        "pool",
        "quickest",
        "reserve",
        "round_ends",
        "round_seconds",
        "rounds",
        "shares",
        "spilled",
        "water",
        "widest",
    )

    def __init__(self, limits: Limits, now: float, first: int = 0) -> None:
        self.burst = limits.burst_seconds
        self.depth = system_depth(limits.threshold, limits.burst_seconds, limits.heaviest)
        self.heaviest = limits.heaviest
        self.round_seconds = limits.burst_seconds / (ROUNDS - 1)
        self.pool = 0.0
        self.reserve = 0.0
        self.current = Round(first)
        self.rounds = [self.current] * ROUNDS
        self.dissolve(now)

    def dissolve(self, now: float) -> float:
        """Forget who took part, for the overload is over; returns what was set aside, in SR."""
        lapsed, self.pool = self.pool, 0.0
        self.first = self.current.number + ROUNDS
        for number in range(self.first - ROUNDS + 1, self.first + 1):
            self._begin(number)
        self.round_ends = now + self.round_seconds
        self.members = 0
        self.shares = self.widest = self.marks = 0.0
        self.water = self.measured_water = self.pace = self.quickest = self.lent = self.spilled = 0.0
        self.measured_at = now
        self._measure(now)
        self.cap = self.depth
        return lapsed

    def part(self, user: Account) -> float:
        """The User's present part of the spare, in SR/s; as if all of the threshold were, until it was measured."""
        if self.pace > 0.0:
            return min(user.share * self.pace, self.depth / self.burst)
        return self.depth / self.burst * user.share / max(self.shares, user.share)

    def _begin(self, number: int) -> None:
        self.rounds[number % ROUNDS].counts = False
        self.rounds[number % ROUNDS] = self.current = Round(number, counts=True)

    def _turn(self, now: float) -> None:
        """Begin the next round: whoever asked only in the oldest one is out."""
        late = int((now - self.round_ends) / self.round_seconds)
        for _ in range(min(1 + late, ROUNDS)):
            self._begin(self.current.number + 1)
        self.round_ends = max(self.round_ends + self.round_seconds * (1 + late), now)
        self.shares = sum(of.shares for of in self.rounds)
        self.marks = sum(of.marks for of in self.rounds)
        self.members = sum(of.members for of in self.rounds)
        relaxed = self.lent * max(0.0, 1.0 - (1 + late) * self.round_seconds / RELAX)
        self.lent = min(relaxed, self._locked())
        self._measure(now)

    def _measure(self, now: float) -> None:
        """How fast the water rises (over two bursts, at least), and what follows from how many take part."""
        elapsed = now - self.measured_at
        if self.shares > self.widest:
            self.widest = self.shares
        if elapsed >= 2 * self.burst:
            pace = (self.water - self.measured_water) / elapsed
            if pace * self.widest * self.burst > self.depth:  # it leapt while hardly anybody wanted more
                pace = self.depth / (self.widest * self.burst)
            self.widest = self.shares
            self.quickest = max(pace, self.pace)
            self.pace = pace
            self.measured_at = now
            self.measured_water = self.water
        elif self.pace == 0.0 and self.shares > 0.0:  # nothing was measured yet: as if all were spare
            self.pace = self.quickest = self.depth / (self.burst * self.shares)
        members = max(1, self.members)
        self.reserve = min(self.depth / 2, self.heaviest * (1.0 + members**0.5))
        self.kept = self.reserve - self.lent
        self.cap = CAP * self.quickest * self.burst
        self.cap_floor = min(2 * self.heaviest, (self.depth - self.heaviest) / (2 * members))

    def _locked(self) -> float:
        """What of the pool cannot be poured, in SR: it stands in the vessels, or is the reserve."""
        return max(0.0, self.water * self.shares - self.marks) + self.reserve

    def _take_part(self, user: Account) -> None:
        """Count the User in the present round, and no longer in the one in which it asked before."""
        current, before = self.current, user.round
        if user.held < 0.0:
            shares = user.share
            marks = shares * user.mark - 0.5 * user.last_weight
        else:
            shares = 0.0
            marks = -user.held
        if before.counts:
            before.shares -= shares
            before.marks -= marks
            before.members -= 1
        else:
            self.shares += shares
            self.marks += marks
            self.members += 1
        current.shares += shares
        current.marks += marks
        current.members += 1
        user.round = current


class FirstCome(Spare):
    """The plain reading of the rule: whoever asks while the bank holds it. Only the advice looks at parts."""

    __slots__ = ()

    def permits(self, user: Account, weight: float, now: float, _kept: float = 0.0) -> bool:
        """Whether the User may take `weight` SR of the pool; takes it. Nobody has a part, so nothing is kept in one."""
        if now >= self.round_ends:
            self._turn(now)
        if user.round is not self.current:
            if user.round.number < self.first:
                user.held, user.mark, user.last_weight = FLOWS, 0.0, 0.0
            self._take_part(user)
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

    def permits(self, user: Account, weight: float, now: float, kept: float = 0.0) -> bool:
        """Whether the User may take `weight` SR of the pool; takes it.

        Where the User keeps something for its more urgent requests (`kept`, in SR) and asked for more than its part in
        the burst before, its credit must hold that as well, or half of what its vessel can hold if that is less. The
        vessel is no larger for it: nobody else has less than if this User asked for its part in bursts.

        The water rises first, by what is set aside beyond what stands in the vessels already. A vessel whose User
        always wants more stands between minus its last weight and nil, half of that below nil on average: that half
        is counted as if it were there. A small reserve is kept in the pool for those who are served a little before
        their turn.
        """
        if now >= self.round_ends:
            self._turn(now)
        share = user.share
        if self.spilled > 0.0:
            self._catch(share)
        water = self.water
        free = self.pool - self.kept - water * self.shares + self.marks
        if free > 0.0:  # where nobody wants more than it gets, all that is free is there for whoever asks
            self.water = water = water + free / (self.shares if self.shares > EPSILON else share)

        current = self.current
        if user.round is not current:
            if not user.round.counts and user.mark < water:  # what it did not use when it was last here has lapsed
                user.mark = water
            if current.number - user.asked_since >= ROUNDS - 1:
                self._ask_anew(user, weight)
            self._take_part(user)
        mark = user.mark
        credit = share * (water - mark)
        if kept > 0.0:
            half = share * self.cap
            if CAP * user.asked_before < half:
                kept = 0.0  # it asked for less than its part: nobody need be refused for what might come
            else:
                half = 0.5 * (half if half > self.cap_floor else self.cap_floor)
                if kept > half:
                    kept = half
        if credit < kept - EPSILON:
            if credit < -EPSILON:
                user.asked = MUCH
            else:  # refused for what is kept: that alone does not say that it wants more than its part
                user.asked += weight
            if user.held >= 0.0:
                self._stand(user, mark, user.last_weight, FLOWS)
            return False
        top = share * self.cap
        if CAP * user.asked < top:  # how much it asks for in one burst; more than fills the vessel need not be counted
            user.asked += weight
            wanted = CAP * (user.asked if user.asked > user.asked_before else user.asked_before)
            if wanted < top:
                top = wanted
        if top < self.cap_floor:
            top = self.cap_floor

        permitted = self.pool >= weight - EPSILON
        if permitted:
            self.pool -= weight
        if credit < top and user.held < 0.0 and (not permitted or weight == user.last_weight):
            if permitted:
                user.mark = mark + weight / share
                self.marks += weight
                current.marks += weight
            return permitted
        held = FLOWS
        if credit >= top:  # what it does not use lifts the others
            mark = water - top / share
            held = max(0.0, top - weight) if permitted else top
        if permitted:
            self._stand(user, mark + weight / share, weight, held)
        else:
            self._stand(user, mark, user.last_weight, held)
        return permitted

    def credit(self, user: Account) -> float:
        """What stands in the User's vessel, in SR; nil where it takes no part."""
        return user.share * (self.water - user.mark) if user.round.counts else 0.0

    def give_back(self, user: Account, weight: float) -> None:
        """What the User took was not used after all."""
        self.pool += weight
        if user.round.counts:
            self._stand(user, user.mark - weight / user.share, user.last_weight, FLOWS)

    def _ask_anew(self, user: Account, weight: float) -> None:
        """A burst has passed since what the User asks for was counted from nil.

        Where it is new in this overload, its credit begins at nil, and where many are new, they must not all be
        served at once: their turns are spread over one request each.
        """
        number = self.current.number
        user.asked_before = user.asked if number - user.asked_since < 2 * (ROUNDS - 1) else 0.0
        user.asked = 0.0
        user.asked_since = number
        if user.round.number < self.first:
            spread = weight * min(1.0, SPREAD * (self.members + 1) * weight / self.depth)
            user.mark = self.water + spread * user.offset / user.share
            user.last_weight = spread
            user.held = 0.0

    def _stand(self, user: Account, mark: float, last_weight: float, held: float) -> None:
        """What the User's vessel holds is another; so is what it adds to the sums of its round."""
        shares, marks = (
            (user.share, user.share * user.mark - 0.5 * user.last_weight) if user.held < 0.0 else (0.0, -user.held)
        )
        user.mark, user.last_weight, user.held = mark, last_weight, held
        if held < 0.0:
            shares = user.share - shares
            marks = user.share * mark - 0.5 * last_weight - marks
        else:
            shares = -shares
            marks = -held - marks
        user.round.shares += shares
        user.round.marks += marks
        self.shares += shares
        self.marks += marks

    def _catch(self, share: float) -> None:
        """What the full bank lost: so far as anything stands in the vessels, that is too much, for it is not asked for.

        Let the water rise by it, on credit. After a lull nothing stands in them, and nothing is to be made up for.
        """
        lent = min(self.lent + self.spilled, self._locked())
        self.spilled = 0.0
        if lent > self.lent:
            self.water += (lent - self.lent) / (self.shares if self.shares > EPSILON else share)
            self.kept -= lent - self.lent
            self.lent = lent
