"""Shares never add up to more than the whole, and what is drawn never to more than the bound, whatever is lost."""

from collections import deque

from fleet_of_one import TERMS, Clock, Worker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lua_shard import LuaShard

from sluicegate.ledger.fleet.messages import Answer, Want
from sluicegate.ledger.fleet.shard import StaleError

NAMES = ("w1", "w2", "w3", "w4")
SHORT = TERMS._replace(lease=20.0, settle=3.0)
USERS = {"a": (40.0, 20.0), "b": (1.0, 1.0), "c": (0.0, 0.0)}  # allocation, depth
DEEPEST = sum(depth for _, depth in USERS.values())
names = st.sampled_from(NAMES)


class Member(Worker):
    """A worker that keeps to what `messages.py` asks of it: leases, and tokens in hand by their age."""

    def __init__(self, shard: LuaShard, clock: Clock, name: str, life: int) -> None:
        super().__init__(shard, clock, name, SHORT._replace(deepest=DEEPEST), str(life), boot=100.0 * life)
        self.heard = -1e9  # when it sent the last draw that was answered
        self.hand: dict[str, float] = {}
        self.seen: Answer | None = None

    @property
    def now(self) -> float:
        return self.clock.true / 1e6

    def holds(self) -> float:
        """The part of the whole that it may use if it is alone now."""
        return self.share if self.now < self.heard + self.terms.lease else 0.0

    def lapse(self) -> None:
        if self.now >= self.heard + self.terms.hold:
            self.hand.clear()


class Fleet(RuleBasedStateMachine):
    """Asks, answers and workers are lost. What is spent is counted, and what each worker may use alone."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.shard = LuaShard(self.clock.server)
        self.lives = 0
        self.gone: list[Member] = []
        self.late: deque[tuple[Member, object]] = deque()
        self.spent: list[tuple[float, float]] = []
        self.machines: dict[str, int] = {}
        self.members: dict[str, Member] = {}

    def member(self, name: str) -> Member:
        if name not in self.members:
            self.lives += 1
            machine = self.machines.setdefault(name, 1)
            self.members[name] = Member(self.shard, self.clock, f"{name}-{machine}", self.lives)
        return self.members[name]

    def spend(self, amount: float) -> None:
        if amount > 0.0:
            self.spent.append((self.clock.true / 1e6, amount))

    @rule(
        name=names,
        user=st.sampled_from(sorted(USERS)),
        waiting=st.integers(0, 30),
        ahead=st.integers(0, 20),
        back=st.booleans(),
        offered=st.integers(0, 20),
        lost=st.sampled_from(["", "", "", "", "ask", "answer"]),
    )
    def draws(self, name, user, waiting, ahead, back, offered, lost):
        member = self.member(name)
        member.lapse()
        allocation, depth = USERS[user]
        held, free = member.hand.get(user, 0.0), member.hand.get("", 0.0)
        told = {"held": 0.0, "back": held} if back else {"held": held, "back": 0.0}
        want = Want(user, allocation, depth, waiting=waiting, ahead=ahead, excess=ahead, asked=waiting, **told)
        ask = member.ask(
            want, offered=float(offered), offered_held=0.0 if back else free, offered_back=free if back else 0.0
        )
        if back:
            member.hand.pop(user, None)
            member.hand.pop("", None)
        if lost == "ask":
            self.late.append((member, ask))
            return
        answer = self.shard.drawn(ask)
        if lost:
            return
        if answer.epoch != member.epoch:
            member.hand.clear()
        member.epoch, member.share, member.heard, member.seen = answer.epoch, answer.share, member.now, answer
        (given,) = answer.given
        now = min(float(waiting), given.within + given.excess)
        self.spend(now)
        member.hand[user] = member.hand.get(user, 0.0) + given.within + given.excess - now
        member.hand[""] = member.hand.get("", 0.0) + answer.offered

    @rule(name=names, user=st.sampled_from(["", *USERS]))
    def spends_what_it_has_in_hand(self, name, user):
        member = self.member(name)
        member.lapse()
        self.spend(member.hand.pop(user, 0.0))

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.3, 0.6, 1.1, 2.5, 7.0, 21.0]))
    def time_passes(self, seconds):
        self.clock.sleep(seconds)

    @precondition(lambda self: self.late)
    @rule()
    def an_ask_arrives_late(self):
        member, ask = self.late.popleft()
        if member in self.members.values():
            try:
                self.shard.drawn(ask)
            except StaleError:
                return

    @rule(name=names)
    def a_worker_dies_for_good(self, name):
        if name in self.members:  # another machine takes another name: nothing proves that this one is dead
            self.gone.append(self.members.pop(name))
            self.machines[name] += 1

    @rule(name=names)
    def a_worker_is_killed_and_started_again(self, name):
        self.members.pop(name, None)

    @rule(jump=st.sampled_from([-3600, 3600, 0.5]))
    def the_servers_clock_jumps(self, jump):
        self.clock.jump += round(jump * 1e6)

    @invariant()
    def shares_add_up_to_the_whole_at_most(self):
        assert sum(each.holds() for each in (*self.members.values(), *self.gone)) <= 1.0 + 1e-9

    @invariant()
    def no_window_admits_more_than_the_bound(self):
        """C*w + sum of D_i + D, and once in a worker's life a tenth of a second for a clock that jumps."""
        bound = (
            DEEPEST + max(SHORT.threshold * SHORT.burst_seconds, 2 * SHORT.heaviest) + 0.1 * SHORT.maximum * self.lives
        )
        total = 0.0
        if not self.spent:
            return
        end = self.spent[-1][0]
        for at, amount in reversed(self.spent):
            total += amount
            assert total <= bound + SHORT.maximum * (end - at) + 1e-6

    @invariant()
    def what_is_in_hand_counts_against_the_depth(self):
        look = self.shard.looked()
        room = max(40.0 - look.held, -DEEPEST)  # lower than its floor the system bank never is
        assert look.system + look.pool <= room + 1e-6
        assert look.offered + look.held <= 40.0 + 1e-6


class FleetThatLosesItsLedger(Fleet):
    """As above; the ledger's data go too, or another server has them."""

    @rule(flush=st.booleans())
    def the_ledger_is_another(self, flush):
        if flush:
            self.shard.flush()
        else:
            self.shard.restart(f"run{self.lives}x{self.clock.true}")

    @invariant()
    def no_window_admits_more_than_the_bound(self):
        """Tokens in hand of before are good until they lapse: that, each time, is beyond the bound of one process."""


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=20, stateful_step_count=50, deadline=None)
TestFleetThatLosesItsLedger = FleetThatLosesItsLedger.TestCase
TestFleetThatLosesItsLedger.settings = settings(max_examples=15, stateful_step_count=50, deadline=None)
