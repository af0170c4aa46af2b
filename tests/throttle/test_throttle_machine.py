"""Whatever the traffic: one machine that plays every User and the clock, and holds every exact rule at each step.

Each rule is reckoned here anew, from the words of the rule and in exact fractions where it is exact; the machine
looks at nothing of the throttle's but what it answers.
"""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from throttle_model import Bank, Excursion, depths, worst_burst

from sluicegate.throttle import EXCESS, THROTTLED, WITHIN, Limits, Throttle, allocation_depth, system_depth

STEPS = [0.0, 1e-9, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 29.0, 31.0, 3600.0]


class Machine(RuleBasedStateMachine):
    """Some Users behave as they like; of each it is known whether its last request conformed to its bank."""

    sharing = "fair"

    @initialize(
        allocations=st.lists(st.sampled_from([0.0, 0.05, 0.3, 1.0, 2.0, 7.3, 20.0, 90.0]), min_size=1, max_size=8),
        tiny=st.sampled_from([0, 0, 30]),
        burst=st.sampled_from([0.1, 0.5, 2.0]),
        heaviest=st.sampled_from([1.0, 5.0]),
        room=st.sampled_from([1.0, 1.2, 3.0]),
        part=st.sampled_from([0.1, 0.5, 0.8, 1.0]),
        calm=st.sampled_from([1.0, 30.0]),
        start=st.sampled_from([0.0, 12345.678, -5.0]),
    )
    def configure(self, allocations, tiny, burst, heaviest, room, part, calm, start):
        self.allocations = {f"U{i}": a for i, a in enumerate([*allocations, *[0.05] * tiny])}
        self.names = list(self.allocations)
        maximum = max(1.0, sum(self.allocations.values())) * room
        self.limits = Limits(maximum, maximum * part, burst, calm, heaviest, self.sharing)
        self.throttle = Throttle(self.limits, self.allocations, start)
        self.now = self.latest = start
        self.banks = {
            name: Bank(Fraction(a), Fraction(allocation_depth(a, burst, heaviest)), now=Fraction(start))
            for name, a in self.allocations.items()
        }
        threshold = self.limits.threshold
        self.floor = -max(depths(self.limits, self.allocations), threshold * calm)
        self.offered = Bank(threshold, system_depth(threshold, burst, heaviest), self.floor, start)
        self.excursion = Excursion(maximum)
        self.count = 0
        self.active, self.since, self.bad_until = False, start, float("-inf")

    def settle(self, now):
        if self.active and now >= self.bad_until + self.limits.calm_seconds:
            self.active, self.since = False, self.bad_until + self.limits.calm_seconds

    def ask(self, name, weight):
        now = self.latest = max(self.latest, self.now)
        bank = self.banks[name]
        conforms = bank.fill(Fraction(now)) >= Fraction(weight) and self.allocations[name] > 0
        held = self.offered.fill(now)
        outcome = self.throttle.decide(self.throttle.account(name), weight, self.now)

        assert outcome in (WITHIN, EXCESS, THROTTLED)
        assert not (conforms and outcome != WITHIN), f"{name} conforms and is not within its allocation"
        assert not (outcome == THROTTLED and held >= weight), f"the offered bank held {held}: {name} was throttled"

        if outcome == WITHIN:
            bank.take(Fraction(weight))
        if outcome != THROTTLED:
            self.excursion.add(now, weight)
        self.offered.take(weight)
        self.settle(now)
        if self.offered.level < 0:
            self.bad_until = max(self.bad_until, now - self.offered.level / self.limits.threshold)
        if outcome == THROTTLED:
            self.bad_until = max(self.bad_until, now)
            if not self.active:
                self.active, self.since = True, now
        self.count += 1
        return outcome

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds):
        self.now = self.latest + seconds

    @rule(seconds=st.sampled_from([0.01, 5.0, 10_000.0]))
    def the_clock_jumps_back(self, seconds):
        self.now = self.latest - seconds

    @rule(who=st.integers(0, 99), weight=st.sampled_from([1.0, 0.3, 5.0]), times=st.sampled_from([1, 3, 20, 150]))
    def burst_of(self, who, weight, times):
        weight = min(weight, self.limits.heaviest)
        for _ in range(times):
            self.ask(self.names[who % len(self.names)], weight)

    @rule(weight=st.sampled_from([1.0, 5.0]), leave=st.integers(0, 3))
    def all_spend_their_banks(self, weight, leave):
        weight = min(weight, self.limits.heaviest)
        for name in self.names[leave:]:
            for _ in range(200):
                if self.ask(name, weight) != WITHIN:
                    break

    @rule(
        who=st.integers(0, 99),
        times=st.integers(5, 60),
        gap=st.sampled_from([0.0005, 0.004, 0.02, 0.1]),
        others=st.booleans(),
    )
    def stream(self, who, times, gap, others):
        for i in range(times):
            self.now = self.latest + gap
            self.ask(self.names[who % len(self.names)], 1.0)
            if others:
                self.ask(self.names[i % len(self.names)], self.limits.heaviest)

    @rule(who=st.integers(0, 99))
    def exact_spacing(self, who):
        name = self.names[who % len(self.names)]
        allocation = self.allocations[name]
        if allocation >= 1.0:
            for _ in range(30):
                self.now = self.latest + 1.0 / allocation
                self.ask(name, 1.0)

    @precondition(lambda self: hasattr(self, "throttle"))
    @rule(ahead=st.sampled_from([0.0, 0.5, 29.0, 31.0]))
    def look(self, ahead):
        """A look, also at what will be, is not an event: the throttle's time is that of the requests."""
        then = self.latest + ahead
        calm = self.bad_until + self.limits.calm_seconds
        expected = (False, calm) if self.active and then >= calm else (self.active, self.since)
        state = self.throttle.state(then)
        assert (state.active, state.since) == expected

    @invariant()
    def never_more_than_the_capacity_and_the_banks(self):
        if hasattr(self, "throttle"):
            bound = worst_burst(self.limits, self.allocations)
            assert self.excursion.most <= bound + 1e-6 * (1 + self.count)


class FirstComeMachine(Machine):
    sharing = "first-come"


@pytest.mark.parametrize("machine", [Machine, FirstComeMachine])
def test_whatever_the_traffic_every_exact_rule_holds(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
